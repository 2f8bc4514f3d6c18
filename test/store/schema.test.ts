// The database file: what is opened, what is refused and in which words, and what settings it has.

import { describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  databasePath,
  openForReading,
  openForWriting,
  SCHEMA_VERSION,
} from "../../src/store/schema.ts";
import { checkIndex } from "../support/check-index.ts";
import { TempDir } from "../support/temp-dir.ts";
import { storeOptions, TestStore } from "../support/test-store.ts";
import { makeEvent } from "../support/unsigned-events.ts";

const NANDU = 0x6e6e6475;

function pragma(db: Database, name: string): unknown {
  return db.query(`PRAGMA ${name}`).values()[0]?.[0];
}

/** A database file made by hand. */
function makeFile(path: string, ...statements: string[]): void {
  using db = new Database(path, { create: true });
  for (const sql of statements) db.run(sql);
}

describe("a new database", () => {
  test("is made with its folder, and is empty and ours", () => {
    using dir = new TempDir();
    const options = storeOptions(join(dir.path, "a/b"));
    using db = openForWriting(options);
    expect(existsSync(databasePath(options.dataDir))).toBe(true);
    expect(pragma(db, "application_id")).toBe(NANDU);
    expect(pragma(db, "user_version")).toBe(SCHEMA_VERSION);
    expect(db.query("SELECT one, seq FROM head").values()).toEqual([[1, 0]]);
    expect(checkIndex(db)).toEqual([]);
  });

  test("is made of an empty file", () => {
    using dir = new TempDir();
    writeFileSync(databasePath(dir.path), "");
    using db = openForWriting(storeOptions(dir.path));
    expect(checkIndex(db)).toEqual([]);
  });

  test("keeps what is in it when it is opened again", () => {
    using store = new TestStore();
    store.write(makeEvent());
    using db = openForWriting(store.options);
    expect(db.query("SELECT seq FROM event").values()).toEqual([[1]]);
  });
});

describe("the settings reach SQLite", () => {
  const levels = [
    ["off", 0],
    ["normal", 1],
    ["full", 2],
  ] as const;
  for (const [synchronous, level] of levels) {
    test(`synchronous = ${synchronous}`, () => {
      using dir = new TempDir();
      const options = { ...storeOptions(dir.path), synchronous };
      for (let opened = 0; opened < 2; opened++) {
        using db = openForWriting(options);
        expect([pragma(db, "synchronous"), pragma(db, "journal_mode")]).toEqual([level, "wal"]);
      }
    });
  }

  test("cache, mapping, checkpoints and patience, for writing and for reading", () => {
    using dir = new TempDir();
    const options = {
      ...storeOptions(dir.path),
      cacheBytes: 3 * 1024 * 1024 + 1,
      mmapBytes: 1 << 20,
      checkpointPages: 123,
    };
    using db = openForWriting(options);
    using readonly = openForReading(options);
    expect(pragma(db, "wal_autocheckpoint")).toBe(123);
    expect([db, readonly].map((one) => pragma(one, "mmap_size"))).toEqual([0, 1 << 20]);
    for (const connection of [db, readonly]) {
      expect(pragma(connection, "cache_size")).toBe(-3073);
      expect(pragma(connection, "busy_timeout")).toBe(10_000);
    }
  });

  test("a reader can't write", () => {
    using store = new TestStore();
    using db = openForReading(store.options);
    expect(() => db.run("DELETE FROM head")).toThrow("attempt to write a readonly database");
  });
});

