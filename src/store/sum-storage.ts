// What a sync (NIP-77) asks of a set of events whose running sums are kept (sum-tables.ts): ranges
// are put together from whole months and hours and two edges, which are read by the index, as are
// hours that have to be looked into. It holds no more than what was read last, whatever the set's
// size. Belongs to one thread and one sync; each call within a snapshot.
//
// What an edge has is as of when it was read, whole hours are as of now: what comes or goes while
// the sync lasts may be told or not, and nothing else depends on it.

import type { Database } from "bun:sqlite";
import { type Bound, compareBounds, END, ID_BYTES } from "../negentropy/bound.ts";
import type { IdRun, ItemStorage, Part } from "../negentropy/item-storage.ts";
import { ItemSum } from "../negentropy/item-sum.ts";
import { type Filter, UNTIL_MAX } from "../protocol/filter.ts";
import type { ItemReader } from "./item-scan.ts";
import type { Sight } from "./sight.ts";
import { byMonth, SumChanges } from "./sum-changes.ts";
import { OwnScan } from "./sum-own.ts";
import { earlier, later, overlap, type Piece, PIECE_ITEMS, type Span } from "./sum-pieces.ts";
import type { BucketSum } from "./sum-buckets.ts";
import { findSumSet, readSumSets } from "./sum-sets.ts";
import { boundOf, SumSpans } from "./sum-spans.ts";
import { HOUR_S, hourOf, MONTH_HOURS, monthOfHour } from "./sum-tables.ts";
import { SumView } from "./sum-view.ts";

/** Beyond all of them. */
const HOUR_END = Number.MAX_SAFE_INTEGER;
/** With more months than that, a range is split by months, else by hours. */
const MONTHS_BY_HOUR = 3;

export class SumStorage implements ItemStorage {
  private readonly view: SumView;
  private readonly changes: SumChanges;
  private readonly spans: SumSpans;
  private readonly own: OwnScan;
  private readonly nowSeconds: () => number;
  private readonly pieceItems: number;
  private readonly first: Bound;
  /** Where what is asked for ends. */
  private readonly end: Bound;
  /** What the sums lacked at the opening. */
  private isRead = false;
  private byHour: ReadonlyMap<number, ItemSum> = new Map();
  private byMonth: ReadonlyMap<number, ItemSum> = new Map();
  /** All of them, with what changes; null until it is asked for. */
  private months: readonly BucketSum[] | null = null;

  /** Null when no sums are kept of what the filter asks for, or when they are too far behind. */
  static open(
    db: Database,
    reader: ItemReader,
    filter: Filter,
    sight: Sight,
    nowSeconds: () => number,
    pieceItems = PIECE_ITEMS,
  ): SumStorage | null {
    const set = findSumSet(readSumSets(db), filter);
    if (set === null) return null;
    const view = new SumView(db, set.id, filter, sight);
    const how = { sight, view, nowSeconds: nowSeconds() };
    const changes = SumChanges.open(db, reader, set, filter, how);
    if (changes === null) return null;
    const own = new OwnScan(reader, filter, changes, { sight, view, nowSeconds });
    const spans = new SumSpans(reader, filter, { sight, nowSeconds, pieceItems });
    return new SumStorage({ filter, view, changes, spans, own, nowSeconds, pieceItems });
  }

  private constructor(of: {
    filter: Filter;
    view: SumView;
    changes: SumChanges;
    spans: SumSpans;
    own: OwnScan;
    nowSeconds: () => number;
    pieceItems: number;
  }) {
    this.view = of.view;
    this.changes = of.changes;
    this.spans = of.spans;
    this.own = of.own;
    this.nowSeconds = of.nowSeconds;
    this.pieceItems = of.pieceItems;
    const { since, until } = of.filter;
    this.first = { timestamp: since, id: new Uint8Array(0) };
    this.end = until === UNTIL_MAX ? END : { timestamp: until + 1, id: new Uint8Array(0) };
  }

