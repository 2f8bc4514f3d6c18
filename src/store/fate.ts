// What is known of an event that may be here no more: the log of what was removed and refused
// (history.ts). It is bounded, so it goes back so far and no further. Reads only.

import type { Database } from "bun:sqlite";
import type { HistoryEntry } from "./history.ts";

export interface LogEntry extends Omit<HistoryEntry, "id"> {
  /** Unix seconds. */
  readonly at: number;
}

/** How far the log goes back. */
export interface LogExtent {
  readonly entries: number;
  /** Unix seconds, null when the log is empty. */
  readonly since: number | null;
}

/** The newest first. `id` is 64 hex digits. */
export function entriesOf(db: Database, id: string, limit: number): LogEntry[] {
  const rows = db
    .query("SELECT at, seq, what, detail FROM history WHERE id = ? ORDER BY n DESC LIMIT ?")
    .values(Buffer.from(id, "hex"), limit) as [number, number, LogEntry["what"], string][];
  return rows.map(([at, seq, what, detail]) => ({ at, seq, what, detail }));
}

export function logExtent(db: Database): LogExtent {
  const rows = db
    .query("SELECT count(*), (SELECT at FROM history ORDER BY n LIMIT 1) FROM history")
    .values();
  const [entries, since] = rows[0] as [number, number | null];
  return { entries, since };
}
