// The client's side of a sync (NIP-77): begins it, and learns which ids only it has, and which only
// the server. Belongs to the thread that owns the storage.
//
// It remembers which ranges are open: neither known to be the same nor compared id by id. A message
// asks for the first of these, as many as it has room for, and skips all others; so nothing is
// compared twice, and an id is named once. (The reference implementation remembers nothing: what
// its message has no room for it asks again as one range to infinity, with all that was dealt with
// there before.) For the same reason a fingerprint of the server counts only within a range that it
// was asked for: a larger one says that its answer was full, and what it covers stays open.
//
// That is so with a server that is honest and whose set doesn't change. Of another nothing is
// certain: ids may come again or not exist, and it may go on for ever. How many messages are enough
// is for the caller to say.

import {
  amongOurs,
  compareBounds,
  END,
  ID_BYTES,
  START,
  type WireBound,
} from "../../src/negentropy/bound.ts";
import {
  assertFrameBytesMax,
  describe,
  isFingerprint,
  type Range,
  type SaidRange,
  sumOf,
} from "../../src/negentropy/describe.ts";
import type { ItemStorage } from "../../src/negentropy/item-storage.ts";
import {
  FINGERPRINT,
  type Flaw,
  findFlaw,
  ID_LIST,
  RangeReader,
} from "../../src/negentropy/range-reader.ts";
import { RangeWriter } from "../../src/negentropy/range-writer.ts";

/** Ids of ours that are compared with a list at once. */
const RUN_IDS_MAX = 4096;
/** Some 20 MB. More than an honest server makes; then the last become one, and are asked again. */
const OPEN_RANGES_MAX = 2 ** 17;

export interface Differences {
  /** An id that only we have: a view, as all of these. Copy what is to last. */
  onHave(id: Uint8Array): void;
  /** An id that only the server has. */
  onNeed(id: Uint8Array): void;
}

export type Outcome =
  /** To be sent to the server, whose answer comes next. */
  | { readonly kind: "message"; readonly message: Uint8Array }
  /** All differences are known. */
  | { readonly kind: "done" }
  /** The server speaks another version of the protocol, the byte says which (0x60 is 0). */
  | { readonly kind: "version"; readonly version: number }
  | { readonly kind: "flawed"; readonly flaw: Flaw };

interface OpenRange extends Range {
  /** Whether to say what is in it; else a fingerprint tells whether that is needed. */
  readonly isDifferent: boolean;
}

export class Initiator {
  private readonly storage: ItemStorage;
  private readonly bytesMax: number;
  private readonly differences: Differences;
  /** In ascending order, none overlaps another. */
  private open: OpenRange[] = [{ lower: START, upper: END, isDifferent: true }];
  /** What the last message asked for, in ascending order; `open` comes after these. */
  private asked: SaidRange[] = [];

  /** Messages to the server have at most `frameBytesMax` bytes, 4096 or more. */
  constructor(storage: ItemStorage, frameBytesMax: number, differences: Differences) {
    assertFrameBytesMax(frameBytesMax);
    this.storage = storage;
    this.bytesMax = frameBytesMax;
    this.differences = differences;
  }

  /** The first message, of 1.1 KB at most. */
  initiate(): Uint8Array {
    return this.ask();
  }

  /** Takes an answer of the server. One with a flaw says nothing about differences. */
  reconcile(answer: Uint8Array): Outcome {
    const flaw = findFlaw(answer);
    if (flaw === "the protocol version is unknown") {
      return { kind: "version", version: answer[0] as number };
    }
    if (flaw !== null) return { kind: "flawed", flaw };
    this.read(answer);
    if (this.open.length === 0) return { kind: "done" };
    return { kind: "message", message: this.ask() };
  }

