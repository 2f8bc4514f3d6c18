// What an ingester keeps of open subscriptions, against a plain map: few in a chain, many in a map.

import { expect } from "bun:test";
import { type Subscription, Subscriptions } from "../../src/workers/subscriptions.ts";
import { testRandomly } from "../support/random.ts";

testRandomly("subscriptions are found by id, in the order they were opened in", (random) => {
  const kept = new Subscriptions(Number.MAX_SAFE_INTEGER);
  const expected = new Map<number, Map<string, Subscription>>();
  let gen = 0;
  for (let step = 0; step < 3000; step++) {
    const connId = random.below(3);
    const own = expected.get(connId) ?? new Map<string, Subscription>();
    expected.set(connId, own);
    // A connection has some 25 of them at times, at others few.
    const id = `s${random.below(Math.floor(step / 500) % 2 === 0 ? 40 : 5)}`;
    const old = own.get(id);
    expect(kept.get(connId, id)).toEqual(old!);
    if (random.oneIn(200)) {
      kept.forget(connId);
      own.clear();
    } else if (random.oneIn(3)) {
      const closed = kept.close(connId, id);
      if (old === undefined) expect(closed).toBeNull();
      else expect(closed).toEqual({ slot: old.slot, gen: ++gen });
      own.delete(id);
    } else {
      const opened = kept.open(connId, id, 1 + random.below(9), random.oneIn(2) ? "[]" : null);
      expect([opened.id, opened.gen]).toEqual([id, ++gen]);
      if (old !== undefined) expect(opened.slot).toBe(old.slot);
      own.set(id, opened);
      expect(kept.get(connId, id)).toBe(opened);
    }
    expect([...kept.of(connId)].map((one) => one.id)).toEqual([...own.keys()]);
    const slots = [...own.values()].map(({ slot }) => slot);
    expect(new Set(slots).size).toBe(own.size);
    for (const slot of slots) expect(slot).toBeLessThan(40);
  }
});

testRandomly("what subscriptions cost is bounded for a connection and in all", (random) => {
  const kept = new Subscriptions(200_000);
  let total = 0;
  const costs = new Map<string, number>();
  for (let step = 0; step < 2000; step++) {
    const [connId, id] = [random.below(8), `s${random.below(30)}`];
    const [key, values] = [`${connId} ${id}`, 1000 + random.below(4000)];
    const old = kept.get(connId, id);
    if (random.oneIn(4)) {
      kept.close(connId, id);
      total -= costs.get(key) ?? 0;
      costs.delete(key);
      continue;
    }
    const more = values - (costs.get(key) ?? 0);
    let own = more;
    for (const [name, cost] of costs) if (name.startsWith(`${connId} `)) own += cost;
    const reason = kept.checkRoom(connId, old, values);
    if (own > 50_000) expect(reason).toContain("filter values on this connection");
    else if (total + more > 200_000) expect(reason).toContain("too many subscriptions open");
    else {
      expect(reason).toBeNull();
      kept.open(connId, id, values, null);
      total += more;
      costs.set(key, values);
    }
  }
});
