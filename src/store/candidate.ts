// An event on its way into the store: checked, its keys computed, its text encoded, so that the
// writer parses nothing but the few events whose meaning it needs (replaceables, deletions).

import {
  encodeEvent,
  expirationOf,
  NO_EVENT_LIMITS,
  type NostrEvent,
  parseEvent,
} from "../protocol/event.ts";
import { type EventKeys, eventKeys } from "./term.ts";

export interface Candidate {
  readonly id: string;
  readonly created_at: number;
  readonly kind: number;
  /** Unix seconds, 0 = never. */
  readonly expires: number;
  readonly keys: EventKeys;
  /** The event's JSON, UTF-8. May lie in a ring: copied when it is stored. */
  readonly text: Uint8Array;
}

export function candidateOf(event: NostrEvent): Candidate {
  return {
    id: event.id,
    created_at: event.created_at,
    kind: event.kind,
    expires: expirationOf(event) ?? 0,
    keys: eventKeys(event),
    text: Buffer.from(encodeEvent(event).json),
  };
}

/** Reads back what `encodeEvent` wrote. */
export function decodeText(text: Uint8Array): NostrEvent {
  const json = Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString("utf8");
  const event = parseEvent(JSON.parse(json), NO_EVENT_LIMITS);
  if (typeof event === "string") throw new Error(`database: stored event is ${event}`);
  return event;
}

// The text starts `{"id":"<64>","pubkey":"<64>",`, so these two need no parsing.
const ID_AT = 7;
const PUBKEY_AT = 83;
const HEX_64_LENGTH = 64;

export function textId(text: Buffer): string {
  return text.toString("latin1", ID_AT, ID_AT + HEX_64_LENGTH);
}

export function textPubkey(text: Buffer): string {
  return text.toString("latin1", PUBKEY_AT, PUBKEY_AT + HEX_64_LENGTH);
}
