// How running sums are brought up to date: by whom, in which order, and what becomes of a step that
// doesn't end. What syncs read in them is in sum-storage.test.ts.

import { describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { join } from "node:path";
import type { NostrEvent } from "../../src/protocol/event.ts";
import type { Filter } from "../../src/protocol/filter.ts";
import { parseFilter } from "../../src/protocol/filter.ts";
import { databasePath, openForWriting } from "../../src/store/schema.ts";
import { BACKLOG_BUSY, SumKeeper } from "../../src/store/sum-keeper.ts";
import {
  canonicalText,
  deleteSumSet,
  findSumSet,
  insertSumSet,
  readSumSets,
} from "../../src/store/sum-sets.ts";
import { checkSums } from "../support/check-sums.ts";
import { makeFourthVersion } from "../support/earlier-version.ts";
import { DiskFull, FailingDatabase } from "../support/failing-database.ts";
import type { RawFilter } from "../support/random-filters.ts";
import { runNandu } from "../support/relay-process.ts";
import { TestStore } from "../support/test-store.ts";
import { author, forEachSeed, makeEvent } from "../support/unsigned-events.ts";

const SCRIPT = join(import.meta.dir, "sum-and-die.ts");

function sumAndDie(dataDir: string, count: number): Bun.Subprocess<"ignore", "ignore", "pipe"> {
  const args = [process.execPath, SCRIPT, dataDir, String(count)];
  return Bun.spawn(args, { stdout: "ignore", stdin: "ignore", stderr: "pipe" });
}

async function endOf(child: Bun.Subprocess<"ignore", "ignore", "pipe">): Promise<string> {
  const [code, stderr] = await Promise.all([child.exited, child.stderr.text()]);
  return String(child.signalCode ?? `${code} ${stderr}`);
}

function parsed(raw: RawFilter): Filter {
  return parseFilter(raw) as Filter;
}

function addSet(store: TestStore, raw: RawFilter): number {
  return insertSumSet(store.db, canonicalText(parsed(raw)) as string) as number;
}

function fill(store: TestStore, count: number, start = 0): void {
  const events = Array.from({ length: count }, (_, i) =>
    makeEvent({
      content: `${start + i}`,
      created_at: 1000 * (start + i),
      kind: [1, 2, 4][i % 3] as number,
    }),
  );
  store.writeInBatches(events, [100]);
}

function upTos(store: TestStore): number[] {
  return readSumSets(store.db).map(({ upTo }) => upTo);
}

describe("a step", () => {
  test("that is killed leaves nothing undone and nothing done twice", async () => {
    using store = new TestStore();
    addSet(store, { kinds: [1, 2] });
    const ends = new Set<string>();
    for (const count of [1, 5, 9, 14, 23, 40, 58, -1]) {
      fill(store, 20, store.writer.lastSeq());
      store.writer.remove([2, 3, 5].map((back) => store.writer.lastSeq() - 10 * back));
      ends.add(await endOf(sumAndDie(store.options.dataDir, count)));
      expect(checkSums(store.db)).toEqual([]);
    }
    expect([...ends].toSorted()).toEqual(["0 ", "SIGKILL"]);
    expect(store.writer.sums.backlog()).toBe(0);
  });

  test("is made by two processes at the same time, each event counts once", async () => {
    using store = new TestStore();
    fill(store, 600);
    const { dataDir } = store.options;
    const ends = await Promise.all([endOf(sumAndDie(dataDir, -1)), endOf(sumAndDie(dataDir, -1))]);
    expect(ends).toEqual(["0 ", "0 "]);
    expect(store.writer.sums.backlog()).toBe(0);
    expect(checkSums(store.db)).toEqual([]);
  });

  test("that fails anywhere is as if it hadn't been, and is made again", () => {
    using store = new TestStore();
    fill(store, 30);
    store.writer.sums.step(20);
    store.writer.remove([3, 4, 25]);
    const failing = new FailingDatabase(store.db);
    const keeper = new SumKeeper(failing.db, "full");
    let failures = 0;
    for (let at = 1; ; at++) {
      failing.failAt(at);
      try {
        keeper.step(20);
        break;
      } catch (error) {
        if (!(error instanceof DiskFull)) throw error;
      }
      failures += 1;
      failing.heal();
      expect([at, upTos(store), checkSums(store.db)]).toEqual([at, [20], []]);
      expect(store.db.query("SELECT count(*) FROM taken").values()).toEqual([[2]]);
    }
    expect(failures).toBeGreaterThan(10);
    expect([upTos(store), checkSums(store.db)]).toEqual([[30], []]);
  });
});

describe("sets", () => {
  test("are caught up together, a new one without taking the others out of use", () => {
    using store = new TestStore();
    fill(store, 1200);
    const { sums } = store.writer;
    sums.step(1000);
    addSet(store, { kinds: [2] });
    addSet(store, { authors: [author(0)] });
    expect(upTos(store)).toEqual([1000, 0, 0]);
    sums.step(700); // the first is not far behind
    const [, both = 0, other] = upTos(store);
    expect([both > 400, both < 1000, other]).toEqual([true, true, both]);
    fill(store, 400, 1200);
    sums.step(100);
    expect(upTos(store)).toEqual([1100, both, both]);
    sums.keepAll();
    expect(upTos(store)).toEqual([1600, 1600, 1600]);
    expect(checkSums(store.db)).toEqual([]);
  });

  test("that count the same events, and long texts, make a step shorter", () => {
    using store = new TestStore();
    const { sums } = store.writer;
    const tags = Array.from({ length: 40 }, (_, i) => ["t", `${i}`]);
    const makeNext = (content: string): NostrEvent => makeEvent({ tags, content });
    for (const [, value] of tags) addSet(store, { "#t": [value as string] });
    store.write(...Array.from({ length: 200 }, (_, i) => makeNext(`${i}`)));
    sums.step(200); // of one set's events
    const [first = 0] = upTos(store);
    expect([first > 0, first <= 5]).toEqual([true, true]);
    while (upTos(store)[0] !== 200) sums.step(1000);
    store.write(makeNext("x".repeat(100_000)), makeNext("y".repeat(100_000)));
    sums.step(50);
    expect(new Set(upTos(store))).toEqual(new Set([201]));
    store.db.run("DELETE FROM event WHERE seq <= 200");
    sums.step(200);
    const taken = store.db.query("SELECT count(*) FROM taken").values()[0]?.[0] as number;
    expect([taken >= 195, taken < 200]).toEqual([true, true]);
    sums.keepAll();
    expect(checkSums(store.db)).toEqual([]);
  });

  test("lose what is removed while one of them is still behind it", () => {
    using store = new TestStore();
    fill(store, 60);
    store.writer.sums.step(50);
    addSet(store, { kinds: [1, 2, 4] });
    store.writer.remove([10, 40, 55]);
    store.writer.sums.step(30);
    store.writer.remove([11, 41, 56]);
    expect(checkSums(store.db)).toEqual([]);
    store.writer.sums.keepAll();
    expect(checkSums(store.db)).toEqual([]);
    expect(store.db.query("SELECT * FROM taken").values()).toEqual([]);
  });

  test("leave nothing behind, nor is their id used again", () => {
    using store = new TestStore();
    fill(store, 10);
    const id = addSet(store, { kinds: [1] });
    store.writer.sums.keepAll();
    deleteSumSet(store.db, id);
    expect(store.db.query("SELECT DISTINCT set_id FROM sums").values()).toEqual([[0]]);
    expect(addSet(store, { kinds: [1] })).toBe(id + 1);
  });

  test("are found by what a filter asks for, however it is written", () => {
    using store = new TestStore();
    const [a, b] = [author(1), author(2)];
    addSet(store, { authors: [a, b], "#t": ["x", "y"], kinds: [7, 1] });
    addSet(store, { authors: [b] });
    const sets = readSumSets(store.db);
    const found = (raw: RawFilter) => findSumSet(sets, parsed(raw))?.id ?? null;
    expect(found({})).toBe(0);
    expect(found({ kinds: [1, 4], since: 5, until: 9 })).toBe(0);
    expect(found({ "#t": ["y", "x", "x"], kinds: [1, 7], authors: [b, a] })).toBe(1);
    expect(found({ "#t": ["y", "x"], kinds: [7], authors: [b, a], until: 3 })).toBe(1);
    expect(found({ "#t": ["y", "x"], authors: [b, a] })).toBe(null);
    expect(found({ "#t": ["y", "x"], kinds: [7, 8], authors: [b, a] })).toBe(null);
    expect(found({ "#t": ["y"], kinds: [7], authors: [b, a] })).toBe(null);
    expect(found({ authors: [b], kinds: [5] })).toBe(2);
    expect(found({ authors: [b], limit: 5 })).toBe(null);
    expect(found({ authors: [a] })).toBe(null);
    expect(canonicalText(parsed({ limit: 1 }))).toBe(null);
  });
});

test("a set that is built by command leaves others time to write", async () => {
  using store = new TestStore();
  fill(store, 13_000);
  const places = new Set<number>();
  const args = ["negentropy", "build", "0", `--data-dir=${store.options.dataDir}`];
  let isBuilt = false;
  const built = runNandu(args).finally(() => (isBuilt = true));
  for (let i = 0; !isBuilt; i++) {
    store.write(makeEvent({ content: `meanwhile ${i}` }));
    places.add(upTos(store)[0] as number);
    await new Promise(setImmediate);
  }
  expect((await built).code).toBe(0);
  expect([...places].filter((upTo) => upTo > 0 && upTo < 13_000)).not.toEqual([]);
  expect(checkSums(store.db)).toEqual([]);
});

test("a writer leaves few events behind when it has time, and many when it has none", () => {
  using store = new TestStore();
  fill(store, 511);
  expect(store.writer.sums.keep(true)).toBe(false);
  expect(upTos(store)).toEqual([0]);
  fill(store, 1, 511);
  expect(store.writer.sums.keep(false)).toBe(false);
  expect(upTos(store)).toEqual([0]);
  expect(store.writer.sums.keep(true)).toBe(false);
  expect(upTos(store)).toEqual([512]);
  // As if there had been more events, which are gone.
  const fallBack = (backlog: number): void => {
    store.db.run("DELETE FROM sums");
    store.db.run("UPDATE sum_set SET upto = ?", [512 - backlog]);
  };
  fallBack(BACKLOG_BUSY - 1);
  expect(store.writer.sums.keep(false)).toBe(false);
  expect(upTos(store)).toEqual([512 - BACKLOG_BUSY + 1]);
  fallBack(BACKLOG_BUSY);
  while (store.writer.sums.keep(false));
  expect(upTos(store)).toEqual([512]);
  expect(checkSums(store.db)).toEqual([]);
});

test("a database without sums gets them, and they are filled in", () => {
  forEachSeed(2, (dice) => {
    using store = new TestStore();
    fill(store, 100 + dice.below(100));
    const path = databasePath(store.options.dataDir);
    {
      using old = new Database(path);
      makeFourthVersion(old);
      for (const table of ["sum_set", "sums", "taken"]) old.run(`DROP TABLE ${table}`);
      old.run("DROP TRIGGER summed_taken");
      old.run("PRAGMA user_version = 3");
    }
    using db = openForWriting(store.options);
    expect(db.query("SELECT id, filter, upto FROM sum_set").values()).toEqual([[0, "{}", 0]]);
    const keeper = new SumKeeper(db, "off");
    while (keeper.backlog() > 0) keeper.step(1 + dice.below(90));
    expect(checkSums(db)).toEqual([]);
    expect(db.query("SELECT sum(count) FROM sums WHERE level = 1").values()).toEqual(
      db.query("SELECT count(*) FROM event").values(),
    );
  });
});
