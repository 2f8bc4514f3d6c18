// What a writer knows of the strong keys in the index, so that it looks up only those that may be
// there. Complete once everything that was in the index has been read, for all that comes later
// goes through the tail: only what another process has both written and moved unseen is missed,
// which the tail tells; then all is read again.

import type { Database, Statement } from "bun:sqlite";
import type { KeyFilter } from "./key-filter.ts";
import type { KeySink } from "./tail.ts";
import { STRONG_KEYS } from "./term.ts";

/** Some milliseconds' work. */
const STEP_KEYS = 10_000;

export class KnownKeys implements KeySink {
  private readonly filter: KeyFilter;
  private readonly select: Statement;
  /** The last key read; null once all have been. */
  private last: number | null = STRONG_KEYS - 1;

  constructor(db: Database, filter: KeyFilter) {
    this.filter = filter;
    this.select = db.prepare("SELECT key FROM term WHERE key > ? ORDER BY key LIMIT ?");
  }

  add(strongKey: number): void {
    this.filter.add(strongKey);
  }

  onGap(): void {
    this.last = STRONG_KEYS - 1;
  }

  /** False when the key is in the index for sure not: then nobody has to look. */
  mayHave(strongKey: number): boolean {
    return this.last !== null || this.filter.mayHave(strongKey);
  }

  /** Reads some more of what is in the index; true when there is more to read. */
  learn(): boolean {
    if (this.last === null) return false;
    const rows = this.select.values(this.last, STEP_KEYS) as [number][];
    for (const [key] of rows) this.filter.add(key);
    this.last = rows.at(-1)?.[0] ?? null;
    return this.last !== null;
  }
}
