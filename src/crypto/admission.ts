// What an event must pass before it may be stored or broadcast, wherever it comes from: shape and
// bounds, times, id, signature, cheapest first. No database, no clock; one per thread.

import { derived } from "../config/derived.ts";
import { keptSeconds, type Retention, retention } from "../config/retention.ts";
import {
  encodeEvent,
  encodeSignedVerbatim,
  type EventLimits,
  expirationOf,
  type NostrEvent,
  parseEvent,
} from "../protocol/event.ts";
import { decodeHexInto } from "../protocol/hex.ts";
import { KIND_AUTH } from "../protocol/kind.ts";
import { kindNumbers } from "../protocol/kind-set.ts";
import { checkWork } from "../protocol/proof-of-work.ts";
import type { Reason } from "../protocol/reason.ts";
import { sha256Hex } from "./sha256.ts";
import type { SignatureBackend } from "./signature.ts";

export interface AdmissionRules extends EventLimits {
  /** Of the event's JSON, UTF-8. */
  readonly bytesMax: number;
  readonly createdAtAheadSeconds: number;
  /** 0: as old as it likes. */
  readonly createdAtBehindSeconds: number;
  /** NIP-13, in bits: for single kinds, and for all others. */
  readonly powKinds: ReadonlyMap<number, number>;
  readonly powMin: number;
  readonly retention: Retention;
}

/** The rules of the options in force. */
export const admissionRules: () => AdmissionRules = derived((settings) => ({
  bytesMax: settings["events.bytes_max"],
  tagsMax: settings["events.tags_max"],
  tagValueBytesMax: settings["events.tag_value_bytes_max"],
  contentBytesMax: settings["events.content_bytes_max"],
  createdAtAheadSeconds: settings["events.created_at_ahead_s"],
  createdAtBehindSeconds: settings["events.created_at_behind_s"],
  powKinds: kindNumbers(settings["events.pow_kinds"]),
  powMin: settings["events.pow_min"],
  retention: retention(),
}));

/** Whatever else is asked of an event, before its id and signature are looked at. */
export type EventCheck = (event: NostrEvent) => Reason | null;

export interface Admitted {
  readonly event: NostrEvent;
  /** The event as it is stored and served. */
  readonly json: string;
  /** Unix seconds, 0 = never. */
  readonly expires: number;
}

export class Admission {
  private readonly id = Buffer.alloc(32);
  private readonly pubkey = Buffer.alloc(32);
  private readonly sig = Buffer.alloc(64);
  private readonly backend: SignatureBackend | null;
  /** Signatures checked in vain. */
  forgedCount = 0;

  /** Without a backend, ids and signatures go unchecked: for sources that were checked before. */
  constructor(backend: SignatureBackend | null) {
    this.backend = backend;
  }

  /** `now` in unix seconds. */
  admit(
    value: unknown,
    rules: AdmissionRules,
    now: number,
    check: EventCheck | null = null,
  ): Admitted | Reason {
    const event = parseEvent(value, rules);
    if (typeof event === "string") return event;
    const { signed, json } = encodeEvent(event);
    if (Buffer.byteLength(json) > rules.bytesMax) {
      return `invalid: the event is longer than ${rules.bytesMax} bytes`;
    }
    const expires = expirationOf(event);
    if (expires === null) return "invalid: expiration must be a unix timestamp in seconds";
    const reason =
      checkTimes(event, expires, rules, now) ??
      checkWork(event, rules.powKinds.get(event.kind) ?? rules.powMin) ??
      check?.(event) ??
      this.checkSignature(event, signed);
    return reason ?? { event, json, expires };
  }

  /** An event that is not to be stored: its shape, `check`, id and signature. */
  verify(value: unknown, rules: AdmissionRules, check: EventCheck): NostrEvent | Reason {
    const event = parseEvent(value, rules);
    if (typeof event === "string") return event;
    return check(event) ?? this.checkSignature(event, encodeEvent(event).signed) ?? event;
  }

  private checkSignature(event: NostrEvent, signed: string): Reason | null {
    if (this.backend === null) return null;
    if (sha256Hex(signed) !== event.id) {
      const verbatim = encodeSignedVerbatim(signed);
      if (verbatim === null || sha256Hex(verbatim) !== event.id) {
        return "invalid: the id is not the hash of the event";
      }
    }
    decodeHexInto(event.id, this.id);
    decodeHexInto(event.pubkey, this.pubkey);
    decodeHexInto(event.sig, this.sig);
    if (this.backend.verify(this.id, this.pubkey, this.sig)) return null;
    this.forgedCount += 1;
    return "invalid: bad signature";
  }
}

function checkTimes(
  event: NostrEvent,
  expires: number,
  rules: AdmissionRules,
  now: number,
): Reason | null {
  if (event.kind === KIND_AUTH) return "invalid: kind 22242 belongs in an AUTH message";
  const { createdAtAheadSeconds: ahead, createdAtBehindSeconds: behind } = rules;
  if (event.created_at > now + ahead) {
    return `invalid: created_at is more than ${ahead} seconds in the future`;
  }
  if (behind > 0 && event.created_at < now - behind) {
    return `invalid: created_at is more than ${behind} seconds in the past`;
  }
  const kept = keptSeconds(rules.retention, event.kind);
  if (kept > 0 && event.created_at < now - kept) {
    return `invalid: events of this kind are kept for ${kept} seconds, this one is older`;
  }
  return expires !== 0 && expires <= now ? "invalid: this event has expired" : null;
}
