// The last so many ids, and no more than twice as many.

import { expect, test } from "bun:test";
import { IdMemory } from "../../src/mesh/id-memory.ts";
import { testRandomly } from "../support/random.ts";

testRandomly("knows the last ones, and forgets what is long ago", (random) => {
  const memory = new IdMemory(100);
  const ids = random.list(1000, () => random.hex(64));
  for (const [i, id] of ids.entries()) {
    expect(memory.has(id)).toBe(false);
    memory.add(id);
    const recent = ids.slice(Math.max(0, i - 99), i + 1);
    expect(recent.every((one) => memory.has(one))).toBe(true);
  }
  expect(ids.slice(0, 800).some((id) => memory.has(id))).toBe(false);
});

test("what is deleted isn't known, nor is anything after all was cleared", () => {
  const memory = new IdMemory(2);
  const [a = "", b = "", c = ""] = ["a", "b", "c"].map((digit) => digit.repeat(64));
  for (const id of [a, b, c]) memory.add(id);
  memory.delete(a);
  memory.delete(c);
  expect([a, b, c].map((id) => memory.has(id))).toEqual([false, true, false]);
  memory.clear();
  expect(memory.has(b)).toBe(false);
});
