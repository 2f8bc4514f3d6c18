/**
 * Filters: each key with each wrong type, and what matches, held against a matcher written from
 * the text of NIP-01 alone, which works on the raw JSON.
 */

import { describe, expect, test } from "bun:test";
import { pack, unpack } from "msgpackr";
import type { NostrEvent } from "../../src/protocol/event.ts";
import {
  countValues,
  decodeFilter,
  encodeFilter,
  type Filter,
  filterCost,
  type FilterRow,
  MATCH_ALL,
  matchesAny,
  matchesFilter,
  parseFilter,
} from "../../src/protocol/filter.ts";
import type { Reason } from "../../src/protocol/reason.ts";
import {
  AUTHORS_COUNT,
  authorKey,
  CREATED_AT_MIN,
  CREATED_AT_SPREAD,
  EventFactory,
  readRealEvents,
} from "../support/events.ts";
import { type Random, testRandomly } from "../support/random.ts";

const id = "ab".repeat(32);
const other = "cd".repeat(32);
const deepArray: unknown = JSON.parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`);
const deepObject: unknown = JSON.parse(`${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`);

const hexList = (key: string): Reason =>
  `invalid: ${key} must be an array of 64 lower-case hex digits each`;
const unknownKey = (key: string): Reason => `unsupported: unknown filter key ${key}`;
const letters = (key: string): Reason =>
  `unsupported: only single-letter tags are indexed, not ${key}`;

function expectFilter(value: unknown): Filter {
  const filter = parseFilter(value);
  if (filter === null || typeof filter === "string") throw new Error(`no filter: ${filter}`);
  return filter;
}

describe("a filter is refused that", () => {
  const noObject = "invalid: a filter must be an object";
  const kinds = "invalid: kinds must be an array of integers from 0 to 65535";
  const limit = "invalid: limit must be an integer from 0 on";
  const since = "invalid: since must be a unix timestamp in seconds";
  const until = "invalid: until must be a unix timestamp in seconds";
  const strings = (key: string): Reason => `invalid: ${key} must be an array of strings`;
  const surrogate = (key: string): Reason => `invalid: ${key} has a lone surrogate`;
  const refusals: { desc: string; value: unknown; reason: Reason }[] = [
    { desc: "is null", value: null, reason: noObject },
    { desc: "is undefined", value: undefined, reason: noObject },
    { desc: "is an array", value: [], reason: noObject },
    { desc: "is a string", value: "{}", reason: noObject },
    { desc: "is a number", value: 0, reason: noObject },
    { desc: "is 100,000 arrays deep", value: deepArray, reason: noObject },
    { desc: "is 100,000 objects deep", value: deepObject, reason: unknownKey('"a"') },
    { desc: "has deep ids", value: { ids: deepArray }, reason: hexList("ids") },
    { desc: "has deep authors", value: { authors: [deepObject] }, reason: hexList("authors") },
    { desc: "has deep kinds", value: { kinds: deepArray }, reason: kinds },
    { desc: "has deep tag values", value: { "#t": deepArray }, reason: strings("#t") },
    { desc: "has a deep limit", value: { limit: deepObject }, reason: limit },
    ...["ids", "authors", "#e", "#p"].flatMap((key) => {
      const isTag = key.startsWith("#");
      const type = isTag ? strings(key) : hexList(key);
      return [
        { desc: `${key} null`, value: { [key]: null }, reason: type },
        { desc: `${key} a string`, value: { [key]: id }, reason: type },
        { desc: `${key} an object`, value: { [key]: { 0: id } }, reason: type },
        { desc: `${key} of numbers`, value: { [key]: [1] }, reason: type },
        { desc: `${key} of null`, value: { [key]: [id, null] }, reason: type },
        { desc: `${key} nested`, value: { [key]: [[id]] }, reason: type },
        { desc: `${key} short`, value: { [key]: [id.slice(1)] }, reason: hexList(key) },
        { desc: `${key} a prefix`, value: { [key]: ["ab"] }, reason: hexList(key) },
        { desc: `${key} empty hex`, value: { [key]: [""] }, reason: hexList(key) },
        { desc: `${key} long`, value: { [key]: [`${id}0`] }, reason: hexList(key) },
        { desc: `${key} upper`, value: { [key]: [id.toUpperCase()] }, reason: hexList(key) },
        { desc: `${key} 0x`, value: { [key]: [`0x${id}`] }, reason: hexList(key) },
        { desc: `${key} 0x of 64`, value: { [key]: [`0x${id.slice(2)}`] }, reason: hexList(key) },
        { desc: `${key} good, bad`, value: { [key]: [id, "x"] }, reason: hexList(key) },
      ];
    }),
    { desc: "kinds null", value: { kinds: null }, reason: kinds },
    { desc: "kinds a number", value: { kinds: 1 }, reason: kinds },
    { desc: "kinds of strings", value: { kinds: ["1"] }, reason: kinds },
    { desc: "kinds -1", value: { kinds: [-1] }, reason: kinds },
    { desc: "kinds 65536", value: { kinds: [65536] }, reason: kinds },
    { desc: "kinds 1.5", value: { kinds: [1, 1.5] }, reason: kinds },
    ...["since", "until", "limit"].flatMap((key) => {
      const reason: Reason = key === "since" ? since : key === "until" ? until : limit;
      return [
        { desc: `${key} null`, value: { [key]: null }, reason },
        { desc: `${key} a string`, value: { [key]: "1" }, reason },
        { desc: `${key} negative`, value: { [key]: -1 }, reason },
        { desc: `${key} a fraction`, value: { [key]: 0.5 }, reason },
        { desc: `${key} 2^53`, value: { [key]: 2 ** 53 }, reason },
        { desc: `${key} 1e400`, value: JSON.parse(`{"${key}":1e400}`), reason },
        { desc: `${key} an array`, value: { [key]: [1] }, reason },
        { desc: `${key} true`, value: { [key]: true }, reason },
      ];
    }),
    { desc: "#t null", value: { "#t": null }, reason: strings("#t") },
    { desc: "#t a string", value: { "#t": "nostr" }, reason: strings("#t") },
    { desc: "#t of numbers", value: { "#t": ["1", 1] }, reason: strings("#t") },
    { desc: "#t nested", value: { "#t": [["nostr"]] }, reason: strings("#t") },
    { desc: "#t lone high", value: { "#t": ["a", "\ud800"] }, reason: surrogate("#t") },
    { desc: "#Z lone low", value: { "#Z": ["a\udc00b"] }, reason: surrogate("#Z") },
    {
      desc: "search",
      value: { search: "" },
      reason: "unsupported: this relay has no search (NIP-50)",
    },
    { desc: "two letters", value: { "#tt": ["a"] }, reason: letters('"#tt"') },
    { desc: "a word", value: { "#alt": [] }, reason: letters('"#alt"') },
    { desc: "no letter", value: { "#": ["a"] }, reason: letters('"#"') },
    { desc: "a digit", value: { "#1": ["a"] }, reason: letters('"#1"') },
    { desc: "a dash", value: { "#-": ["a"] }, reason: letters('"#-"') },
    { desc: "ñ", value: { "#ñ": ["a"] }, reason: letters('"#ñ"') },
    { desc: "a line break after", value: { "#t\n": ["a"] }, reason: letters('"#t\\n"') },
    { desc: "#__proto__", value: { "#__proto__": ["a"] }, reason: letters('"#__proto__"') },
    { desc: "and-filters", value: { "&t": ["a"] }, reason: unknownKey('"&t"') },
    { desc: "the letter alone", value: { t: ["a"] }, reason: unknownKey('"t"') },
    { desc: "an empty key", value: { "": 1 }, reason: unknownKey('""') },
    { desc: "wrong case", value: { IDS: [id] }, reason: unknownKey('"IDS"') },
    { desc: "constructor", value: { constructor: 1 }, reason: unknownKey('"constructor"') },
    { desc: "toString", value: { toString: 1 }, reason: unknownKey('"toString"') },
    { desc: "__proto__", value: JSON.parse('{"__proto__":{}}'), reason: unknownKey('"__proto__"') },
    { desc: "40 long", value: { ["k".repeat(40)]: 1 }, reason: unknownKey(`"${"k".repeat(40)}"`) },
    { desc: "41 long", value: { ["k".repeat(41)]: 1 }, reason: unknownKey(`"${"k".repeat(40)}…"`) },
    { desc: "a quote", value: { 'a"b': 1 }, reason: unknownKey('"a\\"b"') },
    { desc: "a lone surrogate", value: { "\ud800": 1 }, reason: unknownKey('"\\ud800"') },
    { desc: "empty, then bad", value: { ids: [], kinds: "x" }, reason: kinds },
  ];
  for (const { desc, value, reason } of refusals) {
    test(`${desc}: ${reason.slice(0, 80)}`, () => {
      expect(parseFilter(value)).toBe(reason);
    });
  }
});

describe("a filter matches nothing when", () => {
  const empty: { desc: string; value: unknown }[] = [
    { desc: "ids are none", value: { ids: [] } },
    { desc: "authors are none", value: { authors: [], kinds: [1] } },
    { desc: "kinds are none", value: { kinds: [] } },
    { desc: "values of #e are none", value: { "#e": [] } },
    { desc: "values of #t are none", value: { "#t": [], "#r": ["a"] } },
    { desc: "since is after until", value: { since: 2, until: 1 } },
    { desc: "since is after until, which comes first", value: { until: 1, since: 2 } },
  ];
  for (const { desc, value } of empty) {
    test(desc, () => expect(parseFilter(value)).toBeNull());
  }
});

describe("a filter is accepted with", () => {
  const max = Number.MAX_SAFE_INTEGER;
  const tag = (letter: string, ...values: string[]) => ({ letter, values: new Set(values) });
  const accepted: { desc: string; value: unknown; filter: Filter }[] = [
    { desc: "nothing", value: {}, filter: MATCH_ALL },
    {
      desc: "ids",
      value: { ids: [id, other] },
      filter: { ...MATCH_ALL, ids: new Set([id, other]) },
    },
    {
      desc: "authors, one of them twice",
      value: { authors: [id, id] },
      filter: { ...MATCH_ALL, authors: new Set([id]) },
    },
    {
      desc: "kinds at their borders",
      value: { kinds: [0, 65535] },
      filter: { ...MATCH_ALL, kinds: new Set([0, 65535]) },
    },
    {
      desc: "times at their borders",
      value: { since: 0, until: max },
      filter: { ...MATCH_ALL, since: 0, until: max },
    },
    {
      desc: "one second",
      value: { since: 5, until: 5 },
      filter: { ...MATCH_ALL, since: 5, until: 5 },
    },
    { desc: "limit 0", value: { limit: 0 }, filter: { ...MATCH_ALL, limit: 0 } },
    { desc: "a huge limit", value: { limit: max }, filter: { ...MATCH_ALL, limit: max } },
    {
      desc: "tags of both cases, which differ",
      value: { "#e": [id], "#E": ["any"], "#P": ["any"] },
      filter: { ...MATCH_ALL, tags: [tag("e", id), tag("E", "any"), tag("P", "any")] },
    },
    {
      desc: "values that are odd",
      value: { "#t": ["", "\u0000", "__proto__", "constructor", "a\u0301", "\ufeffx", "🦤"] },
      filter: {
        ...MATCH_ALL,
        tags: [tag("t", "", "\u0000", "__proto__", "constructor", "a\u0301", "\ufeffx", "🦤")],
      },
    },
    {
      desc: "duplicate keys, of which the last counts",
      value: JSON.parse('{"kinds":[1],"#t":["a"],"kinds":[2],"#t":["b"]}'),
      filter: { ...MATCH_ALL, kinds: new Set([2]), tags: [tag("t", "b")] },
    },
  ];
  for (const { desc, value, filter } of accepted) {
    test(desc, () => expect(parseFilter(value)).toEqual(filter));
  }

  test("each of the 52 letters", () => {
    const all = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"];
    const value = Object.fromEntries(all.map((letter) => [`#${letter}`, [id]]));
    const tags = all.map((letter) => tag(letter, id));
    expect(parseFilter(value)).toEqual({ ...MATCH_ALL, tags });
    expect(countValues(expectFilter(value))).toBe(52);
  });

  test("10,000 authors", () => {
    const authors = Array.from({ length: 10_000 }, (_, i) => i.toString(16).padStart(64, "0"));
    const filter = expectFilter({ authors });
    expect(filter).toEqual({ ...MATCH_ALL, authors: new Set(authors) });
    expect(countValues(filter)).toBe(10_000);
  });

  test("values counted over all lists, each once", () => {
    const value = { ids: [id, id], authors: [id, other], kinds: [1, 2, 3], "#t": ["a", "a", "b"] };
    expect(countValues(expectFilter({ ...value, since: 1, until: 9, limit: 5 }))).toBe(8);
    expect(countValues(MATCH_ALL)).toBe(0);
  });
});

