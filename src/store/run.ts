// A run: index rows in order, in memory, a column each. What a batch adds to the index is one run;
// runs are merged as they grow in number. A run is never changed.

import type { TermRow } from "./term.ts";

const COLUMNS = 5;
const CELL_BYTES = 8;

/** Ascending by key, age, order, seq: newest first under each key, ties by lowest id. */
export class Run {
  readonly length: number;
  readonly keys: Float64Array;
  readonly ages: Float64Array;
  readonly orders: Float64Array;
  readonly seqs: Float64Array;
  readonly infos: Float64Array;
  private readonly cells: Float64Array;

  private constructor(cells: Float64Array) {
    const length = cells.length / COLUMNS;
    this.cells = cells;
    this.length = length;
    this.keys = cells.subarray(0, length);
    this.ages = cells.subarray(length, 2 * length);
    this.orders = cells.subarray(2 * length, 3 * length);
    this.seqs = cells.subarray(3 * length, 4 * length);
    this.infos = cells.subarray(4 * length, 5 * length);
  }

  static ofLength(length: number): Run {
    return new Run(new Float64Array(COLUMNS * length));
  }

  /** The rows in any order. */
  static of(rows: TermRow[]): Run {
    rows.sort((a, b) => a.key - b.key || a.age - b.age || a.order - b.order || a.seq - b.seq);
    const run = Run.ofLength(rows.length);
    for (let i = 0; i < rows.length; i++) run.set(i, rows[i] as TermRow);
    return run;
  }

  /** The columns one after another, each number as f64. */
  encode(): Uint8Array {
    const { buffer, byteOffset, byteLength } = this.cells;
    return new Uint8Array(buffer, byteOffset, byteLength);
  }

  static decode(bytes: Uint8Array): Run {
    if (bytes.byteLength % (COLUMNS * CELL_BYTES) !== 0) {
      throw new Error(`database: a part of the index has ${bytes.byteLength} bytes`);
    }
    const aligned = bytes.byteOffset % CELL_BYTES === 0 ? bytes : bytes.slice();
    const { buffer, byteOffset, byteLength } = aligned;
    return new Run(new Float64Array(buffer, byteOffset, byteLength / CELL_BYTES));
  }

  static merge(a: Run, b: Run): Run {
    if (a.length === 0) return b;
    if (b.length === 0) return a;
    const merged = Run.ofLength(a.length + b.length);
    let i = 0;
    let j = 0;
    for (let at = 0; at < merged.length; at++) {
      const isA = j >= b.length || (i < a.length && isBefore(a, i, b, j));
      if (isA) merged.copy(at, a, i++);
      else merged.copy(at, b, j++);
    }
    return merged;
  }

  /** The rows that `isWanted`, by their seq. */
  filter(isWanted: (seq: number) => boolean): Run {
    let count = 0;
    for (let i = 0; i < this.length; i++) if (isWanted(this.seqs[i] as number)) count += 1;
    if (count === this.length) return this;
    const kept = Run.ofLength(count);
    let at = 0;
    for (let i = 0; i < this.length; i++) {
      if (isWanted(this.seqs[i] as number)) kept.copy(at++, this, i);
    }
    return kept;
  }

  /** The first row that comes after the given place. */
  after(key: number, age: number, order: number, seq: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.isAfter(middle, key, age, order, seq)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  private isAfter(i: number, key: number, age: number, order: number, seq: number): boolean {
    if (this.keys[i] !== key) return (this.keys[i] as number) > key;
    if (this.ages[i] !== age) return (this.ages[i] as number) > age;
    if (this.orders[i] !== order) return (this.orders[i] as number) > order;
    return (this.seqs[i] as number) > seq;
  }

  private set(at: number, row: TermRow): void {
    this.keys[at] = row.key;
    this.ages[at] = row.age;
    this.orders[at] = row.order;
    this.seqs[at] = row.seq;
    this.infos[at] = row.info;
  }

  private copy(at: number, from: Run, i: number): void {
    this.keys[at] = from.keys[i] as number;
    this.ages[at] = from.ages[i] as number;
    this.orders[at] = from.orders[i] as number;
    this.seqs[at] = from.seqs[i] as number;
    this.infos[at] = from.infos[i] as number;
  }
}

/** Does row `i` of `a` come before row `j` of `b`? */
export function isBefore(a: Run, i: number, b: Run, j: number): boolean {
  if (a.keys[i] !== b.keys[j]) return (a.keys[i] as number) < (b.keys[j] as number);
  if (a.ages[i] !== b.ages[j]) return (a.ages[i] as number) < (b.ages[j] as number);
  if (a.orders[i] !== b.orders[j]) return (a.orders[i] as number) < (b.orders[j] as number);
  return (a.seqs[i] as number) < (b.seqs[j] as number);
}
