// Reading by `seq` and by key: the statements that scans, the monitor's replay and the commands are
// made of. Owned by one thread. Each call is its own short read transaction, or part of the one
// that `inSnapshot` makes; a scan that pauses holds none, so it never keeps the write-ahead log
// from being checkpointed.

import type { Database, Statement } from "bun:sqlite";
import { Newest, type NewestEntries } from "./newest.ts";
import { EntryRange, RowLookup } from "./rows.ts";
import { EVENT_COLUMNS, type EventRow, StoredEvent } from "./stored-event.ts";
import { mergeEntries, Tail } from "./tail.ts";
import { isTallied, takenKey, Tally } from "./tally.ts";
import type { TermEntry } from "./term.ts";

export type { TermEntry } from "./term.ts";

/** A list of the newest entries begins with so many. */
const NEWEST_FIRST = 256;

export class EventReader {
  private readonly db: Database;
  private readonly begin: Statement;
  private readonly commit: Statement;
  private readonly newestOf = new Newest();
  private readonly tail: Tail;
  private hasTail = false;
  private readonly selectTerms: Statement;
  private readonly selectTermsBefore: Statement;
  private readonly countTerms: Statement;
  private readonly selectTally: Statement;
  private readonly selectAfter: Statement;
  private readonly bySeq: RowLookup;
  private readonly range: EntryRange;

  constructor(db: Database) {
    this.db = db;
    this.begin = db.prepare("BEGIN");
    this.commit = db.prepare("COMMIT");
    this.tail = new Tail(db, null, this.newestOf);
    this.selectTerms = db.prepare(
      `SELECT age, ord, seq, info FROM term
       WHERE key = ?1 AND (age, ord, seq) > (?2, ?3, ?4) ORDER BY age, ord, seq LIMIT ?5`,
    );
    this.selectTermsBefore = db.prepare(
      `SELECT age, ord, seq, info FROM term WHERE key = ?1 AND (age, ord, seq) < (?2, ?3, ?4)
       ORDER BY age DESC, ord DESC, seq DESC LIMIT ?5`,
    );
    this.countTerms = db.prepare(
      `SELECT count(*) FROM
       (SELECT 1 FROM term WHERE key = ?1 AND age BETWEEN ?2 AND ?3 LIMIT ?4)`,
    );
    this.selectTally = db.prepare("SELECT upto, sums FROM tally WHERE key = ?");
    this.selectAfter = db.prepare(
      `SELECT ${EVENT_COLUMNS} FROM event
       WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3`,
    );
    this.range = new EntryRange(db);
    this.bySeq = new RowLookup(db, `SELECT ${EVENT_COLUMNS} FROM event WHERE seq`, 0);
  }

  /** One transaction for all that `body` reads: a third of a small statement's cost is its own. */
  inSnapshot<T>(body: () => T): T {
    this.begin.run();
    try {
      return body();
    } finally {
      if (this.db.inTransaction) this.commit.run(); // after some errors it has ended by itself
    }
  }

  /** The last commit: every event with this `seq` or a lower one is visible from now on. */
  head(): number {
    this.hasTail = true;
    return this.tail.refresh().seq;
  }

  /** Up to `limit` index entries under `key`, after the given one in order. */
  entries(
    key: number,
    age: number,
    order: number,
    seq: number,
    limit: number,
  ): readonly TermEntry[] {
    if (!this.hasTail) this.head();
    const rows = this.selectTerms.values(key, age, order, seq, limit) as TermEntry[];
    return mergeEntries(rows, this.tail.entries(key, age, order, seq, limit), limit, isBefore);
  }

  /** The newest entries under `key`, as far as they are in memory: the first few at least. */
  newest(key: number): NewestEntries {
    const list = this.newestOf.get(key);
    if (list.length === 0 && !list.isComplete) this.extendNewest(key, list, NEWEST_FIRST);
    return list;
  }

  /** The same, if somebody has asked for it lately. */
  knownNewest(key: number): NewestEntries | null {
    return this.newestOf.find(key);
  }

  /** Reads up to `count` more entries into a list that one of these has just given. */
  extendNewest(key: number, list: NewestEntries, count: number): void {
    const [age, order, seq] = list.end;
    const older = this.entries(key, age, order, seq, count);
    list.extend(older, older.length < count);
  }

  /** The event of an entry is gone for good: lists in memory may still have it. */
  forget(entry: TermEntry): void {
    this.newestOf.forget(entry);
  }

  /** Whether an event is gone whose entries are still in the tail. */
  readonly isRemoved = (seq: number): boolean => this.tail.isRemoved(seq);

  /** All index entries under these keys in a time range, in order; null when more than `max`. */
  entriesBetween(
    keys: readonly number[],
    fromAge: number,
    toAge: number,
    max: number,
  ): TermEntry[] | null {
    if (!this.hasTail) this.head();
    const found = this.range.read(keys, fromAge, toAge, max);
    if (found === null || !this.tail.collect(keys, fromAge, toAge, max, found)) return null;
    return found.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
  }

  /** Up to `limit` index entries under `key`, before the given one, in descending order. */
  entriesBefore(
    key: number,
    age: number,
    order: number,
    seq: number,
    limit: number,
  ): readonly TermEntry[] {
    if (!this.hasTail) this.head();
    const rows = this.selectTermsBefore.values(key, age, order, seq, limit) as TermEntry[];
    const tail = this.tail.entriesBefore(key, age, order, seq, limit);
    return mergeEntries(rows, tail, limit, (a, b) => isBefore(b, a));
  }

  /**
   * How many entries `key` has in the time range, counted up to `limit`; those that are just being
   * moved are counted twice.
   */
  countEntries(key: number, since: number, until: number, limit: number): number {
    if (!this.hasTail) this.head();
    const [count] = this.countTerms.values(key, -until, -since, limit)[0] as [number];
    return Math.min(limit, count + this.tail.count(key, -until, -since));
  }

  /**
   * How many entries `key` has that say what, of those that are tallied, if it has so many that
   * this is kept. In one snapshot with `head`.
   */
  tally(key: number): Tally | null {
    const row = this.selectTally.values(key)[0] as [number, Uint8Array] | undefined;
    if (row === undefined) return null;
    const [upTo, sums] = row;
    const added = this.talliedInTail(key, upTo);
    const taken = this.talliedInTail(takenKey(key), upTo);
    return Tally.decode(upTo, sums).with(upTo, added).without(taken);
  }

  private talliedInTail(key: number, after: number): number[] {
    const found: TermEntry[] = [];
    this.tail.collect([key], -Infinity, Infinity, Infinity, found);
    const later = found.filter(([, , seq, info]) => seq > after && isTallied(info));
    return later.map(([, , , info]) => info);
  }

  /** The events that are still there, in no order. */
  texts(seqs: readonly number[]): StoredEvent[] {
    const found: StoredEvent[] = [];
    this.bySeq.each(seqs, (row) => found.push(new StoredEvent(row as EventRow)));
    return found;
  }

  /** Events with after < seq <= upTo in commit order, at most `limit`. */
  textsAfter(after: number, upTo: number, limit: number): StoredEvent[] {
    const rows = this.selectAfter.values(after, upTo, limit);
    return (rows as EventRow[]).map((row) => new StoredEvent(row));
  }
}

function isBefore(a: TermEntry, b: TermEntry): boolean {
  if (a[0] !== b[0]) return a[0] < b[0];
  return a[1] !== b[1] ? a[1] < b[1] : a[2] < b[2];
}
