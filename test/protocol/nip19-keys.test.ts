// npub and nsec: the examples of NIP-19, what nostr-tools makes of the same keys, and everything
// that is none.

import { describe, expect, test } from "bun:test";
import { nip19 } from "nostr-tools";
import { decodeKey, encodeKey, type KeyPrefix } from "../../src/protocol/nip19.ts";
import { Random } from "../support/random.ts";

const VECTORS: [KeyPrefix, string, string][] = [
  [
    "npub",
    "7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e",
    "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg",
  ],
  [
    "nsec",
    "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa",
    "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5",
  ],
];

test.each(VECTORS)("%s of NIP-19", (prefix, hex, text) => {
  expect(encodeKey(prefix, hex)).toBe(text);
  expect(decodeKey(prefix, text)).toBe(hex);
  expect(decodeKey(prefix, text.toUpperCase())).toBe(hex);
});

test("any key is what nostr-tools makes of it", () => {
  const random = new Random(19);
  for (let i = 0; i < 100; i++) {
    const hex = random.hex(64);
    expect(encodeKey("npub", hex)).toBe(nip19.npubEncode(hex));
    expect(decodeKey("npub", nip19.npubEncode(hex))).toBe(hex);
  }
});

describe("no key", () => {
  const good = VECTORS[0]?.[2] as string;
  const rows: [string, string][] = [
    ["of nothing", ""],
    ["of a prefix", "npub1"],
    ["of another prefix", VECTORS[1]?.[2] as string],
    ["with a digit changed", good.replace("10elf", "10elg")],
    ["with two digits swapped", good.replace("0elf", "0lef")],
    ["of two cases", good.replace("elf", "ELF")],
    ["cut", good.slice(0, -1)],
    ["with more", `${good}q`],
    ["with a digit there is not", good.replace("elf", "bio")],
    ["that is hex", VECTORS[0]?.[1] as string],
  ];
  test.each(rows)("%s", (_, text) => expect(decodeKey("npub", text)).toBeNull());
});
