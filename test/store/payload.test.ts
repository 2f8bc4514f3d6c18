// A payload is a msgpack string at every length that an event can have, and nothing else passes
// for one.

import { describe, expect, test } from "bun:test";
import { unpack } from "msgpackr";
import { packPayload, payloadText } from "../../src/store/payload.ts";

describe("a text", () => {
  const cases: { length: number; header: number[] }[] = [
    { length: 32, header: [0xd9, 32] },
    { length: 255, header: [0xd9, 255] },
    { length: 256, header: [0xda, 1, 0] },
    { length: 65_535, header: [0xda, 255, 255] },
    { length: 65_536, header: [0xdb, 0, 1, 0, 0] },
    { length: 66_051, header: [0xdb, 0, 1, 2, 3] },
  ];
  for (const { length, header } of cases) {
    test(`of ${length} bytes comes back, from here and from msgpackr`, () => {
      const text = Buffer.alloc(length, "漢é\0x");
      text.fill(".", length - (length % 7)); // ends between characters
      const payload = packPayload(text.toString());
      expect([...payload.subarray(0, header.length)]).toEqual(header);
      expect(payload.byteLength).toBe(header.length + length);
      expect(Buffer.compare(payloadText(payload), text)).toBe(0);
      expect(unpack(payload)).toBe(text.toString());
    });
  }

  test("is not copied out", () => {
    const payload = packPayload("abc".repeat(20));
    expect(payloadText(payload).toString()).toBe("abc".repeat(20));
    expect(payloadText(payload).buffer).toBe(payload.buffer);
  });
});

describe("a corrupt payload is refused", () => {
  const cases: { desc: string; bytes: number[]; message: string }[] = [
    { desc: "empty", bytes: [], message: "database: unknown payload type undefined" },
    { desc: "of another type", bytes: [0xa1, 0x61], message: "database: unknown payload type 161" },
    {
      desc: "a byte short",
      bytes: [0xd9, 2, 0x61],
      message: "database: payload of 3 bytes says 2",
    },
    {
      desc: "a byte long",
      bytes: [0xd9, 0, 0x61],
      message: "database: payload of 3 bytes says 0",
    },
    { desc: "without its length", bytes: [0xd9], message: "database: payload of 1 bytes says NaN" },
    {
      desc: "cut off within its length",
      bytes: [0xdb, 0, 0, 0],
      message: "database: payload of 4 bytes says NaN",
    },
    {
      desc: "that says four gigabytes",
      bytes: [0xdb, 255, 255, 255, 255],
      message: "database: payload of 5 bytes says 4294967295",
    },
  ];
  for (const { desc, bytes, message } of cases) {
    test(desc, () => {
      expect(() => payloadText(Uint8Array.from(bytes))).toThrow(new Error(message));
    });
  }
});
