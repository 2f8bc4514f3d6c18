// Reads spans of hours for one sync, by the index, as it sees them: each question does a bounded
// part of what has to be read, and says `NotYet` until there is an answer. What was read is used
// again for as long as the sync lasts, or until there is too much of it. Within a snapshot each.

import { type Bound, compareBounds } from "../negentropy/bound.ts";
import { NotYet } from "../negentropy/item-storage.ts";
import { type ItemVector, ItemVectorBuilder } from "../negentropy/item-vector.ts";
import { type Filter, UNTIL_MAX } from "../protocol/filter.ts";
import type { Orders } from "./filter-stream.ts";
import { type ItemReader, type ItemScan, type OnItem, openIndexScan } from "./item-scan.ts";
import type { Sight } from "./sight.ts";
import { type Piece, PieceCutter, type Span } from "./sum-pieces.ts";
import { HOUR_S, MONTH_HOURS, monthOfHour } from "./sum-tables.ts";

/** Steps of scans, each a millisecond at most, before others have a turn. */
const STEPS_AT_ONCE = 4;
/** What a piece without its events takes, and what a month with spans, in events: 41 bytes each. */
const PIECE_WEIGHT = 8;
const MONTH_WEIGHT = 140;
/** Pieces whose events are in memory, 0.7 MB; and of all, 1 MB. */
const HELD_PIECES = 4;
const PIECES_MAX = 4096;
/** A question needs its two edges at once, and some are larger than they should be. */
const HELD_PIECES_MIN = 4;
const SPANS_MIN = 4;
const ORDER_BYTES = 6;
const ORDER_MAX = 2 ** 48 - 1;
const NO_ID = new Uint8Array(0);

export interface SpanOptions {
  readonly sight: Sight;
  readonly nowSeconds: () => number;
  /** In a piece, about. */
  readonly pieceItems: number;
}

/** Under way: what is read, and what for. */
interface Job {
  readonly name: string;
  readonly scan: ItemScan;
  /** What comes next; null when all is done. */
  readonly end: () => Job | null;
}

export class SumSpans {
  /** Events that have been read, each as often as it was. */
  readCount = 0;
  private itemCount = 0;
  private readonly reader: ItemReader;
  private readonly filter: Filter;
  private readonly sight: Sight;
  private readonly nowSeconds: () => number;
  private readonly pieceItems: number;
  /** The one that was read last is the last. */
  private readonly spans = new Set<Span>();
  private pieceCount = 0;
  /** By month, the span of each of its hours. */
  private readonly byHour = new Map<number, (Span | undefined)[]>();
  /** Those whose events are in memory; the one that was asked about last is the last. */
  private readonly held = new Set<Piece>();
  private job: Job | null = null;
  /** Since others have had a turn: of several jobs, for a question may take many small ones. */
  private stepCount = 0;

  constructor(reader: ItemReader, filter: Filter, { sight, nowSeconds, pieceItems }: SpanOptions) {
    this.reader = reader;
    this.filter = filter;
    this.sight = sight;
    this.nowSeconds = nowSeconds;
    this.pieceItems = pieceItems;
  }

  /** Of events in memory, and of what takes as much as one. */
  get heldCount(): number {
    const { itemCount, pieceCount, byHour } = this;
    return itemCount + PIECE_WEIGHT * pieceCount + MONTH_WEIGHT * byHour.size;
  }

  find(hour: number): Span | null {
    return this.byHour.get(monthOfHour(hour))?.[hour % MONTH_HOURS] ?? null;
  }

  /** How far one from an hour on may go: to the next, for none overlaps another, or for a month. */
  endOfGap(hour: number): number {
    const month = monthOfHour(hour);
    const hours = this.byHour.get(month);
    for (let at = hour % MONTH_HOURS; hours !== undefined && at < MONTH_HOURS; at++) {
      if (hours[at] !== undefined) return month * MONTH_HOURS + at;
    }
    return (month + 1) * MONTH_HOURS;
  }

  /** The span of the hour, which is read if need be. */
  ofHour(hour: number): Span {
    return this.find(hour) ?? this.read(hour, hour + 1);
  }

  /** Of hours of one month, none of which is in a span yet. */
  read(fromHour: number, toHour: number): Span {
    const name = `span ${fromHour} ${toHour}`;
    this.work(name, () => this.openSpan(name, fromHour, toHour));
    return this.find(fromHour) as Span;
  }

  items(piece: Piece): ItemVector {
    if (piece.items === null) {
      const { lower, upper } = piece;
      const name = `piece ${boundName(lower)} ${boundName(upper)}`;
      this.work(name, () => this.openPiece(name, piece));
    } else {
      this.hold(piece, piece.items);
    }
    return piece.items as ItemVector;
  }

  /** Does a part of a job; throws unless that was the last. */
  private work(name: string, open: () => Job): void {
    if (this.job?.name !== name) this.job = open();
    while (this.stepCount < STEPS_AT_ONCE) {
      this.stepCount += 1;
      if (!this.job.scan.step()) continue;
      this.job = this.job.end();
      if (this.job === null) return;
    }
    this.stepCount = 0;
    this.job.scan.rest();
    throw new NotYet();
  }

