// Keeps the tallies (tally.ts) of tags' keys that have many entries in the table `term`: the
// writer's, and the migration's that builds the index. They change when the tail is moved there.
//
//   tally   n | key, unique | upto | sums
//
// A tally counts the events up to a `seq`, wherever their rows are. So a move that is done again,
// from its start or by another process, adds nothing twice: all rows of a key that are under way
// are added when the first of them is moved, and `upto` tells the next one so. Of what a tally may
// count, `term` has nothing beyond that but what the move under way has yet to come to.
//
// An event that is removed is taken away from the tallies that count it. A contact list is part of
// hundreds, and is replaced again and again; so a batch only adds rows to the tail that say what to
// take away, and the next move does it. Their seq lies just after the last event's of their batch.

import type { Database, Statement } from "bun:sqlite";
import { speaksForItself } from "./info.ts";
import { RowLookup } from "./rows.ts";
import type { Run } from "./run.ts";
import { isTallied, takenKey, Tally } from "./tally.ts";
import type { TermRow } from "./term.ts";

/**
 * A key with more entries than this gets a tally, when that is noticed: most have it by twice as
 * many. To read as many takes a quarter of a millisecond.
 */
export const TALLY_ENTRIES = 600;
/**
 * With so many times more, it is left alone. One tag's key in millions comes that far unnoticed,
 * but a tag can be crafted to share the key of a kind, which may have any number.
 */
const LEFT_ALONE = 16;

export const TALLIES = `
  CREATE TABLE tally (
    n INTEGER PRIMARY KEY,
    key INTEGER NOT NULL UNIQUE,
    upto INTEGER NOT NULL,     -- it counts the events up to this seq
    sums BLOB NOT NULL         -- u32 info, u32 entries | …
  ) STRICT;
  `;

/** Rows that are moved into `term`. */
export interface Moved {
  readonly run: Run;
  /** Of the run's rows, those that this step moves. */
  readonly from: number;
  readonly to: number;
  /** The run is all rows of events after `merged` and up to `upTo`. */
  readonly merged: number;
  readonly upTo: number;
  readonly isRemoved: (seq: number) => boolean;
}

type TallyRow = [key: number, upTo: number, sums: Uint8Array];

export class Tallies {
  private readonly entriesMax: number;
  private readonly selectKeys: Statement;
  private readonly selectTally: Statement;
  private readonly upToOf: RowLookup;
  private readonly countTerms: Statement;
  private readonly selectInfos: Statement;
  private readonly update: Statement;
  private readonly insert: Statement;

  /** `entriesMax` > 0: what a key may have without a tally. */
  constructor(db: Database, entriesMax: number) {
    this.entriesMax = entriesMax;
    this.selectKeys = db.prepare("SELECT key FROM tally WHERE key BETWEEN ? AND ? ORDER BY key");
    this.selectTally = db.prepare("SELECT key, upto, sums FROM tally WHERE key = ?");
    this.upToOf = new RowLookup(db, "SELECT key, upto FROM tally WHERE key", 0);
    this.countTerms = db.prepare(
      "SELECT count(*) FROM (SELECT 1 FROM term WHERE key = ? AND seq <= ? LIMIT ?)",
    );
    this.selectInfos = db.prepare("SELECT info FROM term WHERE key = ? AND seq <= ?");
    this.update = db.prepare("UPDATE tally SET upto = ?2, sums = ?3 WHERE key = ?1");
    this.insert = db.prepare("INSERT INTO tally (key, upto, sums) VALUES (?, ?, ?)");
  }

  /** To be called in the transaction that moves the rows. */
  addMoved(moved: Moved): void {
    const { keys } = moved.run;
    const { from, to } = moved;
    if (from === to) return;
    const first = Math.floor(keys[from] as number);
    const rows = this.selectKeys.values(first, keys[to - 1] as number);
    const tallied = rows.flat() as number[]; // in order, as the run's are
    for (let start = from, next = 0; start < to;) {
      const key = Math.floor(keys[start] as number); // with what is to be taken away
      let end = start + 1;
      while (end < to && Math.floor(keys[end] as number) === key) end += 1;
      while ((tallied[next] ?? Infinity) < key) next += 1;
      if (tallied[next] === key) this.extend(key, moved);
      else if (this.mustLook(moved.run, start, end)) this.look(key, moved);
      start = end;
    }
  }

