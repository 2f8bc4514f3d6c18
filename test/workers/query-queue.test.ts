// The order of queries: new ones first, those begun after them, connections by turns in both, and
// nobody for ever.

import { expect, test } from "bun:test";
import { QueryQueue } from "../../src/workers/query-queue.ts";

interface Named {
  readonly name: string;
  readonly connId: number;
}

/** `a1` is the first query of connection a. */
function query(name: string): Named {
  return { name, connId: name.charCodeAt(0) };
}

function names(queue: QueryQueue<Named>): string {
  const found: string[] = [];
  for (let next = queue.next(); next !== null; next = queue.next()) found.push(next.name);
  return found.join(" ");
}

test("new queries run before those that have begun", () => {
  const queue = new QueryQueue<Named>();
  queue.again(query("a1"));
  queue.add(query("b1"));
  queue.add(query("c1"));
  expect(queue.isEmpty).toBe(false);
  expect(names(queue)).toBe("b1 c1 a1");
  expect(queue.isEmpty).toBe(true);
});

test("new queries of a connection keep their order, and connections take turns", () => {
  const queue = new QueryQueue<Named>();
  for (const name of ["a1", "a2", "a3", "b1", "c1", "b2"]) queue.add(query(name));
  expect(names(queue)).toBe("a1 b1 c1 a2 b2 a3");
});

test("a connection that asks again after its turn comes after those that wait", () => {
  const queue = new QueryQueue<Named>();
  for (const name of ["a1", "b1", "c1"]) queue.add(query(name));
  expect(queue.next()?.name).toBe("a1");
  queue.add(query("a2"));
  expect(names(queue)).toBe("b1 c1 a2");
});

test("a hundred queries of one connection let another's pass", () => {
  const queue = new QueryQueue<Named>();
  for (let i = 0; i < 100; i++) queue.add(query(`a${i}`));
  expect(queue.next()?.name).toBe("a0");
  queue.add(query("b1"));
  expect([queue.next()?.name, queue.next()?.name]).toEqual(["a1", "b1"]);
});

test("queries that have begun take turns by connection", () => {
  const queue = new QueryQueue<Named>();
  for (const name of ["a1", "a2", "b1", "c1"]) queue.again(query(name));
  const order = Array.from({ length: 12 }, () => {
    const next = queue.next() as Named;
    queue.again(next);
    return next.name;
  });
  expect(order.join(" ")).toBe("a1 b1 c1 a2 b1 c1 a1 b1 c1 a2 b1 c1");
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
  const [paused, fresh, begun, both] = ["p1", "f1", "b1", "p2"].map(query);
  queue.pause(paused!);
  queue.pause(both!);
  queue.add(fresh!);
  queue.again(begun!);
  for (const dropped of [fresh!, begun!, both!]) queue.drop(dropped);
  expect(queue.isEmpty).toBe(true);
  queue.resume(both!);
  expect(queue.next()).toBeNull();
  queue.resume(paused!);
  expect(queue.next()).toBe(paused!);
  expect(queue.next()).toBeNull();
  queue.resume(paused!); // it isn't paused any more
  expect(queue.next()).toBeNull();
  expect(queue.hasPaused).toBe(false);
});

test("one of a connection's queries is dropped, its others keep their turns", () => {
  const queue = new QueryQueue<Named>();
  const all = ["a1", "a2", "a3", "b1"].map(query);
  for (const one of all) queue.add(one);
  queue.drop(all[1]!);
  queue.drop(query("a3")); // of the same name, but not in it
  expect(names(queue)).toBe("a1 b1 a3");
});

test("nothing is kept of what was dropped while newer ones keep coming", () => {
  const queue = new QueryQueue<Named>();
  for (let i = 0; i < 10_000; i++) {
    const dropped = query(`a${i}`);
    queue.add(dropped);
    queue.drop(dropped);
    expect(queue.isEmpty).toBe(true);
    queue.add(query(`b${i}`));
    expect(queue.next()?.name).toBe(`b${i}`);
  }
});
