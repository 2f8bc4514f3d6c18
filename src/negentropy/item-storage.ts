// What reconciliation asks of a set of items, each a timestamp (0 to 2^53 - 1) and an id of 32
// bytes. Pure; who implements them says which thread owns what.
//
// All questions are about ranges between two bounds, none about positions, because a database
// can't cheaply tell the n-th of its items. It can keep a running ItemSum for each hour, say: then
// a sum is that of the whole hours between the bounds plus those of two edges that it scans, and
// a range is split at hours, as long as it has several that aren't empty.
//
// The answers to all questions about one range of a message must be about the same set: a database
// gives them in one read transaction. From range to range the set may change; what came or went in
// the middle of a session may then be reported or not. Bounds in answers last, whatever happens to
// it.

import type { Bound } from "./bound.ts";
import type { ItemSum } from "./item-sum.ts";

/** From where the part before it ends (the first: where the range begins) to before `upper`. */
export interface Part {
  readonly upper: Bound;
  readonly sum: ItemSum;
}

export interface IdRun {
  /** Ids one after another in the order of their items. A view, good until the next question. */
  readonly ids: Uint8Array;
  /** A bound after all of these and not after the next item; null when the range has no more. */
  readonly next: Bound | null;
}

/**
 * Instead of an answer that takes long: a bounded part of the work is done. Who asks again, the
 * same questions about the same range, gets the answer in the end.
 */
export class NotYet extends Error {
  override readonly name = "NotYet";
}

export interface ItemStorage {
  /** Of all items from `lower` on to before `upper`; empty when the bounds don't ascend. */
  sum(lower: Bound, upper: Bound): ItemSum;

  /**
   * Cuts a range that has at least `count` items into 2 to `count` parts, none of them empty, about
   * as large as each other: the larger the largest, the more messages it takes. The last ends at
   * `upper`, the others at bounds as short as can be (`boundBetween`).
   */
  split(lower: Bound, upper: Bound, count: number): readonly Part[];

  /** The first `countMax` (1 or more) ids of a range; of many maybe fewer, and `next` says so. */
  ids(lower: Bound, upper: Bound, countMax: number): IdRun;
}
