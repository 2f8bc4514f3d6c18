// Which keys are in the index: the filter in memory, how it is kept complete, and the look-ups that
// it saves or leads to.

import type { Database, SQLQueryBindings, Statement } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { candidateOf } from "../../src/store/candidate.ts";
import { IdLookup, TAIL_IDS_SQL, TailIds } from "../../src/store/id-lookup.ts";
import { KeyFilter } from "../../src/store/key-filter.ts";
import { openForReading } from "../../src/store/schema.ts";
import { Tail } from "../../src/store/tail.ts";
import { idKey, STRONG_KEYS } from "../../src/store/term.ts";
import { EventWriter } from "../../src/store/write.ts";
import { checkIndex } from "../support/check-index.ts";
import { NaiveStore } from "../support/naive-store.ts";
import { TestStore } from "../support/test-store.ts";
import { forEachSeed, makeEvent, randomEvent, sha256Hex } from "../support/unsigned-events.ts";

const DUPLICATE = "duplicate: already have this event";

describe("the filter", () => {
  test("says yes to all it was given, and seldom to others", () => {
    const filter = new KeyFilter();
    const keyOf = (i: number): number => idKey(sha256Hex(`id ${i}`));
    const count = 200_000;
    for (let i = 0; i < count; i++) filter.add(keyOf(i));
    let wrong = 0;
    for (let i = 0; i < count; i++) {
      if (!filter.mayHave(keyOf(i))) throw new Error(`${i} is missing`);
      if (filter.mayHave(keyOf(count + i))) wrong += 1;
    }
    expect(wrong).toBeLessThan(20);
  });

  test("is shared", () => {
    const filter = new KeyFilter();
    const same = new KeyFilter(filter.shared);
    expect(same.mayHave(STRONG_KEYS)).toBe(false);
    filter.add(STRONG_KEYS);
    filter.add(2 * STRONG_KEYS - 1);
    expect([same.mayHave(STRONG_KEYS), same.mayHave(2 * STRONG_KEYS - 1)]).toEqual([true, true]);
  });
});

