// Which ids are stored: the filter in memory, and the look-up behind it.

import { describe, expect, test } from "bun:test";
import { openForReading } from "../../src/store/schema.ts";
import { IdKeys, IdLookup, TailIds } from "../../src/store/id-lookup.ts";
import { idKey, STRONG_KEYS } from "../../src/store/term.ts";
import { StoredIds } from "../../src/workers/stored-ids.ts";
import { TestStore } from "../support/test-store.ts";
import { makeEvent, sha256Hex } from "../support/unsigned-events.ts";

describe("the filter", () => {
  test("says yes to all it was given, and seldom to others", () => {
    const ids = new StoredIds();
    const keyOf = (i: number): number => idKey(sha256Hex(`id ${i}`));
    const count = 200_000;
    for (let i = 0; i < count; i++) ids.add(keyOf(i));
    let wrong = 0;
    for (let i = 0; i < count; i++) {
      if (!ids.mayHave(keyOf(i))) throw new Error(`${i} is missing`);
      if (ids.mayHave(keyOf(count + i))) wrong += 1;
    }
    expect(wrong).toBeLessThan(20);
  });

  test("is shared", () => {
    const ids = new StoredIds();
    const same = new StoredIds(ids.shared);
    expect(same.mayHave(STRONG_KEYS)).toBe(false);
    ids.add(STRONG_KEYS);
    ids.add(2 * STRONG_KEYS - 1);
    expect([same.mayHave(STRONG_KEYS), same.mayHave(2 * STRONG_KEYS - 1)]).toEqual([true, true]);
  });
});

describe("the look-up", () => {
  const events = [1, 2, 3].map((i) => makeEvent({ content: `${i}` }));
  const [stays, goes, other] = events as [
    (typeof events)[0],
    (typeof events)[0],
    (typeof events)[0],
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

  test("the ids in the tail come by pieces, but for those that expire", () => {
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

  test("all keys of ids come by pieces, however small", () => {
    using store = new TestStore();
    store.write(...events, expiring);
    store.moveTail();
    for (const limit of [1, 3, 100]) {
      const keys = new IdKeys(store.db, STRONG_KEYS);
      const all: number[] = [];
      for (let more = keys.next(limit); more.length > 0; more = keys.next(limit)) all.push(...more);
      expect(all).toEqual([...events, expiring].map(({ id }) => idKey(id)).sort((a, b) => a - b));
    }
  });
});