describe("what a filter costs to keep open", () => {
  const rows: [desc: string, filter: object, cost: number][] = [
    ["one that names something, 20", { "#t": ["x"], kinds: [1] }, 20],
    ["one that names nothing, 100", { kinds: [1] }, 100],
    ["its values, when they are more", { "#t": Array.from({ length: 30 }, (_, i) => `${i}`) }, 30],
    ["an address, a value", { "#a": Array.from({ length: 30 }, (_, i) => `30023:${id}:${i}`) }, 30],
    ["long values, by their length", { "#t": ["x".repeat(256 * 40), "y", "z".repeat(255)] }, 43],
    ["one that searches, 200", { search: "one", "#t": ["x"] }, 200],
    ["many phrases, 100 each", { search: 'one OR two three* -"four five" -six' }, 500],
  ];
  for (const [desc, value, cost] of rows) {
    test(desc, () => {
      expect(filterCost(parseFilter(value, new Set([1])) as Filter)).toBe(cost);
    });
  }
});

test("parsing leaves MATCH_ALL as it was", () => {
  expectFilter({ ids: [id], kinds: [1], "#t": ["a"], since: 1, until: 2, limit: 3 });
  expect(MATCH_ALL).toEqual({
    ids: null,
    authors: null,
    kinds: null,
    tags: [],
    since: 0,
    until: Number.MAX_SAFE_INTEGER,
    limit: null,
    search: null,
  });
});