  /** Of the rows of one event that is removed, those that tallies count by now. */
  counted(rows: readonly TermRow[], seq: number): TermRow[] {
    const tallied = rows.filter(({ info }) => isTallied(info));
    if (tallied.length === 0) return [];
    const counting = new Set<number>();
    const keys = tallied.map(({ key }) => key);
    this.upToOf.each(keys, ([key, upTo]) => {
      if (seq <= (upTo as number)) counting.add(key as number);
    });
    return tallied.filter(({ key }) => counting.has(key));
  }

  /** Takes them away at once, in the transaction that deletes them. */
  remove(counted: readonly TermRow[]): void {
    for (const { key, info } of counted) {
      const [, upTo, sums] = this.selectTally.values(key)[0] as TallyRow;
      this.write(key, Tally.decode(upTo, sums).without([info]));
    }
  }

  private extend(key: number, moved: Moved): void {
    const [, upTo, sums] = this.selectTally.values(key)[0] as TallyRow;
    if (upTo >= moved.upTo) return;
    const added = infosUnder(key, moved);
    const taken = infosUnder(takenKey(key), moved);
    if (added.length + taken.length === 0) return;
    this.write(key, Tally.decode(upTo, sums).with(moved.upTo, added).without(taken));
  }

  /**
   * Which keys have become heavy is found by chance, as it costs a look-up: of as many rows as a
   * key may have without a tally, one makes it be looked at. Chance comes from the seq, so that a
   * move that is done again does the same.
   */
  private mustLook({ infos, seqs }: Run, start: number, end: number): boolean {
    for (let i = start; i < end; i++) {
      if (!speaksForItself(infos[i] as number, "tag")) continue;
      const chance = Math.imul(seqs[i] as number, 0x9e3779b1) >>> 8;
      if (chance % this.entriesMax === 0) return true;
    }
    return false;
  }

  private look(key: number, moved: Moved): void {
    const infos = infosUnder(key, moved);
    const tooMany = LEFT_ALONE * this.entriesMax;
    const [entries] = this.countTerms.values(key, moved.merged, tooMany)[0] as [number];
    if (entries + infos.length <= this.entriesMax || entries === tooMany) return;
    const before = this.selectInfos.values(key, moved.merged) as [number][];
    for (const [info] of before) if (isTallied(info)) infos.push(info);
    const tally = Tally.of(moved.upTo, infos);
    this.insert.run(key, moved.upTo, tally.encode());
  }

  private write(key: number, tally: Tally): void {
    this.update.run(key, tally.upTo, tally.encode());
  }
}

/** What the tallied rows of a key say that are under way, not only in this step. */
function infosUnder(key: number, { run, isRemoved }: Moved): number[] {
  const infos: number[] = [];
  for (let i = run.after(key, -Infinity, -1, -1); i < run.length && run.keys[i] === key; i++) {
    const info = run.infos[i] as number;
    if (isTallied(info) && !isRemoved(run.seqs[i] as number)) infos.push(info);
  }
  return infos;
}

/** The tallies of an index that is built at once: its rows come in order. */
export class TallyBuilder {
  private readonly insert: Statement;
  private readonly upTo: number;
  private key = 0;
  private entries = 0;
  private isTag = false;
  private infos: number[] = [];

  constructor(db: Database, upTo: number) {
    this.insert = db.prepare("INSERT INTO tally (key, upto, sums) VALUES (?, ?, ?)");
    this.upTo = upTo;
  }

  add(key: number, info: number): void {
    if (key !== this.key) this.end();
    this.key = key;
    this.entries += 1;
    this.isTag ||= speaksForItself(info, "tag");
    if (isTallied(info)) this.infos.push(info);
  }

  /** After the last row. */
  end(): void {
    if (this.isTag && this.entries > TALLY_ENTRIES) {
      this.insert.run(this.key, this.upTo, Tally.of(this.upTo, this.infos).encode());
    }
    this.entries = 0;
    this.isTag = false;
    this.infos = [];
  }
}
