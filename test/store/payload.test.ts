// A payload is a msgpack value at every length that an event can have: packed where the text is an
// event's, else the text itself; and nothing else passes for one.

import { describe, expect, test } from "bun:test";
import { pack, unpack } from "msgpackr";
import { candidateOf } from "../../src/store/candidate.ts";
import {
  PAYLOAD_START_BYTES,
  packPayload,
  payloadPubkey,
  payloadText,
} from "../../src/store/payload.ts";
import { makeEvent } from "../support/unsigned-events.ts";

function textOfLength(length: number): Buffer {
  const shortest = candidateOf(makeEvent({ content: "" })).text;
  return candidateOf(makeEvent({ content: "x".repeat(length - shortest.length) })).text;
}

/** As its column has it. */
function idOf(text: Buffer): Uint8Array {
  return new Uint8Array(Buffer.from(text.toString("latin1", 7, 71), "hex"));
}

describe("an event's text", () => {
  test("comes back, whatever the header of what is stored, and msgpackr reads that", () => {
    // What is left of an event's text has one byte of length, two, or four.
    const types = new Set<number>();
    for (const around of [450, 65_736, 1_000_000]) {
      for (let length = around - 20; length < around + 20; length++) {
        const text = textOfLength(length);
        const payload = packPayload(text);
        const value = unpack(payload) as Uint8Array;
        expect(value.length).toBeLessThan(length - 190);
        expect(payload.subarray(-value.length)).toEqual(Buffer.from(value));
        expect(payloadText(idOf(text), payload)).toEqual(text);
        types.add(payload[0] as number);
      }
    }
    expect([...types]).toEqual([0xc4, 0xc5, 0xc6]);
  });

  test("is kept as it is in rows of earlier builds", () => {
    for (const length of [400, 65_536]) {
      const text = textOfLength(length);
      expect(payloadText(idOf(text), pack(text.toString()))).toEqual(text);
    }
  });

  test("tells its author from its start alone", () => {
    const event = makeEvent({ content: "x".repeat(1000) });
    const { text } = candidateOf(event);
    for (const payload of [packPayload(text), pack(text.toString())]) {
      expect(payloadPubkey(payload.subarray(0, PAYLOAD_START_BYTES))).toBe(event.pubkey);
    }
  });

  test("is not touched by the next ones, nor by what is done to its row", () => {
    const texts = [400, 70_000, 500, 401].map(textOfLength);
    const payloads = texts.map(packPayload);
    payloads.splice(2, 0, pack((texts[0] as Buffer).toString()));
    const ids = [0, 1, 0, 2, 3].map((i) => idOf(texts[i] as Buffer));
    const found = payloads.map((payload, i) => payloadText(ids[i] as Uint8Array, payload));
    for (const payload of payloads) payload.fill(0xff);
    texts.splice(2, 0, texts[0] as Buffer);
    expect(found).toEqual(texts);
  });
});

describe("a text that is no event's is kept as it is", () => {
  const cases = [32, 255, 256, 65_535, 65_536, 66_051];
  for (const length of cases) {
    test(`with ${length} bytes`, () => {
      const text = Buffer.alloc(length, "漢é\0x");
      text.fill(".", length - (length % 7)); // ends between characters
      const payload = packPayload(text);
      expect(unpack(payload)).toBe(text.toString());
      expect(payloadText(idOf(text), payload)).toEqual(text);
    });
  }
});

describe("a corrupt payload is refused", () => {
  const cases: { desc: string; bytes: number[]; message: string }[] = [
    { desc: "empty", bytes: [], message: "database: unknown payload type undefined" },
    { desc: "of another type", bytes: [0xa1, 0x61], message: "database: unknown payload type 161" },
    { desc: "between the types", bytes: [0xc7, 0], message: "database: unknown payload type 199" },
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
    { desc: "without its length", bytes: [0xc4], message: "database: payload of 1 bytes says NaN" },
    {
      desc: "cut off within its length",
      bytes: [0xdb, 0, 0, 0],
      message: "database: payload of 4 bytes says NaN",
    },
    {
      desc: "that says four gigabytes",
      bytes: [0xc6, 255, 255, 255, 255],
      message: "database: payload of 5 bytes says 4294967295",
    },
  ];
  for (const { desc, bytes, message } of cases) {
    test(desc, () => {
      expect(() => payloadText(new Uint8Array(32), Uint8Array.from(bytes))).toThrow(
        new Error(message),
      );
    });
  }
});
