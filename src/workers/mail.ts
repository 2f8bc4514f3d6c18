// Every message between threads: its type number, and the layout of most; frames for clients are
// in mail-frames.ts, events in mail-event.ts, management in mail-management.ts, syncs in
// mail-sync.ts, the router in mail-router.ts. All integers are little-endian; `gen` and `seq` are
// f64 because they may pass 2^32; texts are UTF-8.
//
// slot, gen: a connection's subscriptions are numbered by slot; each REQ or CLOSE raises the gen.
// The main thread drops frames of a gen that is no longer the slot's, so that nothing of a
// subscription is sent once its CLOSE or its replacement has been seen, whatever other threads
// still produce.
//
// What only ends something, or gives something back, is committed quietly: it is seen in its order
// when its consumer is next awake.

import { decodeFilter, encodeFilter, type Filter, type FilterRow } from "../protocol/filter.ts";
import { NOBODY, type Viewer } from "../protocol/visibility.ts";
import type { Outbox } from "../ring/outbox.ts";
import type { RingConsumer } from "../ring/ring.ts";

export const MAIL = {
  // main → ingester
  clientText: 1,
  clientGone: 2,
  subscriptionEnded: 3,
  management: 6,
  controlChanged: 7,
  // main → ingester, router → writer, reader → monitor: nothing more will come; each answers
  // `stopped`
  stop: 4,
  stopped: 5,
  // → main
  frames: 10,
  gate: 11,
  done: 12,
  fanout: 13,
  managementAnswer: 14,
  control: 15,
  routerMetrics: 16,
  // ingester, router → writer, writer → monitor, ingester → monitor
  event: 20,
  // ingester → writer
  refused: 21,
  managementCall: 22,
  // writer → router
  fate: 23,
  // ingester → reader
  query: 30,
  // ingester → reader → monitor
  close: 31,
  gone: 32,
  // reader → monitor
  subscribe: 40,
  // main → reader
  credit: 50,
  // ingester → negentropy
  syncOpen: 60,
  syncMessage: 61,
  syncRefused: 62,
  syncClose: 63,
} as const;

/** Finer than Date.now: an ephemeral event and a REQ taken after it must not have the same time. */
export function clockMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Frames of no subscription (OK, NOTICE, COUNT) have this slot and are never dropped. */
export const NO_SLOT = 0xffffffff;

/** Which REQ of which connection. */
export interface SubscriptionRef {
  readonly connId: number;
  readonly slot: number;
  readonly gen: number;
}

// clientText: u32 connId | text

/** False when the ring is full. `bytes` is the text's length in UTF-8. */
export function trySendClientText(
  out: Outbox,
  connId: number,
  text: string,
  bytes: number,
): boolean {
  const at = out.tryReserve(4 + bytes);
  if (at < 0) return false;
  out.view.setUint32(at, connId, true);
  out.bytes.write(text, at + 4, bytes, "utf8");
  out.commit(MAIL.clientText, 4 + bytes);
  return true;
}

export function readClientText(ring: RingConsumer): { connId: number; text: string } {
  const connId = ring.view.getUint32(ring.offset, true);
  return { connId, text: ring.bytes.toString("utf8", ring.offset + 4, ring.offset + ring.length) };
}

// clientGone, gone: u32 connId

export function trySendClientGone(out: Outbox, connId: number): boolean {
  const at = out.tryReserve(4);
  if (at < 0) return false;
  out.view.setUint32(at, connId, true);
  out.commitQuietly(MAIL.clientGone, 4);
  return true;
}

export function sendGone(out: Outbox, connId: number): void {
  out.view.setUint32(out.reserve(4), connId, true);
  out.commitQuietly(MAIL.gone, 4);
}

export function readConnId(ring: RingConsumer): number {
  return ring.view.getUint32(ring.offset, true);
}

// subscriptionEnded, gate, close: u32 connId | u32 slot | f64 gen

export const REF_BYTES = 16;

export function writeRef(out: Outbox, at: number, ref: SubscriptionRef): void {
  out.view.setUint32(at, ref.connId, true);
  out.view.setUint32(at + 4, ref.slot, true);
  out.view.setFloat64(at + 8, ref.gen, true);
}

export function readRef(ring: RingConsumer): SubscriptionRef {
  return {
    connId: ring.view.getUint32(ring.offset, true),
    slot: ring.view.getUint32(ring.offset + 4, true),
    gen: ring.view.getFloat64(ring.offset + 8, true),
  };
}

