// Events between threads: everything the writer and the monitor need, so that neither parses JSON
// unless it must. Layouts as in mail.ts.

import type { Settings } from "../config/options.ts";
import type { Outbox } from "../ring/outbox.ts";
import type { RingConsumer } from "../ring/ring.ts";
import { type Candidate, textId } from "../store/candidate.ts";
import { MAIL } from "./mail.ts";

// event: f64 seq | f64 created_at | f64 expires | f64 × 3 keys (id, address, deletedAddress)
//        | u32 owners | u32 flags | u32 kind | u32 term count | u32 connId | u32 message bytes
//        | f64 × owners (deletedIds) | f64 × owners (vanished) | f64 × terms
//        | u16 × terms (marks) | text

const EVENT_HEADER_BYTES = 72;
const MARK_BYTES = 2;
/** Of author, kind, both, and all; and two of the author as an owner. */
const KEYS_BYTES = 6 * 8 + 4 * MARK_BYTES;
/** A special deletion has three terms for a tag; a special gift wrap two, and two of an owner. */
const TAG_KEYS_BYTES = Math.max(3 * (8 + MARK_BYTES), 2 * (8 + MARK_BYTES) + 2 * 8);
const IS_SPECIAL = 1;

/** Of any event that is admitted. */
export function eventMailBytesMax(settings: Settings): number {
  const { "events.bytes_max": bytesMax, "events.tags_max": tagsMax } = settings;
  const keysBytes = KEYS_BYTES + TAG_KEYS_BYTES * tagsMax;
  return EVENT_HEADER_BYTES + keysBytes + bytesMax;
}

export interface EventMail extends Candidate {
  /**
   * 0 on its way to the writer; of an ephemeral event, when its ingester took it, negative: ms
   * since the epoch, with fractions.
   */
  readonly seq: number;
  /** Whom the OK goes to, and how long its message was. */
  readonly connId: number;
  readonly messageBytes: number;
}

export function eventMailBytes(candidate: Candidate): number {
  const { terms, marks, deletedIds, vanished } = candidate.keys;
  const keysCount = terms.length + deletedIds.length + vanished.length;
  const keysBytes = 8 * keysCount + MARK_BYTES * marks.length;
  return EVENT_HEADER_BYTES + keysBytes + candidate.text.length;
}

/** Blocks while the ring is full. */
export function sendEvent(
  out: Outbox,
  candidate: Candidate,
  connId: number,
  messageBytes: number,
): void {
  const at = out.reserve(eventMailBytes(candidate));
  writeEvent(out, at, candidate, 0, connId, messageBytes);
}

/** False when the ring is full. */
export function trySendEvent(
  out: Outbox,
  candidate: Candidate,
  seq: number,
  connId: number,
  messageBytes: number,
): boolean {
  const at = out.tryReserve(eventMailBytes(candidate));
  if (at >= 0) writeEvent(out, at, candidate, seq, connId, messageBytes);
  return at >= 0;
}

function writeEvent(
  out: Outbox,
  at: number,
  candidate: Candidate,
  seq: number,
  connId: number,
  messageBytes: number,
): void {
  const { keys, text } = candidate;
  const { view } = out;
  view.setFloat64(at, seq, true);
  view.setFloat64(at + 8, candidate.created_at, true);
  view.setFloat64(at + 16, candidate.expires, true);
  view.setFloat64(at + 24, keys.id, true);
  view.setFloat64(at + 32, keys.address, true);
  view.setFloat64(at + 40, keys.deletedAddress, true);
  view.setUint32(at + 48, keys.deletedIds.length, true);
  view.setUint32(at + 52, keys.isSpecial ? IS_SPECIAL : 0, true);
  view.setUint32(at + 56, candidate.kind, true);
  view.setUint32(at + 60, keys.terms.length, true);
  view.setUint32(at + 64, connId, true);
  view.setUint32(at + 68, messageBytes, true);
  let keysAt = writeKeys(view, at + EVENT_HEADER_BYTES, keys.deletedIds);
  keysAt = writeKeys(view, keysAt, keys.vanished);
  keysAt = writeKeys(view, keysAt, keys.terms);
  for (const mark of keys.marks) {
    view.setUint16(keysAt, mark, true);
    keysAt += MARK_BYTES;
  }
  out.bytes.set(text, keysAt);
  out.commit(MAIL.event, eventMailBytes(candidate));
}

/** Where they end. */
function writeKeys(view: DataView, at: number, keys: readonly number[]): number {
  let end = at;
  for (const key of keys) {
    view.setFloat64(end, key, true);
    end += 8;
  }
  return end;
}

function readKeys(view: DataView, at: number, count: number): number[] {
  const keys: number[] = [];
  for (let i = 0; i < count; i++) keys.push(view.getFloat64(at + 8 * i, true));
  return keys;
}

function readMarks(view: DataView, at: number, count: number): number[] {
  const marks: number[] = [];
  for (let i = 0; i < count; i++) marks.push(view.getUint16(at + MARK_BYTES * i, true));
  return marks;
}

export function readEventSeq(ring: RingConsumer): number {
  return ring.view.getFloat64(ring.offset, true);
}

/** The text stays in the ring: whoever keeps it beyond the batch copies it. */
export function readEvent(ring: RingConsumer): EventMail {
  const { view, offset: at } = ring;
  const owners = view.getUint32(at + 48, true);
  const ownersAt = at + EVENT_HEADER_BYTES;
  const termCount = view.getUint32(at + 60, true);
  const termsAt = ownersAt + 2 * 8 * owners;
  const terms = readKeys(view, termsAt, termCount);
  const marksAt = termsAt + 8 * termCount;
  const marks = readMarks(view, marksAt, termCount);
  const text = ring.bytes.subarray(marksAt + MARK_BYTES * termCount, at + ring.length);
  return {
    id: textId(text),
    seq: view.getFloat64(at, true),
    created_at: view.getFloat64(at + 8, true),
    expires: view.getFloat64(at + 16, true),
    keys: {
      id: view.getFloat64(at + 24, true),
      address: view.getFloat64(at + 32, true),
      deletedAddress: view.getFloat64(at + 40, true),
      deletedIds: readKeys(view, ownersAt, owners),
      vanished: readKeys(view, ownersAt + 8 * owners, owners),
      author: terms[0] as number,
      terms,
      marks,
      isSpecial: view.getUint32(at + 52, true) === IS_SPECIAL,
    },
    kind: view.getUint32(at + 56, true),
    connId: view.getUint32(at + 64, true),
    messageBytes: view.getUint32(at + 68, true),
    text,
  };
}
