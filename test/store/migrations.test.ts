// Databases of earlier versions: what becomes of them, whatever happens in between.

import { describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { type Filter, parseFilter } from "../../src/protocol/filter.ts";
import { candidateOf } from "../../src/store/candidate.ts";
import { MIGRATIONS } from "../../src/store/migrations.ts";
import { EventReader } from "../../src/store/read.ts";
import { Scan } from "../../src/store/scan.ts";
import {
  closeForWriting,
  databasePath,
  openForReading,
  openForWriting,
  SCHEMA_VERSION,
} from "../../src/store/schema.ts";
import { VANISHED } from "../../src/store/verdict.ts";
import { EventWriter } from "../../src/store/write.ts";
import { checkIndex } from "../support/check-index.ts";
import { makeFourthVersion } from "../support/earlier-version.ts";
import { contentOf, makeFirstVersion, type SeqAndEvent } from "../support/first-version.ts";
import { NaiveStore } from "../support/naive-store.ts";
import { naiveScan, randomFilter, type RawFilter } from "../support/random-filters.ts";
import { TempDir } from "../support/temp-dir.ts";
import { storeOptions, TestStore } from "../support/test-store.ts";
import {
  author,
  type Dice,
  forEachSeed,
  makeEvent,
  randomEvent,
} from "../support/unsigned-events.ts";

const NOW = 1_800_000_000;
const SPREAD = { authors: 4, kinds: [0, 1, 5, 7, 10_002, 30_023], seconds: 30 };
const LIMITS = { limitDefault: 50, limitMax: 80, tiesMax: 20 };

/** One that may name others, by id and by address, or expire. */
function eventAmong(dice: Dice, made: readonly NostrEvent[]): NostrEvent {
  const event = randomEvent(dice, SPREAD);
  const tags = [...event.tags];
  if (made.length > 0 && dice.chance(0.3)) tags.push(["e", dice.pick(made).id]);
  if (dice.chance(0.2)) tags.push(["a", `30023:${event.pubkey}:`]);
  if (dice.chance(0.1)) tags.push(["expiration", dice.pick(["2000", `${NOW * 2}`])]);
  return makeEvent({ ...event, tags });
}

/** What a store of the first version held after such a history: gaps where events were removed. */
function storedRows(dice: Dice, naive: NaiveStore, count: number): SeqAndEvent[] {
  const made: NostrEvent[] = [];
  for (let i = 0; i < count; i++) made.push(eventAmong(dice, made));
  for (const event of made) naive.apply(event);
  return naive.entries.map(({ arrival, event }) => [arrival + 1, event]);
}

function answer(reader: EventReader, filters: readonly RawFilter[]): unknown {
  const parsed = filters.map((filter) => parseFilter(filter) as Filter);
  const scan = new Scan(reader, parsed, { ...LIMITS, nowSeconds: () => 0 });
  const ids: string[] = [];
  for (;;) {
    const found = scan.next();
    if (found === "done") return { ids, hint: scan.hint() };
    if (found !== "working") ids.push(found.stored.id);
  }
}

describe("a database of the first version", () => {
  test("is what the first migration makes", () => {
    using dir = new TempDir();
    using made = makeFirstVersion(dir.path);
    using migrated = new Database(":memory:");
    migrated.run(MIGRATIONS[0] as string);
    const schema = "SELECT name, sql FROM sqlite_schema";
    expect(migrated.query(schema).values()).toEqual(made.query(schema).values());
  });

  test("heeds the requests to vanish that it was only given to keep", () => {
    using dir = new TempDir();
    const options = storeOptions(dir.path);
    const by = (index: number, kind: number, created_at: number, tags: string[][] = []) =>
      makeEvent({ pubkey: author(index), kind, created_at, tags });
    const [earlier, request, elsewhere] = [
      by(0, 62, 1500, [["relay", "wss://here.example"]]),
      by(0, 62, 2000, [["relay", "ALL_RELAYS"]]),
      by(1, 62, 2000, [["relay", "wss://elsewhere.example"]]),
    ];
    const [note, later, others] = [by(0, 1, 2000), by(0, 1, 2001), by(1, 1, 1000)];
    const wrap = by(9, 1059, 1900, [["p", author(0)]]);
    const deletion = by(0, 5, 1800, [["e", others.id]]);
    const all = [note, request, earlier, wrap, later, others, elsewhere, deletion];
    makeFirstVersion(
      dir.path,
      all.map((event, i) => [i + 1, event]),
    ).close();
    using db = openForWriting(options);
    const writer = new EventWriter(db, options);
    expect(writer.write([candidateOf(by(0, 1, 1))]).verdicts).toEqual([VANISHED]);
    while (writer.maintain());
    const ids = db.query("SELECT lower(hex(id)) FROM event ORDER BY seq").values().flat();
    expect(ids).toEqual([request, later, others, elsewhere].map(({ id }) => id));
    expect(writer.write([note, wrap].map(candidateOf)).verdicts).toEqual([VANISHED, VANISHED]);
    expect(checkIndex(db)).toEqual([]);
  });

  test("gets the schema of a new one, and keeps its events and its last seq", () => {
    using dir = new TempDir();
    using newDir = new TempDir();
    const options = storeOptions(dir.path);
    const event = makeEvent();
    makeFirstVersion(dir.path, [[3, event]], 8).close();
    using db = openForWriting(options);
    using fresh = openForWriting(storeOptions(newDir.path));
    const schema = "SELECT name, sql FROM sqlite_schema ORDER BY name";
    expect(db.query(schema).values()).toEqual(fresh.query(schema).values());
    expect(db.query("PRAGMA user_version").values()).toEqual([[SCHEMA_VERSION]]);
    expect(db.query("SELECT * FROM head").values()).toEqual([[1, 8, 0, 8, 8, 0]]);
    expect(db.query("SELECT * FROM tail_run").values()).toEqual([]);
    expect(checkIndex(db)).toEqual([]);
    expect(readdirSync(dir.path).filter((name) => !name.startsWith("nandu.db"))).toEqual([]);
    const next = makeEvent({ content: "next" });
    const { verdicts } = new EventWriter(db, options).write([event, next].map(candidateOf));
    expect(verdicts.map(({ seq, reason }) => [seq, reason])).toEqual([
      [0, "duplicate: already have this event"],
      [9, ""],
    ]);
  });

  test("answers as before, and goes on replacing, deleting and expiring", () => {
    forEachSeed(15, (dice) => {
      using dir = new TempDir();
      const options = storeOptions(dir.path);
      const naive = new NaiveStore();
      const count = 1 + dice.below(300);
      makeFirstVersion(dir.path, storedRows(dice, naive, count), count).close();
      using db = openForWriting(options);
      expect(checkIndex(db)).toEqual([]);
      const stored = naive.entries.map(({ event }) => event);
      const reader = new EventReader(db);
      for (let i = 0; i < 60; i++) {
        const filters = dice.list(1 + dice.below(3), () => randomFilter(dice, stored, 30));
        expect([filters, answer(reader, filters)]).toEqual([
          filters,
          naiveScan(stored, filters, LIMITS),
        ]);
      }
      const writer = new EventWriter(db, options);
      naive.forget();
      for (let i = 0; i < 20; i++) {
        const batch = dice.list(1 + dice.below(8), () =>
          dice.chance(0.2) ? dice.pick(stored) : eventAmong(dice, stored),
        );
        const verdicts = batch.map((event) => naive.apply(event));
        const written = writer.write(batch.map(candidateOf)).verdicts;
        expect(written.map(({ accepted, reason }) => [accepted, reason] as unknown)).toEqual(
          verdicts.map(({ accepted, reason }) => [accepted, reason]),
        );
        writer.maintain();
      }
      expect(writer.removeExpired(NOW, 1000).toSorted()).toEqual(naive.expire(NOW).toSorted());
      const left = naive.entries.map(({ event }) => event);
      const everything = answer(reader, [{ limit: 80 }]);
      expect(everything).toEqual(naiveScan(left, [{ limit: 80 }], LIMITS));
      expect(checkIndex(db)).toEqual([]);
    });
  });

  test("with a tail, as some builds made it, is migrated as well", () => {
    using dir = new TempDir();
    const rows: SeqAndEvent[] = [[1, makeEvent()]];
    {
      using old = makeFirstVersion(dir.path, rows);
      old.run("CREATE TABLE tail (part INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT");
      old.run("INSERT INTO tail VALUES (1, x'00')");
      for (const name of ["part", "merged", "merging"]) {
        old.run(`ALTER TABLE head ADD COLUMN ${name} INTEGER NOT NULL DEFAULT 1`);
      }
      old.run("ALTER TABLE term RENAME COLUMN kind TO info");
    }
    using db = openForWriting(storeOptions(dir.path));
    expect(checkIndex(db)).toEqual([]);
  });

  test("with a row that can't be read is migrated, and the others are found", () => {
    using dir = new TempDir();
    const events = [1, 2, 3].map((n) => makeEvent({ content: `${n}` }));
    {
      using old = makeFirstVersion(
        dir.path,
        events.map((event, i) => [i + 1, event]),
      );
      old.run("UPDATE event SET payload = x'00' WHERE seq = 2");
    }
    using db = openForWriting(storeOptions(dir.path));
    const others = events.filter((_, i) => i !== 1);
    const answered = answer(new EventReader(db), [{}]);
    expect(answered).toEqual(naiveScan(others, [{}], LIMITS));
  });
});

describe("a migration that does not end", () => {
  const rows = Array.from({ length: 2000 }, (_, i): SeqAndEvent => [
    i + 1,
    makeEvent({ content: `${i}`, tags: [["t", `${i % 9}`]] }),
  ]);

  test("because it is killed leaves the old version, whole; the next one ends", async () => {
    using dir = new TempDir();
    const old = makeFirstVersion(dir.path, rows);
    const before = contentOf(old);
    old.close();
    // While events are read, and while the rows of all are written, when the cache has overflowed.
    for (const count of [1, 1999, 2150]) {
      const script = join(import.meta.dir, "migrate-and-die.ts");
      const args = [process.execPath, script, dir.path, `${count}`];
      const child = Bun.spawn(args, { stdout: "ignore", stderr: "ignore" });
      await child.exited;
      expect(child.signalCode).toBe("SIGKILL");
      using db = new Database(databasePath(dir.path));
      expect(contentOf(db)).toEqual(before);
    }
    using db = openForWriting(storeOptions(dir.path));
    expect(checkIndex(db)).toEqual([]);
    expect(db.query("SELECT seq FROM event").values()).toEqual(rows.map(([seq]) => [seq]));
  });

  test("because the database fails leaves the old version, whole", () => {
    using dir = new TempDir();
    {
      using old = makeFirstVersion(dir.path, rows);
      old.run("CREATE TABLE head_before (mine)"); // in the way of the new tables
    }
    const path = databasePath(dir.path);
    using db = new Database(path);
    const before = contentOf(db);
    expect(() => openForWriting(storeOptions(dir.path))).toThrow(
      new Error(`can't open the database ${path}: table head_before already exists`),
    );
    expect(contentOf(db)).toEqual(before);
  });
});

describe("a database of the fourth version", () => {
  test("answers as before, with events in the tail of the index, removed ones among them", () => {
    forEachSeed(20, (dice) => {
      using store = new TestStore();
      const made: NostrEvent[] = [];
      for (let i = 0; i < 60; i++) made.push(eventAmong(dice, made));
      for (const event of made) store.write(event);
      const filters = Array.from({ length: 20 }, () => [randomFilter(dice, made, 0.5)]);
      const before = filters.map((filter) => answer(store.openReader(), filter));
      const others = ["gone", "history", "head", "term", "control_version"].map(
        (table) => `SELECT * FROM ${table}`,
      );
      const rows = others.map((select) => store.db.query(select).values());
      {
        using old = new Database(databasePath(store.options.dataDir));
        makeFourthVersion(old);
      }
      using db = openForWriting(store.options);
      expect(db.query("PRAGMA user_version").values()).toEqual([[SCHEMA_VERSION]]);
      expect(checkIndex(db)).toEqual([]);
      expect(others.map((select) => db.query(select).values())).toEqual(rows);
      const reader = new EventReader(db);
      expect(filters.map((filter) => answer(reader, filter))).toEqual(before);
    });
  });

  test("is not read or written by a process of that version that still runs, which ends", () => {
    using store = new TestStore();
    store.writer.write([candidateOf(makeEvent())]);
    using old = new Database(databasePath(store.options.dataDir));
    makeFourthVersion(old);
    const select = old.prepare("SELECT part, entries, removed FROM tail WHERE part > ?");
    const insert = old.prepare("INSERT INTO tail VALUES (2, 2, x'', x'')");
    const poll = old.prepare("SELECT version FROM control"); // whenever somebody else has written
    expect(select.values(0)).toHaveLength(1);
    expect(poll.values()).toEqual([[0]]);
    openForWriting(store.options).close();
    expect(() => select.values(0)).toThrow("no such table: tail");
    expect(() => insert.run()).toThrow("no such table: tail");
    expect(() => poll.values()).toThrow("a newer nandu has migrated this database");
  });
});

describe("a process of the first version that still runs", () => {
  test("can write no more, so that no event is lost to the index", () => {
    using dir = new TempDir();
    using old = makeFirstVersion(dir.path, [[1, makeEvent()]]);
    const insert = old.prepare("INSERT INTO term VALUES (?, ?, ?, ?, ?)");
    const update = old.prepare("UPDATE head SET seq = ?");
    using db = openForWriting(storeOptions(dir.path));
    const write = old.transaction(() => {
      insert.run(9, 9, 9, 2, 1);
      update.run(2);
    });
    expect(() => write()).toThrow(new Error("a newer nandu has migrated this database"));
    expect(checkIndex(db)).toEqual([]);
  });

  test("keeps nobody from migrating, and who reads the old version is told what to do", () => {
    using dir = new TempDir();
    using old = makeFirstVersion(dir.path, [[1, makeEvent()]]);
    const options = storeOptions(dir.path);
    expect(() => openForReading(options)).toThrow(
      new Error(
        `can't open the database ${databasePath(dir.path)}: it has version 1, older than ` +
          `${SCHEMA_VERSION}: start nandu relay or nandu import, to migrate it`,
      ),
    );
    openForWriting(options).close();
    using db = openForReading(options);
    expect(checkIndex(db)).toEqual([]);
    expect(old.query("PRAGMA user_version").values()).toEqual([[SCHEMA_VERSION]]);
  });
});

test("a file that was just made, or migrated, can be closed at once, its log emptied", () => {
  for (const isOld of [false, true]) {
    using dir = new TempDir();
    if (isOld) makeFirstVersion(dir.path, [[1, makeEvent()]]).close();
    closeForWriting(openForWriting(storeOptions(dir.path)));
    const log = `${databasePath(dir.path)}-wal`;
    expect(existsSync(log) ? statSync(log).size : 0).toBe(0);
  }
});
