// A set of hex values in little memory, against a Set.

import { expect, test } from "bun:test";
import { HexSet } from "../../src/protocol/hex-set.ts";
import { author, forEachSeed } from "../support/unsigned-events.ts";

test("has nothing that isn't 64 digits long", () => {
  const hex = author(1);
  expect(new HexSet("0".repeat(64)).has("")).toBe(false); // before anything was asked for
  const compact = new HexSet(hex + "0".repeat(64));
  for (const other of ["", "0", hex.slice(1), `${hex}0`, `${"0".repeat(63)}`]) {
    expect(compact.has(other)).toBe(false);
  }
  expect(compact.has(hex)).toBe(true);
  expect(() => compact.has(`${"0".repeat(63)}g`)).toThrow();
  expect(compact.has(hex)).toBe(true);
  expect(compact.has("0".repeat(64))).toBe(true);
});

test("has what a Set has, in its order", () => {
  forEachSeed(30, (dice) => {
    const count = dice.pick([0, 1, 2, 16, 500]);
    const some = dice.list(count, () => author(dice.below(600)));
    // Values that share most of their digits with others.
    const alike = some.map((hex) => {
      const at = dice.below(64);
      return hex.slice(0, at) + dice.pick([..."0123456789abcdef"]) + hex.slice(at + 1);
    });
    const values = new Set(dice.chance(0.5) ? some : [...some, ...alike]);
    const compact = new HexSet([...values].join(""));
    expect(compact.size).toBe(values.size);
    expect([...compact]).toEqual([...values]);
    expect([...new Set(values).intersection(compact)]).toEqual([...values]);
    for (const [at, hex] of [...values].entries()) {
      const said = Array.from({ length: 8 }, (_, word) => compact.number(at, word));
      expect(said.map((one) => one.toString(16).padStart(8, "0")).join("")).toBe(hex);
    }
    for (const hex of [...some, ...alike, ...dice.list(50, () => author(dice.below(1200)))]) {
      expect([hex, compact.has(hex)]).toEqual([hex, values.has(hex)]);
      expect([hex, compact.has(hex)]).toEqual([hex, values.has(hex)]); // asked again
    }
  });
});

test("nobody can have values fall on the same slots", () => {
  // Bits that a hash of shifts and odd factors would let cancel each other, whatever its seed.
  const base = crypto.getRandomValues(new Int32Array(8));
  const values = Array.from({ length: 2000 }, (_, i) => {
    const words = base.slice();
    for (let at = 0; at < 7; at++) {
      if (((i >> at) & 1) === 0) continue;
      words[at] = (words[at] as number) ^ 0x80000000;
      words[at + 1] = (words[at + 1] as number) ^ 0x80010000;
    }
    for (let bit = 7; bit < 13; bit++) {
      if (((i >> bit) & 1) === 1) words[7] = (words[7] as number) ^ (1 << (38 - bit));
    }
    return new Uint8Array(words.buffer).toHex();
  });
  const { slots } = new HexSet(values.join("")) as unknown as { slots: Uint16Array };
  let longest = 0;
  let run = 0;
  for (const at of slots) {
    run = at === 0 ? 0 : run + 1;
    longest = Math.max(longest, run);
  }
  expect(longest).toBeLessThan(200);
});

test("is right with more values than 16 bits can number", () => {
  const values = new Set(
    Array.from({ length: 2 ** 16 + 3 }, (_, i) => i.toString(16).padStart(64, "a")),
  );
  const compact = new HexSet([...values].join(""));
  for (const hex of values) if (!compact.has(hex)) throw new Error(`${hex} is missing`);
  expect(compact.has("b".repeat(64))).toBe(false);
  expect(compact.size).toBe(values.size);
});
