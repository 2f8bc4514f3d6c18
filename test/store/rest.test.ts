// A scan lets go of what it has fetched ahead whenever it rests. It must neither lose nor repeat an
// event for that, nor begin again and again.

import { describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { type Filter, parseFilter } from "../../src/protocol/filter.ts";
import { Scan } from "../../src/store/scan.ts";
import { naiveScan, randomFilter } from "../support/random-filters.ts";
import { TestStore } from "../support/test-store.ts";
import { forEachSeed, makeEvent, randomEvent } from "../support/unsigned-events.ts";

const LIMITS = { limitDefault: 200, limitMax: 300, tiesMax: 20 };

function scanOf(store: TestStore, filters: readonly unknown[]): Scan {
  const parsed = filters.map((filter) => parseFilter(filter) as Filter);
  return new Scan(store.openReader(), parsed, { ...LIMITS, nowSeconds: () => 0 });
}

/** Runs to the end, with a rest after each call or after some of them. */
function drain(scan: Scan, isResting: () => boolean): { ids: string[]; hint: string | null } {
  const ids: string[] = [];
  for (let calls = 0; calls < 100_000; calls++) {
    const found = scan.next();
    if (found === "done") return { ids, hint: scan.hint() };
    if (found !== "working") ids.push(found.stored.id);
    if (isResting()) scan.rest();
  }
  throw new Error("the scan does not end");
}

describe("a scan that rests", () => {
  test("after every call finds what one that never rests finds", () => {
    forEachSeed(20, (dice) => {
      using store = new TestStore();
      const spread = { authors: 4, kinds: [1, 5, 7], seconds: 1 + dice.below(40) };
      const events = new Map<string, NostrEvent>();
      for (const event of dice.list(200, () => randomEvent(dice, spread))) {
        events.set(event.id, event);
      }
      store.writeInBatches([...events.values()], [100]);
      const stored = store.events();
      for (let round = 0; round < 5; round++) {
        const filters = dice.list(1 + dice.below(5), () => randomFilter(dice, stored, 60));
        const always = drain(scanOf(store, filters), () => true);
        expect(always).toEqual(naiveScan(stored, filters, LIMITS));
        const sometimes = drain(scanOf(store, filters), () => dice.oneIn(3));
        expect(sometimes).toEqual(always);
      }
    });
  });

  test("passes over what was removed while it did", () => {
    using store = new TestStore();
    const events = Array.from({ length: 100 }, (_, i) =>
      makeEvent({ created_at: 1000 - i, content: `${i}` }),
    );
    store.write(...events);
    const scan = scanOf(store, [{ kinds: [1] }, { limit: 40 }]);
    while (scan.next() === "working");
    scan.rest();
    store.writer.remove(Array.from({ length: 70 }, (_, i) => 2 + i));
    const { ids, hint } = drain(scan, () => true);
    expect(ids).toEqual(events.slice(71).map(({ id }) => id));
    expect(hint).toBe("finish");
  });

  test("holds no texts, however many filters and however large the events", () => {
    using store = new TestStore();
    const large = Array.from({ length: 40 }, (_, i) =>
      makeEvent({ created_at: 1000 - i, content: `${i} ${"x".repeat(100_000)}` }),
    );
    store.write(...large);
    const scan = scanOf(store, Array<unknown>(50).fill({ kinds: [1] }));
    while (scan.next() === "working");
    scan.rest();
    const held = JSON.stringify(scan, (key, value: unknown) => (key === "reader" ? 0 : value));
    expect(held.length).toBeLessThan(1_000_000);
  });
});
