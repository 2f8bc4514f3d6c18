// The search index, as its one thread fills it: in steps, each a transaction that puts in some
// events, takes out what was removed, and moves the cursors. So a crash loses whole steps, which
// are done again; no event is missed or put in twice. Other processes may do the same to the same
// file: each step goes on from where the last one came to, whoever took it.
//
// What was removed is not found from then on, but FTS5 keeps its words until it merges the part
// they are in. So a shard with removals is made anew, a while after the first of them; and one that
// is full, because FTS5 finds things sooner where there is but one part.

import type { Database, Statement } from "bun:sqlite";
import { describeError, log } from "../config/log.ts";
import { eventWords } from "../protocol/search-match.ts";
import { decodeText, textId } from "./candidate.ts";
import { facetWords } from "./search-facets.ts";
import { createShard, emptyLog, ForeignIndex, shardTable } from "./search-schema.ts";
import type { SearchSource, SourceEvent } from "./search-source.ts";

/** Events in a shard. */
const SHARD_EVENTS = 16_384;
/** Indexed events compared with the stored ones at once. */
const COMPARE_ROWS = 2048;
/** So that many removals share one making anew, which takes some 50 ms. */
export const PURGE_AFTER_S = 60;

interface State {
  readonly kinds: string;
  readonly seq: number;
  readonly removal: number;
  readonly compared: number;
}

type ShardRow = [number: number, first: number, events: number];

interface Shard {
  readonly number: number;
  readonly first: number;
  readonly events: number;
}

export class SearchIndex {
  private readonly db: Database;
  private readonly source: SearchSource;
  /** As `state` has them. */
  private readonly kinds: string;
  private readonly shardEvents: number;
  private readonly selectState: Statement;
  private readonly updateState: Statement;
  private readonly selectLastShard: Statement;
  private readonly selectShardOf: Statement;
  private readonly insertShard: Statement;
  private readonly updateShard: Statement;
  private readonly setDue: Statement;
  private readonly clearDue: Statement;
  private readonly selectDue: Statement;
  /** The write-ahead log still has pages with words that were purged. */
  private hasOldLog = false;

  constructor(
    db: Database,
    source: SearchSource,
    kinds: Iterable<number>,
    shardEvents = SHARD_EVENTS,
  ) {
    this.db = db;
    this.source = source;
    this.kinds = JSON.stringify([...kinds]);
    this.shardEvents = shardEvents;
    this.selectState = db.prepare("SELECT kinds, seq, removal, compared FROM state");
    this.updateState = db.prepare("UPDATE state SET kinds = ?, seq = ?, removal = ?, compared = ?");
    this.selectLastShard = db.prepare(
      "SELECT number, first, events FROM shard ORDER BY number DESC LIMIT 1",
    );
    this.selectShardOf = db.prepare(
      "SELECT number, first, events FROM shard WHERE first <= ? ORDER BY first DESC LIMIT 1",
    );
    this.insertShard = db.prepare("INSERT INTO shard VALUES (?, ?, 0, 0, 0, x'')");
    this.updateShard = db.prepare(
      "UPDATE shard SET events = events + ?, last = ?, last_id = ? WHERE number = ?",
    );
    this.setDue = db.prepare("UPDATE shard SET due = ? WHERE number = ? AND due = 0");
    this.clearDue = db.prepare("UPDATE shard SET due = 0 WHERE number = ?");
    this.selectDue = db.prepare(
      "SELECT number FROM shard WHERE due BETWEEN 1 AND ? ORDER BY due LIMIT 1",
    );
  }

  /** True when it is a new one. Throws unless it was made of these events, and of these kinds. */
  prepare(): boolean {
    return this.db
      .transaction(() => {
        const isNew = this.state().kinds === "";
        if (!isNew) this.checkOrigin();
        const { removal } = this.source.head(); // first: what is removed from now on counts
        if (isNew) this.updateState.run(this.kinds, 0, removal, -1);
        return isNew;
      })
      .immediate();
  }

  /** A bounded piece of work. True when there may be more to do at once. `now`: unix seconds. */
  step(now: number): boolean {
    if (!this.isBehind()) return false;
    return this.db
      .transaction(() => {
        const state = this.state();
        if (state.kinds !== this.kinds) return false; // another process has other kinds: its turn
        const piece = this.source.readAfter(state.seq, state.removal, now);
        this.insert(piece.events, now);
        this.remove(piece.removed, now);
        const compared = piece.hasGap ? 0 : state.compared;
        const next = compared < 0 ? -1 : this.compare(compared, now);
        this.updateState.run(this.kinds, piece.lastSeq, piece.lastRemoval, next);
        return true;
      })
      .immediate();
  }

  /** Has all that is indexed compared with what is stored, by the next steps. */
  startComparing(): void {
    this.db.run("UPDATE state SET compared = 0 WHERE compared < 0");
  }

  /** Whether there is anything that `step` would do. */
  isBehind(): boolean {
    const { seq, removal, compared, kinds } = this.state();
    const head = this.source.head();
    const isWhole = seq >= head.seq && removal >= head.removal && compared < 0;
    return !isWhole && kinds === this.kinds;
  }

