// What one sync sees of a set's running sums (sum-tables.ts): which classes of events it may see
// wholly, whose sums then are its own, and which it may see some events of, each to be looked at.
// From a class of which it may not see every event, nothing is ever derived.

import type { Database } from "bun:sqlite";
import { ItemSum } from "../negentropy/item-sum.ts";
import type { Filter } from "../protocol/filter.ts";
import type { Seen } from "../protocol/visibility.ts";
import type { Sight } from "./sight.ts";
import { HOURS, MONTH_HOURS, MONTHS } from "./sum-tables.ts";

type Row = [bucket: number, kind: number, groups: string, count: number, sum: Uint8Array];

/** Buckets are numbered from 0 on, and times are safe integers. */
const BUCKET_END = Number.MAX_SAFE_INTEGER;

export class SumView {
  private readonly setId: number;
  private readonly kinds: ReadonlySet<number> | null;
  private readonly sight: Sight;
  private readonly select: ReturnType<Database["query"]>;
  /** As they were when a class was first met: what is seen doesn't change within a sync. */
  private readonly ofKinds = new Map<number, Seen>();
  private readonly ofGroups = new Map<string, Seen>();

  constructor(db: Database, setId: number, filter: Filter, sight: Sight) {
    this.setId = setId;
    this.kinds = filter.kinds;
    this.sight = sight;
    this.select = db.query(
      `SELECT bucket, kind, groups, count, sum FROM sums
       WHERE set_id = ? AND level = ? AND bucket >= ? AND bucket < ?`,
    );
  }

  /** Of what is asked for. */
  seen(kind: number, groups: string): Seen {
    if (groups === "") return cached(this.ofKinds, kind, () => this.look(kind, ""));
    return cached(this.ofGroups, `${kind} ${groups}`, () => this.look(kind, groups));
  }

  private look(kind: number, groups: string): Seen {
    if (this.kinds !== null && !this.kinds.has(kind)) return "none";
    return this.sight.seesClass(kind, groups);
  }

  /** The sum of whole hours, from one to before another. */
  sum(fromHour: number, toHour: number): ItemSum {
    const sum = new ItemSum();
    const add = (_: number, added: ItemSum): void => sum.add(added);
    const from = Math.ceil(fromHour / MONTH_HOURS);
    const to = Math.floor(toHour / MONTH_HOURS);
    if (from < to) {
      this.each(HOURS, fromHour, from * MONTH_HOURS, add);
      this.each(MONTHS, from, to, add);
      if (toHour < BUCKET_END) this.each(HOURS, to * MONTH_HOURS, toHour, add);
    } else {
      this.each(HOURS, fromHour, toHour, add);
    }
    return sum;
  }

  /** What is wholly seen of buckets, in their order: several a bucket. */
  each(level: number, from: number, to: number, visit: (bucket: number, sum: ItemSum) => void) {
    for (const [bucket, kind, groups, count, sum] of this.rows(level, from, to)) {
      if (this.seen(kind, groups) === "all") visit(bucket, ItemSum.of(count, sum));
    }
  }

  /** Buckets and kinds with events of which each has to be looked at. */
  *doubtful(level: number, from: number, to: number): Generator<[bucket: number, kind: number]> {
    for (const [bucket, kind, groups] of this.rows(level, from, to)) {
      if (this.seen(kind, groups) === "some") yield [bucket, kind];
    }
  }

  private rows(level: number, from: number, to: number): Row[] {
    if (from >= to) return [];
    return this.select.values(this.setId, level, from, Math.min(to, BUCKET_END)) as Row[];
  }
}

function cached<K>(known: Map<K, Seen>, key: K, look: () => Seen): Seen {
  let seen = known.get(key);
  if (seen === undefined) {
    seen = look();
    known.set(key, seen);
  }
  return seen;
}
