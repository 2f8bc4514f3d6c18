// Writing: a batch of events in one transaction, each with a verdict of its own (judge.ts). Owned
// by the one writing thread of a process; other processes may write the same file, one transaction
// at a time.
//
// Survivors are inserted at the end, in order of arrival; their index rows go to the tail
// (tail.ts), from where `maintain` moves them into `term`, many at a time.

import type { Database, SQLQueryBindings, Statement } from "bun:sqlite";
import { nowSeconds } from "../config/clock.ts";
import { describeError, log } from "../config/log.ts";
import { KIND_DELETION } from "../protocol/kind.ts";
import type { IsThisRelay } from "../protocol/relay-url.ts";
import type { Candidate } from "./candidate.ts";
import type { Companion } from "./companion.ts";
import { Eraser } from "./erase.ts";
import { Gone } from "./gone.ts";
import { History, type HistoryEntry, type Removal } from "./history.ts";
import { goneKeys, Judge } from "./judge.ts";
import { KeyFilter } from "./key-filter.ts";
import { KnownKeys } from "./known-keys.ts";
import { Merger, type MergerOptions } from "./merge.ts";
import { packPayload } from "./payload.ts";
import type { Pending } from "./pending.ts";
import { RowInserter } from "./rows.ts";
import { Run } from "./run.ts";
import { StoredEvents } from "./stored.ts";
import { SumKeeper } from "./sum-keeper.ts";
import { encodeSeqs, type Head, Tail } from "./tail.ts";
import { Tallies, TALLY_ENTRIES } from "./tallies.ts";
import { EXPIRING_KEY, type TermRow, termRows } from "./term.ts";
import { DUPLICATE, type Verdict, type WriteResult } from "./verdict.ts";

export type { Verdict, WriteResult };

export interface WriterOptions extends MergerOptions {
  /** How much is remembered of what became of events; 0 for nothing. */
  readonly historyEntriesMax: number;
  /** Whom requests to vanish are meant for. */
  readonly isThisRelay: IsThisRelay;
}

interface Part {
  /** It leaves the tail when all events up to this one have. */
  readonly seq: number;
  readonly run: Run;
  readonly removed: readonly number[];
}

export interface Removed {
  readonly ids: readonly string[];
  /** The seqs that have not been come to. */
  readonly left: readonly number[];
}

/** So long others may wait while what was asked for is erased at once, as far as that goes. */
const ERASE_AT_ONCE_MS = 100;

export class EventWriter {
  private readonly db: Database;
  private readonly options: WriterOptions;
  private readonly companion: Companion | null;
  private readonly events: RowInserter;
  private readonly tail: Tail;
  private readonly known: KnownKeys;
  private readonly merger: Merger;
  private readonly history: History;
  private readonly stored: StoredEvents;
  private readonly gone: Gone;
  private readonly eraser: Eraser;
  /** What syncs go by. */
  readonly sums: SumKeeper;
  private readonly selectHead: Statement;
  private readonly updateHead: Statement;
  private readonly insertPart: Statement;
  private readonly selectExpired: Statement;
  private readonly selectIsExpired: Statement;
  private rowsWritten = 0;
  /** By upkeep, not yet taken. */
  private erasedIds: string[] = [];
  /** As of the transaction under way. */
  private head: Head = { seq: 0, part: 0, merged: 0, merging: 0, turn: -1 };
  /** After the last commit of this writer. */
  private turn = -1;

  /** `filter`: shared with who wants to know what is stored. */
  constructor(
    db: Database,
    options: WriterOptions,
    filter = new KeyFilter(),
    companion: Companion | null = null,
  ) {
    this.db = db;
    this.options = options;
    this.companion = companion;
    this.events = new RowInserter(db, "INSERT INTO event", 6);
    this.known = new KnownKeys(db, filter);
    this.tail = new Tail(db, this.known);
    const tallies = new Tallies(db, options.tallyEntries ?? TALLY_ENTRIES);
    this.merger = new Merger(db, this.tail, tallies, options);
    this.history = new History(db, options.historyEntriesMax, nowSeconds);
    this.stored = new StoredEvents(db, this.tail, tallies, this.known, this.history);
    this.gone = new Gone(db, this.known);
    this.eraser = new Eraser(db, this.stored);
    this.sums = new SumKeeper(db, options.synchronous);
    this.selectHead = db.prepare("SELECT seq FROM head");
    this.updateHead = db.prepare("UPDATE head SET seq = ?, part = ?, turn = turn + 1");
    this.insertPart = db.prepare("INSERT INTO tail_run VALUES (?, ?, ?, ?)");
    this.selectExpired = db.prepare(
      `SELECT seq FROM term JOIN event USING (seq)
       WHERE key = ?1 AND age BETWEEN 1 AND ?2 AND expires BETWEEN 1 AND ?2 LIMIT ?3`,
    );
    this.selectIsExpired = db.prepare(
      "SELECT 1 FROM event WHERE seq = ?1 AND expires BETWEEN 1 AND ?2",
    );
  }