export function trySendSubscriptionEnded(out: Outbox, ref: SubscriptionRef): boolean {
  const at = out.tryReserve(REF_BYTES);
  if (at < 0) return false;
  writeRef(out, at, ref);
  out.commit(MAIL.subscriptionEnded, REF_BYTES);
  return true;
}

/** From now on, frames of that slot with a lower gen are dropped. */
export function sendGate(out: Outbox, ref: SubscriptionRef): void {
  writeRef(out, out.reserve(REF_BYTES), ref);
  out.commitQuietly(MAIL.gate, REF_BYTES);
}

/** Ends whatever that slot has of a lower gen. */
export function sendClose(out: Outbox, ref: SubscriptionRef): void {
  writeRef(out, out.reserve(REF_BYTES), ref);
  out.commitQuietly(MAIL.close, REF_BYTES);
}

// stop, stopped: empty

export function sendStop(out: Outbox): void {
  out.reserve(0);
  out.commit(MAIL.stop, 0);
}

export function trySendStop(out: Outbox): boolean {
  if (out.tryReserve(0) < 0) return false;
  out.commit(MAIL.stop, 0);
  return true;
}

export function sendStopped(out: Outbox): void {
  out.reserve(0);
  out.commit(MAIL.stopped, 0);
}

// controlChanged: empty

export function trySendControlChanged(out: Outbox): boolean {
  if (out.tryReserve(0) < 0) return false;
  out.commit(MAIL.controlChanged, 0);
  return true;
}

// done: u32 connId | u32 messages | u32 bytes: so many of the client's messages are dealt with

export interface Done {
  readonly connId: number;
  readonly messages: number;
  readonly bytes: number;
}

export function sendDone(out: Outbox, done: Done): void {
  const at = out.reserve(12);
  out.view.setUint32(at, done.connId, true);
  out.view.setUint32(at + 4, done.messages, true);
  out.view.setUint32(at + 8, done.bytes, true);
  out.commitQuietly(MAIL.done, 12);
}

export function readDone(ring: RingConsumer): Done {
  return {
    connId: ring.view.getUint32(ring.offset, true),
    messages: ring.view.getUint32(ring.offset + 4, true),
    bytes: ring.view.getUint32(ring.offset + 8, true),
  };
}

// credit: u32 connId | u32 bytes: so many bytes of stored events have left for the client

export function trySendCredit(out: Outbox, connId: number, bytes: number): boolean {
  const at = out.tryReserve(8);
  if (at < 0) return false;
  out.view.setUint32(at, connId, true);
  out.view.setUint32(at + 4, bytes, true);
  out.commitQuietly(MAIL.credit, 8);
  return true;
}

export function readCredit(ring: RingConsumer): { connId: number; bytes: number } {
  return {
    connId: ring.view.getUint32(ring.offset, true),
    bytes: ring.view.getUint32(ring.offset + 4, true),
  };
}

// query: ref (16) | u32 flags | u32 message bytes | f64 taken at, ms | i32 changes | u32 0 | body
// subscribe: ref (16) | f64 last seq seen | f64 taken at, ms | u32 is widening | u32 0 | body
// body: JSON [id, filters, keys signed in with, those before], the last two only when there are any

const QUERY_HEADER_BYTES = 40;
const IS_COUNT = 1;
const IS_REPLACEMENT = 2;

export interface QueryMail extends SubscriptionRef {
  readonly isCount: boolean;
  /** The slot had a subscription of that id, which ends with this. */
  readonly isReplacement: boolean;
  /** The length of the client's message when its end is for the reader to report, else 0. */
  readonly messageBytes: number;
  /** When the ingester took it: ephemeral events since then are the subscription's. */
  readonly takenAtMs: number;
  /** `Changes.count` at that time. */
  readonly changes: number;
  readonly id: string;
  readonly filters: readonly Filter[];
  /** The keys that its client has signed in with. */
  readonly viewer: Viewer;
  /**
   * Null, or the keys it had before: the subscription is open already, and is to see as well what
   * the new ones may see.
   */
  readonly before: Viewer | null;
  /** All of that as it travels on. */
  readonly body: Buffer;
}

/** A query's filters as they travel. */
export function encodeFilters(filters: readonly Filter[]): string {
  return JSON.stringify(filters.map(encodeFilter));
}

