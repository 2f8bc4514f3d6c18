/** Exact lower-case hex: what is taken, what is not, and decoding into memory of any kind. */

import { describe, expect, test } from "bun:test";
import { decodeHexInto, hexNumber, isHex128, isHex64 } from "../../src/protocol/hex.ts";
import { testRandomly } from "../support/random.ts";

const digits64 = "0123456789abcdef".repeat(4);

const cases: { desc: string; value: unknown; is64?: boolean; is128?: boolean }[] = [
  { desc: "64 digits", value: digits64, is64: true },
  { desc: "64 zeros", value: "0".repeat(64), is64: true },
  { desc: "128 digits", value: digits64 + digits64, is128: true },
  { desc: "no digits", value: "" },
  { desc: "63 digits", value: digits64.slice(1) },
  { desc: "65 digits", value: `${digits64}0` },
  { desc: "127 digits", value: digits64 + digits64.slice(1) },
  { desc: "129 digits", value: `${digits64}${digits64}0` },
  { desc: "upper case", value: digits64.toUpperCase() },
  { desc: "one upper-case digit", value: `${digits64.slice(0, 63)}F` },
  { desc: "0x before 64 digits", value: `0x${digits64}` },
  { desc: "0x within 64 characters", value: `0x${digits64.slice(2)}` },
  { desc: "a g", value: `${digits64.slice(0, 63)}g` },
  { desc: "a line break after 64 digits", value: `${digits64}\n` },
  { desc: "a line break as the 64th", value: `${digits64.slice(0, 63)}\n` },
  { desc: "a space before", value: ` ${digits64.slice(0, 63)}` },
  { desc: "a NUL after", value: `${digits64}\u0000` },
  { desc: "full-width digits", value: "\uff11".repeat(64) },
  { desc: "a number", value: 1 },
  { desc: "null", value: null },
  { desc: "undefined", value: undefined },
  { desc: "an array that joins to 64 digits", value: [digits64] },
  { desc: "an object that converts to 64 digits", value: { toString: () => digits64 } },
];

for (const { desc, value, is64 = false, is128 = false } of cases) {
  test(`${desc} is ${is64 ? "" : "not "}hex of 64 and ${is128 ? "" : "not "}of 128`, () => {
    expect({ is64: isHex64(value), is128: isHex128(value) }).toEqual({ is64, is128 });
  });
}

describe("decodeHexInto", () => {
  test("writes from the start and nothing beyond, also into shared memory", () => {
    for (const memory of [new ArrayBuffer(40), new SharedArrayBuffer(40)]) {
      const out = Buffer.from(memory, 0, 40).fill(0xee);
      decodeHexInto(digits64, out);
      expect(out.toString("hex")).toBe(`${digits64}${"ee".repeat(8)}`);
    }
  });

  const bad = [
    { desc: "a digit that is none", hex: `${digits64.slice(0, 63)}g`, room: 32 },
    { desc: "an odd number of digits", hex: digits64.slice(1), room: 32 },
    { desc: "too little room", hex: digits64, room: 31 },
  ];
  for (const { desc, hex, room } of bad) {
    test(`asserts on ${desc}`, () => {
      expect(() => decodeHexInto(hex, Buffer.alloc(room))).toThrow(`assert: not hex: ${hex}`);
    });
  }

  testRandomly("is undone by encoding", (random) => {
    for (let i = 0; i < 1000; i++) {
      const hex = random.hex(2 * random.below(65));
      const out = Buffer.alloc(hex.length / 2);
      decodeHexInto(hex, out);
      expect(out.toString("hex")).toBe(hex);
    }
  });
});

testRandomly(
  "a number in hex is what parseInt makes of it, from none to eight digits",
  (random) => {
    for (const hex of [digits64, "f".repeat(64), "0".repeat(64), random.hex(64), random.hex(64)]) {
      for (let count = 0; count <= 8; count++) {
        for (let from = 0; from + count <= hex.length; from++) {
          const expected = count === 0 ? 0 : Number.parseInt(hex.slice(from, from + count), 16);
          expect(hexNumber(hex, from, count)).toBe(expected);
        }
      }
    }
  },
);