  private read(answer: Uint8Array): void {
    const reader = new RangeReader(answer);
    const left: OpenRange[] = [];
    let first = 0;
    while (reader.next()) {
      const { lower, upper, mode, payload } = reader;
      const isBefore = (range: Range) => compareBounds(range.upper, lower) <= 0;
      while (first < this.asked.length && isBefore(this.asked[first] as Range)) first += 1;
      if (compareBounds(lower, upper) === 0) continue;
      if (mode === ID_LIST) this.compareIds(lower, upper, payload);
      if (mode === FINGERPRINT) this.compareFingerprint({ lower, upper }, payload, first, left);
    }
    this.open = [...left, ...this.open];
    if (this.open.length > OPEN_RANGES_MAX) this.joinLast();
  }

  /** `first` is the index of the first range asked for that doesn't end before this one. */
  private compareFingerprint(
    range: Range,
    theirs: Uint8Array,
    first: number,
    left: OpenRange[],
  ): void {
    const asked = this.asked[first];
    if (asked !== undefined && contains(asked, range)) {
      if (!isFingerprint(sumOf(this.storage, range), theirs)) {
        left.push({ ...range, isDifferent: true });
      }
      return;
    }
    for (let index = first; index < this.asked.length; index++) {
      const { lower, upper, isList } = this.asked[index] as SaidRange;
      if (compareBounds(lower, range.upper) >= 0) return;
      left.push({
        lower: compareBounds(lower, range.lower) < 0 ? range.lower : lower,
        upper: compareBounds(upper, range.upper) > 0 ? range.upper : upper,
        isDifferent: isList,
      });
    }
  }

  private compareIds(lower: WireBound, upper: WireBound, theirs: Uint8Array): void {
    const only = new Map<string, number>();
    for (let at = 0; at < theirs.length; at += ID_BYTES) only.set(keyAt(theirs, at), at);
    const end = amongOurs(upper);
    for (let from = amongOurs(lower), isMore = true; isMore;) {
      const { ids, next } = this.storage.ids(from, end, RUN_IDS_MAX);
      for (let at = 0; at < ids.length; at += ID_BYTES) {
        const isTheirs = only.delete(keyAt(ids, at));
        if (!isTheirs) this.differences.onHave(ids.subarray(at, at + ID_BYTES));
      }
      isMore = next !== null;
      from = next ?? end;
    }
    for (const at of only.values()) this.differences.onNeed(theirs.subarray(at, at + ID_BYTES));
  }

  /** As many of the open ranges as there is room for: the first always fits. */
  private ask(): Uint8Array {
    const writer = new RangeWriter();
    this.asked = [];
    let written: WireBound = START;
    let count = 0;
    for (const range of this.open) {
      const mark = writer.mark();
      if (compareBounds(written, range.lower) < 0) writer.writeSkip(range.lower);
      const said = this.say(range, writer);
      if (writer.length > this.bytesMax) {
        writer.goBack(mark);
        break;
      }
      this.asked.push(...said);
      written = range.upper;
      count += 1;
    }
    this.open = this.open.slice(count);
    return writer.message();
  }

  private say(range: OpenRange, writer: RangeWriter): SaidRange[] {
    const sum = sumOf(this.storage, range);
    if (range.isDifferent) return describe(this.storage, writer, range, sum);
    writer.writeFingerprint(range.upper, sum.fingerprint());
    return [{ lower: range.lower, upper: range.upper, isList: false }];
  }

  private joinLast(): void {
    const lower = (this.open[OPEN_RANGES_MAX - 1] as Range).lower;
    const upper = (this.open.at(-1) as Range).upper;
    this.open.length = OPEN_RANGES_MAX - 1;
    this.open.push({ lower, upper, isDifferent: false });
  }
}

function contains(outer: Range, inner: Range): boolean {
  return (
    compareBounds(outer.lower, inner.lower) <= 0 && compareBounds(inner.upper, outer.upper) <= 0
  );
}

/** The id that starts there, as something a Map can compare. */
function keyAt(ids: Uint8Array, at: number): string {
  return Buffer.from(ids.buffer, ids.byteOffset + at, ID_BYTES).toString("latin1");
}