  private openSpan(name: string, fromHour: number, toHour: number): Job {
    const [lower, upper] = [boundOf(fromHour), boundOf(toHour)];
    const builder = new ItemVectorBuilder();
    let isTooMuch = false;
    const onItem: OnItem = (createdAt, id) => {
      isTooMuch ||= builder.count >= this.pieceItems;
      if (!isTooMuch) builder.add(createdAt, id);
    };
    const scan = this.scan(lower.timestamp, upper.timestamp - 1, null, onItem);
    const step = (): boolean => isTooMuch || scan.step();
    return {
      name,
      scan: { step, rest: () => scan.rest() },
      end: () => {
        if (isTooMuch) return this.openCutting(name, fromHour, toHour);
        const items = builder.seal();
        const piece = { lower, upper, sum: items.sum(lower, upper), items: null };
        this.add({ fromHour, toHour, pieces: [piece] });
        this.hold(piece, items);
        return null;
      },
    };
  }

  /** Once more from its start, for the sums of its pieces. */
  private openCutting(name: string, fromHour: number, toHour: number): Job {
    const [lower, upper] = [boundOf(fromHour), boundOf(toHour)];
    const cutter = new PieceCutter(lower, upper, this.pieceItems);
    const onItem: OnItem = (createdAt, id) => cutter.add(createdAt, id);
    const end = (): null => {
      this.add({ fromHour, toHour, pieces: cutter.pieces() });
      return null;
    };
    const cut = (crowded: readonly number[]): Job | null => {
      const [second, ...others] = crowded;
      if (second === undefined) return end();
      const onCut: OnItem = (createdAt, id) => cutter.addToCut(createdAt, id);
      return { name, scan: this.scan(second, second, null, onCut), end: () => cut(others) };
    };
    const scan = this.scan(lower.timestamp, upper.timestamp - 1, null, onItem);
    return { name, scan, end: () => cut(cutter.crowded()) };
  }

  private openPiece(name: string, piece: Piece): Job {
    const { lower, upper } = piece;
    const builder = new ItemVectorBuilder();
    const onItem: OnItem = (timestamp, id) => {
      const item = { timestamp, id };
      if (compareBounds(item, lower) < 0 || compareBounds(item, upper) >= 0) return;
      builder.add(timestamp, id);
    };
    const isWhole = upper.id.length === 0;
    const until = isWhole ? upper.timestamp - 1 : upper.timestamp;
    const orders = lower.timestamp === until ? ordersOf(lower, isWhole ? null : upper) : null;
    const scan = this.scan(lower.timestamp, until, orders, onItem);
    const end = (): null => {
      this.hold(piece, builder.seal());
      return null;
    };
    return { name, scan, end };
  }

  private scan(since: number, until: number, orders: Orders | null, onItem: OnItem): ItemScan {
    const filter = { ...this.filter, since, until: Math.min(until, UNTIL_MAX) };
    const counting: OnItem = (createdAt, id) => {
      this.readCount += 1;
      onItem(createdAt, id);
    };
    const { nowSeconds } = this;
    const options = { itemsMax: Number.MAX_SAFE_INTEGER, nowSeconds, onItem: counting, orders };
    return openIndexScan(this.reader, filter, this.sight, options);
  }

  private add(span: Span): void {
    this.spans.add(span);
    this.pieceCount += span.pieces.length;
    this.mark(span, span);
    for (const oldest of this.spans) {
      if (this.pieceCount <= PIECES_MAX || this.spans.size <= SPANS_MIN) return;
      this.spans.delete(oldest);
      this.pieceCount -= oldest.pieces.length;
      this.mark(oldest, undefined);
      for (const piece of oldest.pieces) this.letGo(piece);
    }
  }

  private mark({ fromHour, toHour }: Span, as: Span | undefined): void {
    const month = monthOfHour(fromHour);
    const hours = this.byHour.get(month) ?? Array<Span | undefined>(MONTH_HOURS).fill(undefined);
    this.byHour.set(month, hours);
    hours.fill(as, fromHour % MONTH_HOURS, (fromHour % MONTH_HOURS) + toHour - fromHour);
    if (hours.every((span) => span === undefined)) this.byHour.delete(month);
  }

  private hold(piece: Piece, items: ItemVector): void {
    if (this.held.delete(piece)) this.itemCount -= items.count;
    piece.items = items;
    this.held.add(piece);
    this.itemCount += items.count;
    for (const oldest of this.held) {
      if (this.itemCount <= HELD_PIECES * this.pieceItems || this.held.size <= HELD_PIECES_MIN)
        return;
      this.letGo(oldest);
    }
  }

  private letGo(piece: Piece): void {
    if (this.held.delete(piece)) this.itemCount -= piece.items?.count ?? 0;
    piece.items = null;
  }
}

export function boundOf(hour: number): Bound {
  return { timestamp: hour * HOUR_S, id: NO_ID };
}

/** Of the ids in the one second between two bounds: the upper one is null at the second's end. */
function ordersOf(lower: Bound, upper: Bound | null): Orders {
  return [orderOf(lower.id), upper === null ? ORDER_MAX : orderOf(upper.id)];
}

function orderOf(id: Uint8Array): number {
  let order = 0;
  for (let i = 0; i < ORDER_BYTES; i++) order = order * 256 + (id[i] ?? 0);
  return order;
}

function boundName({ timestamp, id }: Bound): string {
  return `${timestamp}:${Buffer.from(id).toString("hex")}`;
}