  /** The last `seq` given out by anybody. */
  lastSeq(): number {
    return (this.selectHead.values()[0] as [number])[0];
  }

  /**
   * A bounded piece of the store's upkeep, to be called after each batch, and again at once while
   * it returns true. Commits nothing that must be durable at once, so it doesn't wait for the disk.
   */
  maintain(): boolean {
    const isMoving = this.merger.step(2 * this.rowsWritten); // so that it gains on what comes
    return this.erase() || this.known.learn() || isMoving;
  }

  /** The ids of events that upkeep has removed since the last call. */
  takeErasedIds(): readonly string[] {
    const ids = this.erasedIds;
    this.erasedIds = [];
    return ids;
  }

  /** Moves all of the index into its table: for who ends, having written much. */
  moveTail(): void {
    this.merger.moveAll();
  }

  /** Writes and commits the batch. Throws with nothing written when the database does. */
  write(batch: readonly Candidate[]): WriteResult {
    let hasVanished = false;
    const result = this.inTransaction<WriteResult>(() => {
      const headBefore = this.head.seq;
      this.companion?.begin();
      this.gone.load(batch.flatMap(goneKeys));
      const { stored, gone, companion } = this;
      const judge = new Judge(stored, gone, this.options.isThisRelay, batch, companion);
      const verdicts = this.admitAll(batch, judge);
      hasVanished = judge.vanishes.length > 0;
      for (const { pubkey, created_at, id } of judge.vanishes) {
        this.eraser.add(pubkey, "vanished", created_at, id);
      }
      const rows = this.insert(judge.pending, verdicts);
      companion?.published(verdicts.splice(batch.length));
      const headAfter = this.head.seq;
      return [{ verdicts, removedIds: this.stored.removedIds, headBefore, headAfter }, rows];
    }, true);
    // Most authors are gone before they hear of it, and of who wrote much, the newest events.
    if (hasVanished) this.eraseAtOnce();
    return result;
  }

  /** The verdict of each, and then those of what the relay publishes because of them. */
  private admitAll(batch: readonly Candidate[], judge: Judge): Verdict[] {
    const { companion } = this;
    const own: Verdict[] = [];
    const takeOwn = (candidates: readonly Candidate[]): void => {
      judge.extend(candidates);
      for (const candidate of candidates) {
        own.push(judge.admitOwn(candidate, batch.length + own.length));
      }
    };
    const verdicts = batch.map((candidate, i) => {
      const ruled = companion?.judge(candidate) ?? null;
      if (ruled !== null) return ruled;
      const verdict = judge.admit(candidate, i);
      if (companion === null || !verdict.accepted || verdict === DUPLICATE) return verdict;
      const aftermath = companion.accepted(candidate);
      if (aftermath === null) return verdict;
      for (const id of aftermath.removed) judge.deleteFor(candidate, id);
      takeOwn(aftermath.own);
      return verdict;
    });
    takeOwn(companion?.takeOwn() ?? []);
    return [...verdicts, ...own];
  }

  /** After the table `erase` was changed otherwise: most of what it asks for is done at once. */
  eraseNow(): void {
    this.eraser.reset();
    this.eraseAtOnce();
  }

  /** Upkeep does the rest, and what fails: the batch that asks for it is committed already. */
  private eraseAtOnce(): void {
    const deadline = performance.now() + ERASE_AT_ONCE_MS;
    try {
      while (this.erase() && performance.now() < deadline);
    } catch (error) {
      log("error", "writer", `not erased at once, later: ${describeError(error)}`);
    }
  }

  /** Removes stored events by `seq`; those already gone are passed over. Returns their ids. */
  remove(seqs: readonly number[], what: Removal = "erased", detail = ""): readonly string[] {
    const ids: string[] = [];
    for (let left = seqs; left.length > 0;) {
      const some = this.removeSome(left, what, detail);
      ids.push(...some.ids);
      left = some.left;
    }
    return ids;
  }

  /** The same in one transaction, which leaves some for the next ones if there is much to do. */
  removeSome(seqs: readonly number[], what: Removal, detail = ""): Removed {
    if (seqs.length === 0) return { ids: [], left: [] };
    return this.inTransaction(() => {
      this.gone.load([]);
      let count = 0;
      for (; count < seqs.length && !this.stored.hasRemovedMuch; count++) {
        this.stored.remove(seqs[count] as number, what, detail);
      }
      return [{ ids: this.stored.removedIds, left: seqs.slice(count) }, []];
    });
  }

