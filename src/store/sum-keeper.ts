// Brings the running sums (sum-tables.ts) up to date, a bounded number of events in each step, each
// a transaction of its own: takes off what has been removed, then adds what is new, and moves
// `upto` along. A step that is done again, by another process or after a crash, finds what the last
// one has committed, so nothing counts twice. Owned by a writing thread.

import type { Database, Statement } from "bun:sqlite";
import { ItemSum } from "../negentropy/item-sum.ts";
import { payloadText } from "./payload.ts";
import { ALL_SET_ID, readSumSets, type SumSet } from "./sum-sets.ts";
import { groupsOf, hourOf, HOURS, monthOfHour, MONTHS, payloadSql } from "./sum-tables.ts";
import { TextMatcher } from "./text-matcher.ts";

/** Events that syncs add themselves, and removed ones that they take off: some milliseconds. */
export const SUM_BACKLOG_MAX = 4096;
/** With so many, a writer that has nothing else to do takes a step. */
const BACKLOG_IDLE = 512;
/** And any writer with so many. Where thousands a second come in for long, syncs read meanwhile. */
export const BACKLOG_BUSY = 65_536;
/** What a step may cost (see `apply`): some milliseconds' work. */
const STEP_EVENTS = 1024;
/** Some tens of milliseconds' work, for who has nothing else to do: more events share an hour. */
const STEP_EVENTS_ALL = 4096;

/** Events read at once: each may be of a hundred thousand bytes and more. */
const PAGE_EVENTS = 64;
/** A text of that length costs as much to look at as an event to count, and so do so many sets. */
const TEXT_BYTES = 4096;
const LOOKS = 16;

/** Kinds are below that, so an hour and a kind are one exact number up to the year 4,000,000. */
const KINDS = 65_536;
const HOURS_PLAIN_MAX = 2 ** 36;

type EventRow = [
  seq: number,
  createdAt: number,
  kind: number,
  id: Uint8Array,
  payload: Uint8Array | null,
];

/** What a bucket's row of one class is to gain or lose. */
interface Delta {
  readonly bucket: number;
  readonly kind: number;
  readonly groups: string;
  readonly sum: ItemSum;
}

/** A set as one step sees it. */
interface Target {
  readonly set: SumSet;
  readonly matcher: TextMatcher | null;
  readonly deltas: Map<number | string, Delta>;
}

export class SumKeeper {
  private readonly db: Database;
  private readonly isFull: boolean;
  private readonly selectPlace: Statement;
  private readonly selectTaken: Statement;
  private readonly deleteTaken: Statement;
  private readonly selectEvents: Statement;
  private readonly selectHead: Statement;
  private readonly updateSet: Statement;
  private readonly selectRow: Statement;
  private readonly upsertRow: Statement;
  private readonly deleteRow: Statement;
  /** What the step may still cost. */
  private left = 0;

  constructor(db: Database, synchronous: "off" | "normal" | "full") {
    this.db = db;
    this.isFull = synchronous === "full";
    this.selectPlace = db.prepare(
      `SELECT (SELECT seq FROM head), (SELECT min(upto) FROM sum_set),
         (SELECT max(n) FROM taken), (SELECT min(n) FROM taken)`,
    );
    this.selectTaken = db.prepare(
      `SELECT n, seq, created_at, kind, id, payload FROM taken WHERE n > ?
       ORDER BY n LIMIT ${PAGE_EVENTS}`,
    );
    this.deleteTaken = db.prepare("DELETE FROM taken WHERE n <= ?");
    this.selectEvents = db.prepare(
      `SELECT seq, created_at, kind, id, ${payloadSql("?1")} FROM event
       WHERE seq > ?2 AND seq <= ?3 ORDER BY seq LIMIT ${PAGE_EVENTS}`,
    );
    this.selectHead = db.prepare("SELECT seq FROM head");
    this.updateSet = db.prepare("UPDATE sum_set SET upto = ?2 WHERE id = ?1");
    const place = "set_id = ?1 AND level = ?2 AND bucket = ?3 AND kind = ?4 AND groups = ?5";
    this.selectRow = db.prepare(`SELECT count, sum FROM sums WHERE ${place}`);
    this.upsertRow = db.prepare(
      `INSERT INTO sums VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
       ON CONFLICT DO UPDATE SET count = ?6, sum = ?7`,
    );
    this.deleteRow = db.prepare(`DELETE FROM sums WHERE ${place}`);
  }

