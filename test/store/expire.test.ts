// Expiration (NIP-40): events with a time leave when it has come, soonest first, a few at a time.

import { describe, expect, test } from "bun:test";
import { checkIndex } from "../support/check-index.ts";
import { NaiveStore } from "../support/naive-store.ts";
import { TestStore } from "../support/test-store.ts";
import { forEachSeed, makeEvent } from "../support/unsigned-events.ts";

const expiring = (value: string, more: string[][] = []) =>
  makeEvent({ tags: [["expiration", value], ...more] });

describe("an event expires", () => {
  const cases: { desc: string; tags: string[][]; at: number | null }[] = [
    { desc: "at its second", tags: [["expiration", "2000"]], at: 2000 },
    { desc: "at the first second there is, with 0", tags: [["expiration", "0"]], at: 1 },
    {
      desc: "by the first of its tags",
      tags: [
        ["expiration", "3000"],
        ["expiration", "2000"],
      ],
      at: 3000,
    },
    { desc: "in thirty million years", tags: [["expiration", "9".repeat(15)]], at: 10 ** 15 - 1 },
    { desc: "never without the tag", tags: [["expires", "1"]], at: null },
    { desc: "never without a value", tags: [["expiration"]], at: null },
    { desc: "never by a word", tags: [["expiration", "soon"]], at: null },
    { desc: "never by a fraction", tags: [["expiration", "1.5"]], at: null },
    { desc: "never by a negative number", tags: [["expiration", "-1"]], at: null },
    { desc: "never by a number too long", tags: [["expiration", "1".repeat(16)]], at: null },
  ];
  for (const { desc, tags, at } of cases) {
    test(desc, () => {
      using store = new TestStore();
      const event = makeEvent({ tags });
      store.write(event);
      if (at !== null) {
        expect(store.writer.removeExpired(at - 1, 10)).toEqual([]);
        expect(store.writer.removeExpired(at, 10)).toEqual([event.id]);
      }
      expect(store.writer.removeExpired(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
      expect(store.events()).toEqual(at === null ? [event] : []);
      expect(checkIndex(store.db)).toEqual([]);
    });
  }
});

test("the soonest go first, as many as are asked for", () => {
  using store = new TestStore();
  const [a, b, c, d] = ["30", "10", "40", "20"].map((value) => expiring(value));
  store.write(a as never, b as never, c as never, d as never);
  expect(store.writer.removeExpired(30, 2)).toEqual([b?.id, d?.id] as string[]);
  expect(store.writer.removeExpired(30, 2)).toEqual([a?.id] as string[]);
  expect(store.writer.removeExpired(30, 2)).toEqual([]);
  expect(store.events()).toEqual([c] as never);
});

test("an event that was replaced or deleted does not expire as well", () => {
  using store = new TestStore();
  const old = makeEvent({ kind: 0, created_at: 1, tags: [["expiration", "5"]] });
  const note = expiring("5");
  store.write(old, note);
  const deletion = makeEvent({ kind: 5, tags: [["e", note.id]] });
  store.write(makeEvent({ kind: 0, created_at: 2 }), deletion);
  expect(store.writer.removeExpired(9, 10)).toEqual([]);
});

test("what expires at random is what the naive store expires", () => {
  forEachSeed(20, (dice) => {
    using store = new TestStore();
    const naive = new NaiveStore();
    for (let now = 1; now < 20; now++) {
      const batch = Array.from({ length: dice.below(20) }, () =>
        makeEvent({
          kind: dice.pick([0, 1, 5, 30_000]),
          created_at: dice.below(10),
          tags: dice.chance(0.7) ? [["expiration", `${dice.below(25)}`]] : [],
          content: `${dice.below(50)}`,
        }),
      );
      store.write(...batch);
      for (const event of batch) naive.apply(event);
      const removed: string[] = [];
      for (;;) {
        const some = store.writer.removeExpired(now, 3);
        expect(some.length).toBeLessThanOrEqual(3);
        if (some.length === 0) break;
        removed.push(...some);
      }
      expect(removed.toSorted()).toEqual(naive.expire(now).toSorted());
    }
    expect(store.events()).toEqual(naive.entries.map(({ event }) => event));
    expect(checkIndex(store.db)).toEqual([]);
  });
});