  /** Makes one shard anew, if one is due. True when it did. `now`: unix seconds. */
  purge(now: number): boolean {
    if (this.hasOldLog) this.hasOldLog = !emptyLog(this.db);
    const [row] = this.selectDue.values(now) as [number][];
    if (row === undefined) return false;
    const table = shardTable(row[0]);
    this.db
      .transaction(() => {
        this.db.run(`INSERT INTO ${table}(${table}) VALUES ('optimize')`);
        this.clearDue.run(row[0]);
      })
      .immediate();
    this.hasOldLog = !emptyLog(this.db);
    return true;
  }

  private state(): State {
    const row = this.selectState.values()[0] as [string, number, number, number];
    const [kinds, seq, removal, compared] = row;
    return { kinds, seq, removal, compared };
  }

  /** Seqs could mean other events if the database was replaced, or lost some in a power cut. */
  private checkOrigin(): void {
    const { kinds, seq, removal } = this.state();
    const head = this.source.head();
    if (kinds !== this.kinds) throw new ForeignIndex("it is of other kinds");
    const lasts = this.db.query("SELECT last, last_id FROM shard WHERE events > 0").values();
    const isOther = ([last, id]: [number, Uint8Array]): boolean =>
      this.source.idOf(last)?.equals(id) === false;
    if (
      seq > head.seq ||
      removal > head.removal ||
      (lasts as [number, Uint8Array][]).some(isOther)
    ) {
      throw new ForeignIndex("it is of other events than the database has");
    }
  }

  private insert(events: readonly SourceEvent[], now: number): void {
    for (let done = 0; done < events.length;) {
      const shard = this.openShard((events[done] as SourceEvent).seq);
      const room = this.shardEvents - shard.events;
      const some = events.slice(done, done + room);
      this.insertInto(shard.number, some);
      if (some.length === room) this.setDue.run(now + 1, shard.number);
      done += some.length;
    }
  }

  /** The last one if it has room, else a new one, for events from this seq on. */
  private openShard(seq: number): Shard {
    const [row] = this.selectLastShard.values() as ShardRow[];
    const last = row === undefined ? null : shardOf(row);
    if (last !== null && last.events < this.shardEvents) return last;
    const number = (last?.number ?? 0) + 1;
    createShard(this.db, number);
    this.insertShard.run(number, seq);
    return { number, first: seq, events: 0 };
  }

  private insertInto(number: number, events: readonly SourceEvent[]): void {
    const insert = this.db.query(
      `INSERT INTO ${shardTable(number)}(rowid, title, body, facets) VALUES (?, ?, ?, ?)`,
    );
    for (const event of events) {
      const words = wordsOf(event);
      if (words !== null) insert.run(event.seq, ...words);
    }
    const { seq, text } = events.at(-1) as SourceEvent;
    this.updateShard.run(events.length, seq, Buffer.from(textId(text), "hex"), number);
  }

  private remove(seqs: readonly number[], now: number): void {
    for (const seq of seqs) {
      const [row] = this.selectShardOf.values(seq) as ShardRow[];
      if (row === undefined) continue;
      const { number } = shardOf(row);
      const table = shardTable(number);
      if (this.db.query(`SELECT 1 FROM ${table} WHERE rowid = ?`).values(seq).length === 0)
        continue;
      this.db.query(`DELETE FROM ${table} WHERE rowid = ?`).run(seq);
      this.setDue.run(now + PURGE_AFTER_S, number);
    }
  }

  /** Takes out what isn't stored any more, of some events after `after`. Returns where to go on. */
  private compare(after: number, now: number): number {
    const [row] = [...this.selectShardOf.values(after + 1), ...this.firstShard()];
    if (row === undefined) return -1;
    const { number } = shardOf(row as ShardRow);
    const rows = this.db
      .query(`SELECT rowid FROM ${shardTable(number)} WHERE rowid > ? ORDER BY rowid LIMIT ?`)
      .values(after, COMPARE_ROWS) as [number][];
    const seqs = rows.map(([seq]) => seq);
    this.remove(this.source.missing(seqs), now);
    if (seqs.length === COMPARE_ROWS) return seqs.at(-1) as number;
    const next = this.db.query("SELECT first FROM shard WHERE number = ?").values(number + 1)[0];
    return next === undefined ? -1 : (next[0] as number) - 1;
  }

  private firstShard(): unknown[][] {
    return this.db.query("SELECT number, first, events FROM shard WHERE number = 1").values();
  }
}

function shardOf([number, first, events]: ShardRow): Shard {
  return { number, first, events };
}

/** The columns, or null of an event that can't be read. */
function wordsOf({ seq, text }: SourceEvent): [string, string, string] | null {
  try {
    const event = decodeText(text);
    const { title, body } = eventWords(event);
    return [title.join(" "), body.join(" "), facetWords(event).join(" ")];
  } catch (error) {
    log("warn", "search", `event ${seq} can't be read: ${describeError(error)}`);
    return null;
  }
}