/** What follows a query's header; null when it is too long for the rings. */
export function encodeQuery(
  out: Outbox,
  id: string,
  filters: string,
  viewer: Viewer,
  before: Viewer | null = null,
): Buffer | null {
  const keys = viewer.size === 0 ? "" : `,${JSON.stringify([...viewer])}`;
  const keysBefore = before === null ? "" : `,${JSON.stringify([...before])}`;
  const body = Buffer.from(`[${JSON.stringify(id)},${filters}${keys}${keysBefore}]`);
  const fits = QUERY_HEADER_BYTES + body.length <= out.recordBytesMax;
  return fits ? body : null;
}

export function sendQuery(
  out: Outbox,
  query: Omit<QueryMail, keyof QueryBody | "body">,
  body: Buffer,
): void {
  const at = out.reserve(QUERY_HEADER_BYTES + body.length);
  writeRef(out, at, query);
  const flags = (query.isCount ? IS_COUNT : 0) | (query.isReplacement ? IS_REPLACEMENT : 0);
  out.view.setUint32(at + 16, flags, true);
  out.view.setUint32(at + 20, query.messageBytes, true);
  out.view.setFloat64(at + 24, query.takenAtMs, true);
  out.view.setInt32(at + 32, query.changes, true);
  out.bytes.set(body, at + QUERY_HEADER_BYTES);
  out.commit(MAIL.query, QUERY_HEADER_BYTES + body.length);
}

export type QueryBody = Pick<QueryMail, "id" | "filters" | "viewer" | "before">;

/** JSON, because msgpack takes as long for these and ten times as long for long lists. */
export function parseQueryBody(body: string): QueryBody {
  const [id, rows, keys, keysBefore] = JSON.parse(body) as [
    id: string,
    rows: FilterRow[],
    keys?: string[],
    keysBefore?: string[],
  ];
  return {
    id,
    filters: rows.map(decodeFilter),
    viewer: keys === undefined ? NOBODY : new Set(keys),
    before: keysBefore === undefined ? null : new Set(keysBefore),
  };
}

export function readQuery(ring: RingConsumer): QueryMail {
  const { view, offset } = ring;
  const bodyAt = offset + QUERY_HEADER_BYTES;
  const body = Buffer.from(ring.bytes.subarray(bodyAt, offset + ring.length)); // a copy
  const flags = view.getUint32(offset + 16, true);
  return {
    ...readRef(ring),
    isCount: (flags & IS_COUNT) !== 0,
    isReplacement: (flags & IS_REPLACEMENT) !== 0,
    messageBytes: view.getUint32(offset + 20, true),
    takenAtMs: view.getFloat64(offset + 24, true),
    changes: view.getInt32(offset + 32, true),
    body,
    ...parseQueryBody(body.toString("utf8")),
  };
}

/** A subscription whose stored part is done: what comes now is the monitor's to send. */
export interface SubscribeMail extends SubscriptionRef {
  readonly id: string;
  readonly filters: readonly Filter[];
  readonly viewer: Viewer;
  /** It is open already, and has been sent, up to `headSeq`, what its client's new keys may see. */
  readonly isWidening: boolean;
  /** Events up to this one were the reader's. */
  readonly headSeq: number;
  readonly takenAtMs: number;
  /** What `parseQueryBody` takes. */
  readonly text: string;
}

export function sendSubscribe(
  out: Outbox,
  mail: Omit<SubscribeMail, keyof QueryBody | "text">,
  body: Buffer,
): void {
  const at = out.reserve(QUERY_HEADER_BYTES + body.length);
  writeRef(out, at, mail);
  out.view.setFloat64(at + 16, mail.headSeq, true);
  out.view.setFloat64(at + 24, mail.takenAtMs, true);
  out.view.setUint32(at + 32, mail.isWidening ? 1 : 0, true);
  out.bytes.set(body, at + QUERY_HEADER_BYTES);
  out.commitQuietly(MAIL.subscribe, QUERY_HEADER_BYTES + body.length);
}

/** Of a whole record: its consumer may copy it, and look later. */
export function parseSubscribe(record: Buffer): SubscribeMail {
  const text = record.toString("utf8", QUERY_HEADER_BYTES);
  return {
    connId: record.readUInt32LE(0),
    slot: record.readUInt32LE(4),
    gen: record.readDoubleLE(8),
    headSeq: record.readDoubleLE(16),
    takenAtMs: record.readDoubleLE(24),
    isWidening: isWidening(record),
    text,
    ...parseQueryBody(text),
  };
}

export function isWidening(record: Buffer): boolean {
  return record.readUInt32LE(32) === 1;
}
