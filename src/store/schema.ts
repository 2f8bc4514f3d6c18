// The database file: how it is opened, and its versions. `user_version` counts migrations,
// `application_id` says whose file it is. A newer file is refused, an older one migrated, in one
// transaction, before anything else touches it.
//
//   event     one row an event; `seq` grows in commit order, across processes, and is never reused
//   term      the inverted index: (key, −created_at, id's first 48 bits, seq) → info (term.ts)
//   tail_run  what is not in `term` yet of the index, a blob for each commit (tail.ts)
//   history, gone, erase   what became of events, and what must not come back (history.ts, gone.ts)
//   head      one row: the last `seq` given out, and how far the tail has been moved
//   tally     how many entries of `term` say what, for keys that have many (tallies.ts)
//   sum_set, sums, taken   running sums for syncs, and what they are to lose (sum-tables.ts)

import { Database, SQLiteError } from "bun:sqlite";
import { existsSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { setting } from "../config/current.ts";
import { isThisRelay } from "../config/this-relay.ts";
import type { IsThisRelay } from "../protocol/relay-url.ts";
import { MIGRATIONS } from "./migrations.ts";

/** "nndu". */
const APPLICATION_ID = 0x6e6e6475;

export const SCHEMA_VERSION = MIGRATIONS.length;

const FILE_NAME = "nandu.db";
/** Index rows fall on random pages, so a batch costs by pages: a fifth less CPU than with 4096. */
const PAGE_BYTES = 8192;
/** How long a writer waits for another process that writes the same database. */
const BUSY_TIMEOUT_MS = 10_000;
const BUSY_RETRY_MS = 5;
/** How long the last checkpoint waits for those who read: what remains is for the next start. */
const CHECKPOINT_TIMEOUT_MS = 2000;

export interface StoreOptions {
  readonly dataDir: string;
  readonly synchronous: "off" | "normal" | "full";
  readonly cacheBytes: number;
  readonly mmapBytes: number;
  /** With so many events in the tail of the index, they are moved into its table. */
  readonly tailEvents: number;
  /** Pages in the write-ahead log before a commit moves them into the database. */
  readonly checkpointPages: number;
  /** How much is remembered of what became of events. */
  readonly historyEntriesMax: number;
  readonly isThisRelay: IsThisRelay;
}

/** The options in force, as this module wants them. */
export function storeOptions(): StoreOptions {
  return {
    dataDir: setting("data_dir"),
    synchronous: setting("store.synchronous"),
    cacheBytes: setting("store.cache_bytes"),
    mmapBytes: setting("store.mmap_bytes"),
    tailEvents: setting("store.tail_events"),
    checkpointPages: setting("store.checkpoint_pages"),
    historyEntriesMax: setting("store.history_entries"),
    isThisRelay: isThisRelay(),
  };
}

export function databasePath(dataDir: string): string {
  return resolve(join(dataDir, FILE_NAME));
}

/** Creates the folder and the file when missing, migrates an older file. One per process. */
export function openForWriting(options: StoreOptions): Database {
  const path = databasePath(options.dataDir);
  let db: Database | null = null;
  try {
    mkdirSync(options.dataDir, { recursive: true });
    db = new Database(path, { create: true, readwrite: true });
    db.run(`PRAGMA page_size = ${PAGE_BYTES}`); // heeded only while the file is empty
    configure(db, { ...options, mmapBytes: 0 }); // what it changes it copies anyway
    migrate(db, path, options.isThisRelay);
    enterWal(db);
    db.run(`PRAGMA synchronous = ${options.synchronous}`);
    db.run(`PRAGMA wal_autocheckpoint = ${options.checkpointPages}`);
    return db;
  } catch (cause) {
    db?.close();
    throw new Error(`can't open the database ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** Throws unless the file is there: a mistyped folder must not become an empty database. */
export function requireDatabase(dataDir: string): void {
  const path = databasePath(dataDir);
  if (!existsSync(path)) throw new Error(`there is no database ${path}`);
}

/** The file must exist and have this version: open for writing once before. */
export function openForReading(options: StoreOptions): Database {
  requireDatabase(options.dataDir);
  const path = databasePath(options.dataDir);
  let db: Database | null = null;
  try {
    db = new Database(path, { readonly: true });
    configure(db, options);
    checkOwner(db);
    const version = userVersion(db);
    if (version !== SCHEMA_VERSION) throw new Error(versionMessage(version));
    return db;
  } catch (cause) {
    db?.close();
    throw new Error(`can't open the database ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** Moves the write-ahead log into the database, as far as other processes let it, and closes. */
export function closeForWriting(db: Database): void {
  try {
    checkpoint(db);
  } finally {
    db.close();
  }
}

/** A connection that is just closing makes this fail at once, without heed to the busy timeout. */
function checkpoint(db: Database): void {
  db.run(`PRAGMA busy_timeout = ${CHECKPOINT_TIMEOUT_MS}`);
  const deadline = performance.now() + CHECKPOINT_TIMEOUT_MS;
  while (performance.now() < deadline) {
    const isBusy = db.query("PRAGMA wal_checkpoint(TRUNCATE)").values()[0]?.[0] !== 0;
    if (!isBusy) return;
    Bun.sleepSync(BUSY_RETRY_MS);
  }
}

/**
 * The busy timeout does not apply to this one: while another process makes the same file, it fails
 * at once, and is tried again. Where WAL can't be had (some network file systems), SQLite stays in
 * another mode without a word; readers would then block the writer.
 */
function enterWal(db: Database): void {
  const deadline = performance.now() + BUSY_TIMEOUT_MS;
  for (;;) {
    try {
      const mode = db.query("PRAGMA journal_mode = WAL").values()[0]?.[0];
      if (mode === "wal") return;
      throw new Error(`its file system has no write-ahead log (journal mode ${mode})`);
    } catch (error) {
      const isBusy = error instanceof SQLiteError && error.code === "SQLITE_BUSY";
      if (!isBusy || performance.now() > deadline) throw error;
      Bun.sleepSync(BUSY_RETRY_MS);
    }
  }
}

function configure(db: Database, options: StoreOptions): void {
  db.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
  db.run(`PRAGMA cache_size = ${-Math.ceil(options.cacheBytes / 1024)}`);
  db.run(`PRAGMA mmap_size = ${options.mmapBytes}`);
}

function migrate(db: Database, path: string, isThisRelay: IsThisRelay): void {
  if (userVersion(db) === SCHEMA_VERSION && applicationId(db) === APPLICATION_ID) return;
  db.transaction(() => {
    checkOwner(db);
    const version = userVersion(db); // another process may have been faster
    if (version > SCHEMA_VERSION) throw new Error(versionMessage(version));
    for (const migration of MIGRATIONS.slice(version)) {
      if (typeof migration === "string") db.run(migration);
      else migration(db, path, isThisRelay);
    }
    db.run(`PRAGMA application_id = ${APPLICATION_ID}`);
    db.run(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  }).immediate();
}

/** Ours are all that say so, and a new one, which says nothing yet. */
function checkOwner(db: Database): void {
  const id = applicationId(db);
  if (id === APPLICATION_ID) return;
  if (id === 0 && userVersion(db) === 0 && tableCount(db) === 0) return;
  throw new Error("it is not a nandu database");
}

function versionMessage(version: number): string {
  const isNewer = version > SCHEMA_VERSION;
  const compared = isNewer ? `this nandu knows ${SCHEMA_VERSION}` : `older than ${SCHEMA_VERSION}`;
  const advice = isNewer ? "use a newer nandu" : "start nandu relay or nandu import, to migrate it";
  return `it has version ${version}, ${compared}: ${advice}`;
}

function userVersion(db: Database): number {
  return (db.query("PRAGMA user_version").get() as { user_version: number }).user_version;
}

function applicationId(db: Database): number {
  return (db.query("PRAGMA application_id").get() as { application_id: number }).application_id;
}

function tableCount(db: Database): number {
  return (db.query("SELECT count(*) AS n FROM sqlite_schema").get() as { n: number }).n;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
