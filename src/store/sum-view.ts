// What one sync sees of a set's running sums (sum-tables.ts): which classes of events it may see
// wholly, whose sums then are its own, and which it may see some events of, each to be looked at.
// From a class of which it may not see every event, nothing is ever derived.

import type { Database, Statement } from "bun:sqlite";
import { NotYet } from "../negentropy/item-storage.ts";
import type { ItemSum } from "../negentropy/item-sum.ts";
import type { Filter } from "../protocol/filter.ts";
import type { Seen } from "../protocol/visibility.ts";
import type { Sight } from "./sight.ts";
import { type BucketSum, BucketSums, BucketSumsBuilder } from "./sum-buckets.ts";
import { HOURS, MONTH_HOURS, monthOfHour, MONTHS } from "./sum-tables.ts";

/** The sync can't go on by these sums. The message is for its client. */
export class SumsGone extends Error {
  override readonly name = "SumsGone";
}

type Row = [bucket: number, kind: number, groups: string, count: number, sum: Uint8Array];

/** Buckets are numbered from 0 on, and times are safe integers. */
const BUCKET_END = Number.MAX_SAFE_INTEGER;
/** Messages go through a set in its order, and no question needs more at once; 30 KB each. */
const MONTHS_KEPT = 8;
/** Some milliseconds' work. A month of hours has tens of thousands, of many groups far more. */
const ROWS_AT_ONCE = 4096;
const BEFORE_KINDS = -1;
/** In a statement, which goes through them before it reads anything. */
const KINDS_MAX = 64;
/** What a class takes in memory, in buckets. */
const CLASS_WEIGHT = 4;

interface OfGroups {
  readonly kind: number;
  readonly groups: string;
  readonly seen: Seen;
}

/** Rows from a place on, in the order of the table. */
interface Place {
  readonly bucket: number;
  readonly kind: number;
  readonly groups: string;
}

/** Sums that are being read. */
interface Reading {
  readonly level: number;
  readonly from: number;
  readonly builder: BucketSumsBuilder;
  place: Place;
}

export class SumView {
  private readonly setId: number;
  private readonly kinds: ReadonlySet<number> | null;
  /** So that rows of others aren't read, if they are few: JSON. */
  private readonly kindsText: string | null;
  private readonly sight: Sight;
  private readonly select: Statement;
  private readonly selectOfGroups: Statement;
  private reading: Reading | null = null;
  /** As they were when a class was first met: within a sync nothing more comes to be seen. */
  private readonly ofKinds = new Map<number, Seen>();
  private readonly ofGroups = new Map<string, OfGroups>();
  private sightVersion: number;
  private months: BucketSums | null = null;
  /** By month; the one that was read last is the last. */
  private readonly hours = new Map<number, BucketSums>();

  constructor(db: Database, setId: number, filter: Filter, sight: Sight) {
    this.setId = setId;
    this.kinds = filter.kinds;
    const { kinds } = filter;
    this.kindsText = kinds && kinds.size <= KINDS_MAX ? JSON.stringify([...kinds]) : null;
    this.sight = sight;
    this.sightVersion = sight.version;
    const select = (which: string): Statement =>
      db.query(
        `SELECT bucket, kind, groups, count, sum FROM sums
         WHERE set_id = ?1 AND level = ?2 AND (bucket, kind, groups) > (?3, ?4, ?5) AND bucket < ?6
           AND (?7 IS NULL OR kind IN (SELECT value FROM json_each(?7))) ${which}
         ORDER BY bucket, kind, groups LIMIT ${ROWS_AT_ONCE}`,
      );
    this.select = select("");
    this.selectOfGroups = select("AND groups <> ''");
  }

  /** Of buckets in memory, each of about the size of an event, and of what takes as much. */
  get heldCount(): number {
    let count = (this.months?.count ?? 0) + CLASS_WEIGHT * this.ofGroups.size;
    for (const sums of this.hours.values()) count += sums.count;
    return count;
  }

  /** The sums have changed: what has been read of them is read again. */
  forget(): void {
    this.reading = null;
    this.months = null;
    this.hours.clear();
  }

  /**
   * At the beginning of each snapshot. Throws `SumsGone` when a class that was seen no longer is:
   * its sums would tell of what has come to it since.
   */
  checkSight(): void {
    const { version } = this.sight;
    if (version === this.sightVersion) return;
    for (const { kind, groups, seen } of this.ofGroups.values()) {
      if (seen !== "all" || this.look(kind, groups) === "all") continue;
      throw new SumsGone("what you may see has changed");
    }
    this.sightVersion = version;
  }

  /** Of what is asked for. */
  seen(kind: number, groups: string): Seen {
    if (groups === "" || this.sight.isByKind) {
      const known = this.ofKinds.get(kind) ?? this.look(kind, "");
      this.ofKinds.set(kind, known);
      return known;
    }
    const key = `${kind} ${groups}`;
    const known = this.ofGroups.get(key) ?? { kind, groups, seen: this.look(kind, groups) };
    this.ofGroups.set(key, known);
    return known.seen;
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

  /**
   * Of groups, buckets and kinds with events of which each has to be looked at; null after each
   * piece of the work. They may be of several snapshots.
   */
  *doubtful(
    level: number,
    from: number,
    to: number,
  ): Generator<readonly [bucket: number, kind: number] | null> {
    if (this.sight.isByKind) return;
    for (let place = startOf(from); ;) {
      const rows = this.rows(this.selectOfGroups, level, place, to);
      for (const [bucket, kind, groups] of rows) {
        if (this.seen(kind, groups) === "some") yield [bucket, kind];
      }
      if (rows.length < ROWS_AT_ONCE) return;
      place = placeOf(rows.at(-1) as Row);
      yield null;
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

  /** A bounded part of it; throws until all is there. */
  private read(level: number, from: number, to: number): BucketSums {
    if (this.reading?.level !== level || this.reading.from !== from) {
      this.reading = { level, from, builder: new BucketSumsBuilder(), place: startOf(from) };
    }
    const { reading } = this;
    const rows = this.rows(this.select, level, reading.place, to);
    for (const [bucket, kind, groups, count, sum] of rows) {
      if (this.seen(kind, groups) === "all") reading.builder.add(bucket, count, sum);
    }
    if (rows.length === ROWS_AT_ONCE) {
      reading.place = placeOf(rows.at(-1) as Row);
      throw new NotYet();
    }
    this.reading = null;
    return reading.builder.end();
  }

  private rows(select: Statement, level: number, from: Place, to: number): Row[] {
    const { setId, kindsText } = this;
    const { bucket, kind, groups } = from;
    return select.values(setId, level, bucket, kind, groups, to, kindsText) as Row[];
  }
}

function startOf(bucket: number): Place {
  return { bucket, kind: BEFORE_KINDS, groups: "" };
}

function placeOf([bucket, kind, groups]: Row): Place {
  return { bucket, kind, groups };
}