describe("matchesFilter", () => {
  const event: NostrEvent = {
    id,
    pubkey: other,
    created_at: 100,
    kind: 1,
    tags: [
      ["e", other],
      ["e", "no hex"],
      ["p", id.toUpperCase()],
      ["t", "nostr", "second"],
      ["t"],
      [],
      ["tt", "long"],
      ["T", "upper"],
      ["x", ""],
    ],
    content: "",
    sig: id + id,
  };
  const cases: { desc: string; value: unknown; expected: boolean }[] = [
    { desc: "no condition", value: {}, expected: true },
    { desc: "limit 0, which plays no part", value: { limit: 0 }, expected: true },
    { desc: "since at the second", value: { since: 100 }, expected: true },
    { desc: "since a second late", value: { since: 101 }, expected: false },
    { desc: "until at the second", value: { until: 100 }, expected: true },
    { desc: "until a second early", value: { until: 99 }, expected: false },
    { desc: "the id", value: { ids: [other, id] }, expected: true },
    { desc: "the author as id", value: { ids: [other] }, expected: false },
    { desc: "the author", value: { authors: [other] }, expected: true },
    { desc: "the kind", value: { kinds: [0, 1] }, expected: true },
    { desc: "another kind", value: { kinds: [0, 2] }, expected: false },
    { desc: "id, but another kind", value: { ids: [id], kinds: [2] }, expected: false },
    { desc: "an e tag", value: { "#e": [id, other] }, expected: true },
    { desc: "an e tag that is not there", value: { "#e": [id] }, expected: false },
    { desc: "a p tag in upper case", value: { "#p": [id] }, expected: false },
    { desc: "a t tag", value: { "#t": ["nostr"] }, expected: true },
    { desc: "the second value", value: { "#t": ["second"] }, expected: false },
    { desc: "another case of the value", value: { "#t": ["Nostr"] }, expected: false },
    { desc: "another case of the letter", value: { "#T": ["nostr"] }, expected: false },
    { desc: "a tag without a value", value: { "#t": [""] }, expected: false },
    { desc: "an empty value", value: { "#x": [""] }, expected: true },
    { desc: "two tags, both there", value: { "#t": ["nostr"], "#T": ["upper"] }, expected: true },
    { desc: "two tags, one there", value: { "#t": ["nostr"], "#T": ["nostr"] }, expected: false },
  ];
  for (const { desc, value, expected } of cases) {
    test(`${desc}: ${expected}`, () => {
      expect(matchesFilter(expectFilter(value), event)).toBe(expected);
    });
  }

  test("of several filters one is enough, and of none there is none", () => {
    const miss = expectFilter({ kinds: [2] });
    expect(matchesAny([], event)).toBe(false);
    expect(matchesAny([miss, miss], event)).toBe(false);
    expect(matchesAny([miss, MATCH_ALL, miss], event)).toBe(true);
  });
});

