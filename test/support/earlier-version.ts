// A database of today as the fourth version would have it: texts not packed, and the tail of the
// index in five columns of doubles. (And `control` is a table.)

import type { Database } from "bun:sqlite";
import { pack } from "msgpackr";
import { payloadText } from "../../src/store/payload.ts";
import { Run } from "../../src/store/run.ts";

export function makeFourthVersion(db: Database): void {
  db.transaction(() => {
    const parts = db.query("SELECT part, seq, rows, removed FROM tail_run").values();
    db.run("DROP TABLE tail_run");
    db.run(`CREATE TABLE tail (
    part INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    entries BLOB NOT NULL,
    removed BLOB NOT NULL
  ) STRICT`);
    const insert = db.query("INSERT INTO tail VALUES (?, ?, ?, ?)");
    for (const [part, seq, rows, removed] of parts as [number, number, Uint8Array, Uint8Array][]) {
      const { keys, ages, orders, seqs, infos } = Run.decode(rows);
      const columns = [keys, ages, orders, seqs, infos].flatMap((column) => [...column]);
      insert.run(part, seq, new Uint8Array(Float64Array.from(columns).buffer), removed);
    }
    const update = db.query("UPDATE event SET payload = ? WHERE seq = ?");
    const rows = db.query("SELECT seq, id, payload FROM event").values();
    for (const [seq, id, payload] of rows as [number, Uint8Array, Uint8Array][]) {
      update.run(pack(payloadText(id, payload).toString()), seq);
    }
    db.run(`
      DROP VIEW control;
      CREATE TABLE control (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        version INTEGER NOT NULL
      ) STRICT;
      INSERT INTO control SELECT * FROM control_version;
      DROP TABLE control_version;
    `);
    db.run("PRAGMA user_version = 4");
  })();
}
