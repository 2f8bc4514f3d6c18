// Moderation events (NIP-29), read: untrusted tags → what the event asks for, or why it can't be
// understood. Whether its author may is check.ts's to say. Pure; belongs to no thread.

import { type NostrEvent, parseAddress, type Tag } from "../../protocol/event.ts";
import { isHex64 } from "../../protocol/hex.ts";
import { isKind } from "../../protocol/kind.ts";
import type { Reason } from "../../protocol/reason.ts";
import { type Metadata, tagValues } from "./group.ts";

/** All that a group says of itself takes some ten kilobytes at most, beside kinds and subgroups. */
const TEXT_BYTES_MAX = 2048;
const SUPPORTED_KINDS_MAX = 500;
const ROLE_LENGTH_MAX = 64;
const ROLES_MAX = 16;
const CODE_LENGTH_MAX = 256;
/** Each is looked for in the database, and removed. */
const DELETED_MAX = 100;
/** An address is a kind, a pubkey and an identifier. */
const PIN_LENGTH_MAX = 512;

/** One `p` tag of a put-user: the member, and the roles it has from then on. */
export interface Put {
  readonly pubkey: string;
  readonly roles: readonly string[];
}

export interface Edit extends Metadata {
  readonly children: readonly string[];
}

export function parsePuts(event: NostrEvent): readonly Put[] | Reason {
  const puts = new Map<string, Put>();
  for (const [name, pubkey, ...names] of event.tags) {
    if (name !== "p") continue;
    if (!isHex64(pubkey)) return "invalid: a p tag must hold 64 lower-case hex digits";
    const roles = [...new Set(names.filter((role) => role !== ""))];
    if (roles.length > ROLES_MAX) return `invalid: a member has at most ${ROLES_MAX} roles`;
    if (roles.some((role) => role.length > ROLE_LENGTH_MAX)) {
      return `invalid: a role is longer than ${ROLE_LENGTH_MAX} characters`;
    }
    puts.set(pubkey, { pubkey, roles });
  }
  return puts.size > 0 ? [...puts.values()] : "invalid: put-user needs a p tag";
}

export function parseRemovals(event: NostrEvent): readonly string[] | Reason {
  const pubkeys = [...tagValues(event, "p")];
  if (!pubkeys.every(isHex64)) return "invalid: a p tag must hold 64 lower-case hex digits";
  return pubkeys.length > 0 ? pubkeys : "invalid: remove-user needs a p tag";
}

/**
 * A kind 9002 carries all fields: what is absent is off from then on, as it is in kind 39000. Its
 * `child` tags are those of the NIP: the whole list, in order.
 */
export function parseEdit(event: NostrEvent): Edit | Reason {
  const parents = [...tagValues(event, "parent")];
  if (parents.length > 1) return "invalid: a group has one parent at most";
  const supportedKinds = parseSupportedKinds(event);
  if (typeof supportedKinds === "string") return supportedKinds;
  const texts = parseTexts(event);
  if (typeof texts === "string") return texts;
  const has = (name: string): boolean => event.tags.some((tag) => tag[0] === name);
  if (has("livekit")) return "unsupported: this relay has no live audio and video";
  return {
    ...texts,
    isPrivate: has("private"),
    isRestricted: has("restricted"),
    isHidden: has("hidden"),
    isClosed: has("closed"),
    supportedKinds,
    parent: parents[0] ?? null,
    children: [...tagValues(event, "child")],
  };
}

const TEXTS = ["name", "picture", "banner", "about"] as const;

function parseTexts(event: NostrEvent): Pick<Metadata, (typeof TEXTS)[number]> | Reason {
  const texts: Record<(typeof TEXTS)[number], string | null> = {
    name: null,
    picture: null,
    banner: null,
    about: null,
  };
  for (const name of TEXTS) {
    const values = [...tagValues(event, name)];
    if (values.length > 1) return `invalid: more than one ${name}`;
    const text = values[0] ?? "";
    if (Buffer.byteLength(text) > TEXT_BYTES_MAX) {
      return `invalid: ${name} is longer than ${TEXT_BYTES_MAX} bytes`;
    }
    texts[name] = text === "" ? null : text;
  }
  return texts;
}

const DIGITS = /^(0|[1-9][0-9]{0,4})$/;

function parseSupportedKinds(event: NostrEvent): readonly number[] | null | Reason {
  const tag = event.tags.find(([name]) => name === "supported_kinds");
  if (tag === undefined) return null;
  const kinds: number[] = [];
  for (const text of tag.slice(1)) {
    if (!DIGITS.test(text) || !isKind(Number(text))) {
      return "invalid: supported_kinds must be integers from 0 to 65535";
    }
    if (!kinds.includes(Number(text))) kinds.push(Number(text));
    if (kinds.length > SUPPORTED_KINDS_MAX) {
      return `invalid: more than ${SUPPORTED_KINDS_MAX} supported_kinds`;
    }
  }
  return kinds;
}

export function parseDeletedIds(event: NostrEvent): readonly string[] | Reason {
  const ids = [...tagValues(event, "e")];
  if (!ids.every(isHex64)) return "invalid: an e tag must hold 64 lower-case hex digits";
  if (ids.length > DELETED_MAX) return `invalid: more than ${DELETED_MAX} events to delete`;
  return ids.length > 0 ? ids : "invalid: delete-event needs an e tag";
}

export function parseCodes(event: NostrEvent): readonly string[] | Reason {
  const codes = [...tagValues(event, "code")];
  if (codes.some((code) => code === "" || code.length > CODE_LENGTH_MAX)) {
    return `invalid: a code has 1 to ${CODE_LENGTH_MAX} characters`;
  }
  return codes.length > 0 ? codes : "invalid: create-invite needs a code tag";
}

/** The whole list, in order; none at all clears it. */
export function parsePins(event: NostrEvent): readonly Tag[] | Reason {
  const pins = new Map<string, Tag>();
  for (const [name, value = ""] of event.tags) {
    if (name === "e" && !isHex64(value)) {
      return "invalid: an e tag must hold 64 lower-case hex digits";
    }
    if (name === "a" && (value.length > PIN_LENGTH_MAX || parseAddress(value) === null)) {
      return "invalid: an a tag must hold the address of an event";
    }
    if (name === "e" || name === "a") pins.set(`${name}:${value}`, [name, value]);
  }
  return [...pins.values()];
}
