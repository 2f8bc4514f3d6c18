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
  /** The event's JSON, UTF-8, as `encodeEvent` writes it. May lie in a ring. */
  readonly text: Buffer;
}

/** `json` is `encodeEvent`'s of the same event. */
export function makeCandidate(event: NostrEvent, json: string, expires: number): Candidate {
  const { id, created_at, kind } = event;
  return { id, created_at, kind, expires, keys: eventKeys(event), text: Buffer.from(json) };
}

export function candidateOf(event: NostrEvent): Candidate {
  return makeCandidate(event, encodeEvent(event).json, expirationOf(event) ?? 0);
}

/** Reads back what `encodeEvent` wrote. */
export function decodeText(text: Buffer): NostrEvent {
  const event = parseEvent(JSON.parse(text.toString("utf8")), NO_EVENT_LIMITS);
  if (typeof event === "string") throw new Error(`database: stored event is ${event}`);
  return event;
}

// The text starts `{"id":"<64>","pubkey":"<64>",`, so these two need no parsing.
const ID_AT = 7;
const PUBKEY_AT = 83;
const HEX_64_LENGTH = 64;
/** After `"created_at":`. */
const CREATED_AT_AT = 162;
const KIND_PREFIX_LENGTH = ',"kind":'.length;
const COMMA = 0x2c;
const DIGIT_0 = 0x30;

export function textId(text: Buffer): string {
  return text.toString("latin1", ID_AT, ID_AT + HEX_64_LENGTH);
}

export function textPubkey(text: Buffer): string {
  return text.toString("latin1", PUBKEY_AT, PUBKEY_AT + HEX_64_LENGTH);
}

export function textCreatedAt(text: Buffer): number {
  return Number(text.toString("latin1", CREATED_AT_AT, text.indexOf(COMMA, CREATED_AT_AT)));
}

export function textKind(text: Buffer): number {
  let at = text.indexOf(COMMA, CREATED_AT_AT) + KIND_PREFIX_LENGTH;
  let kind = 0;
  for (; at < text.length && text[at] !== COMMA; at++)
    kind = kind * 10 + (text[at] as number) - DIGIT_0;
  return kind;
}
