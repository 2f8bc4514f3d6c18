/** Event hashes against @noble/hashes, above all for text that is not ASCII. */

import { expect, test } from "bun:test";
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import { sha256, sha256Hex } from "../../src/crypto/sha256.ts";

const texts = [
  "",
  "abc",
  "é",
  "ÿ".repeat(100),
  "日本語",
  "👩‍👩‍👧 emoji",
  "mixed ascii, é, 日, 😀",
  "\u0000\u0001\u007f\u0080\u07ff\u0800\uffff",
  "lone high \ud83d",
  "lone low \ude00 in the middle",
  "a".repeat(55),
  "a".repeat(56),
  "a".repeat(64),
  "x".repeat(100_000),
  "日".repeat(100_000),
];

test("the hash of 'abc' is the one in FIPS 180-4", () => {
  const expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  expect(sha256Hex("abc")).toBe(expected);
});

test("hex and bytes agree with noble on every kind of text", () => {
  for (const text of texts) {
    const expected = nobleSha256(new TextEncoder().encode(text));
    const out = new Uint8Array(32);
    sha256(text, out);
    expect(out).toEqual(expected);
    expect(sha256Hex(text)).toBe(Buffer.from(expected).toString("hex"));
  }
});

test("ropes and slices hash like flat strings", () => {
  let rope = "";
  for (let i = 0; i < 1000; i++) rope += `part ${i} é `;
  const flat = Buffer.from(rope).toString();
  expect(sha256Hex(rope)).toBe(sha256Hex(flat));
  expect(sha256Hex(rope.slice(100, 5000))).toBe(sha256Hex(flat.slice(100, 5000)));
});

test("writes into the middle of a larger array and nowhere else", () => {
  const memory = new Uint8Array(96).fill(7);
  sha256("abc", memory.subarray(32, 64));
  expect(memory.subarray(0, 32)).toEqual(new Uint8Array(32).fill(7));
  expect(memory.subarray(64)).toEqual(new Uint8Array(32).fill(7));
  expect(Buffer.from(memory.subarray(32, 64)).toString("hex")).toBe(sha256Hex("abc"));
});
