// The versions of the database, each as the way that leads to it: SQL, or a function where SQL is
// not enough. schema.ts runs them, all that are needed in one transaction.

import type { Database } from "bun:sqlite";
import { describeError, log } from "../config/log.ts";
import type { NostrEvent } from "../protocol/event.ts";
import { KIND_VANISH } from "../protocol/kind.ts";
import type { IsThisRelay } from "../protocol/relay-url.ts";
import { decodeText } from "./candidate.ts";
import { CONTROL_TABLES } from "./control-tables.ts";
import { GROUP_TABLES } from "./group-tables.ts";
import { isLater } from "./gone.ts";
import { isMeant } from "./judge.ts";
import { payloadText } from "./payload.ts";
import { RowSorter } from "./row-sorter.ts";
import { RowInserter } from "./rows.ts";
import { Run } from "./run.ts";
import { SUM_TABLES } from "./sum-tables.ts";
import { TALLIES, TallyBuilder } from "./tallies.ts";
import { eventKeys, kindKey, type TermRow, termRows, vanishedKey } from "./term.ts";

/**
 * `path` is the database's, `isThisRelay` tells whom requests to vanish are meant for. Runs within
 * the transaction; what it throws undoes all.
 */
type Migration = string | ((db: Database, path: string, isThisRelay: IsThisRelay) => void);

