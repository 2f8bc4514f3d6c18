// The server's side of a sync (NIP-77): one answer to one message, nothing is kept in between. A
// message may ask for much (thousands of ranges), so the work is done in steps, between which its
// thread may turn to others. Belongs to the thread that owns the storage.
//
//   they sent        and we
//   skip             skip
//   a fingerprint    skip if ours is the same; else send the fingerprints of its parts, or ids
//   a list of ids    send ours
//
// Ranges that are skipped are not written before something follows them. An answer is never larger
// than the limit: what comes after the place where it is full is put into one last fingerprint, up
// to infinity, as the reference implementation does it, so that the client asks for it again. The
// first range that needs an answer always gets one, of a list at least a part.

import { amongOurs, compareBounds, END, ID_BYTES, START, type WireBound } from "./bound.ts";
import { assertFrameBytesMax, describe, isFingerprint, type Range, sumOf } from "./describe.ts";
import { type ItemStorage, NotYet } from "./item-storage.ts";
import { FINGERPRINT, type Flaw, findFlaw, ID_LIST, RangeReader, VERSION } from "./range-reader.ts";
import {
  ID_LIST_BYTES_MAX,
  LAST_FINGERPRINT_BYTES,
  RangeWriter,
  SKIP_BYTES_MAX,
} from "./range-writer.ts";

/** What must always remain free: to skip to a place and put the rest into one fingerprint. */
const REST_BYTES_MAX = SKIP_BYTES_MAX + LAST_FINGERPRINT_BYTES;

export type Answer =
  | { readonly kind: "message"; readonly message: Uint8Array }
  | { readonly kind: "flawed"; readonly flaw: Flaw };

export class Responder {
  private readonly storage: ItemStorage;
  private readonly bytesMax: number;
  private readonly flaw: Flaw | null;
  private readonly reader: RangeReader;
  private readonly writer = new RangeWriter();
  /** Where what is written ends; before where we are when ranges are being skipped. */
  private written: WireBound = START;
  private isFull = false;
  /** The reader's range is still to be answered: its storage has said `NotYet`. */
  private isOpen = false;

  /**
   * The message must stay as it is until the answer is there, which has at most `frameBytesMax`
   * bytes (4096 or more).
   */
  constructor(storage: ItemStorage, message: Uint8Array, frameBytesMax: number) {
    assertFrameBytesMax(frameBytesMax);
    this.storage = storage;
    this.bytesMax = frameBytesMax;
    this.flaw = findFlaw(message);
    this.reader = new RangeReader(message);
  }

  /** Deals with one range, or a part of what that takes; null while there is more to do. */
  step(): Answer | null {
    // "It should reply with a single byte containing the highest protocol version it supports."
    if (this.flaw === "the protocol version is unknown") {
      return { kind: "message", message: Uint8Array.of(VERSION) };
    }
    if (this.flaw !== null) return { kind: "flawed", flaw: this.flaw };
    if (!this.isOpen && (this.isFull || !this.reader.next())) {
      return { kind: "message", message: this.writer.message() };
    }
    const { written } = this;
    const mark = this.writer.mark();
    this.isOpen = false;
    try {
      this.answerRange();
    } catch (error) {
      if (!(error instanceof NotYet)) throw error;
      this.isOpen = true;
      this.isFull = false;
      this.written = written;
      this.writer.goBack(mark);
    }
    return null;
  }

  private answerRange(): void {
    const { lower, upper, mode, payload } = this.reader;
    if (compareBounds(lower, upper) === 0) return;
    if (mode === FINGERPRINT) this.answerFingerprint({ lower, upper }, payload);
    if (mode === ID_LIST) this.answerIds({ lower, upper });
  }

  private answerFingerprint(range: Range, theirs: Uint8Array): void {
    const sum = sumOf(this.storage, range);
    if (isFingerprint(sum, theirs)) return;
    const mark = this.writer.mark();
    this.skipTo(range.lower);
    describe(this.storage, this.writer, range, sum);
    if (this.writer.length + REST_BYTES_MAX <= this.bytesMax) {
      this.written = range.upper;
      return;
    }
    this.writer.goBack(mark);
    this.leaveRest(range.lower);
  }

  private answerIds({ lower, upper }: Range): void {
    const used = this.writer.length + SKIP_BYTES_MAX + ID_LIST_BYTES_MAX + REST_BYTES_MAX;
    const countMax = Math.floor((this.bytesMax - used) / ID_BYTES);
    if (countMax < 1) {
      this.leaveRest(lower);
      return;
    }
    this.skipTo(lower);
    const { ids, next } = this.storage.ids(amongOurs(lower), amongOurs(upper), countMax);
    this.written = next ?? upper;
    this.writer.writeIdList(this.written, ids);
    if (next !== null) this.leaveRest(next);
  }

  private skipTo(bound: WireBound): void {
    if (compareBounds(this.written, bound) < 0) this.writer.writeSkip(bound);
  }

  private leaveRest(lower: WireBound): void {
    this.isFull = true;
    this.skipTo(lower);
    const sum = sumOf(this.storage, { lower, upper: END });
    this.writer.writeFingerprint(END, sum.fingerprint());
  }
}

/** All steps at once. */
export function respond(storage: ItemStorage, message: Uint8Array, frameBytesMax: number): Answer {
  const responder = new Responder(storage, message, frameBytesMax);
  for (;;) {
    const answer = responder.step();
    if (answer !== null) return answer;
  }
}
