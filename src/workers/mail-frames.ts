// Frames on their way to clients: replies, stored events, one live event for many subscriptions.
// Events are put together in the ring, as bytes; the main thread makes strings of them, because Bun
// sends text frames from strings only. Layouts as in mail.ts.

import type { Outbox } from "../ring/outbox.ts";
import type { RingConsumer } from "../ring/ring.ts";
import type { Bytes } from "../store/stored-event.ts";
import { MAIL, readRef, REF_BYTES, type SubscriptionRef, writeRef } from "./mail.ts";

// frames: ref (16) | u32 messages done | u32 their bytes | u32 kind of frames | u32 count
//         | count × (u32 length | text)

/** What the main thread has to know of frames besides sending them. */
export const FRAMES = { reply: 0, stored: 1, live: 2, closed: 3 } as const;

const FRAMES_HEADER_BYTES = 32;

/** A single frame: a reply, an EOSE, a CLOSED. `doneBytes` > 0 answers one client message. */
export function sendFrame(
  out: Outbox,
  ref: SubscriptionRef,
  kind: number,
  frame: string,
  doneBytes: number,
): void {
  out.commit(MAIL.frames, writeFrame(out, ref, kind, frame, doneBytes));
}

/** The same without waking the main thread: for one of many, after which the sender rings. */
export function sendFrameQuietly(
  out: Outbox,
  ref: SubscriptionRef,
  kind: number,
  frame: string,
  doneBytes: number,
): void {
  out.commitQuietly(MAIL.frames, writeFrame(out, ref, kind, frame, doneBytes));
}

/** Returns the record's length. */
function writeFrame(
  out: Outbox,
  ref: SubscriptionRef,
  kind: number,
  frame: string,
  doneBytes: number,
): number {
  const frameBytes = Buffer.byteLength(frame);
  const bytes = FRAMES_HEADER_BYTES + 4 + frameBytes;
  const at = out.reserve(bytes);
  writeFramesHeader(out, at, ref, kind, 1);
  out.view.setUint32(at + 16, doneBytes > 0 ? 1 : 0, true);
  out.view.setUint32(at + 20, doneBytes, true);
  out.view.setUint32(at + FRAMES_HEADER_BYTES, frameBytes, true);
  out.bytes.write(frame, at + FRAMES_HEADER_BYTES + 4, frameBytes, "utf8");
  return bytes;
}

function writeFramesHeader(
  out: Outbox,
  at: number,
  ref: SubscriptionRef,
  kind: number,
  count: number,
): void {
  writeRef(out, at, ref);
  out.view.setUint32(at + 16, 0, true);
  out.view.setUint32(at + 20, 0, true);
  out.view.setUint32(at + 24, kind, true);
  out.view.setUint32(at + 28, count, true);
}

const CLOSE_BRACKET = 0x5d;

/** How many bytes `sendEventFrames` needs in a ring. */
export function eventFramesBytes(prefix: Buffer, texts: readonly Bytes[]): number {
  let bytes = FRAMES_HEADER_BYTES;
  for (const text of texts) bytes += 4 + prefix.length + text.length + 1;
  return bytes;
}

/** Stored events: `["EVENT",<subscription id>,` + text + `]` each, put together in the ring. */
export function sendEventFrames(
  out: Outbox,
  ref: SubscriptionRef,
  prefix: Buffer,
  texts: readonly Bytes[],
): void {
  const total = eventFramesBytes(prefix, texts);
  const start = out.reserve(total);
  writeFramesHeader(out, start, ref, FRAMES.stored, texts.length);
  let at = start + FRAMES_HEADER_BYTES;
  for (const text of texts) {
    out.view.setUint32(at, prefix.length + text.length + 1, true);
    out.bytes.set(prefix, at + 4);
    text.copy(out.bytes, at + 4 + prefix.length);
    at += 4 + prefix.length + text.length;
    out.bytes[at] = CLOSE_BRACKET;
    at += 1;
  }
  out.commit(MAIL.frames, total);
}