const FIRST = `
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

/**
 * The tail of the index, and other keys in it. (Some builds made files of the first version with a
 * tail; as the index is built anew, that doesn't matter.) The trigger stops a process of the first
 * version that still runs: it would go on with the old keys, and nobody would find its events.
 */
const WITH_TAIL = `
  DROP TABLE term;
  CREATE TABLE term (
    key INTEGER NOT NULL,
    age INTEGER NOT NULL,      -- −created_at: ascending is newest first
    ord INTEGER NOT NULL,      -- first 48 bits of the id
    seq INTEGER NOT NULL,
    info INTEGER NOT NULL,     -- the author's key in a kind's rows, else the kind
    PRIMARY KEY (key, age, ord, seq)
  ) STRICT, WITHOUT ROWID;
  DROP TABLE IF EXISTS tail;
  CREATE TABLE tail (
    part INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    entries BLOB NOT NULL,
    removed BLOB NOT NULL
  ) STRICT;
  CREATE TABLE head_before AS SELECT seq FROM head;
  DROP TABLE head; -- not renamed: Bun would leave that statement open, and no checkpoint could run
  CREATE TABLE head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL,
    part INTEGER NOT NULL,     -- the last one of the tail
    merged INTEGER NOT NULL,   -- up to this seq, all rows are in term
    merging INTEGER NOT NULL   -- up to this one, some may be
  ) STRICT;
  INSERT INTO head SELECT 1, seq, 0, seq, seq FROM head_before;
  DROP TABLE head_before;
  CREATE TRIGGER one_version BEFORE UPDATE OF seq ON head WHEN new.part = old.part
  BEGIN SELECT raise(ABORT, 'a newer nandu has migrated this database'); END;
  `;

/**
 * A writer of the third version raises `turn` with every commit, so that one of an earlier version,
 * which doesn't know of it, writes nothing any more.
 */
const THIRD_HEAD = `
  DROP TRIGGER one_version;
  ALTER TABLE head ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
  CREATE TRIGGER one_version BEFORE UPDATE OF seq ON head WHEN new.turn = old.turn
  BEGIN SELECT raise(ABORT, 'a newer nandu has migrated this database'); END;
  `;

/**
 * What became of events: a bounded log, in the order of commits (history.ts). And what must not
 * come back though no stored event says so (gone.ts).
 */
const HISTORY = `
  CREATE TABLE history (
    n INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused
    id BLOB NOT NULL,          -- 32 bytes
    seq INTEGER NOT NULL,      -- of an event that was removed, 0 of one that was refused
    at INTEGER NOT NULL,       -- unix seconds
    what TEXT NOT NULL,
    detail TEXT NOT NULL
  ) STRICT;
  CREATE TABLE gone (
    key INTEGER NOT NULL,      -- of an address, or of an id with its author
    pubkey BLOB NOT NULL,      -- the author, 32 bytes
    created_at INTEGER NOT NULL,
    id BLOB NOT NULL,          -- with created_at: the last version that is gone
    PRIMARY KEY (key, pubkey)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE erase (         -- authors whose events are to be removed (erase.ts)
    pubkey BLOB NOT NULL,
    what TEXT NOT NULL,        -- as in history
    until INTEGER NOT NULL,    -- those created up to then
    detail TEXT NOT NULL,
    PRIMARY KEY (pubkey, what)
  ) STRICT, WITHOUT ROWID;
  `;

/** The tables that came with the third version, in the order they are made. */
const THIRD_TABLES: readonly string[] = [
  THIRD_HEAD,
  HISTORY,
  CONTROL_TABLES,
  GROUP_TABLES,
  TALLIES,
];

/** Index = version it leads from. Never edit one that was released: add one. */
export const MIGRATIONS: readonly Migration[] = [
  FIRST,
  (db) => db.run(WITH_TAIL), // the third version builds the index, which has other entries there
  (db, path, isThisRelay) => {
    for (const sql of THIRD_TABLES) db.run(sql);
    db.run("DELETE FROM term");
    db.run("DELETE FROM tail");
    db.run("UPDATE head SET merged = seq, merging = seq");
    buildIndex(db, path);
    heedVanishes(db, isThisRelay);
  },
  (db) => db.run(SUM_TABLES), // the writer fills them, while it has nothing else to do
  (db) => {
    shortenTail(db);
    db.run(END_EARLIER);
  },
];

/**
 * A relay of an earlier version that still runs reads `control` whenever somebody else has written.
 * It fails there, with these words, and ends: it could write nothing any more (there is no `tail`),
 * and go on only to refuse all that is asked of it. Not by a table that is missing, for SQLite
 * would then alter no other table.
 */
const END_EARLIER = `
  CREATE TABLE control_version (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL
  ) STRICT;
  INSERT INTO control_version SELECT * FROM control;
  DROP TABLE control; -- not renamed: see WITH_TAIL
  CREATE VIEW control AS SELECT "a newer nandu has migrated this database"() AS version;
  `;

/**
 * The tail's runs in less room, in another table: a process of an earlier version could read
 * neither these nor packed texts (payload.ts), which come with this version, too. Texts that are
 * stored already stay as they are.
 */
function shortenTail(db: Database): void {
  const parts = db.query("SELECT part, seq, entries, removed FROM tail ORDER BY part").values();
  db.run("DROP TABLE tail");
  db.run(`CREATE TABLE tail_run (
    part INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    rows BLOB NOT NULL,        -- run.ts
    removed BLOB NOT NULL
  ) STRICT`);
  const insert = db.query("INSERT INTO tail_run VALUES (?, ?, ?, ?)");
  for (const [part, seq, entries, removed] of parts as [number, number, Uint8Array, Uint8Array][]) {
    insert.run(part, seq, Run.of(longRows(entries)).encode(), removed);
  }
}

/** Five columns, one after the other, each number as f64. */
function longRows(entries: Uint8Array): TermRow[] {
  const cells = new Float64Array(entries.slice().buffer);
  const length = cells.length / COLUMNS;
  return Array.from({ length }, (_, i) => {
    const [key, age, order, seq, info] = [0, 1, 2, 3, 4].map(
      (column) => cells[column * length + i],
    );
    return { key, age, order, seq, info } as TermRow;
  });
}

/**
 * Requests to vanish (NIP-62) that were stored by versions to which they were events like any
 * other: the newest of each author holds from now on, and the writer erases what it asks for.
 */
function heedVanishes(db: Database, isThisRelay: IsThisRelay): void {
  const newest = new Map<string, NostrEvent>();
  const payloads = db
    .query("SELECT id, payload FROM term JOIN event USING (seq) WHERE key = ? AND event.kind = ?")
    .values(kindKey(KIND_VANISH), KIND_VANISH) as [Uint8Array, Uint8Array][];
  for (const [id, payload] of payloads) {
    const vanish = decodeText(payloadText(id, payload));
    const other = newest.get(vanish.pubkey);
    if (!isMeant(vanish, isThisRelay)) continue;
    if (other === undefined || isLater(versionOf(vanish), versionOf(other))) {
      newest.set(vanish.pubkey, vanish);
    }
  }
  for (const { pubkey, created_at, id } of newest.values()) {
    const author = Buffer.from(pubkey, "hex");
    const row = [vanishedKey(pubkey), author, created_at, Buffer.from(id, "hex")] as const;
    db.query("INSERT INTO gone VALUES (?, ?, ?, ?)").run(...row);
    db.query("INSERT INTO erase VALUES (?, 'vanished', ?, ?)").run(author, created_at, id);
  }
}

function versionOf({ created_at, id }: NostrEvent): { createdAt: number; id: string } {
  return { createdAt: created_at, id };
}

/** Events read at once, and, about, rows sorted at once: some ten megabytes. */
const EVENTS_READ = 64;
const ROWS_SORTED = 1 << 17;
/** key, age, ord, seq, info. */
const COLUMNS = 5;

/**
 * Fills the empty table `term` with the rows of all stored events, and tallies those that are many.
 * Sorted as a whole they are appended to it; sorted by pieces, each piece would fall on every page.
 */
function buildIndex(db: Database, path: string): void {
  const [count] = db.query("SELECT seq FROM head").values()[0] as [number];
  if (count === 0) return;
  const text = `the index is built anew from up to ${count} events, which may take minutes`;
  log("info", "store", `${text}; if it is interrupted, the next start begins again`);
  using sorter = new RowSorter(`${path}-sort`);
  let rows: TermRow[] = [];
  for (const event of storedEvents(db)) {
    for (const row of rowsOf(event)) rows.push(row);
    if (rows.length < ROWS_SORTED) continue;
    sorter.add(rows);
    rows = [];
  }
  sorter.add(rows);
  const terms = new RowInserter(db, "INSERT INTO term", COLUMNS);
  const tallies = new TallyBuilder(db, count);
  sorter.each((values) => {
    terms.insert(values);
    for (let i = 0; i < values.length; i += COLUMNS) {
      tallies.add(values[i] as number, values[i + COLUMNS - 1] as number);
    }
  });
  tallies.end();
}

type EventRow = [seq: number, expires: number, id: Uint8Array, payload: Uint8Array];

function* storedEvents(db: Database): Generator<EventRow> {
  const select = db.prepare(
    "SELECT seq, expires, id, payload FROM event WHERE seq > ? ORDER BY seq LIMIT ?",
  );
  let after = 0;
  for (;;) {
    const found = select.values(after, EVENTS_READ) as EventRow[];
    yield* found;
    if (found.length < EVENTS_READ) return;
    after = (found.at(-1) as EventRow)[0];
  }
}

/** None of an event that can't be read: the others are served all the same. */
function rowsOf([seq, expires, idBytes, payload]: EventRow): TermRow[] {
  try {
    const event = decodeText(payloadText(idBytes, payload));
    const { id, created_at, kind } = event;
    return termRows({ id, created_at, kind, expires }, eventKeys(event), seq);
  } catch (error) {
    log(
      "warn",
      "store",
      `event ${seq} can't be read, so nobody will find it: ${describeError(error)}`,
    );
    return [];
  }
}
