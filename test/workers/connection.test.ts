import { expect, test } from "bun:test";
import { Connection, type Socket } from "../../src/workers/connection.ts";
import { testRandomly } from "../support/random.ts";

function makeConnection(): Connection {
  return new Connection(1, {} as Socket);
}

test("a slot that was never raised admits every gen", () => {
  const connection = makeConnection();
  expect([0, 1, 2 ** 40].map((gen) => connection.admitsGen(7, gen))).toEqual([true, true, true]);
});

test("a raised slot admits its gen and later ones; the others are as they were", () => {
  const connection = makeConnection();
  connection.raiseGen(2, 10);
  expect([9, 10, 11].map((gen) => connection.admitsGen(2, gen))).toEqual([false, true, true]);
  expect([0, 1, 3, 4].map((slot) => connection.admitsGen(slot, 0))).toEqual([
    true,
    true,
    true,
    true,
  ]);
});

test("gens beyond 2^32 are told apart", () => {
  const connection = makeConnection();
  connection.raiseGen(0, 2 ** 40 + 1);
  expect(connection.admitsGen(0, 2 ** 40)).toBe(false);
  expect(connection.admitsGen(0, 2 ** 40 + 1)).toBe(true);
});

testRandomly("a gen is never lowered, in whatever order they come", (random) => {
  const connection = makeConnection();
  const naive = new Map<number, number>();
  for (let i = 0; i < 5000; i++) {
    const [slot, gen] = [random.below(50), random.below(1000)];
    expect(connection.admitsGen(slot, gen)).toBe(gen >= (naive.get(slot) ?? 0));
    connection.raiseGen(slot, gen);
    naive.set(slot, Math.max(gen, naive.get(slot) ?? 0));
  }
});