  /** Beside other work; true when there is more to be done at once. `isIdle`: there is none. */
  keep(isIdle: boolean): boolean {
    if (this.backlog() < (isIdle ? BACKLOG_IDLE : BACKLOG_BUSY)) return false;
    this.step(STEP_EVENTS);
    return this.backlog() >= BACKLOG_IDLE;
  }

  /** All that there is at the beginning. `onStep` is told how many events are left. */
  keepAll(onStep: (left: number) => void = () => {}): void {
    const goal = this.place();
    for (;;) {
      const { upTo, firstTaken } = this.place();
      const left = Math.max(goal.head - upTo, goal.lastTaken - firstTaken + 1);
      if (left <= 0) return;
      onStep(left);
      this.step(STEP_EVENTS_ALL);
    }
  }

  /** Of the set that is furthest behind, and of what was removed. */
  backlog(): number {
    const { head, upTo, lastTaken, firstTaken } = this.place();
    return Math.max(head - upTo, lastTaken - firstTaken + 1);
  }

  private place() {
    const row = this.selectPlace.values()[0] as [number, number, number | null, number | null];
    const [head, upTo, lastTaken, firstTaken] = row;
    return { head, upTo, lastTaken: lastTaken ?? 0, firstTaken: firstTaken ?? Infinity };
  }

  /** Counts so many events, or fewer where each costs more than that, but some. */
  step(eventsMax: number): void {
    this.left = eventsMax;
    // The events are safe; these are only sums of them, durable with the next commit that is.
    if (this.isFull) this.db.run("PRAGMA synchronous = NORMAL");
    try {
      this.db.run("BEGIN IMMEDIATE");
      const targets = readSumSets(this.db).map(targetOf);
      if (this.takeOff(targets)) this.advance(targets);
      for (const target of targets) this.write(target);
      this.db.run("COMMIT");
    } catch (error) {
      if (this.db.inTransaction) this.db.run("ROLLBACK");
      throw error;
    } finally {
      if (this.isFull) this.db.run("PRAGMA synchronous = FULL");
    }
  }

  /** What was removed; true when that was all. */
  private takeOff(targets: readonly Target[]): boolean {
    const read = (after: number) => this.selectTaken.values(after) as [number, ...EventRow][];
    const { last, isAll } = this.eachRow(0, read, ([, ...row]) => {
      const [seq] = row;
      const counting = targets.filter(({ set }) => seq <= set.upTo);
      return apply(counting, row, (sum, id) => sum.subtract(ItemSum.of(1, id)));
    });
    if (last > 0) this.deleteTaken.run(last);
    return isAll && this.left > 0;
  }

  /** Rows by pages, until the step has cost enough: the first column of the last, or `after`. */
  private eachRow<R extends [number, ...unknown[]]>(
    after: number,
    read: (after: number) => readonly R[],
    costOf: (row: R) => number,
  ): { readonly last: number; readonly isAll: boolean } {
    for (let last = after; ;) {
      const rows = read(last);
      for (const row of rows) {
        if (this.left <= 0) return { last, isAll: false };
        this.left -= costOf(row);
        [last] = row;
      }
      if (rows.length < PAGE_EVENTS) return { last, isAll: true };
    }
  }