describe("a file is refused, and left as it was", () => {
  const newer = `it has version 99, this nandu knows ${SCHEMA_VERSION}: use a newer nandu`;
  const foreign = "it is not a nandu database";
  const cases: {
    desc: string;
    make: (path: string) => void;
    why: string;
  }[] = [
    {
      desc: "of a newer nandu",
      make: (path) =>
        makeFile(
          path,
          `PRAGMA application_id = ${NANDU}`,
          "PRAGMA user_version = 99",
          "CREATE TABLE event (a)",
        ),
      why: newer,
    },
    {
      desc: "of another program",
      make: (path) => makeFile(path, "CREATE TABLE event (a)"),
      why: foreign,
    },
    {
      desc: "of another program, with our version",
      make: (path) =>
        makeFile(path, "CREATE TABLE event (a)", `PRAGMA user_version = ${SCHEMA_VERSION}`),
      why: foreign,
    },
    {
      desc: "of another program, of a newer version than ours",
      make: (path) => makeFile(path, "CREATE TABLE event (a)", "PRAGMA user_version = 99"),
      why: foreign,
    },
    {
      desc: "of another program, still empty but with its id",
      make: (path) => makeFile(path, "PRAGMA application_id = 77"),
      why: foreign,
    },
    {
      desc: "of garbage",
      make: (path) => writeFileSync(path, "This is no database at all. ".repeat(500)),
      why: "file is not a database",
    },
  ];
  for (const { desc, make, why } of cases) {
    test(desc, () => {
      using dir = new TempDir();
      const path = databasePath(dir.path);
      make(path);
      const before = readFileSync(path);
      const refusal = new Error(`can't open the database ${path}: ${why}`);
      const options = storeOptions(dir.path);
      expect(() => openForReading(options)).toThrow(refusal);
      expect(() => openForWriting(options)).toThrow(refusal);
      expect(Buffer.compare(readFileSync(path), before)).toBe(0);
    });
  }

  test("that is a folder", () => {
    using dir = new TempDir();
    mkdirSync(databasePath(dir.path));
    expect(() => openForReading(storeOptions(dir.path))).toThrow("can't open the database");
    expect(() => openForWriting(storeOptions(dir.path))).toThrow("can't open the database");
  });

  test("for reading when it is not there, and not made", () => {
    using dir = new TempDir();
    const path = databasePath(dir.path);
    expect(() => openForReading(storeOptions(dir.path))).toThrow(
      new Error(`there is no database ${path}`),
    );
    expect(existsSync(path)).toBe(false);
  });

  test("when its folder can't be made", () => {
    using dir = new TempDir();
    writeFileSync(join(dir.path, "file"), "");
    const dataDir = join(dir.path, "file/data");
    const path = databasePath(dataDir);
    expect(() => openForWriting(storeOptions(dataDir))).toThrow(
      new Error(`can't open the database ${path}: ENOTDIR: not a directory, mkdir '${dataDir}'`),
    );
  });
});

describe("an older database", () => {
  test("is migrated when opened for writing, and asks for that when opened for reading", () => {
    using dir = new TempDir();
    const path = databasePath(dir.path);
    const options = storeOptions(dir.path);
    makeFile(path, `PRAGMA application_id = ${NANDU}`);
    const older = `it has version 0, older than ${SCHEMA_VERSION}`;
    expect(() => openForReading(options)).toThrow(
      new Error(
        `can't open the database ${path}: ${older}: ` +
          "start nandu relay or nandu import, to migrate it",
      ),
    );
    openForWriting(options).close();
    using db = openForReading(options);
    expect(pragma(db, "user_version")).toBe(SCHEMA_VERSION);
  });

  test("stays as it was when its migration fails", () => {
    using dir = new TempDir();
    const path = databasePath(dir.path);
    makeFile(path, `PRAGMA application_id = ${NANDU}`, "CREATE TABLE head (mine)");
    expect(() => openForWriting(storeOptions(dir.path))).toThrow(
      new Error(`can't open the database ${path}: table head already exists`),
    );
    using db = new Database(path);
    expect(pragma(db, "user_version")).toBe(0);
    expect(db.query("SELECT name FROM sqlite_schema").values()).toEqual([["head"]]);
  });
});

describe("several at once", () => {
  test("a reader opens the file of a writer that is gone, and of one that is there", () => {
    using dir = new TempDir();
    const options = storeOptions(dir.path);
    openForWriting(options).close();
    using reader = openForReading(options);
    using writer = openForWriting(options);
    writer.run("UPDATE head SET seq = 7, part = 1, turn = 1");
    expect(reader.query("SELECT seq FROM head").values()).toEqual([[7]]);
  });

  test("processes that make the same database share it, and every seq is given once", async () => {
    for (let round = 0; round < 3; round++) {
      using dir = new TempDir();
      const count = 30;
      const startMs = Date.now() + 400;
      const outputs = await Promise.all(
        ["a", "b", "c", "d"].map(async (name) => {
          const script = join(import.meta.dir, "open-and-write.ts");
          const args = [script, dir.path, name, `${count}`, `${startMs}`];
          const child = Bun.spawn([process.execPath, ...args], { stdout: "pipe", stderr: "pipe" });
          const [output, errors] = await Promise.all([
            new Response(child.stdout).text(),
            new Response(child.stderr).text(),
          ]);
          expect([await child.exited, errors]).toEqual([0, ""]);
          return JSON.parse(output) as number[];
        }),
      );
      for (const seqs of outputs) expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
      const all = outputs.flat().toSorted((a, b) => a - b);
      expect(all).toEqual(Array.from({ length: 4 * count }, (_, i) => i + 1));
      using db = openForReading(storeOptions(dir.path));
      expect(checkIndex(db)).toEqual([]);
    }
  });
});
