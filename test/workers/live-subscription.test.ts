// What a monitor keeps of its subscriptions, against a plain list.

import { expect } from "bun:test";
import { NOBODY } from "../../src/protocol/visibility.ts";
import { LiveSubscription, LiveSubscriptions } from "../../src/workers/live-subscription.ts";
import { testRandomly } from "../support/random.ts";

function make(connId: number, slot: number, gen: number): LiveSubscription {
  const mail = { headSeq: 0, takenAtMs: 0, isWidening: false, id: "x", filters: [], before: null };
  return new LiveSubscription({ ...mail, connId, slot, gen, viewer: NOBODY, text: '["x",[]]' });
}

testRandomly("subscriptions are found by connection and slot until they are removed", (random) => {
  const kept = new LiveSubscriptions();
  let expected: LiveSubscription[] = [];
  for (let gen = 1; gen <= 400; gen++) {
    const [connId, slot] = [random.below(3), random.below(5)];
    const known = expected.find((one) => one.connId === connId && one.slot === slot);
    if (random.oneIn(20)) {
      kept.removeAll(connId);
      expected = expected.filter((one) => one.connId !== connId);
    } else if (known !== undefined) {
      kept.remove(known);
      expected = expected.filter((one) => one !== known);
    } else {
      const subscription = make(connId, slot, gen);
      kept.add(subscription);
      expected.push(subscription);
    }
    for (const id of [0, 1, 2]) {
      const own = expected.filter((one) => one.connId === id);
      expect([...kept.of(id)].toSorted((a, b) => a.gen - b.gen)).toEqual(own);
      for (const one of own) expect(kept.get(id, one.slot)).toBe(one);
      expect(kept.get(id, 9)).toBe(null);
    }
  }
});
