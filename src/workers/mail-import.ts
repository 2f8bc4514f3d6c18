// Every message between the threads of `nandu import`; events are in mail-event.ts, with the number
// of their line within its block as the connId. Layouts as in mail.ts.
//
// The feeder deals its records to the checkers by turns. A checker answers each of them with what
// came of its lines, in their order, and then with one of those that end a turn.

import type { Outbox } from "../ring/outbox.ts";
import type { RingConsumer } from "../ring/ring.ts";

export const IMPORT_MAIL = {
  // feeder → checker
  lines: 60,
  longLine: 61,
  // feeder → checker → main; end a turn
  fileEnd: 62,
  readFailed: 63,
  // checker → main
  refused: 64,
  // checker → main; ends a turn
  linesDone: 65,
} as const;

/** The longest description of a failure, or refusal. */
export const REASON_BYTES_MAX = 2048;

// lines: the bytes
// longLine, fileEnd: nothing

export function sendLines(out: Outbox, bytes: Buffer): void {
  const at = out.reserve(bytes.length);
  out.bytes.set(bytes, at);
  out.commit(IMPORT_MAIL.lines, bytes.length);
}

export function readLines(ring: RingConsumer): Buffer {
  return ring.bytes.subarray(ring.offset, ring.offset + ring.length);
}

export function sendLongLine(out: Outbox): void {
  out.reserve(0);
  out.commit(IMPORT_MAIL.longLine, 0);
}

export function sendFileEnd(out: Outbox): void {
  out.reserve(0);
  out.commit(IMPORT_MAIL.fileEnd, 0);
}

// readFailed: text

export function sendReadFailed(out: Outbox, why: string): void {
  const at = out.reserve(REASON_BYTES_MAX);
  const bytes = out.bytes.write(why, at, REASON_BYTES_MAX, "utf8");
  out.commit(IMPORT_MAIL.readFailed, bytes);
}

export function readReadFailed(ring: RingConsumer): string {
  return readLines(ring).toString("utf8");
}

// refused: u32 line | u32 1 when the line is no event | u32 reason bytes | reason | text

export interface Refused {
  /** Within its block, from 1. */
  readonly line: number;
  readonly reason: string;
  /** Of a line that is no event, its start; else null. */
  readonly badText: string | null;
}

const REFUSED_HEADER_BYTES = 12;

export function sendRefused(out: Outbox, refused: Refused): void {
  const { line, reason, badText } = refused;
  const at = out.reserve(REFUSED_HEADER_BYTES + 2 * REASON_BYTES_MAX);
  const { view, bytes } = out;
  const textAt = at + REFUSED_HEADER_BYTES;
  const reasonBytes = bytes.write(reason, textAt, REASON_BYTES_MAX, "utf8");
  const badBytes = bytes.write(badText ?? "", textAt + reasonBytes, REASON_BYTES_MAX, "utf8");
  view.setUint32(at, line, true);
  view.setUint32(at + 4, badText === null ? 0 : 1, true);
  view.setUint32(at + 8, reasonBytes, true);
  out.commit(IMPORT_MAIL.refused, REFUSED_HEADER_BYTES + reasonBytes + badBytes);
}

export function readRefused(ring: RingConsumer): Refused {
  const { view, bytes, offset: at } = ring;
  const reasonEnd = at + REFUSED_HEADER_BYTES + view.getUint32(at + 8, true);
  const isBad = view.getUint32(at + 4, true) !== 0;
  return {
    line: view.getUint32(at, true),
    reason: bytes.toString("utf8", at + REFUSED_HEADER_BYTES, reasonEnd),
    badText: isBad ? bytes.toString("utf8", reasonEnd, at + ring.length) : null,
  };
}

// linesDone: u32 number of lines, empty ones included

export function sendLinesDone(out: Outbox, lineCount: number): void {
  const at = out.reserve(4);
  out.view.setUint32(at, lineCount, true);
  out.commit(IMPORT_MAIL.linesDone, 4);
}

export function readLinesDone(ring: RingConsumer): number {
  return ring.view.getUint32(ring.offset, true);
}
