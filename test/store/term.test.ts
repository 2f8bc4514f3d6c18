// Keys: they are on disk, so they stay as they are; each fits 48 bits, and strings do not meet in
// one more often than chance has it.

import { describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import {
  addressKey,
  ALL_KEY,
  authorKey,
  authorKeys,
  authorKindKey,
  authorKindKeys,
  deletedAddressKey,
  deletedIdKey,
  deletionTargets,
  eventKeys,
  EXPIRING_KEY,
  idKey,
  idOrder,
  kindKey,
  specialKey,
  tagKey,
  vanishedKey,
  termRows,
} from "../../src/store/term.ts";
import { hllMark } from "../../src/store/hyperloglog.ts";
import { HexSet } from "../../src/protocol/hex-set.ts";
import { checkIndex } from "../support/check-index.ts";
import { naiveOffset } from "../support/naive-hll.ts";
import { TestStore } from "../support/test-store.ts";
import { author, Dice, makeEvent, sha256Hex } from "../support/unsigned-events.ts";

const HEX = "0123456789abcdef".repeat(4);
/** Found by search: `["t", CRAFTED]` has the key of kind 1. */
const CRAFTED = "167n\ub55c\u44fa";

describe("a key is for ever", () => {
  const cases: [what: string, key: number, expected: number][] = [
    ["all", ALL_KEY, 0x0541118946ba],
    ["expiring", EXPIRING_KEY, 0x041a24182f31],
    ["an id", idKey(HEX), 0x89ab01234567],
    ["an author", authorKey(HEX), 0x021fd45a94c9],
    ["kind 0", kindKey(0), 0x3ffb7cbf472b],
    ["kind 1", kindKey(1), 0x4c1362170a11],
    ["kind 65535", kindKey(65535), 0x6d82efaae7c5],
    ["an author's kind", authorKindKey(HEX, 30023), 0x765d96478f38],
    ["an e tag", tagKey("e", HEX), 0x7eaa6e88230e],
    ["a p tag", tagKey("p", HEX), 0x0cbd2d3a4c90],
    ["a tag", tagKey("t", "nostr"), 0x16739e9e2ed8],
    ["a tag in upper case", tagKey("T", "nostr"), 0x16a5dddee7cc],
    ["an empty tag", tagKey("t", ""), 0x1bc9e1a39059],
    ["special events' of a tag", specialKey(tagKey("t", "nostr")), 0x1ff65e9d2a5f],
    ["a tag beyond ASCII", tagKey("r", "é漢🐸\u0000"), 0x2ebd59f325d5],
    ["a long tag", tagKey("d", HEX.repeat(100)), 0x3f4de8aaeedf],
    ["a replaceable's address", addressKey(`0:${HEX}:`), 0xc7b8e61338e6],
    ["an address", addressKey(`30023:${HEX}:a:b`), 0x96cfa1c3213a],
    ["a deleted id", deletedIdKey(HEX, sha256Hex("author")), 0xf1876fad8905],
    ["a deleted address", deletedAddressKey(`30023:${HEX}:a:b`), 0xf8ad573bb60f],
  ];
  for (const [what, key, expected] of cases) {
    test(what, () => expect(key).toBe(expected));
  }

  test("of each of many authors, however they are kept", () => {
    const pubkeys = [HEX, ...Array.from({ length: 40 }, (_, i) => author(i))];
    for (const values of [new Set(pubkeys), new HexSet(pubkeys.join(""))]) {
      expect(authorKeys(values)).toEqual(pubkeys.map(authorKey));
      expect(authorKindKeys(values, 30023)).toEqual(
        pubkeys.map((pubkey) => authorKindKey(pubkey, 30023)),
      );
    }
  });
});

test("the first 12 digits of an id are its order", () => {
  expect(idOrder("0".repeat(64))).toBe(0);
  expect(idOrder(`000000000001${"f".repeat(52)}`)).toBe(1);
  expect(idOrder("f".repeat(64))).toBe(2 ** 48 - 1);
  expect(idOrder(HEX)).toBe(0x0123456789ab);
});

/** All but e and p, which have hex values only. */
const LETTERS = "abcdfghijklmnoqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const UNITS = Array.from({ length: 20_001 }, (_, i) => String.fromCharCode(i));

describe("a million strings", () => {
  const hashes = Array.from({ length: 64 }, (_, i) => sha256Hex(`author ${i}`));
  const dice = new Dice(1);
  const random = (length: number) =>
    Array.from({ length }, () => String.fromCharCode(32 + dice.below(95))).join("");
  const kinds: [what: string, key: (i: number) => number][] = [
    ["that are random", () => tagKey("t", random(8 + dice.below(8)))],
    ["that count", (i) => tagKey("t", String(i))],
    ["that are ids", (i) => idKey(sha256Hex(String(i)))],
    ["that differ at the front", (i) => authorKey(`${i.toString(16).padStart(8, "0")}${HEX}`)],
    ["that are hashes", (i) => tagKey("e", sha256Hex(String(i)))],
    ["that differ in their kind", (i) => authorKindKey(hashes[i >> 14] ?? "", i & 0x3fff)],
    ["that are addresses", (i) => addressKey(`30023:${HEX}:${i}`)],
    [
      "of one letter, of many tags",
      (i) => tagKey(LETTERS[i % 50] ?? "", UNITS[(i / 50) | 0] ?? ""),
    ],
  ];
  for (const [what, key] of kinds) {
    test(`${what} have keys of 48 bits, spread evenly, with no two the same`, () => {
      const count = 1_000_000;
      const keys = new Float64Array(count);
      const buckets = new Uint32Array(64);
      for (let i = 0; i < count; i++) {
        const value = key(i);
        keys[i] = value;
        const bucket = (Math.floor(value / 2 ** 42) + (value % 64)) & 63;
        buckets[bucket] = (buckets[bucket] ?? 0) + 1;
      }
      keys.sort();
      let same = 0;
      for (let i = 1; i < count; i++) if (keys[i] === keys[i - 1]) same++;
      // Of the random ones a few are the same string: none at these lengths and with this seed.
      expect(same).toBe(0);
      expect(keys[0]).toBeGreaterThan(0);
      expect(keys[count - 1]).toBeLessThan(2 ** 48);
      expect(keys.every(Number.isInteger)).toBe(true);
      // Six standard deviations: chance alone fails this once in a hundred million runs.
      const mean = count / 64;
      const apart = buckets.map((n) => Math.round(Math.abs(n - mean)));
      expect(Math.max(...apart)).toBeLessThan(6 * Math.sqrt(mean));
    });
  }
});

describe("the keys of an event", () => {
  const cases: { desc: string; event: NostrEvent; terms: number[] }[] = [
    { desc: "without tags", event: makeEvent(), terms: [] },
    {
      desc: "with a tag twice",
      event: makeEvent({
        tags: [
          ["t", "x"],
          ["t", "x", "y"],
        ],
      }),
      terms: [tagKey("t", "x")],
    },
    {
      desc: "with tags that no filter can ask for",
      event: makeEvent({ tags: [["e", "x"], ["p", HEX.toUpperCase()], ["t"], ["tt", "x"], []] }),
      terms: [],
    },
    {
      desc: "with an empty value, which a filter can ask for",
      event: makeEvent({
        tags: [
          ["t", ""],
          ["T", ""],
        ],
      }),
      terms: [tagKey("t", ""), tagKey("T", "")],
    },
    {
      desc: "with a tag that has the key of its kind",
      event: makeEvent({ tags: [["t", CRAFTED]] }),
      terms: [],
    },
    {
      desc: "that is a deletion",
      event: makeEvent({
        kind: 5,
        tags: [
          ["e", HEX],
          ["e", "x"],
          ["a", `0:${author(0)}:`],
        ],
      }),
      terms: [
        tagKey("e", HEX),
        tagKey("a", `0:${author(0)}:`),
        deletedIdKey(HEX, author(0)),
        deletedAddressKey(`0:${author(0)}:`),
      ],
    },
  ];
  /** Of the author, for the value of the tag that has this key; none for a deletion's. */
  const markOf = ({ pubkey, tags }: NostrEvent, key: number): number => {
    const tag = tags.find(([name, value]) => key === tagKey(name ?? "", value ?? ""));
    return tag === undefined ? 0 : hllMark(pubkey, naiveOffset(tag[1] ?? ""));
  };
  for (const { desc, event, terms } of cases) {
    test(`${desc} are its author, kind, both, all, and what it is tagged with`, () => {
      const { id, pubkey, kind } = event;
      expect(eventKeys(event)).toEqual({
        id: idKey(id),
        author: authorKey(pubkey),
        address: 0,
        deletedIds: [deletedIdKey(id, pubkey)],
        vanished: [vanishedKey(pubkey)],
        deletedAddress: 0,
        terms: [authorKey(pubkey), kindKey(kind), authorKindKey(pubkey, kind), ALL_KEY, ...terms],
        marks: [0, 0, 0, 0, ...terms.map((key) => markOf(event, key))],
        isSpecial: false,
      });
    });
  }

  test("become one row each, the expiring one ordered by expiry", () => {
    const event = makeEvent({ kind: 30_000, created_at: 7, tags: [["d", "x"]] });
    const keys = eventKeys(event);
    const at = { age: -7, order: idOrder(event.id), seq: 3, info: 30_000 };
    const mark = hllMark(author(0), naiveOffset("x"));
    const infos = [30_000, 2 ** 46 + (authorKey(author(0)) % 2 ** 46), 30_000, 30_000];
    expect(termRows({ ...event, expires: 9 }, keys, 3)).toEqual([
      { ...at, key: keys.id },
      ...[...infos, 30_000 + mark * 2 ** 16].map((info, i) => ({
        ...at,
        key: keys.terms[i]!,
        info,
      })),
      { ...at, key: addressKey(`30000:${author(0)}:x`) },
      { ...at, key: EXPIRING_KEY, age: 9 },
    ]);
  });

  for (const special of [
    ["expiration", "2000"],
    ["h", "group"],
  ]) {
    test(`of one with ${special[0]} say that it is special, each tag's by a key of its own`, () => {
      const event = makeEvent({ tags: [["t", "x"], special] });
      const keys = eventKeys(event);
      const tags = special[0] === "h" ? ["t:x", "h:group"] : ["t:x"];
      const own = tags.map((tag) => tagKey(tag.slice(0, 1), tag.slice(2)));
      expect(keys.isSpecial).toBe(true);
      expect(keys.terms.slice(4)).toEqual(own.flatMap((key) => [key, specialKey(key)]));
      const rows = termRows({ ...event, expires: 0 }, keys, 3).slice(1);
      expect(rows.map(({ info }) => info >= 2 ** 47)).toEqual(rows.map(() => true));
    });
  }
});

test("a deletion asks for ids unchecked and for addresses of its author only", () => {
  const mine = [`0:${author(0)}:`, `30023:${author(0)}:`, `39999:${author(0)}:a:b\n`];
  const others = [`0:${author(1)}:`, `1:${author(0)}:`, `00:${author(0)}:`, `0:${author(0)}`];
  const more = [`0:${author(0)}:d`, `20000:${author(0)}:`, `70000:${author(0)}:`, ""];
  const tags = [...mine, ...others, ...more].map((value) => ["a", value]);
  const ids = [HEX, sha256Hex("other")];
  tags.push(...ids.map((id) => ["e", id]), ["e", "x"], ["e"], ["a"], ["E", sha256Hex("E")]);
  expect(deletionTargets(makeEvent({ kind: 5, tags }))).toEqual({
    ids: new Set(ids),
    addresses: new Set(mine),
  });
});

test("an event with a tag that has the key of its kind is stored, found and removed", () => {
  expect(tagKey("t", CRAFTED)).toBe(kindKey(1));
  using store = new TestStore();
  const crafted = makeEvent({ tags: [["t", CRAFTED]] });
  const plain = makeEvent();
  store.write(crafted, plain);
  expect(store.events()).toEqual([crafted, plain]);
  expect(checkIndex(store.db)).toEqual([]);
  expect(store.writer.remove([1])).toEqual([crafted.id]);
  expect(checkIndex(store.db)).toEqual([]);
});

test("no tag has the key of an id, an address or a deletion: their highest bits differ", () => {
  const dice = new Dice(2);
  for (let i = 0; i < 10_000; i++) {
    const hex = sha256Hex(String(dice.below(2 ** 30)));
    for (const key of [
      idKey(hex),
      addressKey(hex),
      deletedIdKey(hex, hex),
      deletedAddressKey(hex),
    ]) {
      expect(key).toBeGreaterThanOrEqual(2 ** 47);
    }
    for (const key of [tagKey("t", hex), authorKey(hex), authorKindKey(hex, i), kindKey(i)]) {
      expect(key).toBeLessThan(2 ** 47);
    }
  }
});

test("the last of thousands of deletions of an address is the one that counts", () => {
  using store = new TestStore();
  const address = `30023:${author(0)}:`;
  const deletions = Array.from({ length: 2000 }, (_, i) =>
    makeEvent({ kind: 5, created_at: 1000 + i, tags: [["a", address]], content: String(i) }),
  );
  store.write(...deletions);
  const [old, fresh] = [2999, 3000].map((at) =>
    makeEvent({ kind: 30023, created_at: at, tags: [] }),
  );
  const { verdicts } = store.write(old!, fresh!);
  expect(verdicts.map(({ accepted }) => accepted)).toEqual([false, true]);
});