export interface Frames extends SubscriptionRef {
  readonly messagesDone: number;
  readonly bytesDone: number;
  readonly kind: number;
}

export function readFramesHeader(ring: RingConsumer): Frames {
  const { view, offset } = ring;
  return {
    ...readRef(ring),
    messagesDone: view.getUint32(offset + 16, true),
    bytesDone: view.getUint32(offset + 20, true),
    kind: view.getUint32(offset + 24, true),
  };
}

/** Visits each frame's text and its length in bytes. */
export function eachFrame(ring: RingConsumer, visit: (text: string, bytes: number) => void): void {
  const count = ring.view.getUint32(ring.offset + 28, true);
  let at = ring.offset + FRAMES_HEADER_BYTES;
  for (let i = 0; i < count; i++) {
    const bytes = ring.view.getUint32(at, true);
    visit(ring.bytes.toString("utf8", at + 4, at + 4 + bytes), bytes);
    at += 4 + bytes;
  }
}

// fanout: u32 count | u32 text bytes | count × (ref (16) | u32 prefix bytes | u32 0)
//         | prefixes | text

export const FANOUT_HEADER_BYTES = 8;
const RECIPIENT_BYTES = REF_BYTES + 8;

export interface Recipient extends SubscriptionRef {
  /** `["EVENT",<subscription id>,` */
  readonly prefix: Buffer;
}

export function recipientBytes(recipient: Recipient): number {
  return RECIPIENT_BYTES + recipient.prefix.length;
}

/** One live event for many subscriptions. `listBytes` is the sum of their `recipientBytes`. */
export function sendFanout(
  out: Outbox,
  recipients: readonly Recipient[],
  listBytes: number,
  text: Buffer,
): void {
  const total = FANOUT_HEADER_BYTES + listBytes + text.length;
  const start = out.reserve(total);
  out.view.setUint32(start, recipients.length, true);
  out.view.setUint32(start + 4, text.length, true);
  let at = start + FANOUT_HEADER_BYTES;
  let prefixAt = at + recipients.length * RECIPIENT_BYTES;
  for (const recipient of recipients) {
    writeRef(out, at, recipient);
    out.view.setUint32(at + REF_BYTES, recipient.prefix.length, true);
    out.bytes.set(recipient.prefix, prefixAt);
    prefixAt += recipient.prefix.length;
    at += RECIPIENT_BYTES;
  }
  out.bytes.set(text, prefixAt);
  out.commit(MAIL.fanout, total);
}

/** Visits each recipient with its whole frame and the frame's length in bytes. */
export function eachRecipient(
  ring: RingConsumer,
  visit: (connId: number, slot: number, gen: number, frame: string, bytes: number) => void,
): void {
  const { view, bytes } = ring;
  const count = view.getUint32(ring.offset, true);
  const textBytes = view.getUint32(ring.offset + 4, true);
  const end = ring.offset + ring.length;
  const tail = `${bytes.toString("utf8", end - textBytes, end)}]`;
  let at = ring.offset + FANOUT_HEADER_BYTES;
  let prefixAt = at + count * RECIPIENT_BYTES;
  let lastPrefix = "";
  let lastFrame = "";
  for (let i = 0; i < count; i++) {
    const prefixBytes = view.getUint32(at + REF_BYTES, true);
    const prefix = bytes.toString("utf8", prefixAt, prefixAt + prefixBytes);
    if (prefix !== lastPrefix) {
      lastPrefix = prefix;
      lastFrame = prefix + tail;
    }
    const connId = view.getUint32(at, true);
    const slot = view.getUint32(at + 4, true);
    const gen = view.getFloat64(at + 8, true);
    visit(connId, slot, gen, lastFrame, prefixBytes + textBytes + 1);
    prefixAt += prefixBytes;
    at += RECIPIENT_BYTES;
  }
}
