// What one sync sees of a set's running sums (sum-tables.ts): which classes of events it may see
// wholly, whose sums then are its own, and which it may see some events of, each to be looked at.
// From a class of which it may not see every event, nothing is ever derived.

import type { Database } from "bun:sqlite";
import type { ItemSum } from "../negentropy/item-sum.ts";
import type { Filter } from "../protocol/filter.ts";
import type { Seen } from "../protocol/visibility.ts";
import type { Sight } from "./sight.ts";
import { type BucketSum, BucketSums, BucketSumsBuilder } from "./sum-buckets.ts";
import { HOURS, MONTH_HOURS, monthOfHour, MONTHS } from "./sum-tables.ts";

type Row = [bucket: number, kind: number, groups: string, count: number, sum: Uint8Array];

/** Buckets are numbered from 0 on, and times are safe integers. */
const BUCKET_END = Number.MAX_SAFE_INTEGER;
/** Messages go through a set in its order; 30 KB each. */
const MONTHS_KEPT = 8;

export class SumView {
  private readonly setId: number;
  private readonly kinds: ReadonlySet<number> | null;
  private readonly sight: Sight;
  private readonly select: ReturnType<Database["query"]>;
  /** As they were when a class was first met: what is seen doesn't change within a sync. */
  private readonly ofKinds = new Map<number, Seen>();
  private readonly ofGroups = new Map<string, Seen>();
  private months: BucketSums | null = null;
  /** By month; the one that was read last is the last. */
  private readonly hours = new Map<number, BucketSums>();

  constructor(db: Database, setId: number, filter: Filter, sight: Sight) {
    this.setId = setId;
    this.kinds = filter.kinds;
    this.sight = sight;
    this.select = db.query(
      `SELECT bucket, kind, groups, count, sum FROM sums
       WHERE set_id = ? AND level = ? AND bucket >= ? AND bucket < ?`,
    );
  }

  /** The sums have changed: what has been read of them is read again. */
  forget(): void {
    this.months = null;
    this.hours.clear();
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

  /** Adds the sum of whole hours, from one to before another. */
  addSum(sum: ItemSum, fromHour: number, toHour: number): void {
    const first = monthOfHour(fromHour);
    const last = monthOfHour(toHour);
    if (first === last) {
      if (fromHour < toHour) this.ofMonth(first).addSum(sum, fromHour, toHour);
      return;
    }
    const isWhole = fromHour % MONTH_HOURS === 0;
    if (!isWhole) this.ofMonth(first).addSum(sum, fromHour, BUCKET_END);
    this.ofMonths().addSum(sum, isWhole ? first : first + 1, last);
    if (toHour < BUCKET_END && toHour % MONTH_HOURS !== 0)
      this.ofMonth(last).addSum(sum, 0, toHour);
  }

  /** Buckets that have anything, in their order. */
  monthSums(from: number, to: number): BucketSum[] {
    return this.ofMonths().between(from, to);
  }

  /** Of hours of one month. */
  hourSums(from: number, to: number): BucketSum[] {
    return from < to ? this.ofMonth(monthOfHour(from)).between(from, to) : [];
  }

  /** Buckets and kinds with events of which each has to be looked at. */
  *doubtful(level: number, from: number, to: number): Generator<[bucket: number, kind: number]> {
    for (const [bucket, kind, groups] of this.rows(level, from, to)) {
      if (this.seen(kind, groups) === "some") yield [bucket, kind];
    }
  }

  private ofMonths(): BucketSums {
    this.months ??= this.read(MONTHS, 0, BUCKET_END);
    return this.months;
  }

  private ofMonth(month: number): BucketSums {
    const known = this.hours.get(month);
    if (known !== undefined) return known;
    for (const oldest of this.hours.keys()) {
      if (this.hours.size < MONTHS_KEPT) break;
      this.hours.delete(oldest);
    }
    const sums = this.read(HOURS, month * MONTH_HOURS, (month + 1) * MONTH_HOURS);
    this.hours.set(month, sums);
    return sums;
  }

  private read(level: number, from: number, to: number): BucketSums {
    const builder = new BucketSumsBuilder();
    for (const [bucket, kind, groups, count, sum] of this.rows(level, from, to)) {
      if (this.seen(kind, groups) === "all") builder.add(bucket, count, sum);
    }
    return builder.end();
  }

  private rows(level: number, from: number, to: number): Row[] {
    return this.select.values(this.setId, level, from, to) as Row[];
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
