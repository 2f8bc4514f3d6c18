// Event references as nostr-tools writes them, and what is none.

import { expect, test } from "bun:test";
import * as nip19 from "nostr-tools/nip19";
import { decodeEventReference } from "../../src/protocol/nip19.ts";
import { chooseSeed, Random } from "../support/random.ts";

test("what nostr-tools encodes is decoded, with whatever a nevent says besides", () => {
  const seed = chooseSeed();
  const random = new Random(seed);
  for (let i = 0; i < 100; i++) {
    const [id, author] = [random.hex(64), random.hex(64)];
    const relays = random.list(random.below(3), () => `wss://${random.hex(20)}.example`);
    const nevents = [
      nip19.neventEncode({ id }),
      nip19.neventEncode({ id, relays, author, kind: random.below(65_536) }),
    ];
    for (const text of [nip19.noteEncode(id), ...nevents]) {
      expect([seed, decodeEventReference(text)]).toEqual([seed, id]);
      expect(decodeEventReference(text.toUpperCase())).toBe(id);
      // BIP-173: any one wrong character is found.
      const at = random.below(text.length);
      const wrong = text[at] === "q" ? "p" : "q";
      expect(decodeEventReference(text.slice(0, at) + wrong + text.slice(at + 1))).toBe(null);
    }
  }
});

const id = "ab".repeat(32);
const note = nip19.noteEncode(id);

test.each([
  ["nothing", ""],
  ["hex", id],
  ["a key", nip19.npubEncode(id)],
  ["an address", nip19.naddrEncode({ identifier: "x", pubkey: id, kind: 30_023 })],
  ["mixed case", `N${note.slice(1)}`],
  ["a part", note.slice(0, -1)],
  ["more", `${note}q`],
  ["a space", ` ${note}`],
  ["a note of 31 bytes", nip19.encodeBytes("note", new Uint8Array(31))],
  ["a nevent of no bytes", nip19.encodeBytes("nevent", new Uint8Array(0))],
  ["a nevent that ends too early", nip19.encodeBytes("nevent", new Uint8Array([0, 32, 1]))],
  ["a nevent with a short id", nip19.encodeBytes("nevent", new Uint8Array([0, 1, 1]))],
  ["a nevent without an id", nip19.encodeBytes("nevent", new Uint8Array([1, 1, 1]))],
  ["only a separator", "1"],
  ["no digits", "note1"],
  ["other letters", `note1${"ñ".repeat(58)}`],
  ["what is too long", `note1${"q".repeat(5000)}`],
])("%s is no event reference", (_, text) => {
  expect(decodeEventReference(text)).toBe(null);
});
