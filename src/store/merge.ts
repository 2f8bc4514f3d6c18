// Moves the tail of the index into the table `term` (tail.ts says why): once the tail holds enough
// events, all rows of those are taken in the order of their keys, a bounded number in each step, so
// that no commit has to wait long.
//
// Several processes may write one database. One that finds another at work leaves it alone, unless
// the tail has grown to twice its size: then the other has stopped in the middle, and its work is
// done again from the start, which does no harm.

import type { Database, Statement } from "bun:sqlite";
import { RowInserter } from "./rows.ts";
import type { Run } from "./run.ts";
import type { Tail } from "./tail.ts";
import type { Tallies } from "./tallies.ts";
import { isTakenKey } from "./tally.ts";

export interface MergerOptions {
  readonly synchronous: "off" | "normal" | "full";
  /** So many events' rows are moved at a time. */
  readonly tailEvents: number;
  /** For who writes much: with a large index, a share of what is in it, up to this. */
  readonly tailEventsMax?: number;
  /** A key with more entries in `term` gets a tally. */
  readonly tallyEntries?: number;
}

/** A few milliseconds' work. */
const STEP_ROWS_MIN = 2048;
/** Some tens of milliseconds' work, for who has nothing else to do. */
const STEP_ROWS_ALL = 32_768;
/** Each move passes over the whole index; so the larger that is, the more is moved at a time. */
const INDEX_SHARE = 8;
/** What an event has at most, for the most part: one with thousands of tags counts for many. */
const ROWS_PER_EVENT = 16;
const COLUMNS = 5;

/** Under way: all rows up to a commit, and how many of them have been moved. */
interface Move {
  readonly run: Run;
  readonly upTo: number;
  done: number;
}

export class Merger {
  private readonly db: Database;
  private readonly tail: Tail;
  private readonly options: MergerOptions;
  private readonly terms: RowInserter;
  private readonly tallies: Tallies;
  private readonly begun: Statement;
  private readonly ended: Statement;
  private readonly deleteParts: Statement;
  private move: Move | null = null;

  constructor(db: Database, tail: Tail, tallies: Tallies, options: MergerOptions) {
    this.db = db;
    this.tail = tail;
    this.options = options;
    this.terms = new RowInserter(db, "INSERT OR IGNORE INTO term", COLUMNS);
    this.tallies = tallies;
    this.begun = db.prepare("UPDATE head SET merging = ?");
    this.ended = db.prepare("UPDATE head SET merged = ?");
    this.deleteParts = db.prepare("DELETE FROM tail_run WHERE seq <= ?");
  }

  /** One step of about so many rows; true when there is more to do. */
  step(rows: number): boolean {
    if (this.move === null && !this.isDue()) return false;
    this.takeStep(Math.max(rows, STEP_ROWS_MIN));
    return this.move !== null;
  }

  /** Moves all that is in the tail by now, in many steps, between which others may write. */
  moveAll(): void {
    const { seq } = this.tail.refresh();
    while (this.tail.refresh().merged < seq) this.takeStep(STEP_ROWS_ALL);
  }

  private takeStep(rows: number): void {
    // What is moved is safe already: the next durable commit makes the move durable as well.
    if (this.options.synchronous === "full") this.db.run("PRAGMA synchronous = NORMAL");
    try {
      this.db.run("BEGIN IMMEDIATE");
      this.moveSome(rows);
      this.db.run("COMMIT");
    } catch (error) {
      this.move = null;
      if (this.db.inTransaction) this.db.run("ROLLBACK");
      throw error;
    } finally {
      if (this.options.synchronous === "full") this.db.run("PRAGMA synchronous = FULL");
    }
    this.tail.refresh();
  }

  private isDue(): boolean {
    const { seq, merged, merging } = this.tail.refresh();
    const isOthers = merging > merged;
    const share = Math.min(merged / INDEX_SHARE, this.options.tailEventsMax ?? 0);
    const enough = Math.max(this.options.tailEvents, share);
    const size = Math.max(seq - merged, this.tail.rowCount / ROWS_PER_EVENT);
    return size >= enough * (isOthers ? 2 : 1);
  }

  private moveSome(rows: number): void {
    const head = this.tail.refresh();
    if (this.move === null) {
      const upTo = head.merging > head.merged ? head.merging : head.seq;
      this.begun.run(upTo);
      this.move = { run: this.tail.runUpTo(upTo), upTo, done: 0 };
    }
    const { move } = this;
    const { merged } = head;
    if (merged >= move.upTo) {
      this.move = null; // another process was faster
      return;
    }
    const end = Math.min(move.run.length, move.done + rows);
    this.insert(move.run, move.done, end);
    const isRemoved = (seq: number): boolean => this.tail.isRemoved(seq);
    const { run, upTo, done } = move;
    this.tallies.addMoved({ run, from: done, to: end, merged, upTo, isRemoved });
    move.done = end;
    if (end < move.run.length) return;
    this.ended.run(move.upTo);
    this.deleteParts.run(move.upTo);
    this.move = null;
  }

  private insert(run: Run, from: number, to: number): void {
    const values: number[] = [];
    for (let i = from; i < to; i++) {
      const key = run.keys[i] as number;
      const seq = run.seqs[i] as number;
      if (isTakenKey(key) || this.tail.isRemoved(seq)) continue;
      values.push(key, run.ages[i] as number, run.orders[i] as number);
      values.push(seq, run.infos[i] as number);
    }
    this.terms.insert(values);
  }
}