type RawFilter = Record<string, unknown>;

/** NIP-01's words on filters, one after the other. */
function matchesNaively(filter: RawFilter, event: NostrEvent): boolean {
  for (const [key, value] of Object.entries(filter)) {
    const list = value as unknown[];
    const number = value as number;
    if (key === "ids" && !list.includes(event.id)) return false;
    if (key === "authors" && !list.includes(event.pubkey)) return false;
    if (key === "kinds" && !list.includes(event.kind)) return false;
    if (key === "since" && !(number <= event.created_at)) return false;
    if (key === "until" && !(event.created_at <= number)) return false;
    if (key.startsWith("#")) {
      const named = event.tags.filter((tag) => tag[0] === key[1] && tag.length >= 2);
      if (!named.some((tag) => list.includes(tag[1]))) return false;
    }
  }
  return true;
}

const HEX = /^[0-9a-f]{64}$/;

/** One to three conditions, most of them with a value of some event. */
function randomFilter(random: Random, events: readonly NostrEvent[]): RawFilter {
  const filter: RawFilter = {};
  const some = () => random.pick(events);
  const list = (make: () => unknown) => random.list(random.below(12) && 1 + random.below(6), make);
  for (let left = random.between(1, 3); left > 0; left--) {
    switch (random.below(7)) {
      case 0:
        filter["ids"] = list(() => (random.oneIn(4) ? random.hex(64) : some().id));
        break;
      case 1:
        filter["authors"] = list(() => some().pubkey);
        break;
      case 2:
        filter["kinds"] = list(() => (random.oneIn(4) ? random.below(65536) : some().kind));
        break;
      case 3:
        filter["since"] = some().created_at + random.between(-1, 1);
        break;
      case 4:
        filter["until"] = some().created_at + random.between(-1, 1);
        break;
      default: {
        const indexed = some().tags.filter(([name]) => /^[a-zA-Z]$/.test(name ?? ""));
        const letter = indexed.length > 0 ? (random.pick(indexed)[0] ?? "") : "t";
        const values = events.flatMap(({ tags }) =>
          tags.flatMap(([name, value]) => (name === letter && value !== undefined ? [value] : [])),
        );
        const isHex = letter === "e" || letter === "p";
        const good = isHex ? values.filter((value) => HEX.test(value)) : values;
        filter[`#${letter}`] = list(() => (good.length > 0 ? random.pick(good) : random.hex(64)));
      }
    }
  }
  if (random.oneIn(4)) filter["limit"] = random.below(10);
  return filter;
}

