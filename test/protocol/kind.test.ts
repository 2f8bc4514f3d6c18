/** Kinds at both sides of each border that NIP-01 draws. */

import { expect, test } from "bun:test";
import { classifyKind, isKind, isReplaceable, type KindClass } from "../../src/protocol/kind.ts";

const classes: { kinds: number[]; kindClass: KindClass }[] = [
  { kinds: [0, 3, 10000, 10001, 10002, 19999], kindClass: "replaceable" },
  { kinds: [20000, 20001, 22242, 29999], kindClass: "ephemeral" },
  { kinds: [30000, 30001, 30023, 39999], kindClass: "addressable" },
  {
    kinds: [1, 2, 4, 5, 41, 44, 45, 999, 1000, 1059, 9999, 40000, 40001, 65534, 65535],
    kindClass: "regular",
  },
];

for (const { kinds, kindClass } of classes) {
  for (const kind of kinds) {
    test(`kind ${kind} is ${kindClass}`, () => {
      expect(classifyKind(kind)).toBe(kindClass);
      expect(isReplaceable(kind)).toBe(kindClass === "replaceable" || kindClass === "addressable");
    });
  }
}

test("each kind is in the range that NIP-01's formulas give it", () => {
  for (let n = 0; n <= 65535; n++) {
    let expected: KindClass = "regular";
    if ((10000 <= n && n < 20000) || n === 0 || n === 3) expected = "replaceable";
    if (20000 <= n && n < 30000) expected = "ephemeral";
    if (30000 <= n && n < 40000) expected = "addressable";
    if (classifyKind(n) !== expected)
      expect({ n, is: classifyKind(n) }).toEqual({ n, is: expected });
  }
});

const values: { desc: string; value: unknown; expected: boolean }[] = [
  { desc: "0", value: 0, expected: true },
  { desc: "1", value: 1, expected: true },
  { desc: "65535", value: 65535, expected: true },
  { desc: "1.0 as JSON", value: JSON.parse("1.0"), expected: true },
  { desc: "65536", value: 65536, expected: false },
  { desc: "-1", value: -1, expected: false },
  { desc: "1.5", value: 1.5, expected: false },
  { desc: "65535.5", value: 65535.5, expected: false },
  { desc: "1e400 as JSON", value: JSON.parse("1e400"), expected: false },
  { desc: "NaN", value: Number.NaN, expected: false },
  { desc: "-Infinity", value: Number.NEGATIVE_INFINITY, expected: false },
  { desc: '"1"', value: "1", expected: false },
  { desc: "true", value: true, expected: false },
  { desc: "null", value: null, expected: false },
  { desc: "undefined", value: undefined, expected: false },
  { desc: "[1]", value: [1], expected: false },
  { desc: "1n", value: 1n, expected: false },
];

for (const { desc, value, expected } of values) {
  test(`${desc} is ${expected ? "a" : "no"} kind`, () => {
    expect(isKind(value)).toBe(expected);
  });
}
