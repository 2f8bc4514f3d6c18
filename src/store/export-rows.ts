// The payloads of many events in a given order, for whoever prints them all: a statement for
// hundreds, and no object for an event but what SQLite gives. Owned by one thread.

import type { Database, Statement } from "bun:sqlite";

type PayloadRow = [seq: number, expires: number, payload: Uint8Array];

export class ExportRows {
  private readonly select: Statement;

  constructor(db: Database) {
    // CROSS JOIN: SQLite keeps this order of the tables, so the rows come in that of the array.
    this.select = db.prepare(
      `SELECT seq, expires, payload FROM json_each(?) AS wanted
       CROSS JOIN event ON event.seq = wanted.value`,
    );
  }

  /** Visits the events that are still there. `expires`: unix seconds, 0 = never. */
  each(seqs: readonly number[], visit: (expires: number, payload: Uint8Array) => void): void {
    let at = 0;
    for (const [seq, expires, payload] of this.select.values(toJson(seqs)) as PayloadRow[]) {
      while (seqs[at] !== seq) {
        if (at === seqs.length) throw new Error(`assert: event ${seq} comes out of order`);
        at += 1;
      }
      visit(expires, payload);
    }
  }
}

function toJson(seqs: readonly number[]): string {
  return `[${seqs.join(",")}]`;
}