/** Parsed, sent through msgpackr as between threads, and compared on each of the events. */
function compareMatchers(random: Random, pool: readonly NostrEvent[], rounds: number): void {
  let matchedCount = 0;
  let emptyCount = 0;
  for (let i = 0; i < rounds; i++) {
    const events = random.list(40, () => random.pick(pool));
    const raw = randomFilter(random, events);
    const filter = parseFilter(JSON.parse(JSON.stringify(raw)));
    if (typeof filter === "string") throw new Error(`${filter}: ${JSON.stringify(raw)}`);
    if (filter === null) emptyCount += 1;
    const sent = filter && decodeFilter(unpack(pack(encodeFilter(filter))) as FilterRow);
    expect(sent).toEqual(filter);
    const expected = events.filter((event) => matchesNaively(raw, event));
    const matched = events.filter((event) => sent !== null && matchesFilter(sent, event));
    if (matched.length !== expected.length)
      expect({ raw, matched }).toEqual({ raw, matched: expected });
    expect(matched).toEqual(expected);
    matchedCount += matched.length;
  }
  // Neither "always" nor "never" could pass.
  expect(matchedCount).toBeGreaterThan(rounds);
  expect(matchedCount).toBeLessThan(rounds * 30);
  expect(emptyCount).toBeGreaterThan(rounds / 100);
}