  /** Before any question, until it returns true: a bounded part of what the opening takes. */
  prepare(): boolean {
    this.isRead ||= this.refresh();
    return this.isRead && this.own.step();
  }

  /**
   * At the beginning of each snapshot, once it is prepared: false when no question is to be asked
   * in it, because there is more to be read first. Throws `SumsGone` when the sync can't go on.
   */
  refresh(): boolean {
    this.view.checkSight();
    const byHour = this.changes.refresh(this.nowSeconds());
    if (byHour === null) return false;
    if (byHour === this.byHour) return true;
    this.byHour = byHour;
    this.byMonth = byMonth(byHour);
    this.months = null;
    return true;
  }

  /** When the next snapshot may be long in coming. */
  rest(): void {
    this.own.rest();
  }

  /** Of events that it has looked at one by one: these grow with what a client has of its own. */
  get ownCount(): number {
    return this.changes.ownCount;
  }

  /** Of events that are in memory, one way or another, and of what takes as much as one. */
  get heldCount(): number {
    return this.changes.heldCount + this.view.heldCount + this.spans.heldCount;
  }

  /** Events read so far, each as often as it was. */
  get readCount(): number {
    return this.spans.readCount;
  }

  /** About how many events there are in all. Within a snapshot, as the questions. */
  count(): number {
    return this.monthSums(0, HOUR_END).reduce((events, [, { count }]) => events + count, 0);
  }

  sum(lower: Bound, upper: Bound): ItemSum {
    const sum = new ItemSum();
    const range = this.clip(lower, upper);
    if (range === null) return sum;
    const { from, to, head, tail } = edgesOf(...range);
    if (head !== null) sum.add(this.sumWithin(head, ...range));
    if (from < to) sum.add(this.sumOfHours(from, to));
    if (tail !== null) sum.add(this.sumWithin(tail, ...range));
    return sum;
  }

  split(lower: Bound, upper: Bound, count: number): Part[] {
    const range = this.clip(lower, upper);
    const parts = range === null ? [] : this.parts(...range);
    const [only] = parts;
    if (range === null || only === undefined) return [{ upper, sum: new ItemSum() }];
    if (parts.length > 1) return join(parts, upper, count);
    const from = later(range[0], only.lower);
    const to = earlier(range[1], only.upper);
    const within =
      only.hour === null
        ? this.split(from, to, count) // a month, by its hours
        : this.splitHour(only.hour, from, to, count);
    return within.map((part, i) => (i === within.length - 1 ? { ...part, upper } : part));
  }

  ids(lower: Bound, upper: Bound, countMax: number): IdRun {
    const range = this.clip(lower, upper);
    const runs: Uint8Array[] = [];
    let left = Math.min(countMax, this.pieceItems);
    let [from, to] = range ?? [END, END];
    while (left > 0 && compareBounds(from, to) < 0) {
      const span = this.spanFrom(from, to);
      if (span === null) return { ids: Buffer.concat(runs), next: null };
      for (const piece of span.pieces) {
        const both = left === 0 ? null : overlap(piece, from, to);
        if (both === null) continue;
        const run = this.spans.items(piece).ids(...both, left);
        runs.push(run.ids.slice()); // what comes next may end the view
        left -= run.ids.length / ID_BYTES;
        if (run.next !== null) return { ids: Buffer.concat(runs), next: run.next };
        from = both[1];
      }
      from = later(from, earlier(boundOf(span.toHour), left > 0 ? END : from));
    }
    return { ids: Buffer.concat(runs), next: compareBounds(from, to) < 0 ? from : null };
  }

  /** Null when nothing that is asked for lies between the bounds. */
  private clip(lower: Bound, upper: Bound): [Bound, Bound] | null {
    const [from, to] = [later(lower, this.first), earlier(upper, this.end)];
    return compareBounds(from, to) < 0 ? [from, to] : null;
  }

