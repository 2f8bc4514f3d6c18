/**
 * Events: each bound at its edge and one beyond, each field of each wrong type, and both texts of
 * an event against nostr-tools, against NIP-01's escaping rule taken literally, and against events
 * of real clients.
 */

import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { schnorr } from "@noble/curves/secp256k1.js";
import { getEventHash, serializeEvent, verifyEvent } from "nostr-tools/pure";
import {
  addressOf,
  type EventLimits,
  encodeEvent,
  encodeSignedVerbatim,
  expirationOf,
  firstTagValue,
  isIndexedTag,
  NO_EVENT_LIMITS,
  type NostrEvent,
  parseAddress,
  parseEvent,
} from "../../src/protocol/event.ts";
import type { Reason } from "../../src/protocol/reason.ts";
import { authorKey, EventFactory, readRealEvents, signEvent } from "../support/events.ts";
import { Random, testRandomly } from "../support/random.ts";

const id = "ab".repeat(32);
const pubkey = "cd".repeat(32);
const good: NostrEvent = {
  id,
  pubkey,
  created_at: 1700000000,
  kind: 1,
  tags: [["t", "x"]],
  content: "hi",
  sig: id + pubkey,
};
const deepArray: unknown = JSON.parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`);
const deepObject: unknown = JSON.parse(`${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`);
const realEvents = readRealEvents();

/** As nostr-tools types them: mutable. */
const toolsEvent = (event: NostrEvent) => ({ ...event, tags: event.tags.map((tag) => [...tag]) });
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

interface Case {
  desc: string;
  value: unknown;
  reason: Reason;
}

/** A row for each wrong value of one field; undefined stands for a field that is missing. */
function wrong(field: keyof NostrEvent, reason: Reason, values: Record<string, unknown>): Case[] {
  return Object.entries(values).map(([desc, value]) => ({
    desc: `${field} ${desc}`,
    value: { ...good, [field]: value },
    reason,
  }));
}

const notHex = (digits: string) => ({
  "is missing": undefined,
  "is null": null,
  "is a number": 1,
  "is an array": [digits],
  "is 100,000 arrays deep": deepArray,
  "is empty": "",
  "is a digit short": digits.slice(1),
  "is a digit long": `${digits}0`,
  "is upper case": digits.toUpperCase(),
  "has 0x before it": `0x${digits}`,
  "starts with 0x": `0x${digits.slice(2)}`,
  "has a g": `${digits.slice(1)}g`,
  "ends in a line break": `${digits}\n`,
});

describe("parseEvent refuses", () => {
  const noObject = "invalid: an event must be an object";
  const noHex = (field: string, digits: number): Reason =>
    `invalid: ${field} must be ${digits} lower-case hex digits`;
  const noTag = "invalid: each tag must be an array of strings";
  const notTime = "invalid: created_at must be a unix timestamp in seconds";
  const cases: Case[] = [
    { desc: "null", value: null, reason: noObject },
    { desc: "undefined", value: undefined, reason: noObject },
    { desc: "a string", value: JSON.stringify(good), reason: noObject },
    { desc: "a number", value: 1, reason: noObject },
    { desc: "an array", value: [good], reason: noObject },
    { desc: "100,000 arrays", value: deepArray, reason: noObject },
    { desc: "100,000 objects", value: deepObject, reason: noHex("id", 64) },
    { desc: "an empty object", value: {}, reason: noHex("id", 64) },
    {
      desc: "fields that come from the prototype's key",
      value: JSON.parse(`{"__proto__":${JSON.stringify(good)}}`),
      reason: noHex("id", 64),
    },
    ...wrong("id", noHex("id", 64), notHex(id)),
    ...wrong("pubkey", noHex("pubkey", 64), notHex(pubkey)),
    ...wrong("sig", noHex("sig", 128), notHex(id + pubkey)),
    ...wrong("created_at", notTime, {
      "is missing": undefined,
      "is null": null,
      "is a string": "1700000000",
      "is negative": -1,
      "is a fraction": 1.5,
      "is 2^53": 2 ** 53,
      "is 1e400 in JSON": JSON.parse("1e400"),
      "is 1e20": 1e20,
      "is true": true,
      "is an array": [1],
      "is 100,000 objects deep": deepObject,
    }),
    ...wrong("kind", "invalid: kind must be an integer from 0 to 65535", {
      "is missing": undefined,
      "is null": null,
      "is 65536": 65536,
      "is -1": -1,
      "is 1.5": 1.5,
      'is "1"': "1",
      "is [1]": [1],
      "is 1e400 in JSON": JSON.parse("1e400"),
    }),
    ...wrong("content", "invalid: content must be a string", {
      "is missing": undefined,
      "is null": null,
      "is a number": 1,
      "is an object": {},
      "is 100,000 arrays deep": deepArray,
      "is 100,000 objects deep": deepObject,
    }),
    ...wrong("content", "invalid: content has a lone surrogate", {
      "has a high surrogate": JSON.parse('"a\\ud83d"'),
      "has a low surrogate": JSON.parse('"\\ude00a"'),
      "has a pair the wrong way round": JSON.parse('"\\ude00\\ud83d"'),
    }),
    ...wrong("tags", "invalid: tags must be an array", {
      "are missing": undefined,
      "are null": null,
      "are an object": { 0: ["t", "x"], length: 1 },
      "are a string": "t",
      "are a number": 1,
    }),
    ...wrong("tags", noTag, {
      "hold a string": ["t"],
      "hold null": [null],
      "hold an object": [{ 0: "t" }],
      "hold a number in a tag": [["t", 1]],
      "hold null in a tag": [["t", null]],
      "hold null as name": [[null, "x"]],
      "hold an array in a tag": [["t", ["x"]]],
      "hold a bad tag after good ones": [["t"], ["t", "x"], ["t", true]],
      "are 100,000 arrays deep": deepArray,
      "hold an object 100,000 deep": [["t", deepObject]],
    }),
    ...wrong("tags", "invalid: a tag has a lone surrogate", {
      "have it in a name": [["\ud800"]],
      "have it in a value": [["t", "\udc00"]],
      "have it in a late value": [["t", "a", "b", "c\ud800"]],
    }),
  ];
  for (const { desc, value, reason } of cases) {
    test(`${desc}: ${reason}`, () => {
      expect(parseEvent(value, NO_EVENT_LIMITS)).toBe(reason);
    });
  }
});

describe("parseEvent accepts", () => {
  const all = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
  ];
  const controls = String.fromCharCode(...all, 24, 25, 26, 27, 28, 29, 30, 31, 127, 0x85, 0x2028);
  const changes: { desc: string; change: Partial<NostrEvent> }[] = [
    { desc: "kind 0", change: { kind: 0 } },
    { desc: "kind 65535", change: { kind: 65535 } },
    { desc: "created_at 0", change: { created_at: 0 } },
    { desc: "created_at 2^53 - 1", change: { created_at: 2 ** 53 - 1 } },
    { desc: "no tags", change: { tags: [] } },
    { desc: "a tag with nothing in it", change: { tags: [[]] } },
    { desc: "a tag without a value", change: { tags: [["t"]] } },
    { desc: "empty strings", change: { tags: [["", ""]], content: "" } },
    { desc: "an e tag that is no hex", change: { tags: [["e", "x"]] } },
    { desc: "control characters", change: { content: controls, tags: [[controls, controls]] } },
    { desc: "a byte order mark", change: { content: "\ufeffa" } },
    { desc: "emoji, joined", change: { content: "👩‍👩‍👧🇨🇱" } },
    { desc: "noncharacters", change: { content: "\ufffe\uffff\u{10ffff}" } },
    { desc: "names of prototypes", change: { tags: [["__proto__", "constructor"]] } },
  ];
  for (const { desc, change } of changes) {
    test(desc, () => {
      const event = { ...good, ...change };
      expect(parseEvent(JSON.parse(JSON.stringify(event)), NO_EVENT_LIMITS)).toEqual(event);
    });
  }

  test("an event with more than seven fields, and returns the seven", () => {
    const more = `"__proto__":{"kind":9},"constructor":1,"toString":2,"seen_on":["wss://x"]`;
    const value: unknown = JSON.parse(`{${more},${JSON.stringify(good).slice(1)}`);
    const event = parseEvent(value, NO_EVENT_LIMITS);
    expect(event).toEqual(good);
    expect(Object.keys(event)).toEqual(Object.keys(good));
    expect(Object.getPrototypeOf(event)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)["kind"]).toBeUndefined();
  });

  test("duplicate keys, of which the last counts and is what is hashed and served", () => {
    const text = `{"content":"first","kind":7,${JSON.stringify(good).slice(1, -1)},"kind":3}`;
    const event = parseEvent(JSON.parse(text), NO_EVENT_LIMITS);
    expect(event).toEqual({ ...good, kind: 3 });
    expect(encodeEvent(event as NostrEvent)).toEqual({
      signed: `[0,"${pubkey}",1700000000,3,[["t","x"]],"hi"]`,
      json: JSON.stringify({ ...good, kind: 3 }),
    });
  });

  test("numbers that JSON can write in other ways, and serves them in the shortest", () => {
    const text = JSON.stringify(good)
      .replace("1700000000", "1.7e9")
      .replace('"kind":1', '"kind":1.0');
    const event = parseEvent(JSON.parse(text), NO_EVENT_LIMITS);
    expect(event).toEqual(good);
    expect(encodeEvent(event as NostrEvent).json).toBe(JSON.stringify(good));
  });
});

describe("bounds, at the edge and one beyond", () => {
  const limits: EventLimits = {
    tagsMax: 3,
    tagValueBytesMax: 8,
    contentBytesMax: 12,
  };
  const tooLong = "invalid: content is longer than 12 bytes";
  const tagTooLong = "invalid: a tag value is longer than 8 bytes";
  const tooMany = "invalid: more than 3 tags";
  const cases: { desc: string; change: Partial<NostrEvent>; reason: Reason | null }[] = [
    { desc: "content of 12 × 1 byte", change: { content: "x".repeat(12) }, reason: null },
    { desc: "content of 13 × 1 byte", change: { content: "x".repeat(13) }, reason: tooLong },
    { desc: "content of 6 × 2 bytes", change: { content: "ñ".repeat(6) }, reason: null },
    { desc: "content of 6 × 2 + 1", change: { content: `${"ñ".repeat(6)}x` }, reason: tooLong },
    { desc: "content of 4 × 3 bytes", change: { content: "€".repeat(4) }, reason: null },
    { desc: "content of 4 × 3 + 1", change: { content: `${"€".repeat(4)}x` }, reason: tooLong },
    { desc: "content of 3 × 4 bytes", change: { content: "🦤".repeat(3) }, reason: null },
    { desc: "content of 3 × 4 + 1", change: { content: `x${"🦤".repeat(3)}` }, reason: tooLong },
    {
      desc: "12 controls, long only in JSON",
      change: { content: "\u0001".repeat(12) },
      reason: null,
    },
    { desc: "3 tags", change: { tags: [["a"], ["b"], ["c"]] }, reason: null },
    { desc: "4 tags", change: { tags: [["a"], ["b"], ["c"], []] }, reason: tooMany },
    { desc: "values of 8 bytes", change: { tags: [["12345678", "ññññ", "🦤🦤"]] }, reason: null },
    { desc: "a value of 9 × 1 byte", change: { tags: [["t", "123456789"]] }, reason: tagTooLong },
    { desc: "a value of 4 × 2 + 1", change: { tags: [["t", "ññññx"]] }, reason: tagTooLong },
    { desc: "a value of 3 × 3 bytes", change: { tags: [["t", "€€€"]] }, reason: tagTooLong },
    { desc: "a value of 2 × 4 + 1", change: { tags: [["t", "🦤🦤x"]] }, reason: tagTooLong },
    { desc: "a name of 9 bytes", change: { tags: [["123456789"]] }, reason: tagTooLong },
    {
      desc: "a late value of 9 bytes",
      change: { tags: [["t", "", "", "123456789"]] },
      reason: tagTooLong,
    },
    { desc: "a thousand values", change: { tags: [Array<string>(1000).fill("v")] }, reason: null },
  ];
  for (const { desc, change, reason } of cases) {
    test(`${desc}: ${reason ?? "accepted"}`, () => {
      const event = { ...good, ...change };
      expect(parseEvent(event, limits)).toEqual(reason ?? event);
    });
  }

  test("of zero let empty things through, and only those", () => {
    const none = { tagsMax: 0, tagValueBytesMax: 0, contentBytesMax: 0 };
    const empty = { ...good, tags: [], content: "" };
    expect(parseEvent(empty, none)).toEqual(empty);
    expect(parseEvent({ ...empty, content: "x" }, none)).toBe(
      "invalid: content is longer than 0 bytes",
    );
    expect(parseEvent({ ...empty, tags: [[]] }, none)).toBe("invalid: more than 0 tags");
  });
});

/** NIP-01 to the letter: seven characters escaped, all others verbatim. */
function serializeLiterally(event: NostrEvent): string {
  const escapes: Record<string, string> = {
    "\n": "\\n",
    '"': '\\"',
    "\\": "\\\\",
    "\r": "\\r",
    "\t": "\\t",
    "\b": "\\b",
    "\f": "\\f",
  };
  const quote = (text: string) => `"${[...text].map((c) => escapes[c] ?? c).join("")}"`;
  const tags = event.tags.map((tag) => `[${tag.map(quote).join(",")}]`).join(",");
  const { created_at, kind, content } = event;
  return `[0,"${event.pubkey}",${created_at},${kind},[${tags}],${quote(content)}]`;
}

/** All that must hold of the texts of any event. */
function checkTexts(event: NostrEvent): void {
  const { signed, json } = encodeEvent(event);
  expect(signed).toBe(serializeEvent(toolsEvent(event)));
  expect(sha256(signed)).toBe(getEventHash(toolsEvent(event)));
  expect(json).toBe(JSON.stringify(event));
  expect(parseEvent(JSON.parse(json), NO_EVENT_LIMITS)).toEqual(event);
  const literal = serializeLiterally(event);
  expect(encodeSignedVerbatim(signed)).toBe(literal === signed ? null : literal);
}

describe("the texts of an event", () => {
  test.skipIf(realEvents.length === 0)(
    "are those of nostr-tools for events of real clients",
    () => {
      for (const event of realEvents) {
        const { id, pubkey, created_at, kind, tags, content, sig } = event;
        checkTexts({ id, pubkey, created_at, kind, tags, content, sig });
        expect(sha256(encodeEvent(event).signed)).toBe(id);
      }
      expect(realEvents).toHaveLength(1092);
    },
  );

  testRandomly("are those of nostr-tools for random events", (random) => {
    const factory = new EventFactory(random);
    let verbatimCount = 0;
    for (let i = 0; i < 5000; i++) {
      const tags = random.list(random.below(4), () =>
        random.list(random.below(4), () => random.text(8)),
      );
      const event = factory.make(i % 2 === 0 ? { tags } : {});
      checkTexts(event);
      const { signed } = encodeEvent(event);
      expect(sha256(signed)).toBe(event.id);
      if (encodeSignedVerbatim(signed) !== null) verbatimCount += 1;
    }
    expect(verbatimCount).toBeGreaterThan(1000);
  });

  const tricky: { desc: string; content: string; verbatim: string | null }[] = [
    { desc: "plain text", content: "hi", verbatim: null },
    { desc: "the seven escaped ones", content: '\n"\\\r\t\b\f', verbatim: null },
    { desc: "a control character", content: "\u0001", verbatim: '"\u0001"' },
    { desc: "NUL", content: "a\u0000b", verbatim: '"a\u0000b"' },
    { desc: "vertical tab and U+001F", content: "\u000b\u001f", verbatim: '"\u000b\u001f"' },
    { desc: "a backslash, then u0001", content: "\\u0001", verbatim: null },
    { desc: "two backslashes, then u0001", content: "\\\\u0001", verbatim: null },
    { desc: "a backslash, then U+0001", content: "\\\u0001", verbatim: '"\\\\\u0001"' },
    { desc: "U+0001, then u0001", content: "\u0001u0001", verbatim: '"\u0001u0001"' },
    { desc: "U+0001, \\, u0001", content: "\u0001\\u0001", verbatim: '"\u0001\\\\u0001"' },
    { desc: "a line break, then u0001", content: "\nu0001", verbatim: null },
    { desc: "a quote, then U+0002", content: '"\u0002', verbatim: '"\\"\u0002"' },
    { desc: "DEL, U+0085, U+2028", content: "\u007f\u0085\u2028", verbatim: null },
    { desc: "a backslash at the end", content: "\u0003\\", verbatim: '"\u0003\\\\"' },
  ];
  for (const { desc, content, verbatim } of tricky) {
    test(`${desc}: ${verbatim === null ? "one reading" : "two readings"}`, () => {
      const event = { ...good, tags: [], content };
      checkTexts(event);
      const expected = verbatim && `[0,"${pubkey}",1700000000,1,[],${verbatim}]`;
      expect(encodeSignedVerbatim(encodeEvent(event).signed)).toBe(expected);
    });
  }

  test("give an id that was hashed with verbatim control characters", () => {
    const tags = [["t", "a\u0001b"]];
    const unsigned = { ...good, tags, content: '\\u0001 \u0002"\u001f\\\u0003' };
    const event = { ...unsigned, id: sha256(serializeLiterally(unsigned)) };
    const { signed, json } = encodeEvent(event);
    expect(sha256(signed)).not.toBe(event.id);
    expect(sha256(encodeSignedVerbatim(signed) ?? "")).toBe(event.id);
    expect(JSON.parse(json)).toEqual(event);
  });
});

describe("addresses", () => {
  const of = (kind: number, ...tags: string[][]) => addressOf({ ...good, kind, tags });
  const cases: { desc: string; kind: number; tags: string[][]; address: string | null }[] = [
    { desc: "regular", kind: 1, tags: [["d", "x"]], address: null },
    { desc: "ephemeral", kind: 20000, tags: [["d", "x"]], address: null },
    { desc: "after the addressable", kind: 40000, tags: [["d", "x"]], address: null },
    { desc: "kind 0", kind: 0, tags: [], address: `0:${pubkey}:` },
    { desc: "kind 3, whose d means nothing", kind: 3, tags: [["d", "x"]], address: `3:${pubkey}:` },
    { desc: "kind 10000", kind: 10000, tags: [], address: `10000:${pubkey}:` },
    { desc: "kind 19999", kind: 19999, tags: [], address: `19999:${pubkey}:` },
    { desc: "kind 30000", kind: 30000, tags: [["d", "x"]], address: `30000:${pubkey}:x` },
    { desc: "kind 39999", kind: 39999, tags: [["d", "x"]], address: `39999:${pubkey}:x` },
    { desc: "no d", kind: 30023, tags: [["e", id]], address: `30023:${pubkey}:` },
    { desc: "a d without a value", kind: 30023, tags: [["d"]], address: `30023:${pubkey}:` },
    { desc: "an empty d", kind: 30023, tags: [["d", ""]], address: `30023:${pubkey}:` },
    {
      desc: "two d",
      kind: 30023,
      tags: [
        ["d", "1"],
        ["d", "2"],
      ],
      address: `30023:${pubkey}:1`,
    },
    { desc: "colons", kind: 30023, tags: [["d", "a:b::"]], address: `30023:${pubkey}:a:b::` },
    {
      desc: "D is not d",
      kind: 30023,
      tags: [
        ["D", "x"],
        ["d", "y"],
      ],
      address: `30023:${pubkey}:y`,
    },
  ];
  for (const { desc, kind, tags, address } of cases) {
    test(`${desc}: ${address?.replace(pubkey, "…") ?? "none"}`, () => {
      expect(of(kind, ...tags)).toBe(address);
      expect(parseAddress(address ?? "")).toEqual(address === null ? null : { kind, pubkey });
    });
  }

  test("of long values differ where the values do, however late", () => {
    const long = "x".repeat(10_000);
    const addresses = [`${long}1`, `${long}2`, long].map((d) => of(30023, ["d", d]));
    expect(addresses).toEqual([`${long}1`, `${long}2`, long].map((d) => `30023:${pubkey}:${d}`));
    expect(addresses.map((text) => parseAddress(text ?? ""))).toEqual(
      Array.from({ length: 3 }, () => ({ kind: 30023, pubkey })),
    );
  });

  const parsed: { desc: string; text: string; kind: number | null }[] = [
    { desc: "a d of several lines", text: `30023:${pubkey}:a\nb\u2028c`, kind: 30023 },
    { desc: "a replaceable one with a d", text: `0:${pubkey}:x`, kind: null },
    { desc: "no last colon", text: `0:${pubkey}`, kind: null },
    { desc: "a regular kind", text: `1:${pubkey}:`, kind: null },
    { desc: "an ephemeral kind", text: `20000:${pubkey}:`, kind: null },
    { desc: "kind 40000", text: `40000:${pubkey}:`, kind: null },
    { desc: "kind 65536 + 30000", text: `95536:${pubkey}:`, kind: null },
    { desc: "six digits", text: `300230:${pubkey}:`, kind: null },
    { desc: "a leading zero", text: `030023:${pubkey}:x`, kind: null },
    { desc: "kind 00", text: `00:${pubkey}:`, kind: null },
    { desc: "a sign", text: `+30023:${pubkey}:x`, kind: null },
    { desc: "a fraction", text: `30023.0:${pubkey}:x`, kind: null },
    { desc: "no kind", text: `:${pubkey}:x`, kind: null },
    { desc: "an upper-case pubkey", text: `30023:${pubkey.toUpperCase()}:x`, kind: null },
    { desc: "a short pubkey", text: `30023:${pubkey.slice(1)}:x`, kind: null },
    { desc: "a long pubkey", text: `30023:${pubkey}0:x`, kind: null },
    { desc: "a space before", text: ` 30023:${pubkey}:x`, kind: null },
    { desc: "nothing", text: "", kind: null },
  ];
  for (const { desc, text, kind } of parsed) {
    test(`parseAddress, ${desc}: ${kind ?? "none"}`, () => {
      expect(parseAddress(text)).toEqual(kind === null ? null : { kind, pubkey });
    });
  }
});

test("firstTagValue takes the first tag of the name, with a value or without", () => {
  const event = { ...good, tags: [[], ["a"], ["b", ""], ["c", "1", "2"], ["c", "3"], ["a", "4"]] };
  const values = ["a", "b", "c", "d", ""].map((name) => firstTagValue(event, name));
  expect(values).toEqual([null, "", "1", null, null]);
});

describe("expirationOf", () => {
  const cases: { desc: string; tags: string[][]; expected: number | null }[] = [
    { desc: "no tag", tags: [["t", "expiration"]], expected: 0 },
    { desc: "a time", tags: [["expiration", "1700000001"]], expected: 1700000001 },
    { desc: "zero, long gone but not never", tags: [["expiration", "0"]], expected: 1 },
    { desc: "leading zeros", tags: [["expiration", "0017"]], expected: 17 },
    { desc: "15 digits", tags: [["expiration", "9".repeat(15)]], expected: 999999999999999 },
    { desc: "16 digits", tags: [["expiration", "9".repeat(16)]], expected: null },
    {
      desc: "the first of two",
      tags: [
        ["expiration", "5"],
        ["expiration", "6"],
      ],
      expected: 5,
    },
    {
      desc: "the first of two, bad",
      tags: [
        ["expiration", "x"],
        ["expiration", "6"],
      ],
      expected: null,
    },
    { desc: "no value", tags: [["expiration"]], expected: null },
    { desc: "an empty value", tags: [["expiration", ""]], expected: null },
    { desc: "a sign", tags: [["expiration", "-1"]], expected: null },
    { desc: "a plus", tags: [["expiration", "+1"]], expected: null },
    { desc: "a fraction", tags: [["expiration", "1.5"]], expected: null },
    { desc: "an exponent", tags: [["expiration", "1e9"]], expected: null },
    { desc: "hex", tags: [["expiration", "0x10"]], expected: null },
    { desc: "a space", tags: [["expiration", "1 "]], expected: null },
    { desc: "a line break", tags: [["expiration", "1\n"]], expected: null },
    { desc: "Arabic digits", tags: [["expiration", "١٢"]], expected: null },
    { desc: "another case of the name", tags: [["Expiration", "1"]], expected: 0 },
  ];
  for (const { desc, tags, expected } of cases) {
    test(`${desc}: ${expected}`, () => expect(expirationOf({ ...good, tags })).toBe(expected));
  }
});

describe("isIndexedTag", () => {
  const cases: { name: string | undefined; value: string | undefined; expected: boolean }[] = [
    { name: "t", value: "nostr", expected: true },
    { name: "t", value: "", expected: true },
    { name: "A", value: "x", expected: true },
    { name: "z", value: "x", expected: true },
    { name: "Z", value: "x", expected: true },
    { name: "e", value: id, expected: true },
    { name: "p", value: id, expected: true },
    { name: "e", value: "", expected: false },
    { name: "e", value: id.toUpperCase(), expected: false },
    { name: "p", value: `${id}0`, expected: false },
    { name: "p", value: `0x${id.slice(2)}`, expected: false },
    { name: "E", value: "no hex", expected: true },
    { name: "P", value: "no hex", expected: true },
    { name: "a", value: "no address", expected: true },
    { name: "t", value: undefined, expected: false },
    { name: undefined, value: undefined, expected: false },
    { name: undefined, value: "x", expected: false },
    { name: "", value: "x", expected: false },
    { name: "tt", value: "x", expected: false },
    { name: "-", value: "x", expected: false },
    { name: "1", value: "x", expected: false },
    { name: "[", value: "x", expected: false },
    { name: "`", value: "x", expected: false },
    { name: "ñ", value: "x", expected: false },
    { name: "t\n", value: "x", expected: false },
    { name: "__proto__", value: "x", expected: false },
  ];
  for (const { name, value, expected } of cases) {
    test(`${JSON.stringify([name, value])}: ${expected}`, () => {
      expect(isIndexedTag(name, value)).toBe(expected);
    });
  }
});

describe("made events", () => {
  testRandomly("are valid for other code", (random) => {
    for (const event of new EventFactory(random).makeMany(60)) {
      expect(verifyEvent(toolsEvent(event))).toBe(true);
      expect(parseEvent(event, NO_EVENT_LIMITS)).toEqual(event);
    }
  });

  test("are the same from the same seed, and what the options say", () => {
    expect(new EventFactory(5).makeMany(50)).toEqual(new EventFactory(new Random(5)).makeMany(50));
    expect(new EventFactory(5).make().id).not.toBe(new EventFactory(6).make().id);
    const { pubkey: author0, secret } = authorKey(0);
    expect(Buffer.from(schnorr.getPublicKey(secret)).toString("hex")).toBe(author0);
    const template = { kind: 30023, tags: [["d", "x"]], content: "hi", created_at: 5 };
    const event = new EventFactory(5).make({ ...template, author: 0 });
    expect(event).toEqual(signEvent(template, authorKey(0)));
    expect(event).toEqual({ ...template, pubkey: author0, id: event.id, sig: event.sig });
  });
});
