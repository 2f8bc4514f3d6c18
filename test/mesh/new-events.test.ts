// What is new here, for several who are at different places in it.

import { expect, test } from "bun:test";
import { NewEvents } from "../../src/mesh/new-events.ts";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { EventFactory } from "../support/events.ts";
import { testRandomly } from "../support/random.ts";
import { TestStore } from "../support/test-store.ts";

const factory = new EventFactory(21);

function make(count: number): NostrEvent[] {
  return Array.from({ length: count }, () => factory.makeDistinct({ kind: 1, tags: [] }));
}

/** All ids from there on. */
function readAll(newEvents: NewEvents, after: number): { ids: string[]; upTo: number } {
  const ids: string[] = [];
  let upTo = after;
  for (;;) {
    const batch = newEvents.after(upTo);
    ids.push(...batch.events.map(({ id }) => id));
    upTo = batch.upTo;
    if (batch.events.length === 0) return { ids, upTo };
  }
}

testRandomly("each gets all after its place, in order, however far behind it is", (random) => {
  using store = new TestStore();
  const newEvents = new NewEvents(store.openReader());
  const places = [0, 0, 0];
  const got: string[][] = places.map(() => []);
  for (let round = 0; round < 40; round++) {
    store.write(...make(random.below(400)));
    const who = random.below(3);
    const { events, upTo } = newEvents.after(places[who] as number);
    got[who]?.push(...events.map(({ id }) => id));
    places[who] = upTo;
  }
  const all = store.events().map(({ id }) => id);
  for (const [who, place] of places.entries()) {
    const rest = readAll(newEvents, place);
    expect([...(got[who] ?? []), ...rest.ids]).toEqual(all);
    expect(rest.upTo).toBe(newEvents.head());
  }
});

test("who begins at the end sees what comes at once, whatever nobody has looked at", async () => {
  using store = new TestStore();
  const newEvents = new NewEvents(store.openReader());
  store.write(...make(2000));
  const start = newEvents.head();
  const [event] = make(1) as [NostrEvent];
  const woken = new Promise<void>((resolve) => void newEvents.onChange(start, resolve));
  store.write(event);
  newEvents.head(); // that somebody else has looked keeps nobody from being woken
  await woken;
  expect(newEvents.after(start).events.map(({ id }) => id)).toEqual([event.id]);
  newEvents.stop();
});

test("removed events leave no gap that is waited for", () => {
  using store = new TestStore();
  const newEvents = new NewEvents(store.openReader());
  const events = make(3);
  store.write(...events);
  const rows = store.rows();
  store.writer.removeSome([rows[2]?.[0] ?? 0], "deleted", "");
  expect(readAll(newEvents, 0)).toEqual({
    ids: events.slice(0, 2).map(({ id }) => id),
    upTo: newEvents.head(),
  });
});

test("large events all come, though not all of them are kept for others", () => {
  using store = new TestStore();
  const newEvents = new NewEvents(store.openReader());
  const content = "x".repeat(250_000);
  store.write(...Array.from({ length: 45 }, () => factory.make({ content, tags: [] })));
  const all = store.events().map(({ id }) => id);
  expect(readAll(newEvents, 0).ids).toEqual(all);
  expect(readAll(newEvents, 0).ids).toEqual(all);
});
