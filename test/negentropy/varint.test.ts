// Varints of NIP-77 against the digits of BigInt, and those that are none.

import { expect, test } from "bun:test";
import { decodeVarint, encodeVarint } from "../../src/negentropy/varint.ts";
import { testRandomly } from "../support/random.ts";
import { hex } from "./items.ts";

function bytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "hex"));
}

test.each([
  [0, "00"],
  [1, "01"],
  [127, "7f"],
  [128, "8100"],
  [255, "817f"],
  [300, "822c"],
  [16_383, "ff7f"],
  [16_384, "818000"],
  [1_700_000_000, "86aacfe200"],
  [2 ** 31, "8880808000"],
  [2 ** 32 - 1, "8fffffff7f"],
  [2 ** 32, "9080808000"],
  [2 ** 49 - 1, "ffffffffffff7f"],
  [2 ** 49, "8180808080808000"],
  [2 ** 53 - 1, "8fffffffffffff7f"],
  [2n ** 53n, "9080808080808000"],
  [2n ** 63n, "81808080808080808000"],
  [2n ** 64n - 1n, "81ffffffffffffffff7f"],
])("%p is %s", (value, text) => {
  expect(hex(encodeVarint(value))).toBe(text);
  expect(decodeVarint(bytes(text), 0)).toEqual({ value, end: text.length / 2 });
  expect(decodeVarint(bytes(`ffff${text}ff`), 2)).toEqual({ value, end: 2 + text.length / 2 });
});

test("2^53, which is a number too, is written as exactly", () => {
  expect(hex(encodeVarint(2 ** 53))).toBe("9080808080808000");
});

test.each([
  ["", "a number is cut off"],
  ["81", "a number is cut off"],
  ["ffffffffffffffffff", "a number is cut off"],
  ["8000", "a number has leading zeros"],
  ["808000", "a number has leading zeros"],
  ["80", "a number has leading zeros"],
  ["82808080808080808000", "a number is beyond 64 bits"],
  ["8180808080808080808000", "a number is beyond 64 bits"],
  ["ff".repeat(10), "a number is beyond 64 bits"],
  ["ff".repeat(100_000), "a number is beyond 64 bits"],
] as const)("no varint: %#", (text, flaw) => {
  expect(decodeVarint(bytes(text), 0)).toBe(flaw);
});

testRandomly("random integers of all lengths", (random) => {
  for (let round = 0; round < 2000; round++) {
    const bits = BigInt(random.between(1, 64));
    const exact = BigInt(`0x${random.hex(16)}`) >> (64n - bits);
    const value = exact <= Number.MAX_SAFE_INTEGER ? Number(exact) : exact;
    const digits =
      [...exact.toString(2)]
        .reverse()
        .join("")
        .match(/.{1,7}/g) ?? [];
    const naive = digits.map((digit, i) => {
      const number = Number.parseInt([...digit].reverse().join(""), 2);
      return i === 0 ? number : number + 128;
    });
    const encoded = encodeVarint(value);
    expect([...encoded]).toEqual(naive.reverse());
    expect(encodeVarint(exact)).toEqual(encoded);
    expect(decodeVarint(encoded, 0)).toEqual({ value, end: encoded.length });
  }
});