  /** Remembers what was refused. */
  addRefusals(refusals: readonly Pick<HistoryEntry, "id" | "detail">[]): void {
    this.unsynced(() => {
      this.inTransaction(() => {
        this.gone.load([]);
        for (const { id, detail } of refusals) {
          this.history.add({ id, seq: 0, what: "refused", detail });
        }
        return [null, []];
      });
    });
  }

  /**
   * NIP-40: removes up to `countMax` events that expired at or before `now`, and fewer if they have
   * very many tags. Returns their ids.
   */
  removeExpired(now: number, countMax: number): readonly string[] {
    this.tail.refresh();
    const seqs: number[] = [];
    // From 1 on: what is made to share that key has an age of 0 at most.
    for (const [age, , seq] of this.tail.entries(EXPIRING_KEY, 1, -1, -1, countMax)) {
      if (age <= now && this.selectIsExpired.values(seq, now).length > 0) seqs.push(seq);
    }
    if (seqs.length < countMax) {
      const rows = this.selectExpired.values(EXPIRING_KEY, now, countMax) as [number][];
      for (const [seq] of rows) if (!seqs.includes(seq)) seqs.push(seq);
    }
    return this.removeSome(seqs.slice(0, countMax), "expired").ids;
  }

  /** Some of what is to be erased; true when there may be more. */
  private erase(): boolean {
    if (!this.eraser.hasWork()) return false;
    try {
      this.unsynced(() => {
        const ids = this.inTransaction(() => {
          this.gone.load([]);
          this.eraser.step((event) => {
            if (event.kind === KIND_DELETION) this.gone.remember(event);
          });
          return [this.stored.removedIds, []];
        });
        this.erasedIds.push(...ids);
      });
    } catch (error) {
      this.eraser.reset();
      throw error;
    }
    return true;
  }

  /** What `body` commits becomes durable with the next commit that is. */
  private unsynced(body: () => void): void {
    const isFull = this.options.synchronous === "full";
    if (isFull) this.db.run("PRAGMA synchronous = NORMAL");
    try {
      body();
    } finally {
      if (isFull) this.db.run("PRAGMA synchronous = FULL");
    }
  }

  /** `body` returns its result, and the rows that the index gets. */
  private inTransaction<T>(body: () => readonly [T, TermRow[]], isHasty = false): T {
    this.db.run("BEGIN IMMEDIATE");
    try {
      this.head = this.tail.refresh();
      if (this.head.turn !== this.turn) this.onOther();
      this.stored.begin(this.head, isHasty);
      const before = this.head;
      const [result, rows] = body();
      const parts = this.partsOf(rows);
      const part = before.part + parts.length;
      for (const [i, { seq, run, removed }] of parts.entries()) {
        this.insertPart.run(before.part + i + 1, seq, run.encode(), encodeSeqs(removed));
      }
      const hasChanged = this.gone.flush() || parts.length > 0;
      if (hasChanged) this.updateHead.run(this.head.seq, part);
      this.db.run("COMMIT");
      this.turn = before.turn + (hasChanged ? 1 : 0);
      for (const [i, { run, removed }] of parts.entries()) {
        this.tail.add(before.part + i + 1, run, removed);
      }
      this.gone.publish();
      this.rowsWritten = rows.length;
      return result;
    } catch (error) {
      if (this.db.inTransaction) this.db.run("ROLLBACK"); // a full disk has rolled back by itself
      throw error;
    }
  }

  /** What a transaction adds to the tail. What is taken away leaves it with the events to come. */
  private partsOf(rows: TermRow[]): Part[] {
    const { removedFromTail: removed, takenRows } = this.stored;
    const { seq } = this.head;
    const parts: Part[] = [];
    if (rows.length + removed.length > 0) parts.push({ seq, run: Run.of(rows), removed });
    if (takenRows === null || takenRows.length === 0) return parts;
    const run = Run.of(takenRows.map((row) => ({ ...row, seq: seq + 0.5 })));
    return [...parts, { seq: seq + 1, run, removed: [] }];
  }

  /** Another process has written, or this one has just begun. */
  private onOther(): void {
    this.known.onOther();
    this.eraser.onOther();
  }

  /** Returns the rows that the events have in the index. */
  private insert(pending: Pending, verdicts: Verdict[]): TermRow[] {
    let { seq } = this.head;
    const events: SQLQueryBindings[] = [];
    const rows: TermRow[] = [];
    for (const { candidate, index, isDropped } of pending.list) {
      if (isDropped) continue;
      seq += 1;
      verdicts[index] = { accepted: true, reason: "", seq };
      const { id, created_at, kind, expires } = candidate;
      const idBytes = Buffer.from(id, "hex");
      events.push(seq, idBytes, created_at, kind, expires, packPayload(candidate.text));
      for (const row of termRows(candidate, candidate.keys, seq)) rows.push(row);
    }
    this.events.insert(events);
    this.head = { ...this.head, seq };
    return rows;
  }
}
