// What a writer knows of the strong keys in the index and in the table `gone` (gone.ts), so that it
// looks up only those that may be there. Complete once everything that was in the index has been
// read, for all that comes later goes through the tail: only what another process has both written
// and moved unseen is missed, which the tail tells; then all is read again. Of `gone`, all is read
// again whenever another process has written.

import type { Database, Statement } from "bun:sqlite";
import type { KeyFilter } from "./key-filter.ts";
import type { KeySink } from "./tail.ts";
import { STRONG_KEYS } from "./term.ts";

/** Half a millisecond's work, and little garbage. */
const STEP_KEYS = 2000;
/** After so many keys the pages they were on, each of use once, are let go of: a megabyte. */
const SHRINK_KEYS = 10 * STEP_KEYS;

export class KnownKeys implements KeySink {
  private readonly db: Database;
  private readonly filter: KeyFilter;
  private readonly select: Statement;
  /** The last key read; null once all have been. */
  private last: number | null = STRONG_KEYS - 1;
  private keysCached = 0;
  private readonly selectGone: Statement;
  private lastGone: number | null = 0;

  constructor(db: Database, filter: KeyFilter) {
    this.db = db;
    this.filter = filter;
    this.select = db.prepare(keysSql("term"));
    this.selectGone = db.prepare(keysSql("gone"));
  }

  add(strongKey: number): void {
    this.filter.add(strongKey);
  }

  onGap(): void {
    this.last = STRONG_KEYS - 1;
  }

  /** Another process has written. */
  onOther(): void {
    this.lastGone = 0;
  }

  /** False when nothing in `gone` has that key. */
  mayBeGone(strongKey: number): boolean {
    return this.lastGone !== null || this.filter.mayHave(strongKey);
  }

  /** False when the key is in the index for sure not: then nobody has to look. */
  mayHave(strongKey: number): boolean {
    return this.last !== null || this.filter.mayHave(strongKey);
  }

  /** Reads some more of what is in the database; true when there is more to read. */
  learn(): boolean {
    if (this.lastGone !== null) this.lastGone = this.read(this.selectGone, this.lastGone);
    if (this.last !== null) {
      this.last = this.read(this.select, this.last);
      this.keysCached += STEP_KEYS;
      if (this.last === null || this.keysCached >= SHRINK_KEYS) this.shrink();
    }
    return this.lastGone !== null || this.last !== null;
  }

  private shrink(): void {
    this.db.run("PRAGMA shrink_memory");
    this.keysCached = 0;
  }

  /** The last key read, or null at the end. */
  private read(select: Statement, after: number): number | null {
    const [json] = select.values(after, STEP_KEYS)[0] as [string];
    const keys = JSON.parse(json) as number[];
    for (const key of keys) this.filter.add(key);
    return keys.at(-1) ?? null;
  }
}

/** As one text: an array for each of a million keys is 60 MB of garbage. */
function keysSql(table: string): string {
  const keys = `SELECT key FROM ${table} WHERE key > ? ORDER BY key LIMIT ?`;
  return `SELECT json_group_array(key) FROM (${keys})`;
}
