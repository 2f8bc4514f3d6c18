// Looking into the search index: owned by a thread that answers queries. The file may be missing,
// may vanish, or be made anew at any time; then nothing is found in it for a while, and that is
// all.

import type { Database, Statement } from "bun:sqlite";
import { describeError, log } from "../config/log.ts";
import {
  areSameFiles,
  NO_FILES,
  openSearchForReading,
  searchFiles,
  shardTable,
} from "./search-schema.ts";

export interface SearchHead {
  /** Events up to this one are indexed. */
  readonly seq: number;
  /** How many kinds are. */
  readonly kindCount: number;
  /** Of the pieces, newest first. */
  readonly shards: readonly number[];
}

/** An event that has the words. */
export interface Hit {
  readonly seq: number;
  /** The lower, the better it fits. */
  readonly score: number;
}

/** What a word counts for in the title, in the body, and as a facet. */
const WEIGHTS = "4.0, 1.0, 0.0";
/** Statements kept; each is some ten kilobytes. */
const STATEMENTS_MAX = 128;
const NOTHING: SearchHead = { seq: 0, kindCount: 0, shards: [] };

export class SearchReader {
  private readonly dataDir: string;
  private db: Database | null = null;
  private files = NO_FILES;
  private readonly statements = new Map<number, Statement>();

  constructor(dataDir: string) {
    this.dataDir = dataDir;
  }

  head(): SearchHead {
    return this.guarded(NOTHING, (db) => {
      const [row] = db.query("SELECT seq, kinds FROM state").values() as [number, string][];
      if (row === undefined || row[1] === "") return NOTHING; // made just now
      const shards = db.query("SELECT number FROM shard ORDER BY number DESC").values();
      return {
        seq: row[0],
        kindCount: (JSON.parse(row[1]) as unknown[]).length,
        shards: (shards as [number][]).map(([number]) => number),
      };
    });
  }

  /** Up to `limit` events of a shard with lower seqs than `before`, in descending order of seqs. */
  hits(shard: number, expression: string, before: number, limit: number): Hit[] {
    return this.guarded([], (db) => {
      const rows = this.statementFor(db, shard).values(expression, before, limit);
      return (rows as [number, number][]).map(([seq, score]) => ({ seq, score }));
    });
  }

  /** How many events are indexed. */
  count(): number {
    const { shards } = this.head();
    return this.guarded(0, (db) => {
      const rows = shards.map((shard) => db.query(`SELECT count(*) FROM ${shardTable(shard)}`));
      return rows.reduce((sum, query) => sum + (query.values()[0] as [number])[0], 0);
    });
  }

  close(): void {
    this.statements.clear();
    this.db?.close();
    this.db = null;
  }

  /** `nothing` when there is no index, or it can't be read: the next call looks again. */
  private guarded<T>(nothing: T, read: (db: Database) => T): T {
    if (this.db === null || !areSameFiles(this.files, searchFiles(this.dataDir))) {
      this.close();
      this.db = openSearchForReading(this.dataDir);
      this.files = searchFiles(this.dataDir);
    }
    if (this.db === null) return nothing;
    try {
      return read(this.db);
    } catch (error) {
      log("warn", "search", `the index can't be read now: ${describeError(error)}`);
      this.close();
      return nothing;
    }
  }

  private statementFor(db: Database, shard: number): Statement {
    const known = this.statements.get(shard);
    if (known !== undefined) return known;
    if (this.statements.size >= STATEMENTS_MAX) {
      for (const statement of this.statements.values()) statement.finalize();
      this.statements.clear();
    }
    const table = shardTable(shard);
    const statement = db.prepare(
      `SELECT rowid, bm25(${table}, ${WEIGHTS}) FROM ${table}
       WHERE ${table} MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?`,
    );
    this.statements.set(shard, statement);
    return statement;
  }
}
