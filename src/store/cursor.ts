// Index entries in order, newest first, ties by lowest id: of one key, read a few at a time; of
// many keys, read together, a span of time at a time; of several such cursors, merged lazily.

import type { NewestEntries, NewestQuery } from "./newest.ts";
import type { EventReader } from "./read.ts";
import type { Place, TermEntry } from "./term.ts";

export interface Cursor {
  /** The entry it stands at; null when it has no more. */
  readonly head: TermEntry | null;
  advance(): void;
}

const DEPTH_MAX = 256;

/** One key's entries: each time it has used up those it has read, it reads more at once. */
export class KeyCursor implements Cursor {
  head: TermEntry | null = null;
  private entries: readonly TermEntry[] = [];
  private at = 0;
  private depth: number;
  private isLast = false;
  private readonly reader: EventReader;
  private readonly key: number;

  /** Stands at the first entry after the given place. */
  constructor(reader: EventReader, key: number, start: Place, depth: number) {
    this.reader = reader;
    this.key = key;
    this.depth = Math.min(depth, DEPTH_MAX);
    this.read(start[0], start[1], start[2]);
  }

  advance(): void {
    this.at += 1;
    const next = this.entries[this.at];
    if (next !== undefined) {
      this.head = next;
      return;
    }
    const last = this.head;
    if (this.isLast || last === null) {
      this.head = null;
      return;
    }
    this.depth = Math.min(this.depth * 4, DEPTH_MAX);
    this.read(last[0], last[1], last[2]);
  }

  private read(age: number, order: number, seq: number): void {
    this.entries = this.reader.entries(this.key, age, order, seq, this.depth);
    this.isLast = this.entries.length < this.depth;
    this.at = 0;
    this.head = this.entries[0] ?? null;
  }
}

/** With these, a list of the newest entries is made longer. */
const NEWEST_MORE = 256;

/** One key's entries, from memory as far as they are there: of all authors, or of some. */
export class NewestCursor implements Cursor {
  head: TermEntry | null = null;
  private entries: readonly TermEntry[] = [];
  private at = 0;
  private isLast = false;
  /** Where memory has ended: all entries, whoever is their author. */
  private rest: KeyCursor | null = null;
  private readonly reader: EventReader;
  private readonly key: number;
  private readonly depth: number;
  private readonly query: NewestQuery;

  /** Stands at the first entry after the given place that is wanted. */
  constructor(reader: EventReader, key: number, start: Place, depth: number, query: NewestQuery) {
    this.reader = reader;
    this.key = key;
    this.depth = depth;
    this.query = query;
    this.read(start, reader.newest(key));
  }

  advance(): void {
    const last = this.head;
    if (this.rest !== null) {
      this.rest.advance();
      this.head = this.rest.head;
      return;
    }
    this.at += 1;
    this.head = this.entries[this.at] ?? null;
    if (this.head !== null || this.isLast || last === null) return;
    this.read(last, this.reader.knownNewest(this.key));
  }

  private read(start: Place, list: NewestEntries | null): void {
    const { reader, key, depth, query } = this;
    for (;;) {
      if (list === null) return this.goBeyond(start); // others have taken its place
      const { entries, isWhole } = list.read(start, depth, query);
      if (entries.length > 0 || isWhole) {
        this.entries = entries;
        this.at = 0;
        this.head = entries[0] ?? null;
        this.isLast = isWhole;
        return;
      }
      const isBeyond = compareEntries(start, list.end) > 0;
      // How far back the next one of an author is, nobody knows: each step is to be bounded.
      if (isBeyond || list.isFull || query.authors !== null) {
        return this.goBeyond(isBeyond ? start : list.end);
      }
      reader.extendNewest(key, list, NEWEST_MORE);
    }
  }

  private goBeyond(start: Place): void {
    this.rest = new KeyCursor(this.reader, this.key, start, this.depth);
    this.head = this.rest.head;
  }
}

/** More than this in one span: it is cut down, unless it is one second already. */
const SPAN_ENTRIES_MAX = 4096;
/** More than this in one second: they are read a few at a time. Some milliseconds' work. */
const SECOND_ENTRIES_MAX = 16_384;
const SECOND_DEPTH = 64;
const SPAN_GROWTH = 16;

/**
 * Many keys' entries, all of those in a span of time at once: one look-up for each key, a fifth of
 * what a cursor for it costs. Spans grow while they hold less than half of what is wanted.
 */