/** Calls `before` whenever a statement with such text is run. */
function interrupted(db: Database, text: string, before: () => void): Database {
  const prepare = (sql: string): Statement => {
    const statement = db.prepare(sql);
    if (!sql.includes(text)) return statement;
    const values = (...args: SQLQueryBindings[]): unknown[][] => {
      before();
      return statement.values(...args);
    };
    return { values } as unknown as Statement;
  };
  return new Proxy(db, {
    get: (target, name) => {
      if (name === "prepare") return prepare;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

describe("a writer", () => {
  const events = Array.from({ length: 30 }, (_, i) => makeEvent({ content: `${i}` }));

  test("knows what was stored before it, wherever it is, after upkeep and before", () => {
    for (const upkeep of [0, 1, 5]) {
      using store = new TestStore();
      store.write(...events.slice(0, 20));
      store.moveTail();
      store.write(...events.slice(20));
      store.restartWriter();
      for (let i = 0; i < upkeep; i++) store.writer.maintain();
      const { verdicts } = store.writer.write(events.map(candidateOf));
      expect(verdicts.map(({ reason }) => reason)).toEqual(events.map(() => DUPLICATE));
    }
  });

  test("knows what another process has stored, and moved before it could be seen", () => {
    for (const isMoved of [false, true]) {
      using store = new TestStore();
      store.write(makeEvent({ content: "first" }));
      while (store.writer.maintain()); // it has learnt all there is
      const other = store.openWriter();
      other.write(events.map(candidateOf));
      if (isMoved) store.moveTail();
      const { verdicts } = store.writer.write(events.map(candidateOf));
      expect(verdicts.map(({ reason }) => reason)).toEqual(events.map(() => DUPLICATE));
    }
  });

  test("knows what another process has moved while it was looking", () => {
    using store = new TestStore();
    store.write(makeEvent({ content: "first" }));
    const meanwhile: (() => void)[] = [];
    const db = interrupted(store.db, "FROM tail_run WHERE part", () => meanwhile.pop()?.());
    const writer = new EventWriter(db, { ...store.options, tailEvents: 1000 });
    while (writer.maintain()); // it has learnt all there is
    const other = store.openWriter();
    other.write(events.slice(0, 20).map(candidateOf));
    meanwhile.push(() => {
      store.moveTail();
      other.write(events.slice(20).map(candidateOf));
    });
    writer.removeExpired(1, 1); // looks without a transaction
    expect(meanwhile).toEqual([]);
    const { verdicts } = writer.write(events.map(candidateOf));
    expect(verdicts.map(({ reason }) => reason)).toEqual(events.map(() => DUPLICATE));
  });

  test("learns anew only when something was moved unseen", () => {
    using store = new TestStore();
    const gaps: number[] = [];
    const tail = new Tail(store.db, { add: () => {}, onGap: () => gaps.push(tail.refresh().part) });
    const other = store.openWriter();
    for (const [i, event] of events.entries()) {
      other.write([candidateOf(event)]);
      tail.refresh();
      if (i % 7 === 6) store.moveTail();
      tail.refresh();
    }
    expect(gaps).toEqual([]);
  });

  test("comes to the same as a naive store, with others at work and moves at any time", () => {
    const spread = { authors: 2, kinds: [0, 1, 5, 30_000], seconds: 8 };
    forEachSeed(30, (dice) => {
      using store = new TestStore();
      const naive = new NaiveStore();
      const options = { ...store.options, tailEvents: 4 };
      const writers = [0, 1].map(() => new EventWriter(store.db, options));
      const seen: NostrEvent[] = [];
      for (let round = 0; round < 60; round++) {
        const event =
          seen.length > 0 && dice.chance(0.3) ? dice.pick(seen) : randomEvent(dice, spread);
        seen.push(event);
        dice.pick(writers).write([candidateOf(event)]);
        naive.apply(event);
        while (dice.chance(0.6)) dice.pick(writers).maintain();
      }
      const ids = (list: readonly { id: string }[]) => list.map(({ id }) => id).sort();
      expect(ids(store.events())).toEqual(ids(naive.entries.map(({ event }) => event)));
      expect(checkIndex(store.db)).toEqual([]);
    });
  });
});

describe("the look-up of an id", () => {
  const [stays, goes, other] = [1, 2, 3].map((i) => makeEvent({ content: `${i}` })) as [
    ReturnType<typeof makeEvent>,
    ReturnType<typeof makeEvent>,
    ReturnType<typeof makeEvent>,
  ];
  const expiring = makeEvent({ tags: [["expiration", "2000"]] });

  test("finds what is stored for good, and nothing else", () => {
    using store = new TestStore();
    store.write(stays, goes, expiring);
    store.moveTail();
    store.writer.remove([2]);
    const db = openForReading(store.options);
    const lookup = new IdLookup(db);
    const found = [stays, goes, other, expiring].map(({ id }) => lookup.has(id));
    expect(found).toEqual([true, false, false, false]);
    db.close();
  });

  test("is not misled by an id that has the same key", () => {
    using store = new TestStore();
    store.write(stays);
    store.moveTail();
    const { id } = stays;
    const alike = (id[0] === "0" ? "1" : "0") + id.slice(1);
    expect(idKey(alike)).toBe(idKey(id));
    const db = openForReading(store.options);
    expect(new IdLookup(db).has(alike)).toBe(false);
    db.close();
  });

  test("leaves out the tail, whose ids come by pieces, but for those that expire", () => {
    using store = new TestStore();
    store.write(stays);
    store.moveTail();
    store.write(goes, other, expiring);
    for (const limit of [1, 100]) {
      const ids = new TailIds(store.db);
      const all: string[] = [];
      for (let more = ids.next(limit); more.length > 0; more = ids.next(limit)) all.push(...more);
      expect(all).toEqual([goes.id, other.id]);
    }
  });

  test("are found without reading all that is stored", () => {
    using store = new TestStore();
    store.write(stays);
    const sql = `EXPLAIN QUERY PLAN ${TAIL_IDS_SQL}`;
    const plan = store.db
      .query(sql)
      .values(0, 1)
      .map((row) => row[3]);
    expect(plan[0]).toBe("SEARCH event USING INTEGER PRIMARY KEY (rowid>?)");
    expect(plan.join()).not.toContain("AUTOMATIC");
  });
});
