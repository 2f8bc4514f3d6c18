// The monitor's index, against a plain list of pairs.

import { expect } from "bun:test";
import { NOBODY } from "../../src/protocol/visibility.ts";
import { LiveIndex } from "../../src/workers/live-index.ts";
import { LiveSubscription } from "../../src/workers/live-subscription.ts";
import { testRandomly } from "../support/random.ts";

function make(connId: number): LiveSubscription {
  const mail = { slot: 0, gen: 0, headSeq: 0, takenAtMs: 0, isWidening: false, before: null };
  return new LiveSubscription({
    ...mail,
    connId,
    id: "x",
    filters: [],
    viewer: NOBODY,
    text: '["x",[]]',
  });
}

testRandomly("subscriptions are found by each key until they are removed", (random) => {
  const all = Array.from({ length: 200 }, (_, i) => make(i));
  for (const likely of [2, 20]) {
    const index = new LiveIndex();
    const expected = new Map<number, Set<LiveSubscription>>();
    for (let step = 0; step < 6000; step++) {
      const [key, one] = [random.below(5), random.pick(all)];
      const own = expected.get(key) ?? new Set();
      expected.set(key, own);
      // First they become many, then few, then none.
      const isAdding = step < 3000 ? !random.oneIn(likely) : random.oneIn(likely);
      if (isAdding) {
        index.add(key, one);
        own.add(one);
      } else {
        index.remove(key, one);
        own.delete(one);
      }
      if (step % 10 > 0) continue;
      const found = [...(index.of(key) ?? [])];
      expect(found).toHaveLength(own.size);
      expect(new Set(found)).toEqual(own);
      expect(index.isEmpty).toBe([...expected.values()].every(({ size }) => size === 0));
    }
    for (const [key, own] of expected) for (const one of own) index.remove(key, one);
    expect(index.isEmpty).toBe(true);
  }
});