export class SpanCursor implements Cursor {
  head: TermEntry | null = null;
  private entries: readonly TermEntry[] = [];
  private at = 0;
  /** Within a second that is too full to be read at once. */
  private second: Cursor | null = null;
  private readonly reader: EventReader;
  private readonly keys: readonly number[];
  private readonly start: Place;
  private readonly lastAge: number;
  private readonly wanted: number;
  private fromAge: number;
  private span: number;

  /** Entries after `start`, up to `lastAge`. The first span is so many seconds wide. */
  constructor(
    reader: EventReader,
    keys: readonly number[],
    start: Place,
    { lastAge, span, wanted }: { lastAge: number; span: number; wanted: number },
  ) {
    this.reader = reader;
    this.keys = keys;
    this.start = start;
    this.lastAge = lastAge;
    this.wanted = wanted;
    this.fromAge = start[0];
    this.span = Math.max(1, Math.ceil(span));
    this.fill();
  }

  advance(): void {
    if (this.second !== null) {
      this.second.advance();
      this.head = this.headOfSecond(this.second);
    } else {
      this.at += 1;
      this.head = this.entries[this.at] ?? null;
    }
    if (this.head === null) this.fill();
  }

  private fill(): void {
    while (this.head === null && this.fromAge <= this.lastAge) {
      const toAge = Math.min(this.lastAge, this.fromAge + this.span - 1);
      const isOneSecond = toAge === this.fromAge;
      const max = isOneSecond ? SECOND_ENTRIES_MAX : SPAN_ENTRIES_MAX;
      const found = this.reader.entriesBetween(this.keys, this.fromAge, toAge, max);
      if (found === null && isOneSecond) this.openSecond();
      else if (found === null) {
        this.span = Math.max(1, Math.floor(Math.min(this.span, toAge - this.fromAge) / 4));
      } else this.take(found, toAge);
    }
  }

  private take(found: readonly TermEntry[], toAge: number): void {
    const isFirst = this.fromAge === this.start[0];
    this.entries = isFirst ? found.filter((entry) => compareEntries(entry, this.start) > 0) : found;
    this.at = 0;
    this.head = this.entries[0] ?? null;
    this.fromAge = toAge + 1;
    if (found.length < this.wanted / 2) this.span *= SPAN_GROWTH;
  }

  /** A cursor for each key: that reads no more than is asked for. */
  private openSecond(): void {
    const isFirst = this.fromAge === this.start[0];
    const start: Place = isFirst ? this.start : [this.fromAge, -1, -1, 0];
    const second = new MergedCursor();
    for (const key of this.keys) {
      second.add(new KeyCursor(this.reader, key, start, SECOND_DEPTH));
    }
    this.second = second;
    this.head = this.headOfSecond(second);
  }

  private headOfSecond(second: Cursor): TermEntry | null {
    if (second.head !== null && second.head[0] === this.fromAge) return second.head;
    this.second = null;
    this.fromAge += 1;
    return null;
  }
}

export function compareEntries(a: Place, b: Place): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

/** Several cursors as one: a heap with the first entry of all on top. */
export class MergedCursor implements Cursor {
  private readonly heap: Cursor[] = [];

  /** Cursors are added before the first look at `head`. */
  add(cursor: Cursor): void {
    if (cursor.head === null) return;
    this.heap.push(cursor);
    let at = this.heap.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.isBefore(at, parent)) return;
      this.swap(at, parent);
      at = parent;
    }
  }

  get head(): TermEntry | null {
    return this.heap[0]?.head ?? null;
  }

  advance(): void {
    const top = this.heap[0] as Cursor;
    top.advance();
    if (top.head === null) {
      const last = this.heap.pop() as Cursor;
      if (this.heap.length === 0) return;
      if (last !== top) this.heap[0] = last;
    }
    this.sink();
  }

  private sink(): void {
    const { heap } = this;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= heap.length) return;
      const right = left + 1;
      const child = right < heap.length && this.isBefore(right, left) ? right : left;
      if (!this.isBefore(child, at)) return;
      this.swap(at, child);
      at = child;
    }
  }

  private swap(a: number, b: number): void {
    const { heap } = this;
    [heap[a], heap[b]] = [heap[b] as Cursor, heap[a] as Cursor];
  }

  private isBefore(a: number, b: number): boolean {
    const left = (this.heap[a] as Cursor).head as TermEntry;
    return compareEntries(left, (this.heap[b] as Cursor).head as TermEntry) < 0;
  }
}
