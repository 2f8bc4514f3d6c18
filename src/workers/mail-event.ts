// Events between threads: everything the writer and the monitor need, so that neither parses JSON
// unless it must. Layouts as in mail.ts.

import type { Settings } from "../config/options.ts";
import type { Outbox } from "../ring/outbox.ts";
import type { RingConsumer } from "../ring/ring.ts";
import { type Candidate, textId } from "../store/candidate.ts";
import { payloadText } from "../store/payload.ts";
import { MAIL } from "./mail.ts";

// event: f64 seq | f64 created_at | f64 expires | f64 × 4 keys (id, address, deletedId,
//        deletedAddress) | u32 kind and flags | u32 term count | u32 connId | u32 message bytes
//        | f64 × terms | u16 × their marks | payload

const EVENT_HEADER_BYTES = 72;
const TERM_BYTES = 8 + 2;
/** Of author, kind, both, and all. */
const KEYS_BYTES = 4 * TERM_BYTES;
/** A special deletion has three keys for a tag. */
const TAG_KEYS_BYTES = 3 * TERM_BYTES;
/** Kinds have 16 bits. */
const KIND_MASK = 0xffff;
const IS_SPECIAL = 0x10000;
const PAYLOAD_HEADER_BYTES = 5;

/** Of any event that is admitted. */
export function eventMailBytesMax(settings: Settings): number {
  const { "events.bytes_max": bytesMax, "events.tags_max": tagsMax } = settings;
  const keysBytes = KEYS_BYTES + TAG_KEYS_BYTES * tagsMax;
  return EVENT_HEADER_BYTES + keysBytes + PAYLOAD_HEADER_BYTES + bytesMax;
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
  return EVENT_HEADER_BYTES + TERM_BYTES * candidate.keys.terms.length + candidate.payload.length;
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
  const { keys, payload } = candidate;
  const { view } = out;
  view.setFloat64(at, seq, true);
  view.setFloat64(at + 8, candidate.created_at, true);
  view.setFloat64(at + 16, candidate.expires, true);
  view.setFloat64(at + 24, keys.id, true);
  view.setFloat64(at + 32, keys.address, true);
  view.setFloat64(at + 40, keys.deletedId, true);
  view.setFloat64(at + 48, keys.deletedAddress, true);
  view.setUint32(at + 56, candidate.kind + (keys.isSpecial ? IS_SPECIAL : 0), true);
  view.setUint32(at + 60, keys.terms.length, true);
  view.setUint32(at + 64, connId, true);
  view.setUint32(at + 68, messageBytes, true);
  let termAt = at + EVENT_HEADER_BYTES;
  for (const term of keys.terms) {
    view.setFloat64(termAt, term, true);
    termAt += 8;
  }
  for (const mark of keys.marks) {
    view.setUint16(termAt, mark, true);
    termAt += 2;
  }
  out.bytes.set(payload, termAt);
  out.commit(MAIL.event, eventMailBytes(candidate));
}

export function readEventSeq(ring: RingConsumer): number {
  return ring.view.getFloat64(ring.offset, true);
}

/** The payload stays in the ring: whoever keeps it beyond the batch copies it. */
export function readEvent(ring: RingConsumer): EventMail {
  const { view, offset: at } = ring;
  const termCount = view.getUint32(at + 60, true);
  const terms: number[] = [];
  let termAt = at + EVENT_HEADER_BYTES;
  for (let i = 0; i < termCount; i++) {
    terms.push(view.getFloat64(termAt, true));
    termAt += 8;
  }
  const marks: number[] = [];
  for (let i = 0; i < termCount; i++) {
    marks.push(view.getUint16(termAt, true));
    termAt += 2;
  }
  const kind = view.getUint32(at + 56, true);
  const payload = ring.bytes.subarray(termAt, at + ring.length);
  const text = payloadText(payload);
  return {
    id: textId(text),
    seq: view.getFloat64(at, true),
    created_at: view.getFloat64(at + 8, true),
    expires: view.getFloat64(at + 16, true),
    keys: {
      id: view.getFloat64(at + 24, true),
      address: view.getFloat64(at + 32, true),
      deletedId: view.getFloat64(at + 40, true),
      deletedAddress: view.getFloat64(at + 48, true),
      author: terms[0] as number,
      terms,
      marks,
      isSpecial: kind >= IS_SPECIAL,
    },
    kind: kind & KIND_MASK,
    connId: view.getUint32(at + 64, true),
    messageBytes: view.getUint32(at + 68, true),
    payload,
    text,
  };
}
