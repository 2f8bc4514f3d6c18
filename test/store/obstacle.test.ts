// What would keep an event out, against what the writer says when the event comes.

import { expect, test } from "bun:test";
import { findEvent, findObstacle } from "../../src/store/obstacle.ts";
import { TestStore } from "../support/test-store.ts";
import { type Dice, forEachSeed, makeEvent, randomEvent } from "../support/unsigned-events.ts";

/** Few authors, seconds and addresses, so that events delete and replace one another. */
function anyEvent(dice: Dice, ids: readonly string[]) {
  const spread = { authors: 2, kinds: [0, 1, 5, 5, 30_023], seconds: 6 };
  const { pubkey, created_at, kind, content } = randomEvent(dice, spread);
  const tags: string[][] = [];
  if (kind === 30_023) tags.push(["d", dice.pick(["", "x"])]);
  if (kind === 5 && ids.length > 0) tags.push(["e", dice.pick(ids)]);
  if (kind === 5) tags.push(["a", dice.pick([`0:${pubkey}:`, `30023:${pubkey}:x`])]);
  return makeEvent({ pubkey, created_at, kind, tags, content: kind === 1 ? content : "" });
}

test("is the writer's own reason, and names an event that is stored", () => {
  forEachSeed(10, (dice) => {
    using store = new TestStore();
    const reader = store.openReader();
    const events = [anyEvent(dice, [])];
    for (let i = 0; i < 100; i++) {
      const ids = events.map(({ id }) => id);
      const event = dice.chance(0.3) ? dice.pick(events) : anyEvent(dice, ids);
      events.push(event);
      reader.head(); // as of now
      const obstacle = findObstacle(reader, event);
      if (obstacle !== null) expect(findEvent(reader, obstacle.by)?.event.id).toBe(obstacle.by);
      const [verdict] = store.write(event).verdicts;
      expect(`${i}: ${obstacle?.reason ?? ""}`).toBe(`${i}: ${verdict?.reason}`);
      reader.head();
      const isStored = store.events().some(({ id }) => id === event.id);
      expect(findEvent(reader, event.id)?.event).toEqual(isStored ? event : undefined);
    }
  });
});

test("of an event that shares the key of another's id, there is none", () => {
  using store = new TestStore();
  const event = makeEvent();
  store.write(event);
  const twin = `${event.id.slice(0, -1)}${event.id.endsWith("0") ? "1" : "0"}`;
  expect(findEvent(store.openReader(), event.id)?.event).toEqual(event);
  expect(findEvent(store.openReader(), twin)).toBe(null);
});
