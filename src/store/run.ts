// A run: index rows in order, in memory, a column each. What a batch adds to the index is one run;
// runs are merged as they grow in number. A run is never changed.

import type { TermRow } from "./term.ts";

const COLUMNS = 5;
/** Age, order, seq: all rows of an event but one have the same. */
const PLACE_CELLS = 3;
const TWO_32 = 2 ** 32;

/** Ascending by key, age, order, seq: newest first under each key, ties by lowest id. */
export class Run {
  readonly length: number;
  readonly keys: Float64Array;
  readonly ages: Float64Array;
  readonly orders: Float64Array;
  readonly seqs: Float64Array;
  readonly infos: Float64Array;

  private constructor(cells: Float64Array) {
    const length = cells.length / COLUMNS;
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

  /**
   * As it is stored, half as long as in memory. First the places, each once, for a whole event has
   * one or two of them; then the rows, a column each.
   *
   *   f64 count of places | f64 × 3 each (age, order, seq)
   *   | f64 key of each row | u32 which place | u32 the low half of its info | u16 the rest of it
   */
  encode(): Uint8Array {
    const { length, keys, infos } = this;
    const { places, of } = this.places();
    const encoded = new EncodedRun(places.length / PLACE_CELLS, length);
    encoded.places.set(places);
    encoded.keys.set(keys);
    encoded.of.set(of);
    for (let i = 0; i < length; i++) {
      const info = infos[i] as number;
      encoded.lows[i] = info;
      encoded.highs[i] = info / TWO_32;
    }
    return encoded.bytes;
  }

  private places(): { places: number[]; of: Uint32Array } {
    const places: number[] = [];
    const bySeq = new Map<number, number>();
    const of = new Uint32Array(this.length);
    for (let i = 0; i < this.length; i++) {
      const age = this.ages[i] as number;
      const order = this.orders[i] as number;
      const seq = this.seqs[i] as number;
      let at = bySeq.get(seq);
      const base = PLACE_CELLS * (at ?? 0);
      if (at === undefined || places[base] !== age || places[base + 1] !== order) {
        const next = places.length / PLACE_CELLS;
        places.push(age, order, seq);
        if (at === undefined) bySeq.set(seq, next);
        at = next;
      }
      of[i] = at;
    }
    return { places, of };
  }

  static decode(bytes: Uint8Array): Run {
    const { places, keys, of, lows, highs } = EncodedRun.read(bytes);
    const run = Run.ofLength(keys.length);
    run.keys.set(keys);
    for (let i = 0; i < run.length; i++) {
      const at = PLACE_CELLS * (of[i] as number);
      run.ages[i] = places[at] as number;
      run.orders[i] = places[at + 1] as number;
      run.seqs[i] = places[at + 2] as number;
      run.infos[i] = (lows[i] as number) + (highs[i] as number) * TWO_32;
    }
    return run;
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

const F64 = 8;
const PLACE_BYTES = PLACE_CELLS * F64;
const ROW_BYTES = F64 + 4 + 4 + 2;

/** The bytes of a run as they are stored, by their parts. */
class EncodedRun {
  readonly bytes: Uint8Array;
  readonly places: Float64Array;
  readonly keys: Float64Array;
  readonly of: Uint32Array;
  readonly lows: Uint32Array;
  readonly highs: Uint16Array;

  constructor(placeCount: number, rowCount: number, from: ArrayBuffer | null = null) {
    const keysAt = F64 + placeCount * PLACE_BYTES;
    const ofAt = keysAt + rowCount * F64;
    const buffer = from ?? new ArrayBuffer(keysAt + rowCount * ROW_BYTES);
    this.bytes = new Uint8Array(buffer);
    this.places = new Float64Array(buffer, F64, placeCount * PLACE_CELLS);
    this.keys = new Float64Array(buffer, keysAt, rowCount);
    this.of = new Uint32Array(buffer, ofAt, rowCount);
    this.lows = new Uint32Array(buffer, ofAt + 4 * rowCount, rowCount);
    this.highs = new Uint16Array(buffer, ofAt + 8 * rowCount, rowCount);
    if (from === null) new Float64Array(buffer, 0, 1)[0] = placeCount;
  }

  static read(bytes: Uint8Array): EncodedRun {
    const { buffer } = bytes.slice(); // aligned
    const placeCount = buffer.byteLength < F64 ? -1 : (new Float64Array(buffer, 0, 1)[0] as number);
    const rowCount = (buffer.byteLength - F64 - placeCount * PLACE_BYTES) / ROW_BYTES;
    if (![placeCount, rowCount].every((count) => Number.isInteger(count) && count >= 0)) {
      throw new Error(`database: a part of the index has ${bytes.byteLength} bytes`);
    }
    return new EncodedRun(placeCount, rowCount, buffer);
  }
}

/** Does row `i` of `a` come before row `j` of `b`? */
export function isBefore(a: Run, i: number, b: Run, j: number): boolean {
  if (a.keys[i] !== b.keys[j]) return (a.keys[i] as number) < (b.keys[j] as number);
  if (a.ages[i] !== b.ages[j]) return (a.ages[i] as number) < (b.ages[j] as number);
  if (a.orders[i] !== b.orders[j]) return (a.orders[i] as number) < (b.orders[j] as number);
  return (a.seqs[i] as number) < (b.seqs[j] as number);
}
