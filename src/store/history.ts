// What became of events: a bounded log in the table `history`, each removal in the transaction that
// removes, so that one can ask later why an event is not here, and so that whoever keeps something
// of stored events elsewhere (search) hears of their end. Owned by the one writing thread.

import type { Database, Statement } from "bun:sqlite";

/** Why a stored event was removed. */
export type Removal = "replaced" | "deleted" | "vanished" | "expired" | "banned" | "erased";

export interface HistoryEntry {
  /** 64 hex digits. */
  readonly id: string;
  /** Of the event that was removed; 0 of one that was refused, or went in its own batch. */
  readonly seq: number;
  readonly what: Removal | "refused";
  /** The id of the event that is the cause, or the reason that was given. */
  readonly detail: string;
}

/** Trimmed so rarely that it costs nothing. */
const TRIM_EVERY = 1000;

export class History {
  private readonly insert: Statement;
  private readonly trim: Statement;
  private readonly entriesMax: number;
  private readonly nowSeconds: () => number;
  private added = 0;

  /** Keeps the last `entriesMax`, and up to a thousand more. */
  constructor(db: Database, entriesMax: number, nowSeconds: () => number) {
    this.insert = db.prepare(
      "INSERT INTO history (id, seq, at, what, detail) VALUES (?, ?, ?, ?, ?)",
    );
    this.trim = db.prepare("DELETE FROM history WHERE n <= (SELECT max(n) FROM history) - ?");
    this.entriesMax = entriesMax;
    this.nowSeconds = nowSeconds;
  }

  /** Within a transaction. */
  add({ id, seq, what, detail }: HistoryEntry): void {
    if (this.entriesMax === 0) return;
    this.insert.run(Buffer.from(id, "hex"), seq, this.nowSeconds(), what, detail);
    this.added += 1;
    if (this.added % TRIM_EVERY === 0) this.trim.run(this.entriesMax);
  }
}
