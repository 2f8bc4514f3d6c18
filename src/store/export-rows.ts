// The texts of many events in a given order, for whoever prints them all: a statement for hundreds.
// Owned by one thread.

import type { Database, Statement } from "bun:sqlite";
import { EVENT_COLUMNS, type EventRow, StoredEvent } from "./stored-event.ts";

export class ExportRows {
  private readonly select: Statement;

  constructor(db: Database) {
    // CROSS JOIN: SQLite keeps this order of the tables, so the rows come in that of the array.
    this.select = db.prepare(
      `SELECT ${EVENT_COLUMNS} FROM json_each(?) AS wanted
       CROSS JOIN event ON event.seq = wanted.value`,
    );
  }

  /** Visits the events that are still there. */
  each(seqs: readonly number[], visit: (event: StoredEvent) => void): void {
    let at = 0;
    for (const row of this.select.values(toJson(seqs)) as EventRow[]) {
      const event = new StoredEvent(row);
      while (seqs[at] !== event.seq) {
        if (at === seqs.length) throw new Error(`assert: event ${event.seq} comes out of order`);
        at += 1;
      }
      visit(event);
    }
  }
}

function toJson(seqs: readonly number[]): string {
  return `[${seqs.join(",")}]`;
}