testRandomly(
  "the matcher agrees with the naive one on random events",
  (random) => {
    const pool = new EventFactory(random).makeMany(1000);
    compareMatchers(random, pool, 4000);
    expect(pool.every(({ pubkey }) => isAuthor(pubkey))).toBe(true);
    const inTime = (time: number) =>
      time >= CREATED_AT_MIN && time < CREATED_AT_MIN + CREATED_AT_SPREAD;
    expect(pool.every(({ created_at }) => inTime(created_at))).toBe(true);
  },
  20_000,
);

function isAuthor(pubkey: string): boolean {
  return Array.from({ length: AUTHORS_COUNT }, (_, i) => authorKey(i).pubkey).includes(pubkey);
}

const realEvents = readRealEvents();

if (realEvents.length > 0) {
  testRandomly(
    "the matcher agrees with the naive one on events of real clients",
    (random) => compareMatchers(random, realEvents, 4000),
    20_000,
  );
}

describe("a filter between threads", () => {
  const rows: { desc: string; filter: Filter; row: FilterRow }[] = [
    {
      desc: "without conditions",
      filter: MATCH_ALL,
      row: [null, null, null, [], 0, Number.MAX_SAFE_INTEGER, null, null],
    },
    {
      desc: "with all of them",
      filter: expectFilter({
        ids: [id],
        authors: [other, id],
        kinds: [0, 65535],
        "#t": ["", "a\u0000\u2028🦤"],
        "#e": [id],
        since: 2 ** 32,
        until: 2 ** 53 - 1,
        limit: 0,
      }),
      row: [
        [id],
        [other, id],
        [0, 65535],
        [
          ["t", ["", "a\u0000\u2028🦤"]],
          ["e", [id]],
        ],
        2 ** 32,
        2 ** 53 - 1,
        0,
        null,
      ],
    },
  ];
  for (const { desc, filter, row } of rows) {
    test(`${desc} is plain data, and the same on the other side`, () => {
      expect(encodeFilter(filter)).toEqual(row);
      expect(decodeFilter(unpack(pack(encodeFilter(filter))) as FilterRow)).toEqual(filter);
    });
  }

  test("has many ids and keys as one string, and other values one by one", () => {
    for (const [count, isJoined] of [
      [15, false],
      [16, true],
      [500, true],
    ] as const) {
      const values = Array.from({ length: count }, (_, i) => i.toString(16).padStart(64, "0"));
      const filter = expectFilter({
        ids: values,
        authors: values,
        "#e": values,
        "#p": values,
        "#t": values,
      });
      const row = encodeFilter(filter);
      const hexes = isJoined ? values.join("") : values;
      const tags = [...["e", "p"].map((letter) => [letter, hexes]), ["t", values]];
      expect<unknown>(row.slice(0, 4)).toEqual([hexes, hexes, null, tags]);
      const { ids, authors, tags: sent } = decodeFilter(JSON.parse(JSON.stringify(row)));
      for (const list of [ids, authors, ...sent.map((condition) => condition.values)]) {
        expect(list!.size).toBe(count);
        expect([...list!]).toEqual(values);
        expect(list!.has(values[count - 1]!)).toBe(true);
        expect(list!.has("b".repeat(64))).toBe(false);
      }
    }
  });
});