  /** Of whole hours, to before the last. */
  private sumOfHours(from: number, to: number): ItemSum {
    const sum = new ItemSum();
    this.view.addSum(sum, from, to);
    for (const [hour, change] of this.byHour) if (hour >= from && hour < to) sum.add(change);
    return sum;
  }

  /** Of what lies between the bounds of an hour that isn't asked for as a whole. */
  private sumWithin(hour: number, lower: Bound, upper: Bound): ItemSum {
    const [from, to] = [later(lower, boundOf(hour)), earlier(upper, boundOf(hour + 1))];
    const sum = new ItemSum();
    for (const piece of this.spans.ofHour(hour).pieces) {
      const both = overlap(piece, from, to);
      if (both !== null) sum.add(this.sumOfPiece(piece, both));
    }
    return sum;
  }

  /** What is in a range, by months if it is long, else by hours; none is empty. */
  private parts(lower: Bound, upper: Bound): BucketPart[] {
    const { from, to, head, tail } = edgesOf(lower, upper);
    const parts: BucketPart[] = [];
    const add = (start: number, end: number, hour: number | null, sum: ItemSum): void => {
      if (sum.count <= 0) return;
      parts.push({ lower: boundOf(start), upper: boundOf(end), hour, sum });
    };
    const addHours = (start: number, end: number): void => {
      for (const [hour, sum] of this.hourSums(start, end)) add(hour, hour + 1, hour, sum);
    };
    if (head !== null) add(head, head + 1, head, this.sumWithin(head, lower, upper));
    const months = [Math.ceil(from / MONTH_HOURS), Math.floor(to / MONTH_HOURS)] as const;
    if (months[1] - months[0] > MONTHS_BY_HOUR) {
      addHours(from, months[0] * MONTH_HOURS);
      for (const [month, sum] of this.monthSums(...months)) {
        add(month * MONTH_HOURS, (month + 1) * MONTH_HOURS, null, sum);
      }
      addHours(months[1] * MONTH_HOURS, to);
    } else {
      addHours(from, to);
    }
    if (tail !== null) add(tail, tail + 1, tail, this.sumWithin(tail, lower, upper));
    return parts;
  }

  /** Of one hour, by its pieces if there are several in the range, else by its events. */
  private splitHour(hour: number, lower: Bound, upper: Bound, count: number): Part[] {
    const parts: Part[] = [];
    let [from, to] = [lower, upper];
    for (const piece of this.spans.ofHour(hour).pieces) {
      const both = overlap(piece, lower, upper);
      const sum = both === null ? null : this.sumOfPiece(piece, both);
      if (both === null || sum === null || sum.count === 0) continue;
      [from, to] = both;
      parts.push({ upper: to, sum });
    }
    if (parts.length > 1) return join(parts, upper, count);
    const [only = { upper, sum: new ItemSum() }] = parts;
    if (only.sum.count < 2) return [only]; // some have gone since it was counted
    const piece = this.spans.ofHour(hour).pieces.find((one) => overlap(one, from, to) !== null);
    const items = this.spans.items(piece as Piece);
    const left = items.sum(from, to).count;
    return left < 2 ? [only] : items.split(from, to, Math.min(count, left));
  }

  private sumOfPiece(piece: Piece, [from, to]: readonly [Bound, Bound]): ItemSum {
    if (from === piece.lower && to === piece.upper) return piece.sum;
    return this.spans.items(piece).sum(from, to);
  }

  /** Of the first events of a range. Null when there are none. */
  private spanFrom(lower: Bound, upper: Bound): Span | null {
    const start = hourOf(lower.timestamp);
    const known = this.spans.find(start);
    if (known !== null) return known;
    const end = edgesOf(lower, upper).lastHour + 1;
    for (const [month, sum] of this.monthSums(monthOfHour(start), monthOfHour(end - 1) + 1)) {
      const first = Math.max(start, month * MONTH_HOURS);
      const next = this.spans.find(first);
      if (next !== null) return next;
      // A month with few is read without looking where in it they are.
      if (sum.count <= this.pieceItems) return this.spans.read(first, this.spans.endOfGap(first));
      const span = this.spanOfHours(first, Math.min(end, (month + 1) * MONTH_HOURS));
      if (span !== null) return span;
    }
    return null;
  }

