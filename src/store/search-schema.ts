// The database of the words that events are found by (NIP-50), beside the one of the events. All of
// it can be made anew from that one, so it may be deleted at any time, and what is wrong with it is
// mended by starting again. Processes that share a folder share it, as they do the other.
//
//   state    one row: how far the events, and what was removed of them, have been followed
//   shard    the index in pieces of some thousands of events, by seq; the last one grows
//   words_N  one FTS5 table a shard: rowid = the event's seq; the words of its title and of its
//            body, and the keys of its author, kind and tags as words. It keeps no text.
//
// Pieces, because FTS5 ranks by counting all that a word occurs in, and collects all words of one
// beginning before it gives the first: in a table of this size that takes milliseconds.

import { Database } from "bun:sqlite";
import { existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";

const FILE_NAME = "nandu-search.db";
/** "nnds". */
const APPLICATION_ID = 0x6e6e6473;
/** Raised whenever other words are made of the same events, too: the index is then made anew. */
const VERSION = 1;

/** Pages in cache; the system has the rest. */
const CACHE_BYTES = 4 * 1024 * 1024;
const BUSY_TIMEOUT_MS = 10_000;
const LOG_TIMEOUT_MS = 100;
/** The write-ahead log is cut to this when it begins anew, so that it keeps no old pages. */
const JOURNAL_BYTES_MAX = 4 * 1024 * 1024;

const SCHEMA = `
  CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    kinds TEXT NOT NULL,       -- those indexed, ascending, as JSON
    seq INTEGER NOT NULL,      -- events up to this one are indexed
    removal INTEGER NOT NULL,  -- history.n of the last removal that was followed
    compared INTEGER NOT NULL  -- events after this one are being compared; -1: no need
  ) STRICT;
  CREATE TABLE shard (
    number INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,    -- it has the events from this seq on, up to the next one's
    events INTEGER NOT NULL,   -- that were put in
    due INTEGER NOT NULL,      -- when it is to be made anew, unix seconds; 0: no need
    last INTEGER NOT NULL,     -- the last event put in
    last_id BLOB NOT NULL      -- its id, by which one can tell that the seqs still mean the same
  ) STRICT;
  `;

/** An index of another version of nandu, of other events or kinds; or no index at all. */
export class ForeignIndex extends Error {
  override readonly name = "ForeignIndex";
}

export function searchPath(dataDir: string): string {
  return resolve(join(dataDir, FILE_NAME));
}

/** Creates the file when it is missing. Throws when it is of another version, or damaged. */
export function openSearchForWriting(dataDir: string): Database {
  mkdirSync(dataDir, { recursive: true });
  const db = new Database(searchPath(dataDir), { create: true, readwrite: true });
  try {
    configure(db);
    db.run("PRAGMA journal_mode = WAL");
    // What a power cut takes is indexed again: the cursors are lost with it.
    db.run("PRAGMA synchronous = NORMAL");
    db.run("PRAGMA secure_delete = ON"); // what was removed shall not be in free pages
    db.run(`PRAGMA journal_size_limit = ${JOURNAL_BYTES_MAX}`);
    db.transaction(() => {
      if (pragma(db, "user_version") === 0) create(db);
      checkVersion(db);
    }).immediate();
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Null when there is no file, or none that can be read now: the indexer sees to that. */
export function openSearchForReading(dataDir: string): Database | null {
  const path = searchPath(dataDir);
  if (!existsSync(path)) return null;
  let db: Database | null = null;
  try {
    db = new Database(path, { readonly: true });
    configure(db);
    checkVersion(db);
    return db;
  } catch {
    db?.close();
    return null;
  }
}

/** The numbers of two files, 0 of one that isn't there. */
export interface SearchFiles {
  readonly database: number;
  readonly log: number;
}

export const NO_FILES: SearchFiles = { database: 0, log: 0 };

/**
 * Which files they are: others when somebody has deleted one of them, while a connection that is
 * open goes on with what nobody sees any more.
 */
export function searchFiles(dataDir: string): SearchFiles {
  const path = searchPath(dataDir);
  const numberOf = (file: string) => statSync(file, { throwIfNoEntry: false })?.ino ?? 0;
  return { database: numberOf(path), log: numberOf(`${path}-wal`) };
}

export function areSameFiles(a: SearchFiles, b: SearchFiles): boolean {
  return a.database === b.database && a.log === b.log;
}

/** Who still has it open goes on with it as it was. */
export function deleteSearch(dataDir: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(searchPath(dataDir) + suffix, { force: true });
}

export function shardTable(number: number): string {
  return `words_${number}`;
}

/** FTS5 gets words as they are, with spaces between. Without `content`, it keeps no text. */
export function createShard(db: Database, number: number): void {
  db.run(
    `CREATE VIRTUAL TABLE ${shardTable(number)}
     USING fts5(title, body, facets, content = '', contentless_delete = 1, tokenize = 'ascii')`,
  );
}

/** Moves the write-ahead log into the database. False when those who read were in the way. */
export function emptyLog(db: Database): boolean {
  db.run(`PRAGMA busy_timeout = ${LOG_TIMEOUT_MS}`);
  const [isBusy] = db.query("PRAGMA wal_checkpoint(TRUNCATE)").values()[0] as [number];
  db.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
  return isBusy === 0;
}

function create(db: Database): void {
  db.run(SCHEMA);
  db.run("INSERT INTO state VALUES (1, '', 0, 0, -1)");
  db.run(`PRAGMA application_id = ${APPLICATION_ID}`);
  db.run(`PRAGMA user_version = ${VERSION}`);
}

function configure(db: Database): void {
  db.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
  db.run(`PRAGMA cache_size = ${-CACHE_BYTES / 1024}`);
}

function checkVersion(db: Database): void {
  const isOurs = pragma(db, "application_id") === APPLICATION_ID;
  if (!isOurs || pragma(db, "user_version") !== VERSION) {
    throw new ForeignIndex("it is not one of this version");
  }
}

function pragma(db: Database, name: string): number {
  return (db.query(`PRAGMA ${name}`).values()[0] as [number])[0];
}
