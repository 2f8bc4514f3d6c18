// The texts of many events in a given order, for whoever prints them all: a statement for hundreds.
// Owned by one thread.

import type { Database, Statement } from "bun:sqlite";
import { PayloadReader } from "./payload.ts";

type Row = [seq: number, expires: number, id: Uint8Array, payload: Uint8Array];

export class ExportRows {
  private readonly select: Statement;
  private readonly payloads = new PayloadReader();

  constructor(db: Database) {
    // CROSS JOIN: SQLite keeps this order of the tables, so the rows come in that of the array.
    this.select = db.prepare(
      `SELECT seq, expires, id, payload FROM json_each(?) AS wanted
       CROSS JOIN event ON event.seq = wanted.value`,
    );
  }

  /** Visits the events that are still there. `expires`: unix seconds, 0 = never. */
  each(seqs: readonly number[], visit: (expires: number, text: Buffer) => void): void {
    let at = 0;
    for (const [seq, expires, id, payload] of this.select.values(toJson(seqs)) as Row[]) {
      while (seqs[at] !== seq) {
        if (at === seqs.length) throw new Error(`assert: event ${seq} comes out of order`);
        at += 1;
      }
      visit(expires, this.payloads.text(id, payload));
    }
  }
}

function toJson(seqs: readonly number[]): string {
  return `[${seqs.join(",")}]`;
}
