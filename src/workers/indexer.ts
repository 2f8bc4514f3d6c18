// The indexer: fills the search index (NIP-50) from what the database has, whoever wrote it, and
// takes out what was removed. It is behind the writer on purpose: it looks a few times a second,
// works by small pieces, and rests after each, longer while events come in, so that it never stands
// in the way of those who answer clients. What it hasn't done at the end is for the next start.

import type { Database } from "bun:sqlite";
import { SQLiteError } from "bun:sqlite";
import { nowSeconds } from "../config/clock.ts";
import { current, setting } from "../config/current.ts";
import { describeError, log } from "../config/log.ts";
import { searchKinds } from "../config/search-kinds.ts";
import type { Doorbell } from "../ring/doorbell.ts";
import type { Outbox } from "../ring/outbox.ts";
import type { RingConsumer } from "../ring/ring.ts";
import { openForReading, storeOptions } from "../store/schema.ts";
import { SearchIndex } from "../store/search-index.ts";
import {
  areSameFiles,
  deleteSearch,
  ForeignIndex,
  NO_FILES,
  openSearchForWriting,
  searchFiles,
} from "../store/search-schema.ts";
import { SearchSource } from "../store/search-source.ts";
import { MAIL, sendStopped } from "./mail.ts";
import { openOutbox, type Role, type Station } from "./thread.ts";

/** New events are searchable this much later, while there are few. */
const POLL_MS = 200;
/**
 * It rests so many times as long as it has worked: with an idle writer, with new events, and with
 * so many of them in a second that each thing the machine has to do besides slows them down.
 */
const REST_QUIET = 1;
const REST_BUSY = 4;
const REST_FLOOD = 24;
const FLOOD_EVENTS_PER_S = 1000;
/** Making a shard anew takes some 50 ms. */
const PURGE_EVERY_MS = 10_000;
/** Without a log of removals, what was removed has to be looked for. */
const COMPARE_EVERY_MS = 3_600_000;
/** After a failure, on a full disk for instance. */
const RETRY_MS = 5000;
/** While a process with other kinds has the same folder, during an upgrade. */
const FOREIGN_RETRY_MS = 60_000;
/** Left to itself, the engine collects garbage when there are hundreds of megabytes of it. */
const STEPS_PER_COLLECTION = 32;
/** It reads each event once, in order. */
const CACHE_BYTES = 1024 * 1024;
/** SQLite's words for a file that is no database (any more). */
const DAMAGED: ReadonlySet<string> = new Set(["SQLITE_CORRUPT", "SQLITE_NOTADB"]);

export class Indexer implements Role {
  isStopped = false;
  private readonly websocket: Outbox;
  private readonly main: Database;
  private readonly source: SearchSource;
  private readonly kinds = searchKinds(current.settings);
  private db: Database | null = null;
  private index: SearchIndex | null = null;
  /** Of the open database: when others are there, somebody has deleted it. */
  private files = NO_FILES;
  /** At its start a process makes the index its own; later, another one may have. */
  private hasOpened = false;
  private nextAt = 0;
  private nextPurgeAt = 0;
  private nextCompareAt = 0;
  /** The last event in the database, when last looked. */
  private headSeq = 0;
  private headAt = 0;
  private stepsSinceCollection = 0;

  constructor(station: Station, bell: Doorbell) {
    this.websocket = openOutbox(station.websocket, bell);
    this.main = openForReading({ ...storeOptions(), cacheBytes: CACHE_BYTES, mmapBytes: 0 });
    this.source = new SearchSource(this.main, this.kinds);
  }

  readonly visit = (ring: RingConsumer): void => {
    if (ring.type !== MAIL.stop) throw new Error(`assert: indexer got mail of type ${ring.type}`);
    this.isStopped = true;
  };

  turn(): number {
    const now = performance.now();
    if (this.isStopped || now < this.nextAt) return Math.ceil(this.nextAt - now);
    try {
      this.nextAt = now + this.work();
    } catch (error) {
      this.nextAt = performance.now() + this.recover(error);
    }
    return Math.max(1, Math.ceil(this.nextAt - performance.now()));
  }

  stop(): void {
    this.close();
    this.main.close();
    sendStopped(this.websocket);
  }

  /** Returns when to work again, in ms from the beginning of this. */
  private work(): number {
    const startedAt = performance.now();
    const now = nowSeconds();
    const index = this.open();
    if (setting("store.history_entries") === 0 && startedAt >= this.nextCompareAt) {
      index.startComparing();
      this.nextCompareAt = startedAt + COMPARE_EVERY_MS;
    }
    const hasMore = index.step(now);
    if (startedAt >= this.nextPurgeAt && index.purge(now)) {
      this.nextPurgeAt = startedAt + PURGE_EVERY_MS;
    }
    if (!hasMore) return POLL_MS;
    this.stepsSinceCollection += 1;
    if (this.stepsSinceCollection >= STEPS_PER_COLLECTION) {
      Bun.gc(true);
      this.stepsSinceCollection = 0;
    }
    return (performance.now() - startedAt) * (1 + this.restFactor());
  }

  private restFactor(): number {
    const { seq } = this.source.head();
    const now = performance.now();
    const perSecond = ((seq - this.headSeq) * 1000) / Math.max(1, now - this.headAt);
    this.headSeq = seq;
    this.headAt = now;
    if (perSecond === 0) return REST_QUIET;
    return perSecond < FLOOD_EVENTS_PER_S ? REST_BUSY : REST_FLOOD;
  }

  private open(): SearchIndex {
    const dataDir = setting("data_dir");
    if (this.index !== null && this.isStillThere()) return this.index;
    this.close();
    this.db = openSearchForWriting(dataDir);
    this.index = new SearchIndex(this.db, this.source, this.kinds);
    const isNew = this.index.prepare();
    this.hasOpened = true;
    this.files = searchFiles(dataDir);
    const { seq } = this.source.head();
    if (isNew && seq > 0) {
      log("info", "search", `the index is made of ${seq} events, in the background`);
    }
    return this.index;
  }

  private isStillThere(): boolean {
    const { database, log } = this.files;
    return database > 0 && log > 0 && areSameFiles(this.files, searchFiles(setting("data_dir")));
  }

  private close(): void {
    this.index = null;
    this.db?.close();
    this.db = null;
  }

  /** Returns in how many ms to try again. */
  private recover(error: unknown): number {
    this.close();
    const why = describeError(error);
    if (error instanceof ForeignIndex && this.hasOpened) {
      log("info", "search", `the index is another process's now: ${why}`);
      return FOREIGN_RETRY_MS;
    }
    const isDamaged = error instanceof SQLiteError && DAMAGED.has(error.code ?? "");
    if (error instanceof ForeignIndex || isDamaged) {
      log("warn", "search", `the index is deleted, to be made anew: ${why}`);
      deleteSearch(setting("data_dir"));
      return 0;
    }
    log("error", "search", `events were not indexed: ${why}`);
    return RETRY_MS;
  }
}