  /** Of a month's hours, from the first that isn't empty. */
  private spanOfHours(start: number, stop: number): Span | null {
    let [from, to, end, count] = [-1, -1, 0, 0];
    for (const [hour, sum] of this.hourSums(start, stop)) {
      if (from < 0) {
        const next = this.spans.find(hour);
        if (next !== null) return next;
        from = hour;
        end = this.spans.endOfGap(hour);
      } else if (hour >= end || count + sum.count > this.pieceItems) {
        break;
      }
      to = hour + 1;
      count += sum.count;
    }
    return from < 0 ? null : this.spans.read(from, to);
  }

  /** Hours that aren't empty, in their order. */
  private *hourSums(from: number, to: number): Generator<BucketSum> {
    if (from >= to) return;
    for (const [month] of this.monthSums(monthOfHour(from), monthOfHour(to - 1) + 1)) {
      const first = Math.max(from, month * MONTH_HOURS);
      const end = Math.min(to, (month + 1) * MONTH_HOURS);
      yield* changed(this.view.hourSums(first, end), this.byHour, first, end);
    }
  }

  private monthSums(from: number, to: number): readonly BucketSum[] {
    this.months ??= changed(this.view.monthSums(0, HOUR_END), this.byMonth, 0, HOUR_END);
    return this.months.filter(([month]) => month >= from && month < to);
  }
}

/** Without those that come to nothing. */
function changed(
  found: readonly BucketSum[],
  changes: ReadonlyMap<number, ItemSum>,
  from: number,
  to: number,
): readonly BucketSum[] {
  const sums = new Map(found); // nobody else has these
  for (const [bucket, change] of changes) {
    if (bucket < from || bucket >= to) continue;
    const known = sums.get(bucket);
    if (known === undefined) sums.set(bucket, ItemSum.of(change.count, change.sum));
    else known.add(change);
  }
  return [...sums].filter(([, { count }]) => count > 0).sort(([a], [b]) => a - b);
}

interface BucketPart extends Part {
  readonly lower: Bound;
  /** Null for a month. */
  readonly hour: number | null;
}

/** The whole hours of a range, and those at its edges of which it has a part. */
function edgesOf(lower: Bound, upper: Bound) {
  const head = isAtHour(lower) ? null : hourOf(lower.timestamp);
  const to = upper.timestamp === Infinity ? HOUR_END : hourOf(upper.timestamp);
  const tail = upper.timestamp === Infinity || isAtHour(upper) ? null : to;
  const from = head === null ? hourOf(lower.timestamp) : head + 1;
  const lastHour = tail ?? to - 1;
  // An hour that has both bounds is one edge.
  return { from, to, head, tail: tail === head ? null : tail, lastHour };
}

function isAtHour({ timestamp, id }: Bound): boolean {
  return timestamp % HOUR_S === 0 && id.every((byte) => byte === 0);
}

/** At most `count` parts of a range up to `upper`, as even as those found allow. */
function join(found: readonly Part[], upper: Bound, count: number): Part[] {
  const total = found.reduce((items, { sum }) => items + sum.count, 0);
  const parts: Part[] = [];
  let sum = new ItemSum();
  let done = 0;
  for (const [index, part] of found.entries()) {
    const left = found.length - index;
    sum.add(part.sum);
    done += part.sum.count;
    const isLast = left === 1;
    const isFull = done >= (total * (parts.length + 1)) / count && parts.length < count - 1;
    const isFirstOfTwo = left === 2 && parts.length === 0;
    if (!isLast && !isFull && !isFirstOfTwo) continue;
    parts.push({ upper: isLast ? upper : part.upper, sum });
    sum = new ItemSum();
  }
  return parts;
}