  /**
   * The sets that are furthest behind, at most to where the next ones are. But those that are
   * furthest come first when they fall back: a new set must not take the others out of use.
   */
  private advance(targets: readonly Target[]): void {
    const [head] = this.selectHead.values()[0] as [number];
    const places = targets.map(({ set }) => set.upTo);
    const furthest = Math.max(...places);
    const from = head - furthest >= BACKLOG_IDLE ? furthest : Math.min(...places);
    const behind = targets.filter(({ set }) => set.upTo === from);
    const end = Math.min(head, ...places.filter((place) => place > from));
    if (from >= end) return;
    const needsText = behind.some(({ matcher }) => matcher !== null);
    const read = (after: number) => this.selectEvents.values(needsText, after, end) as EventRow[];
    const { last, isAll } = this.eachRow(from, read, (row) =>
      apply(behind, row, (sum, id) => sum.addId(id)),
    );
    for (const { set } of behind) this.updateSet.run(set.id, isAll ? end : last);
  }

  private write({ set, deltas }: Target): void {
    if (deltas.size === 0) return;
    const hours = [...deltas.values()];
    const months = new Map<string, Delta>();
    for (const { bucket, kind, groups, sum } of hours) {
      const month = monthOfHour(bucket);
      const key = `${month} ${kind} ${groups}`;
      const known = months.get(key);
      if (known !== undefined) known.sum.add(sum);
      else months.set(key, { bucket: month, kind, groups, sum: copyOf(sum) });
    }
    // In the order of the table: so each page is come to once.
    for (const delta of hours.sort(compareDeltas)) this.writeRow(set.id, HOURS, delta);
    for (const delta of [...months.values()].sort(compareDeltas)) {
      this.writeRow(set.id, MONTHS, delta);
    }
  }

  private writeRow(setId: number, level: number, { bucket, kind, groups, sum }: Delta): void {
    const place = [setId, level, bucket, kind, groups] as const;
    const row = this.selectRow.values(...place)[0] as [number, Uint8Array] | undefined;
    if (row !== undefined) sum.add(ItemSum.of(...row));
    if (sum.count < 0) throw new Error(`assert: a sum has no event to lose: ${place.join(" ")}`);
    if (sum.count === 0) this.deleteRow.run(...place);
    else this.upsertRow.run(...place, sum.count, sum.sum);
  }
}

function targetOf(set: SumSet): Target {
  const matcher = set.id === ALL_SET_ID ? null : new TextMatcher(set.filter);
  return { set, matcher, deltas: new Map() };
}

/** Returns what that costs: an event that one set counts, without its text, is 1. */
function apply(
  targets: readonly Target[],
  [seq, createdAt, kind, id, payload]: EventRow,
  change: (sum: ItemSum, id: Uint8Array) => void,
): number {
  const text = payload === null ? null : payloadText(id, payload);
  const groups = groupsOf(text);
  const hour = hourOf(createdAt);
  let count = 0;
  for (const { set, matcher, deltas } of targets) {
    if (matcher !== null) {
      if (text === null) throw new Error(`assert: event ${seq} has no text for set ${set.id}`);
      if (!matcher.matches(text)) continue;
    }
    const isPlain = groups === "" && hour < HOURS_PLAIN_MAX;
    const key = isPlain ? hour * KINDS + kind : `${hour} ${kind} ${groups}`;
    let delta = deltas.get(key);
    if (delta === undefined) {
      delta = { bucket: hour, kind, groups, sum: new ItemSum() };
      deltas.set(key, delta);
    }
    change(delta.sum, id);
    count += 1;
  }
  const looks = (text?.length ?? 0) / TEXT_BYTES;
  return Math.max(1, count) + looks * (1 + targets.length / LOOKS);
}

function copyOf(sum: ItemSum): ItemSum {
  return ItemSum.of(sum.count, sum.sum);
}

function compareDeltas(a: Delta, b: Delta): number {
  if (a.bucket !== b.bucket) return a.bucket - b.bucket;
  if (a.kind !== b.kind) return a.kind - b.kind;
  return a.groups < b.groups ? -1 : 1;
}
