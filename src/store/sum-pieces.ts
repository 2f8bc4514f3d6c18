// A span of whole hours as a sync has read it, where the running sums don't go into detail: in
// pieces of some thousand events, each with its sum, of which only those that were asked about
// lately keep their events. So an hour may have any number. Belongs to one sync.

import { type Bound, compareBounds } from "../negentropy/bound.ts";
import { ItemSum } from "../negentropy/item-sum.ts";
import type { ItemVector } from "../negentropy/item-vector.ts";

/** To read one takes some tens of milliseconds. */
export const PIECE_ITEMS = 4096;
/** A second with more than a piece is cut by so much of the ids: 16 million of one second. */
const CUT_BITS = 12;
const CUTS = 2 ** CUT_BITS;
const NO_ID = new Uint8Array(0);

export interface Piece {
  readonly lower: Bound;
  readonly upper: Bound;
  readonly sum: ItemSum;
  /** Null until they are needed. */
  items: ItemVector | null;
}

export interface Span {
  readonly fromHour: number;
  /** The hour after it. */
  readonly toHour: number;
  /** One after another, from its beginning to its end. */
  readonly pieces: readonly Piece[];
}

/** Adds up what has come of a span that has too much for one piece. */
export class PieceCutter {
  private readonly from: Bound;
  private readonly to: Bound;
  private readonly pieceItems: number;
  private readonly seconds = new Map<number, ItemSum>();
  /** Of seconds with too much, by the first bits of the ids. */
  private readonly cuts = new Map<number, Map<number, ItemSum>>();

  constructor(from: Bound, to: Bound, pieceItems: number) {
    this.from = from;
    this.to = to;
    this.pieceItems = pieceItems;
  }

  /** In any order. */
  add(createdAt: number, id: Uint8Array): void {
    addTo(this.seconds, createdAt, id);
  }

  /** Once all have been added: seconds of which all are to be given to `addToCut` as well. */
  crowded(): number[] {
    const crowded = [...this.seconds].filter(([, { count }]) => count > this.pieceItems);
    return crowded.map(([second]) => second);
  }

  addToCut(createdAt: number, id: Uint8Array): void {
    const cuts = this.cuts.get(createdAt) ?? new Map<number, ItemSum>();
    this.cuts.set(createdAt, cuts);
    addTo(cuts, (id[0] as number) * 16 + ((id[1] as number) >>> 4), id);
  }

  pieces(): Piece[] {
    const pieces: Piece[] = [];
    let lower = this.from;
    let sum = new ItemSum();
    for (const cell of this.cells()) {
      if (sum.count > 0 && sum.count + cell.sum.count > this.pieceItems) {
        pieces.push({ lower, upper: cell.lower, sum, items: null });
        lower = cell.lower;
        sum = new ItemSum();
      }
      sum.add(cell.sum);
    }
    return [...pieces, { lower, upper: this.to, sum, items: null }];
  }

  private *cells(): Generator<{ readonly lower: Bound; readonly sum: ItemSum }> {
    for (const [second, sum] of [...this.seconds].sort(([a], [b]) => a - b)) {
      const cuts = this.cuts.get(second);
      if (cuts === undefined) yield { lower: { timestamp: second, id: NO_ID }, sum };
      for (let cut = 0; cuts !== undefined && cut < CUTS; cut++) {
        const part = cuts.get(cut);
        const id = Uint8Array.of(cut >>> 4, (cut & 15) << 4);
        if (part !== undefined) yield { lower: { timestamp: second, id }, sum: part };
      }
    }
  }
}

function addTo(sums: Map<number, ItemSum>, key: number, id: Uint8Array): void {
  let sum = sums.get(key);
  if (sum === undefined) {
    sum = new ItemSum();
    sums.set(key, sum);
  }
  sum.addId(id);
}

/** The part of a piece that lies between two bounds; null when none does. */
export function overlap(piece: Piece, lower: Bound, upper: Bound): readonly [Bound, Bound] | null {
  const from = later(piece.lower, lower);
  const to = earlier(piece.upper, upper);
  return compareBounds(from, to) < 0 ? [from, to] : null;
}

export function later(a: Bound, b: Bound): Bound {
  return compareBounds(a, b) < 0 ? b : a;
}

export function earlier(a: Bound, b: Bound): Bound {
  return compareBounds(a, b) <= 0 ? a : b;
}
