// Statements of fixed sizes, for any number of rows.

import { expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { RowInserter, RowLookup } from "../../src/store/rows.ts";

const COUNTS = [...Array.from({ length: 301 }, (_, i) => i), 511, 512, 513, 1023, 1024, 1025, 5000];

function openTable(): Database {
  const db = new Database(":memory:");
  db.run("CREATE TABLE pair (a INTEGER PRIMARY KEY, b TEXT) STRICT");
  return db;
}

/** Not in order, so that what comes back in order was not merely copied. */
function pairs(count: number): [number, string][] {
  return Array.from({ length: count }, (_, i) => [((i * 7919) % 100_003) + 1, `${i}`]);
}

test("every number of rows is inserted, each row once", () => {
  using db = openTable();
  const inserter = new RowInserter(db, "INSERT INTO pair", 2);
  for (const count of COUNTS) {
    const rows = pairs(count);
    inserter.insert(rows.flat());
    const stored = db.query("SELECT a, b FROM pair ORDER BY a").values();
    expect([count, stored]).toEqual([count, rows.toSorted(([a], [b]) => a - b)]);
    db.run("DELETE FROM pair");
  }
});

test("every number of keys is looked up, and only what is there is visited, once", () => {
  using db = openTable();
  const rows = pairs(6000);
  new RowInserter(db, "INSERT INTO pair", 2).insert(rows.flat());
  const lookup = new RowLookup(db, "SELECT a, b FROM pair WHERE a", 0);
  for (const count of COUNTS) {
    const asked = rows.slice(0, count);
    const keys = asked.flatMap(([a]) => [a, a + 200_000]);
    const kept = [...keys];
    const found: unknown[][] = [];
    lookup.each(keys, (row) => found.push(row));
    const sorted = found.toSorted((x, y) => (x[0] as number) - (y[0] as number));
    expect([count, sorted]).toEqual([count, asked.toSorted(([a], [b]) => a - b)]);
    expect(keys).toEqual(kept);
  }
});

test("numbers beyond 32 bits and bytes go in and are found", () => {
  using db = new Database(":memory:");
  db.run("CREATE TABLE pair (a INTEGER PRIMARY KEY, b BLOB) STRICT");
  const keys = [2 ** 31, 2 ** 32 + 1, 2 ** 48 - 1, Number.MAX_SAFE_INTEGER, -(2 ** 40), -0];
  const rows = keys.map((key, i) => [key, Buffer.from([i])] as const);
  new RowInserter(db, "INSERT INTO pair", 2).insert(rows.flat());
  const found = new Map<unknown, unknown>();
  new RowLookup(db, "SELECT a, b FROM pair WHERE a", 1).each(keys, ([a, b]) => found.set(a, b));
  expect(found).toEqual(new Map(rows.map(([key, bytes]) => [key + 0, new Uint8Array(bytes)])));
});

test("a row that is refused is an error", () => {
  using db = openTable();
  const inserter = new RowInserter(db, "INSERT INTO pair", 2);
  expect(() => inserter.insert([1, "a", 1, "b"])).toThrow("UNIQUE constraint failed: pair.a");
});
