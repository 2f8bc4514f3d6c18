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
/** Some milliseconds' work; at most a row of each level for each event. */
const STEP_EVENTS = 1024;
/** Some tens of milliseconds' work, for who has nothing else to do: more events share an hour. */
const STEP_EVENTS_ALL = 16_384;

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

  constructor(db: Database, synchronous: "off" | "normal" | "full") {
    this.db = db;
    this.isFull = synchronous === "full";
    this.selectPlace = db.prepare(
      `SELECT (SELECT seq FROM head), (SELECT min(upto) FROM sum_set),
         (SELECT max(n) FROM taken), (SELECT min(n) FROM taken)`,
    );
    this.selectTaken = db.prepare(
      "SELECT n, seq, created_at, kind, id, payload FROM taken ORDER BY n LIMIT ?",
    );
    this.deleteTaken = db.prepare("DELETE FROM taken WHERE n <= ?");
    this.selectEvents = db.prepare(
      `SELECT seq, created_at, kind, id, ${payloadSql("?1")} FROM event
       WHERE seq > ?2 AND seq <= ?3 ORDER BY seq LIMIT ?4`,
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

  step(eventsMax: number): void {
    // The events are safe; these are only sums of them, durable with the next commit that is.
    if (this.isFull) this.db.run("PRAGMA synchronous = NORMAL");
    try {
      this.db.run("BEGIN IMMEDIATE");
      const targets = readSumSets(this.db).map(targetOf);
      const takenCount = this.takeOff(targets, eventsMax);
      if (takenCount < eventsMax) this.advance(targets, eventsMax - takenCount);
      for (const target of targets) this.write(target);
      this.db.run("COMMIT");
    } catch (error) {
      if (this.db.inTransaction) this.db.run("ROLLBACK");
      throw error;
    } finally {
      if (this.isFull) this.db.run("PRAGMA synchronous = FULL");
    }
  }

  /** What was removed; returns how much of it. */
  private takeOff(targets: readonly Target[], eventsMax: number): number {
    const rows = this.selectTaken.values(eventsMax) as [number, ...EventRow][];
    for (const [, ...row] of rows) {
      const [seq] = row;
      const counting = targets.filter(({ set }) => seq <= set.upTo);
      apply(counting, row, (sum, id) => sum.subtract(ItemSum.of(1, id)));
    }
    const last = rows.at(-1);
    if (last !== undefined) this.deleteTaken.run(last[0]);
    return rows.length;
  }

  /**
   * The sets that are furthest behind, at most to where the next ones are. But those that are
   * furthest come first when they fall back: a new set must not take the others out of use.
   */
  private advance(targets: readonly Target[], eventsMax: number): void {
    const [head] = this.selectHead.values()[0] as [number];
    const places = targets.map(({ set }) => set.upTo);
    const furthest = Math.max(...places);
    const from = head - furthest >= BACKLOG_IDLE ? furthest : Math.min(...places);
    const behind = targets.filter(({ set }) => set.upTo === from);
    const end = Math.min(head, ...places.filter((place) => place > from));
    if (from >= end) return;
    const needsText = behind.some(({ matcher }) => matcher !== null);
    const rows = this.selectEvents.values(needsText, from, end, eventsMax) as EventRow[];
    for (const row of rows) apply(behind, row, (sum, id) => sum.addId(id));
    const last = rows.length < eventsMax ? end : (rows.at(-1) as EventRow)[0];
    for (const { set } of behind) this.updateSet.run(set.id, last);
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

function apply(
  targets: readonly Target[],
  [seq, createdAt, kind, id, payload]: EventRow,
  change: (sum: ItemSum, id: Uint8Array) => void,
): void {
  const text = payload === null ? null : payloadText(payload);
  const groups = groupsOf(text);
  const hour = hourOf(createdAt);
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
  }
}

function copyOf(sum: ItemSum): ItemSum {
  return ItemSum.of(sum.count, sum.sum);
}

function compareDeltas(a: Delta, b: Delta): number {
  if (a.bucket !== b.bucket) return a.bucket - b.bucket;
  if (a.kind !== b.kind) return a.kind - b.kind;
  return a.groups < b.groups ? -1 : 1;
}
