// HyperLogLog: the NIP's own example, offsets by hand, and registers against a naive reckoning.

import { describe, expect, test } from "bun:test";
import { type Filter, parseFilter } from "../../src/protocol/filter.ts";
import {
  AuthorMarks,
  filterOffset,
  hllMark,
  hllOffset,
  HyperLogLog,
  NO_OFFSET,
} from "../../src/store/hyperloglog.ts";
import { estimate, naiveHll, naiveOffset } from "../support/naive-hll.ts";
import { author, forEachSeed, sha256Hex } from "../support/unsigned-events.ts";

/** Of NIP-45: the followers of somebody who has 16,578. */
const EXAMPLE =
  "0607070505060806050508060707070706090d080b0605090607070b07090606060b0705070709050807080805080407060906080707080507070805060509040a0b06060704060405070706080607050907070b08060808080b080607090a06060805060604070908050607060805050d05060906090809080807050e0705070507060907060606070708080b0807070708080706060609080705060604060409070a0808050a0506050b0810060a0908070709080b0a07050806060508060607080606080707050806080c0a0707070a080808050608080f070506070706070a0908090c080708080806090508060606090906060d07050708080405070708";

/** The digit that matters is the `5`. */
const FIVE = `${"0".repeat(32)}5${"f".repeat(31)}`;

test("the registers of the NIP's example estimate its count within three standard errors", () => {
  expect(EXAMPLE).toHaveLength(512);
  expect(Math.abs(estimate(EXAMPLE) / 16_578 - 1)).toBeLessThan((3 * 1.04) / Math.sqrt(256));
});

test("the estimate is right for any number of authors", () => {
  for (const count of [1, 10, 100, 1000, 20_000]) {
    const registers = new HyperLogLog();
    for (let i = 0; i < count; i++) registers.add(hllMark(author(i), hllOffset(FIVE)));
    const off = Math.abs(estimate(registers.encode()) / count - 1);
    expect(off).toBeLessThan((3 * 1.04) / Math.sqrt(256));
  }
});

describe("the offset of", () => {
  const rows: [what: string, value: string, offset: number][] = [
    ["an id or a pubkey is read from its digit at 32", FIVE, 13],
    ["the lowest digit is 8", "f".repeat(32).padEnd(64, "0"), 8],
    ["the highest is 23", "0".repeat(32).padEnd(64, "f"), 23],
    ["an address is its pubkey's", `30023:${FIVE}:a:b`, 13],
    ["an address without a name is its pubkey's", `0:${FIVE}:`, 13],
    // sha256sum of "nostr": 8f5392e4…, its digit at 32 is a 4.
    ["any other text is its hash's", "nostr", 12],
    ["an empty text is its hash's", "", 10],
    ["what only looks like hex is its hash's", FIVE.toUpperCase(), 20],
    ["what only looks like an address is its hash's", `x:${FIVE}:`, 15],
    ["an address without its last colon is its hash's", `30023:${FIVE}`, 13],
  ];
  for (const [what, value, offset] of rows) {
    test(what, () => {
      expect(hllOffset(value)).toBe(offset);
      expect(naiveOffset(value)).toBe(offset);
    });
  }

  test("a filter is that of the first value of its first tag, whatever else it asks for", () => {
    const parse = (filter: unknown): Filter => parseFilter(filter) as Filter;
    const tags = { "#t": ["nostr", ""], "#p": [FIVE] };
    expect(filterOffset(parse({ kinds: [1], ...tags, since: 3 }))).toBe(hllOffset("nostr"));
    expect(filterOffset(parse({ "#p": [FIVE], "#t": ["nostr"] }))).toBe(13);
    expect(filterOffset(parse({ kinds: [1], authors: [FIVE] }))).toBe(NO_OFFSET);
  });
});

describe("a mark", () => {
  const zeros = "0".repeat(64);
  const rows: [what: string, pubkey: string, offset: number, register: number, rank: number][] = [
    ["has the byte at the offset", `${zeros.slice(0, 16)}abff${zeros.slice(20)}`, 8, 0xab, 1],
    ["has leading zeros and one", `${zeros.slice(0, 16)}ab01${zeros.slice(20)}`, 8, 0xab, 8],
    ["counts zeros across digits", `${zeros.slice(0, 46)}0700004${zeros.slice(53)}`, 23, 7, 18],
    ["ends with the pubkey at the lowest offset", zeros, 8, 0, 185],
    ["ends with the pubkey at the highest offset", zeros, 23, 0, 65],
  ];
  for (const [what, pubkey, offset, register, rank] of rows) {
    test(what, () => expect(hllMark(pubkey, offset)).toBe(register + 256 * rank));
  }
});

test("an author's marks and what they add up to are as the NIP tells", () => {
  forEachSeed(20, (dice) => {
    const values = ["nostr", "", `30023:${author(1)}:x`, ...dice.list(4, () => dice.hex(64))];
    const value = dice.pick(values);
    const zeros = "0".repeat(dice.below(65));
    const pubkeys = dice.list(dice.below(600), () =>
      dice.chance(0.1) ? `${dice.hex(20)}${zeros}${dice.hex(64)}`.slice(0, 64) : dice.hex(64),
    );
    const registers = new HyperLogLog();
    for (const pubkey of pubkeys) {
      const marks = new AuthorMarks(pubkey);
      for (const other of dice.some(values, 3)) marks.of(other);
      expect(marks.of(value)).toBe(hllMark(pubkey, naiveOffset(value)));
      registers.add(marks.of(value));
    }
    expect(registers.encode()).toBe(
      naiveHll(
        value,
        pubkeys.map((pubkey) => ({ pubkey })),
      ),
    );
  });
});

test("registers merge with those of another relay by their larger values", () => {
  const all = Array.from({ length: 500 }, (_, i) => ({ pubkey: author(i) }));
  const [one, other] = [all.slice(0, 300), all.slice(200)].map((events) =>
    Buffer.from(naiveHll(sha256Hex("x"), events), "hex"),
  );
  const merged = one!.map((register, i) => Math.max(register, other![i] ?? 0));
  expect(Buffer.from(merged).toString("hex")).toBe(naiveHll(sha256Hex("x"), all));
});
