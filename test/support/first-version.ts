// A database as the first version made it, with that version's SQL word for word, so that a change
// to the first migration is found out. Its index rows are not as they were: nothing later reads
// them.

import { Database } from "bun:sqlite";
import { pack } from "msgpackr";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { candidateOf } from "../../src/store/candidate.ts";
import { databasePath } from "../../src/store/schema.ts";

const SCHEMA = `
  CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,          -- 32 bytes
    created_at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    expires INTEGER NOT NULL,  -- unix seconds, 0 = never (NIP-40)
    payload BLOB NOT NULL      -- msgpack
  ) STRICT;
  CREATE TABLE term (
    key INTEGER NOT NULL,
    age INTEGER NOT NULL,      -- −created_at: ascending is newest first
    ord INTEGER NOT NULL,      -- first 48 bits of the id
    seq INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    PRIMARY KEY (key, age, ord, seq)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL) STRICT;
  INSERT INTO head VALUES (1, 0);
  `;

const APPLICATION_ID = 0x6e6e6475;

export type SeqAndEvent = readonly [seq: number, event: NostrEvent];

/** `headSeq` is the last `seq` that was ever given out. The caller closes it. */
export function makeFirstVersion(
  dataDir: string,
  rows: readonly SeqAndEvent[] = [],
  headSeq = rows.at(-1)?.[0] ?? 0,
): Database {
  const db = new Database(databasePath(dataDir), { create: true });
  db.run("PRAGMA page_size = 8192");
  db.run("PRAGMA journal_mode = WAL");
  db.run("PRAGMA synchronous = OFF");
  db.transaction(() => {
    db.run(SCHEMA);
    const insertEvent = db.prepare("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)");
    const insertTerm = db.prepare("INSERT INTO term VALUES (?, ?, ?, ?, ?)");
    for (const [seq, event] of rows) {
      const { id, created_at, kind, expires, text } = candidateOf(event);
      const payload = pack(text.toString());
      insertEvent.run(seq, Buffer.from(id, "hex"), created_at, kind, expires, payload);
      for (let key = 1; key <= 3; key++) insertTerm.run(key, -created_at, 0, seq, kind);
    }
    db.run(`UPDATE head SET seq = ${headSeq}`);
    db.run(`PRAGMA application_id = ${APPLICATION_ID}`);
    db.run("PRAGMA user_version = 1");
  })();
  return db;
}

/** Every row of such a database, and what it says of itself. */
export function contentOf(db: Database): unknown[] {
  return [
    "SELECT type, name, sql FROM sqlite_schema ORDER BY name",
    "PRAGMA user_version",
    "PRAGMA integrity_check",
    "SELECT * FROM event ORDER BY seq",
    "SELECT * FROM term",
    "SELECT * FROM head",
  ].map((sql) => db.query(sql).values());
}
