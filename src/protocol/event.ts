// Events (NIP-01): untrusted JSON → typed event, and the two texts an event has: the one its id is
// the hash of, and the one that is stored and served. Pure; knows no thread and no clock.
//
// Handled on purpose: unknown fields are dropped; of duplicate keys the last counts (JSON.parse)
// and is what gets hashed and served; `__proto__` is a key like any other unknown one; lone
// surrogates are refused, for they have no UTF-8 form; so are numbers that are not safe integers.

import { isHex128, isHex64 } from "./hex.ts";
import { classifyKind, isKind } from "./kind.ts";
import type { Reason } from "./reason.ts";

export type Tag = readonly string[];

export interface NostrEvent {
  readonly id: string;
  readonly pubkey: string;
  readonly created_at: number;
  readonly kind: number;
  readonly tags: readonly Tag[];
  readonly content: string;
  readonly sig: string;
}

/** Bounds from the option table, in bytes of UTF-8 unless the name says otherwise. */
export interface EventLimits {
  readonly tagsMax: number;
  readonly tagValueBytesMax: number;
  readonly contentBytesMax: number;
}

const NO_LIMIT = Number.MAX_SAFE_INTEGER;

/** For events that passed the limits before: rows of the database, exports of another relay. */
export const NO_EVENT_LIMITS: EventLimits = {
  tagsMax: NO_LIMIT,
  tagValueBytesMax: NO_LIMIT,
  contentBytesMax: NO_LIMIT,
};

/**
 * Checks shape and bounds, not the id and not the signature. Returns the event with just its seven
 * fields, or the reason why it is none.
 */
export function parseEvent(value: unknown, limits: EventLimits): NostrEvent | Reason {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return "invalid: an event must be an object";
  }
  const { id, pubkey, created_at, kind, tags, content, sig } = value as Record<string, unknown>;
  if (!isHex64(id)) return "invalid: id must be 64 lower-case hex digits";
  if (!isHex64(pubkey)) return "invalid: pubkey must be 64 lower-case hex digits";
  if (!isHex128(sig)) return "invalid: sig must be 128 lower-case hex digits";
  if (!isTimestamp(created_at)) return "invalid: created_at must be a unix timestamp in seconds";
  if (!isKind(kind)) return "invalid: kind must be an integer from 0 to 65535";
  if (typeof content !== "string") return "invalid: content must be a string";
  if (!content.isWellFormed()) return "invalid: content has a lone surrogate";
  if (exceeds(content, limits.contentBytesMax)) {
    return `invalid: content is longer than ${limits.contentBytesMax} bytes`;
  }
  if (!Array.isArray(tags)) return "invalid: tags must be an array";
  const refusal = checkTags(tags, limits);
  if (refusal !== null) return refusal;
  return { id, pubkey, created_at, kind, tags: tags as Tag[], content, sig };
}

/** Unix seconds: a safe integer from 0 on. */
export function isTimestamp(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function checkTags(tags: readonly unknown[], limits: EventLimits): Reason | null {
  if (tags.length > limits.tagsMax) return `invalid: more than ${limits.tagsMax} tags`;
  for (const tag of tags) {
    if (!Array.isArray(tag)) return "invalid: each tag must be an array of strings";
    for (const element of tag as unknown[]) {
      if (typeof element !== "string") return "invalid: each tag must be an array of strings";
      if (!element.isWellFormed()) return "invalid: a tag has a lone surrogate";
      if (exceeds(element, limits.tagValueBytesMax)) {
        return `invalid: a tag value is longer than ${limits.tagValueBytesMax} bytes`;
      }
    }
  }
  return null;
}

/** True when `text` is longer than `bytesMax` in UTF-8; counts bytes only when it could be. */
function exceeds(text: string, bytesMax: number): boolean {
  if (text.length * 3 <= bytesMax) return false;
  return text.length > bytesMax || Buffer.byteLength(text) > bytesMax;
}

/** Both texts of an event; made together because they share their longest parts. */
export interface EventTexts {
  /** What the id is the SHA-256 of: `[0,pubkey,created_at,kind,tags,content]`. */
  readonly signed: string;
  /** What is stored and served: the event as JSON, fields in the order of NIP-01. */
  readonly json: string;
}

export function encodeEvent(event: NostrEvent): EventTexts {
  const tags = JSON.stringify(event.tags);
  const content = JSON.stringify(event.content);
  const { id, pubkey, created_at, kind, sig } = event;
  return {
    signed: `[0,"${pubkey}",${created_at},${kind},${tags},${content}]`,
    json:
      `{"id":"${id}","pubkey":"${pubkey}","created_at":${created_at},"kind":${kind},` +
      `"tags":${tags},"content":${content},"sig":"${sig}"}`,
  };
}

const ESCAPE = /\\(u00[01][0-9a-f]|[^u]|u)/g;

/**
 * The other reading of the escaping rule. NIP-01 escapes seven characters and wants all others
 * verbatim; most clients hash JSON.stringify's text, which writes the rest of the control
 * characters as \u00XX. An id is right if it fits either. Null when the two readings are the same.
 */
export function encodeSignedVerbatim(signed: string): string | null {
  if (!signed.includes("\\u00")) return null;
  const text = signed.replace(ESCAPE, (whole, code: string) =>
    code.length === 5 ? String.fromCharCode(Number.parseInt(code.slice(1), 16)) : whole,
  );
  return text === signed ? null : text;
}

/** The first value of the first tag of that name, or null. */
export function firstTagValue(event: Pick<NostrEvent, "tags">, name: string): string | null {
  for (const tag of event.tags) if (tag[0] === name) return tag[1] ?? null;
  return null;
}

/** `kind:pubkey:d` (NIP-01) of a replaceable or addressable event, else null. */
export function addressOf(event: NostrEvent): string | null {
  const kindClass = classifyKind(event.kind);
  if (kindClass === "replaceable") return `${event.kind}:${event.pubkey}:`;
  if (kindClass !== "addressable") return null;
  return `${event.kind}:${event.pubkey}:${firstTagValue(event, "d") ?? ""}`;
}

const ADDRESS = /^(0|[1-9][0-9]{0,4}):([0-9a-f]{64}):([^]*)$/;

/** The parts of an `a` tag's value, or null when it names nothing replaceable. */
export function parseAddress(text: string): { kind: number; pubkey: string } | null {
  const match = ADDRESS.exec(text);
  if (match === null) return null;
  const kind = Number(match[1]);
  const kindClass = classifyKind(kind);
  if (kindClass === "replaceable" && match[3] !== "") return null;
  if (kindClass !== "replaceable" && kindClass !== "addressable") return null;
  return { kind, pubkey: match[2] as string };
}

const DIGITS = /^[0-9]{1,15}$/;

/**
 * NIP-40: unix seconds after which the event is gone, 0 for never, null when the tag's value is no
 * timestamp.
 */
export function expirationOf(event: NostrEvent): number | null {
  for (const tag of event.tags) {
    if (tag[0] !== "expiration") continue;
    return DIGITS.test(tag[1] ?? "") ? Math.max(1, Number(tag[1])) : null;
  }
  return 0;
}

const LETTER = /^[a-zA-Z]$/;

export function isLetter(name: string): boolean {
  return LETTER.test(name);
}

/** True when a filter can ask for this tag (NIP-01): a single letter; `e` and `p` only by hex. */
export function isIndexedTag(name: string | undefined, value: string | undefined): boolean {
  if (name === undefined || value === undefined || !isLetter(name)) return false;
  return (name !== "e" && name !== "p") || isHex64(value);
}
