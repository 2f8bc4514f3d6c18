// The newest index entries of the keys that are read from their newest on, time and again: of
// kinds, and of everything. What authors wrote lately is found among these at a few nanoseconds an
// entry, where SQLite takes a quarter of a microsecond. Owned by one reader.
//
// A list holds what a reader finds under its key as of the tail's last part, from the newest on as
// far back as somebody has read: each part adds its rows, and that rows move from the tail to the
// table changes nothing. Entries of events that are gone may stay in it until somebody looks for
// the event: who counts entries must not read here.

import { infoAuthor } from "./info.ts";
import type { Run } from "./run.ts";
import type { TailListener } from "./tail.ts";
import type { Place, TermEntry } from "./term.ts";

/** Of a list; 36 bytes each. */
export const NEWEST_MAX = 16_384;
/** When a list is full, this part of it goes, the oldest. */
const DROPPED_SHARE = 0.25;
export const NEWEST_KEYS_MAX = 8;
/** A list that nobody has read while so many parts came isn't kept up: 20 ms of work at most. */
const PARTS_UNREAD_MAX = 200;
const CAPACITY_MIN = 256;

const BITS = 4096;

/** Which authors' events are wanted, by what entries of a kind say of their author (info.ts). */
export class WantedAuthors {
  private readonly parts: ReadonlySet<number>;
  /** Of some bits of each part, whether one has them: most entries are passed over by these. */
  private readonly bits = new Uint8Array(BITS);

  constructor(parts: ReadonlySet<number>) {
    this.parts = parts;
    for (const part of parts) this.bits[part % BITS] = 1;
  }

  /** `low`: the lower 32 bits of `info`. */
  has(info: number, low = info | 0): boolean {
    return this.bits[low & (BITS - 1)] === 1 && this.parts.has(infoAuthor(info));
  }
}

/** What is read of a list. */
export interface NewestQuery {
  /** Nothing that comes after this age. */
  readonly lastAge: number;
  /** Null when it is all authors'. */
  readonly authors: WantedAuthors | null;
  readonly isRemoved: (seq: number) => boolean;
}

class Columns {
  readonly capacity: number;
  readonly ages: Float64Array;
  readonly orders: Float64Array;
  readonly seqs: Float64Array;
  readonly infos: Float64Array;
  readonly lows: Int32Array;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.ages = new Float64Array(capacity);
    this.orders = new Float64Array(capacity);
    this.seqs = new Float64Array(capacity);
    this.infos = new Float64Array(capacity);
    this.lows = new Int32Array(capacity);
  }

  entryAt(at: number): TermEntry {
    const { ages, orders, seqs, infos } = this;
    return [ages[at] as number, orders[at] as number, seqs[at] as number, infos[at] as number];
  }

  set(at: number, [age, order, seq, info]: TermEntry): void {
    this.ages[at] = age;
    this.orders[at] = order;
    this.seqs[at] = seq;
    this.infos[at] = info;
    this.lows[at] = info; // modulo 2 ** 32
  }

  isAfter(at: number, age: number, order: number, seq: number): boolean {
    if (this.ages[at] !== age) return (this.ages[at] as number) > age;
    if (this.orders[at] !== order) return (this.orders[at] as number) > order;
    return (this.seqs[at] as number) > seq;
  }

  move(from: number, end: number, to: number): void {
    if (from === end || from === to) return;
    this.ages.copyWithin(to, from, end);
    this.orders.copyWithin(to, from, end);
    this.seqs.copyWithin(to, from, end);
    this.infos.copyWithin(to, from, end);
    this.lows.copyWithin(to, from, end);
  }

  /** A copy with room for `needed`, in which the first `length` begin at `to`. */
  grown(length: number, needed: number, to: number): Columns {
    const capacity = Math.max(CAPACITY_MIN, 2 ** Math.ceil(Math.log2(Math.max(1, needed))));
    const columns = new Columns(capacity);
    columns.ages.set(this.ages.subarray(0, length), to);
    columns.orders.set(this.orders.subarray(0, length), to);
    columns.seqs.set(this.seqs.subarray(0, length), to);
    columns.infos.set(this.infos.subarray(0, length), to);
    columns.lows.set(this.lows.subarray(0, length), to);
    return columns;
  }
}

/** Of a list read from some place on. */
export interface Reading {
  readonly entries: readonly TermEntry[];
  /** Nothing comes after these. Otherwise, when they are fewer than asked for, the list ends. */
  readonly isWhole: boolean;
}

export interface NewestCounts {
  readonly seen: number;
  /** Of these, of the authors asked for. */
  readonly kept: number;
  /** Of the first one, whatever its age; infinite when there is none. */
  readonly firstAge: number;
}

/** The newest entries of one key. In the columns the newest is the last: new ones go to the end. */
export class NewestEntries {
  length = 0;
  /** Whether there is nothing older. */
  isComplete = false;
  /** Parts that have come since it was read. */
  partsUnread = 0;
  private columns = new Columns(CAPACITY_MIN);

  get isFull(): boolean {
    return this.length >= NEWEST_MAX;
  }

  /** The oldest entry in it; of an empty list, a place before all. */
  get end(): TermEntry {
    return this.length === 0 ? [Number.NEGATIVE_INFINITY, -1, -1, 0] : this.columns.entryAt(0);
  }

  /** Up to `limit` entries after the given place in order, with ages up to `lastAge`. */
  read(start: Place, limit: number, { lastAge, authors, isRemoved }: NewestQuery): Reading {
    const { ages, seqs, infos, lows } = this.columns;
    const entries: TermEntry[] = [];
    for (let at = this.countAfter(start[0], start[1], start[2]) - 1; at >= 0; at--) {
      if ((ages[at] as number) > lastAge) return { entries, isWhole: true };
      if (authors !== null && !authors.has(infos[at] as number, lows[at])) continue;
      if (isRemoved(seqs[at] as number)) continue;
      entries.push(this.columns.entryAt(at));
      if (entries.length === limit) return { entries, isWhole: false };
    }
    return { entries, isWhole: this.isComplete };
  }

