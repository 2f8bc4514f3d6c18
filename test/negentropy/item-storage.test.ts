// Storages answer as the naive filter of a sorted list does, whatever the bounds.

import { describe, expect, test } from "bun:test";
import { type Bound, boundBetween, compareBounds, END, START } from "../../src/negentropy/bound.ts";
import type { ItemStorage } from "../../src/negentropy/item-storage.ts";
import { ItemSum } from "../../src/negentropy/item-sum.ts";
import { ItemVectorBuilder } from "../../src/negentropy/item-vector.ts";
import { type Random, testRandomly } from "../support/random.ts";
import { BucketStorage } from "./bucket-storage.ts";
import { hex, type Item, randomItems, sorted, vectorOf } from "./items.ts";

function randomBound(random: Random, items: readonly Item[]): Bound {
  if (random.oneIn(5) || items.length === 0) return random.pick([START, END]);
  const { timestamp, id } = random.pick(items);
  return {
    timestamp: Math.max(0, timestamp + random.pick([0, 0, 0, 1, -1])),
    id: id.subarray(0, random.pick([0, 1, 2, 31, 32])),
  };
}

function naiveSum(items: readonly Item[]): ItemSum {
  const sum = new ItemSum();
  for (const { id } of items) sum.addId(id);
  return sum;
}

function ids(items: readonly Item[]): string {
  return hex(Buffer.concat(items.map(({ id }) => id)));
}

function checkSplit(storage: ItemStorage, lower: Bound, upper: Bound, within: readonly Item[]) {
  for (const count of [2, 3, 16].filter((some) => some <= within.length)) {
    const parts = storage.split(lower, upper, count);
    expect(parts.length).toBeGreaterThan(1);
    expect(parts.length).toBeLessThanOrEqual(count);
    expect(compareBounds(parts.at(-1)?.upper as Bound, upper)).toBe(0);
    let from = lower;
    for (const part of parts) {
      const items = within.filter(
        (item) => compareBounds(from, item) <= 0 && compareBounds(item, part.upper) < 0,
      );
      expect(items.length).toBeGreaterThan(0);
      expect(part.sum).toEqual(naiveSum(items));
      from = part.upper;
    }
  }
}

describe.each([
  ["a vector", (items: readonly Item[]) => vectorOf(items)],
  ["buckets of a second", (items: readonly Item[]) => new BucketStorage(1, items)],
  ["buckets of hours", (items: readonly Item[]) => new BucketStorage(3600, items)],
])("%s", (_desc, make) => {
  testRandomly("sums, parts and ids", (random) => {
    for (let round = 0; round < 40; round++) {
      const items = sorted(randomItems(random, random.pick([0, 1, 2, 31, 32, 33, 64, 65, 150])));
      const storage = make(items);
      for (let range = 0; range < 10; range++) {
        const [lower, upper] = [randomBound(random, items), randomBound(random, items)];
        const within = items.filter(
          (item) => compareBounds(lower, item) <= 0 && compareBounds(item, upper) < 0,
        );
        expect(storage.sum(lower, upper)).toEqual(naiveSum(within));
        checkSplit(storage, lower, upper, within);
        const max = random.pick([1, 2, 30, 1000]);
        const run = storage.ids(lower, upper, max);
        expect(hex(run.ids)).toBe(ids(within.slice(0, max)));
        const [last, next] = [within[max - 1], within[max]];
        const isMore = last !== undefined && next !== undefined;
        expect(run.next).toEqual(isMore ? boundBetween(last, next) : null);
      }
    }
  });
});

testRandomly("a vector is filled in any order, and has each item once", (random) => {
  for (let round = 0; round < 50; round++) {
    const items = randomItems(random, random.below(600));
    const again = random.list(items.length === 0 ? 0 : random.below(20), () => random.pick(items));
    const orders = [[...items, ...again], sorted(items), sorted(items).reverse()];
    for (const order of orders) {
      const vector = vectorOf(order);
      expect(vector.count).toBe(items.length);
      expect(hex(vector.ids(START, END, 1000).ids)).toBe(ids(sorted(items)));
    }
  }
});

test("a builder takes nothing that is no item", () => {
  const builder = new ItemVectorBuilder();
  for (const timestamp of [-1, 0.5, 2 ** 53, Number.NaN, Infinity]) {
    expect(() => builder.add(timestamp, new Uint8Array(32))).toThrow(/^assert: not an item/);
  }
  expect(() => builder.add(1, new Uint8Array(31))).toThrow(/^assert: not an item/);
  expect(builder.seal().count).toBe(0);
});

test("the shortest bound between two items", () => {
  const item = (timestamp: number, ...bytes: number[]): Item => {
    const id = new Uint8Array(32);
    id.set(bytes);
    return { timestamp, id };
  };
  const told = (a: Item, b: Item) => {
    const { timestamp, id } = boundBetween(a, b);
    return [timestamp, hex(id)];
  };
  expect(told(item(1, 9), item(2, 1))).toEqual([2, ""]);
  expect(told(item(2, 1), item(2, 9))).toEqual([2, "09"]);
  expect(told(item(2, 1, 2, 3), item(2, 1, 2, 4))).toEqual([2, "010204"]);
  const last = new Uint8Array(32);
  last[31] = 1;
  expect(told(item(2), { timestamp: 2, id: last })).toEqual([2, hex(last)]);
  expect(() => boundBetween(item(2), item(2))).toThrow("assert: an item comes twice");
});
