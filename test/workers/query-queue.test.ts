// The order of queries: new ones first, those begun by turns, and nobody for ever.

import { expect, test } from "bun:test";
import { QueryQueue } from "../../src/workers/query-queue.ts";

interface Named {
  readonly name: string;
  isDropped: boolean;
}

const query = (name: string): Named => ({ name, isDropped: false });

test("new queries run first, the newest of them before the others", () => {
  const queue = new QueryQueue<Named>();
  const begun = query("begun");
  queue.again(begun);
  queue.add(query("first"));
  queue.add(query("second"));
  expect([queue.next()?.name, queue.next()?.name, queue.next()?.name]).toEqual([
    "second",
    "first",
    "begun",
  ]);
  expect(queue.next()).toBeNull();
  expect(queue.isEmpty).toBe(true);
});

test("queries that have begun take turns", () => {
  const queue = new QueryQueue<Named>();
  for (const name of ["a", "b", "c"]) queue.again(query(name));
  const order = Array.from({ length: 9 }, () => {
    const next = queue.next() as Named;
    queue.again(next);
    return next.name;
  });
  expect(order.join("")).toBe("abcabcabc");
});

test("a stream of new queries does not starve one that has begun", () => {
  const queue = new QueryQueue<Named>();
  const old = query("old");
  queue.again(old);
  let oldTurns = 0;
  for (let i = 0; i < 800; i++) {
    queue.add(query(`new ${i}`));
    const next = queue.next() as Named;
    if (next === old) oldTurns += 1;
    if (next === old) queue.again(next);
  }
  expect(oldTurns).toBe(100);
});

test("a paused query gets no turn until it is resumed, and a dropped one none at all", () => {
  const queue = new QueryQueue<Named>();
  const [paused, fresh, begun, both] = ["paused", "fresh", "begun", "both"].map(query);
  queue.pause(paused!);
  queue.pause(both!);
  queue.add(fresh!);
  queue.again(begun!);
  for (const dropped of [fresh!, begun!, both!]) queue.drop(dropped);
  queue.resume(both!);
  expect(queue.next()).toBeNull();
  queue.resume(paused!);
  expect(queue.next()).toBe(paused!);
  expect(queue.next()).toBeNull();
  queue.resume(paused!); // it isn't paused any more
  expect(queue.next()).toBeNull();
});

test("dropped queries are let go of while newer ones keep coming", () => {
  const queue = new QueryQueue<Named>();
  for (let i = 0; i < 10_000; i++) {
    const dropped = query(`dropped ${i}`);
    queue.add(dropped);
    queue.drop(dropped);
    queue.add(query(`new ${i}`));
    expect(queue.next()?.name).toBe(`new ${i}`);
  }
  expect(queue.size).toBeLessThan(200);
});
