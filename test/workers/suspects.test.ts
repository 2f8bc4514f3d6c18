// Suspects: who has to wait, in which order, and for how long.

import { expect, test } from "bun:test";
import { Suspects } from "../../src/workers/suspects.ts";

function message(connId: number, text: string, bytes = 10) {
  return { connId, text, bytes };
}

test("nobody waits who has forged nothing", () => {
  const suspects = new Suspects();
  suspects.onGood(1);
  suspects.onForged(2);
  expect([1, 2, 3].map((connId) => suspects.mustWait(connId))).toEqual([false, true, false]);
  suspects.forget(2);
  expect(suspects.mustWait(2)).toBe(false);
});

test("what comes behind what waits has to wait, though nothing is owed any more", () => {
  const suspects = new Suspects();
  suspects.onForged(1);
  suspects.add(message(1, "a"));
  for (let i = 0; i < 16; i++) suspects.onGood(1);
  expect(suspects.mustWait(1)).toBe(true);
  expect(suspects.take()).toEqual(message(1, "a"));
  expect(suspects.mustWait(1)).toBe(false);
  expect(suspects.take()).toBeNull();
});

test("a list that never becomes empty stays short, and in order", () => {
  const suspects = new Suspects();
  suspects.add(message(7, "0"));
  for (let i = 1; i < 10_000; i++) {
    suspects.add(message(7, String(i)));
    expect(suspects.take()?.text).toBe(String(i - 1));
  }
  expect(suspects.hasWaiting).toBe(true);
  const { waiting } = suspects as unknown as { waiting: unknown[] };
  expect(waiting.length).toBeLessThan(2000);
});

test("it says when there is too much, and no longer when there isn't", () => {
  const suspects = new Suspects();
  for (let i = 0; i < 4; i++) suspects.add(message(1, "a", 1 << 20));
  expect(suspects.isFull).toBe(false);
  suspects.add(message(1, "a", 1));
  expect(suspects.isFull).toBe(true);
  suspects.take();
  expect(suspects.isFull).toBe(false);
});
