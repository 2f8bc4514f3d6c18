// Sums of ids mod 2^256 against BigInt, and fingerprints worked out from NIP-77 with Python's
// integers and hashlib.

import { expect, test } from "bun:test";
import { ItemSum } from "../../src/negentropy/item-sum.ts";
import { type Random, testRandomly } from "../support/random.ts";
import { hex } from "./items.ts";

function sumOf(...ids: readonly Uint8Array[]): ItemSum {
  const sum = new ItemSum();
  for (const id of ids) {
    // At an odd address, which words don't have.
    sum.addId(Buffer.concat([Buffer.alloc(1), id]).subarray(1));
  }
  return sum;
}

function filled(byte: number): Uint8Array {
  return new Uint8Array(32).fill(byte);
}

const two = new Uint8Array(32);
two[0] = 2;

test.each([
  ["no item", [], "7f9c9e31ac8256ca2f258583df262dbc"],
  ["one", [filled(1)], "ce041765675ad4d93378e20bd3a7d0d9"],
  ["two", [filled(1), filled(2)], "12a7b248579deb04f68dac6d3db20efd"],
  ["a sum of 2^256 + 1", [filled(0xff), two], "6092a26dea6bc7bdc57a942f1df2d0d7"],
  [
    "a count of two digits",
    Array.from({ length: 200 }, () => filled(3)),
    "41bd90907c8795cc93e4c6bb43b54b07",
  ],
])("the fingerprint of %s", (_desc, ids, fingerprint) => {
  expect(hex(sumOf(...ids).fingerprint())).toBe(fingerprint);
});

/** Carries that go far are as frequent as those that don't. */
function randomId(random: Random): Uint8Array {
  const id = random.bytes(32);
  for (let word = 0; word < 32; word += 4) {
    if (random.oneIn(2)) id.fill(random.pick([0, 0xff]), word, word + 4);
  }
  return id;
}

function toInteger(id: Uint8Array): bigint {
  return BigInt(`0x${hex(id.toReversed())}`);
}

testRandomly("adding ids one by one, in rows, and as sums; subtracting", (random) => {
  for (let round = 0; round < 300; round++) {
    const ids = random.list(random.below(40), () => randomId(random));
    const integers = ids.map(toInteger);
    const naive = (from: number, to: number) =>
      integers.slice(from, to).reduce((a, b) => a + b, 0n) % 2n ** 256n;
    const check = (sum: ItemSum, from: number, to: number) => {
      expect([sum.count, toInteger(sum.sum)]).toEqual([to - from, naive(from, to)]);
    };
    check(sumOf(...ids), 0, ids.length);
    const middle = random.below(ids.length + 1);
    const [left, right] = [sumOf(...ids.slice(0, middle)), new ItemSum()];
    const row = Uint8Array.from(Buffer.concat(ids.slice(middle)));
    right.addWords(new Uint32Array(row.buffer), 0, ids.length - middle);
    check(right, middle, ids.length);
    const all = ItemSum.of(left.count, left.sum);
    all.add(right);
    check(all, 0, ids.length);
    all.subtract(left);
    check(all, middle, ids.length);
  }
});

test("more ids than fit between two carries", () => {
  const count = 2 ** 20 + 3;
  const words = new Uint32Array(8 * count).fill(0xffffffff);
  const sum = new ItemSum();
  sum.addWords(words, 1, count);
  expect(sum.count).toBe(count - 1);
  expect(toInteger(sum.sum)).toBe(2n ** 256n - BigInt(count - 1));
});
