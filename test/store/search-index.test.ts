// The search index as it is filled: in steps, with removals, gaps in the log of these, two
// processes, and the events' database replaced under it. (search-crash.test.ts kills a process.)

import { describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { PURGE_AFTER_S } from "../../src/store/search-index.ts";
import { openSearchForWriting } from "../../src/store/search-schema.ts";
import { EventWriter } from "../../src/store/write.ts";
import { SEARCH_KINDS, SearchStore } from "../support/search-store.ts";
import { author, forEachSeed, makeEvent } from "../support/unsigned-events.ts";

const notes = (count: number, content = "note") =>
  Array.from({ length: count }, (_, i) => makeEvent({ content: `${content} ${i}` }));

/** The seqs of the stored events whose words are searched. */
function searchable(store: SearchStore): number[] {
  return store
    .rows()
    .filter(([, { kind }]) => SEARCH_KINDS.has(kind))
    .map(([seq]) => seq);
}

/** Only the newest rows of the log stay. */
function trimHistory(store: SearchStore, keep: number): void {
  store.db.run(`DELETE FROM history WHERE n <= (SELECT max(n) FROM history) - ${keep}`);
}

function purgeAll(store: SearchStore, now: number): number {
  let count = 0;
  while (store.index.purge(now)) count += 1;
  return count;
}

test("events are indexed once, whatever the steps, with other kinds in between", () => {
  using store = new SearchStore();
  for (let i = 0; i < 60; i++) {
    store.write(...notes(3, `round ${i}`), makeEvent({ kind: 7, content: `${i}` }));
    if (i % 7 === 0) store.index.step(0);
  }
  store.catchUp();
  expect(store.indexed()).toEqual(searchable(store));
  expect(store.index.isBehind()).toBe(false);
  expect(store.index.step(0)).toBe(false);
  expect(store.searchDb.query("SELECT count(*) FROM shard").values()).toEqual([[12]]); // 180 by 16
});

test("what has expired before it is indexed is left out", () => {
  using store = new SearchStore();
  const expiring = (at: number) => makeEvent({ tags: [["expiration", `${at}`]], content: `${at}` });
  store.write(expiring(100), expiring(101), makeEvent({ content: "x" }));
  store.catchUp(100);
  expect(store.indexed()).toEqual([2, 3]);
});

describe("what is removed leaves the index", () => {
  test("as the log says", () => {
    using store = new SearchStore();
    store.write(...notes(50));
    store.catchUp();
    store.writer.remove([1, 16, 17, 50]);
    store.catchUp();
    expect(store.indexed()).toEqual(searchable(store));
    expect(store.indexed().length).toBe(46);
  });

  test("before it was indexed, too", () => {
    using store = new SearchStore();
    store.write(...notes(5));
    store.writer.remove([2]);
    store.catchUp();
    store.writer.remove([99]);
    store.catchUp();
    expect(store.indexed()).toEqual([1, 3, 4, 5]);
  });

  test("when refusals stand in the log between", () => {
    using store = new SearchStore();
    store.write(...notes(5));
    store.catchUp();
    const refuse = () =>
      store.db.run("INSERT INTO history (id, seq, at, what, detail) VALUES (x'', 0, 0, 'no', '')");
    for (let i = 0; i < 3000; i++) refuse();
    store.writer.remove([3]);
    refuse();
    store.catchUp();
    expect(store.indexed()).toEqual([1, 2, 4, 5]);
  });

  const gaps: [keep: number, shardEvents: number, count: number][] = [
    [0, 16, 100],
    [1, 16, 100],
    [1, 2200, 2300], // more in a piece than is compared at once
  ];
  for (const [keep, shardEvents, count] of gaps) {
    test(`when the log has forgotten it: ${count} events, ${keep} rows left`, () => {
      using store = new SearchStore(shardEvents);
      store.write(...notes(count));
      store.catchUp();
      store.writer.remove([1, 16, 17, count >> 1, count - 1, count]);
      trimHistory(store, keep);
      store.write(...notes(20, "new"));
      store.catchUp();
      expect(store.indexed()).toEqual(searchable(store));
      store.writer.remove([2]); // from here on, the log is whole
      store.catchUp();
      expect(store.indexed()).toEqual(searchable(store));
    });
  }

  test("when there is no log, by comparing now and then", () => {
    using store = new SearchStore();
    store.write(...notes(50));
    store.catchUp();
    new EventWriter(store.db, { ...store.options, historyEntriesMax: 0 }).remove([1, 33, 50]);
    store.catchUp();
    expect(store.indexed().length).toBe(50);
    store.index.startComparing();
    store.catchUp();
    expect(store.indexed()).toEqual(searchable(store));
  });

  test("when it is replaced by a newer version", () => {
    using store = new SearchStore();
    const version = (created_at: number) =>
      makeEvent({ kind: 0, created_at, content: JSON.stringify({ name: `jack ${created_at}` }) });
    store.write(version(1));
    store.catchUp();
    store.write(version(2));
    expect(store.search([{ search: "jack" }]).events).toEqual([version(2)]);
    store.catchUp();
    expect(store.indexed()).toEqual([2]);
    expect(store.search([{ search: "jack" }]).events).toEqual([version(2)]);
  });
});

test("at random, with a log that is short now and then", () => {
  forEachSeed(6, (dice) => {
    using store = new SearchStore();
    let made = 0;
    for (let round = 0; round < 30; round++) {
      const batch: NostrEvent[] = [];
      for (let n = dice.below(12); n > 0; n--) {
        made += 1;
        batch.push(
          makeEvent({
            pubkey: author(dice.below(3)),
            kind: dice.pick([1, 1, 7]),
            content: `${made}`,
          }),
        );
      }
      store.write(...batch);
      if (dice.chance(0.4))
        store.writer.remove(dice.some(searchable(store).concat(1), dice.below(5)));
      if (dice.chance(0.1)) trimHistory(store, dice.below(3));
      if (dice.chance(0.3)) store.index.step(0);
      if (dice.chance(0.1)) store.index.purge(10 ** 9);
    }
    store.catchUp();
    expect(store.indexed()).toEqual(searchable(store));
  });
});

describe("the words of what was removed", () => {
  test("are nowhere in the files a while later", () => {
    using store = new SearchStore();
    store.write(...notes(20), makeEvent({ content: "unmistakable words" }), ...notes(20, "more"));
    store.catchUp();
    expect(purgeAll(store, 1)).toBe(2); // those that are full
    expect(store.hasBytes("unmistakable")).toBe(true);
    store.writer.remove([21]);
    store.catchUp(1000);
    expect(store.index.purge(1000 + PURGE_AFTER_S - 1)).toBe(false);
    expect(purgeAll(store, 1000 + PURGE_AFTER_S)).toBe(1);
    expect(store.hasBytes("unmistakable")).toBe(false);
    expect(store.indexed()).toEqual(searchable(store));
    expect(store.search([{ search: "note OR more" }]).events.length).toBe(40);
  });

  test("go piece by piece, the longest due first", () => {
    using store = new SearchStore();
    store.write(...notes(60));
    store.catchUp();
    expect(purgeAll(store, 1)).toBe(3);
    store.writer.remove([40]);
    store.catchUp(10);
    store.writer.remove([1, 2, 3]);
    store.catchUp(20);
    store.writer.remove([41]);
    store.catchUp(30);
    expect(purgeAll(store, 10 + PURGE_AFTER_S)).toBe(1);
    expect(purgeAll(store, 20 + PURGE_AFTER_S)).toBe(1);
    expect(purgeAll(store, 10 ** 9)).toBe(0);
  });
});

describe("an index", () => {
  test("goes on where it was", () => {
    using store = new SearchStore();
    store.write(...notes(30));
    store.catchUp();
    const again = store.openIndex(openSearchForWriting(store.options.dataDir));
    expect(again.prepare()).toBe(false);
    store.write(...notes(3, "new"));
    while (again.step(0));
    expect(store.indexed()).toEqual(searchable(store));
  });

  test("that two processes fill has each event once", () => {
    using store = new SearchStore();
    const other = store.openIndex(openSearchForWriting(store.options.dataDir));
    store.write(...notes(1000));
    for (let i = 0; store.index.isBehind(); i++) (i % 2 === 0 ? other : store.index).step(0);
    expect(store.indexed()).toEqual(searchable(store));
  });

  test("of other kinds is refused, and filled by nobody else", () => {
    using store = new SearchStore();
    store.write(...notes(20));
    store.catchUp();
    const other = store.openIndex(openSearchForWriting(store.options.dataDir), [11]);
    expect(() => other.prepare()).toThrow("it is of other kinds");
    store.write(makeEvent({ kind: 11, content: "thread" }));
    expect(other.step(0)).toBe(false);
    store.catchUp();
    expect(store.indexed()).toEqual(searchable(store));
  });

  const replacements = {
    "an older copy": "UPDATE head SET seq = 19, turn = turn + 1",
    "one that removed less": "UPDATE sqlite_sequence SET seq = 0 WHERE name = 'history'",
    "one with another event of the same seq": "UPDATE event SET id = x'00' WHERE seq = 17",
  };
  for (const [desc, change] of Object.entries(replacements)) {
    test(`is refused when the database is ${desc}`, () => {
      using store = new SearchStore();
      store.write(...notes(20));
      store.writer.remove([3]);
      store.catchUp();
      expect(store.index.prepare()).toBe(false);
      store.db.run(change);
      expect(() => store.index.prepare()).toThrow("it is of other events than the database has");
    });
  }

  test("that is missing or no index is one in which nothing is found", () => {
    using store = new SearchStore();
    store.write(...notes(1100));
    store.catchUp();
    expect(store.search([{ search: "note" }]).events.length).toBe(1000);
    store.searchDb.run("PRAGMA user_version = 99");
    store.searches.close();
    expect(store.search([{ search: "note" }])).toEqual({ events: [], hint: "more", isCut: true });
    expect(() => openSearchForWriting(store.options.dataDir)).toThrow(
      "it is not one of this version",
    );
  });
});
