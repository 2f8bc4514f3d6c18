// What the monitor remembers of ephemeral events: the last ones, by count, bytes and age.

import { expect, test } from "bun:test";
import { RecentEphemerals } from "../../src/workers/recent-ephemerals.ts";

function open(): { recent: RecentEphemerals; clock: { now: number } } {
  const clock = { now: 1000 };
  return { recent: new RecentEphemerals(), clock };
}

const texts = (found: Buffer[]): string[] => found.map(String);

test("events that came at the time asked for or later are there, in order, and copied", () => {
  const { recent, clock } = open();
  const ring = Buffer.from("a");
  for (const [text, at] of [
    ["a", 1000],
    ["b", 1001],
    ["c", 1001],
    ["d", 1005],
  ] as const) {
    clock.now = at;
    ring.write(text);
    recent.add(clock.now, ring);
  }
  expect(texts(recent.since(1001))).toEqual(["b", "c", "d"]);
  expect(texts(recent.since(0))).toEqual(["a", "b", "c", "d"]);
  expect(recent.since(1006)).toEqual([]);
});

test("1,024 events are kept, and the oldest go first", () => {
  const { recent } = open();
  for (let i = 0; i < 1100; i++) recent.add(1000, Buffer.from(String(i)));
  const kept = texts(recent.since(0));
  expect(kept.length).toBe(1024);
  expect([kept[0], kept.at(-1)]).toEqual(["76", "1099"]);
});

test("4 MiB are kept", () => {
  const { recent } = open();
  for (let i = 0; i < 20; i++) recent.add(1000, Buffer.alloc(1 << 20, i));
  expect(recent.since(0).map((text) => text[0])).toEqual([16, 17, 18, 19]);
});

test("a minute is kept", () => {
  const { recent, clock } = open();
  recent.add(clock.now, Buffer.from("old"));
  clock.now += 60_000;
  recent.add(clock.now, Buffer.from("a minute later"));
  expect(texts(recent.since(0))).toEqual(["old", "a minute later"]);
  clock.now += 1;
  recent.add(clock.now, Buffer.from("new"));
  expect(texts(recent.since(0))).toEqual(["a minute later", "new"]);
});