  /** Of those after the given place, until `max` of the authors' are found. */
  count(
    start: Place,
    { lastAge, authors, isRemoved }: NewestQuery & { readonly authors: WantedAuthors },
    max: number,
  ): NewestCounts {
    const { ages, seqs, infos, lows } = this.columns;
    const first = this.countAfter(start[0], start[1], start[2]) - 1;
    let at = first;
    let kept = 0;
    for (; at >= 0 && kept < max && (ages[at] as number) <= lastAge; at--) {
      if (!authors.has(infos[at] as number, lows[at])) continue;
      if (!isRemoved(seqs[at] as number)) kept += 1;
    }
    return { seen: first - at, kept, firstAge: ages[first] ?? Number.POSITIVE_INFINITY };
  }

  /** Adds what comes after `end`, in order, as much as there is room for. */
  extend(older: readonly TermEntry[], isLast: boolean): void {
    const count = Math.min(older.length, NEWEST_MAX - this.length);
    this.makeRoom(count, count);
    for (let i = 0; i < count; i++) this.columns.set(count - 1 - i, older[i] as TermEntry);
    this.length += count;
    this.isComplete = isLast && count === older.length;
  }

  /**
   * Adds rows of this key, those of `run` from `first` up to `end`, of which the newest is the
   * first. What is older than all in here isn't known to come next, and is left out.
   */
  add(run: Run, first: number, end: number): void {
    if (this.length + end - first > NEWEST_MAX) this.dropOldest(end - first);
    const rows: number[] = [];
    const places: number[] = [];
    for (let row = first; row < end; row++) {
      const seq = run.seqs[row] as number;
      const at = this.countAfter(run.ages[row] as number, run.orders[row] as number, seq);
      if (at === 0 && !this.isComplete) break;
      if (at < this.length && this.columns.seqs[at] === seq) continue;
      rows.push(row);
      places.push(at);
    }
    if (rows.length === 0) return;
    const length = this.length + rows.length;
    this.makeRoom(rows.length, 0);
    let from = this.length;
    for (let i = 0; i < rows.length; i++) {
      const [row, at] = [rows[i] as number, places[i] as number];
      const left = rows.length - i;
      this.columns.move(at, from, at + left);
      this.columns.set(at + left - 1, entryOf(run, row));
      from = at;
    }
    this.length = length;
  }

  /** For so many more; those that are there go to `to`. */
  private makeRoom(count: number, to: number): void {
    const needed = this.length + count;
    if (needed > this.columns.capacity) this.columns = this.columns.grown(this.length, needed, to);
    else this.columns.move(0, this.length, to);
  }

  /** Leaves room for so many. */
  private dropOldest(count: number): void {
    const dropped = Math.min(this.length, Math.max(count, NEWEST_MAX * DROPPED_SHARE));
    this.columns.move(dropped, this.length, 0);
    this.length -= dropped;
    this.isComplete = false;
  }

  remove([age, order, seq]: TermEntry): void {
    const at = this.countAfter(age, order, seq);
    if (at >= this.length || this.columns.seqs[at] !== seq) return;
    this.columns.move(at + 1, this.length, at);
    this.length -= 1;
  }

  removeAll(isRemoved: (seq: number) => boolean): void {
    let kept = 0;
    for (let at = 0; at < this.length; at++) {
      if (isRemoved(this.columns.seqs[at] as number)) continue;
      if (kept < at) this.columns.set(kept, this.columns.entryAt(at));
      kept += 1;
    }
    this.length = kept;
  }

  /** How many come after this place in the order of the index: those that are older. */
  private countAfter(age: number, order: number, seq: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.columns.isAfter(middle, age, order, seq)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function entryOf(run: Run, row: number): TermEntry {
  return [
    run.ages[row] as number,
    run.orders[row] as number,
    run.seqs[row] as number,
    run.infos[row] as number,
  ];
}

/** The lists of a reader, by key. Those read last are kept. */
export class Newest implements TailListener {
  private readonly lists = new Map<number, NewestEntries>();

  /** A new one is empty, and not complete. */
  get(key: number): NewestEntries {
    const list = this.lists.get(key) ?? new NewestEntries();
    list.partsUnread = 0;
    this.lists.delete(key);
    this.lists.set(key, list);
    if (this.lists.size > NEWEST_KEYS_MAX) {
      const [oldest] = this.lists.keys();
      this.lists.delete(oldest as number);
    }
    return list;
  }

  /** One that is kept up; null when there is none. */
  find(key: number): NewestEntries | null {
    return this.lists.has(key) ? this.get(key) : null;
  }

  /** The event of an entry is gone for good: not in a transaction that may be rolled back. */
  forget(entry: TermEntry): void {
    for (const list of this.lists.values()) list.remove(entry);
  }

  onPart(run: Run): void {
    for (const [key, list] of this.lists) {
      list.partsUnread += 1;
      const [first, end] = [run.after(key, -Infinity, -1, -1), run.after(key, Infinity, 0, 0)];
      if (list.partsUnread > PARTS_UNREAD_MAX || end - first > NEWEST_MAX) this.lists.delete(key);
      else if (end > first) list.add(run, first, end);
    }
  }

  onPrune(isRemoved: (seq: number) => boolean): void {
    for (const list of this.lists.values()) list.removeAll(isRemoved);
  }

  onGap(): void {
    this.lists.clear();
  }
}
