// Is an event stored, by its id? For a thread that asks about single events and nothing else.

import type { Database, Statement } from "bun:sqlite";
import { idKey } from "./term.ts";

export class IdLookup {
  private readonly select: Statement;

  constructor(db: Database) {
    this.select = db.prepare(
      `SELECT 1 FROM term CROSS JOIN event USING (seq)
       WHERE key = ?1 AND id = ?2 AND expires = 0 LIMIT 1`,
    );
  }

  /**
   * True when it is stored for good; what expires isn't, nor is what is still in the index's tail.
   * `id` is 64 hex digits.
   */
  has(id: string): boolean {
    return this.select.values(idKey(id), Buffer.from(id, "hex")).length > 0;
  }
}

/** Not joined with head: all of the table would be read, to make an index of it. */
export const TAIL_IDS_SQL = `SELECT seq, lower(hex(id)) FROM event
  WHERE seq > max((SELECT merged FROM head), ?) AND expires = 0 ORDER BY seq LIMIT ?`;

/** The ids of events whose rows are in the tail, where `IdLookup` doesn't look; by pieces. */
export class TailIds {
  private readonly select: Statement;
  private last = 0;

  constructor(db: Database) {
    this.select = db.prepare(TAIL_IDS_SQL);
  }

  /** Up to `limit` more; none at the end. */
  next(limit: number): readonly string[] {
    const rows = this.select.values(this.last, limit) as [number, string][];
    this.last = rows.at(-1)?.[0] ?? this.last;
    return rows.map(([, id]) => id);
  }
}
