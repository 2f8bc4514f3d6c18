// A tally: how many entries under one key of the index say each thing (info.ts), of the kinds that
// clients ask counts of. A count, and the HyperLogLog registers, follow from it in the time that it
// takes to read it, however many events there are; and as it tells how many authors share a mark,
// entries can be taken away again. It holds some 250 marks of a kind for each doubling of entries.
//
//   sums   u32 info, u32 entries that say so | …, in the order of the infos, in the machine's order

import { infoKind, speaksForItself } from "./info.ts";

/** NIP-45's common filters, and zaps and generic reposts. If changed, tallies must be made anew. */
const TALLIED_KINDS: ReadonlySet<number> = new Set([1, 3, 6, 7, 16, 1111, 9735]);

const COLUMNS = 2;

/** Whether a tally can tell how many events have these kinds. */
export function areTallied(kinds: ReadonlySet<number>): boolean {
  return kinds.isSubsetOf(TALLIED_KINDS);
}

/** Whether a row is part of its key's tally. */
export function isTallied(info: number): boolean {
  return speaksForItself(info, "tag") && TALLIED_KINDS.has(infoKind(info));
}

/**
 * The key of rows in the tail (tail.ts) that take entries away from a key's tally: it comes just
 * after that key, and nothing in `term` has it.
 */
export function takenKey(key: number): number {
  return key + 0.5;
}

export function isTakenKey(key: number): boolean {
  return key % 1 !== 0;
}

export class Tally {
  /** All entries are part of it whose event has this `seq` or a lower one; no others. */
  readonly upTo: number;
  private readonly sums: Uint32Array;

  private constructor(upTo: number, sums: Uint32Array) {
    this.upTo = upTo;
    this.sums = sums;
  }

  static of(upTo: number, infos: readonly number[]): Tally {
    return new Tally(upTo, sumsOf(infos));
  }

  static decode(upTo: number, bytes: Uint8Array): Tally {
    if (bytes.byteLength % (COLUMNS * Uint32Array.BYTES_PER_ELEMENT) !== 0) {
      throw new Error(`database: a tally of ${bytes.byteLength} bytes`);
    }
    return new Tally(upTo, new Uint32Array(bytes.slice().buffer));
  }

  encode(): Uint8Array {
    const { buffer, byteOffset, byteLength } = this.sums;
    return new Uint8Array(buffer, byteOffset, byteLength);
  }

  /** With the entries that have come since, up to that `seq`. */
  with(upTo: number, infos: readonly number[]): Tally {
    return new Tally(upTo, combine(this.sums, sumsOf(infos), 1));
  }

  /** Without entries that are part of it. */
  without(infos: readonly number[]): Tally {
    return new Tally(this.upTo, combine(this.sums, sumsOf(infos), -1));
  }

  each(visit: (info: number, entries: number) => void): void {
    for (let i = 0; i < this.sums.length; i += COLUMNS) {
      visit(this.sums[i] as number, this.sums[i + 1] as number);
    }
  }
}

function sumsOf(infos: readonly number[]): Uint32Array {
  const sorted = Uint32Array.from(infos).sort();
  const sums = new Uint32Array(COLUMNS * sorted.length);
  let end = 0;
  for (const info of sorted) {
    if (end === 0 || sums[end - COLUMNS] !== info) {
      sums[end] = info;
      end += COLUMNS;
    }
    sums[end - 1] = (sums[end - 1] as number) + 1;
  }
  return sums.slice(0, end);
}

/** Both lists as one; what comes to nothing is left out. */
function combine(a: Uint32Array, b: Uint32Array, sign: 1 | -1): Uint32Array {
  const sums = new Uint32Array(a.length + b.length);
  let end = 0;
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    const left = i < a.length ? (a[i] as number) : Infinity;
    const right = j < b.length ? (b[j] as number) : Infinity;
    const info = Math.min(left, right);
    let entries = 0;
    if (left === info) {
      entries += a[i + 1] as number;
      i += COLUMNS;
    }
    if (right === info) {
      entries += sign * (b[j + 1] as number);
      j += COLUMNS;
    }
    if (entries < 0) throw new Error(`assert: a tally has no entry that says ${info}`);
    if (entries === 0) continue;
    sums[end] = info;
    sums[end + 1] = entries;
    end += COLUMNS;
  }
  return sums.slice(0, end);
}
