// The language of `search`: what each form means, and that nothing written there is an error.

import { describe, expect, test } from "bun:test";
import { parseFilter } from "../../src/protocol/filter.ts";
import {
  parseSearch,
  type Phrase,
  SEARCH_LENGTH_MAX,
  type SearchQuery,
} from "../../src/protocol/search-query.ts";
import { testRandomly } from "../support/random.ts";

/** `a+b` is a phrase of two words, `a*` a beginning, `a|b` either; then what is excluded. */
function shown(query: SearchQuery | null): string | null {
  if (query === null) return null;
  const phrase = ({ words, isPrefix }: Phrase) => words.join("+") + (isPrefix ? "*" : "");
  const all = query.all.map((group) => group.map(phrase).join("|"));
  const none = query.none.map((one) => `-${phrase(one)}`);
  return [...all, ...none, ...(query.excludesNsfw ? ["!nsfw"] : [])].join(" ");
}

describe("a search for", () => {
  const rows: [text: string, expected: string | null][] = [
    ["nostr", "nostr"],
    ["  best   nostr apps ", "best nostr apps"],
    ["Café", "cafe"],
    ['"best apps"', "best+apps"],
    ["“best apps”", "best+apps"],
    ['"best apps', "best+apps"],
    ['a"b c', "a+b c"],
    ['best "apps', "best apps"],
    ['""', null],
    ['"', null],
    ['"" x', "x"],
    ["nostr.build don't", "nostr+build don+t"],
    ["#bitcoin @jack $100", "bitcoin jack 100"],
    ["rel*", "rel*"],
    ["best-rel*", "best+rel*"],
    ["r*", "r"],
    ["*", null],
    ["*rel", "rel"],
    ['"a rel*"', "a+rel"],
    ["猫", "猫*"],
    ["東京", "東京"],
    ["東京都", "東京+京都"],
    ["東京*", "東京"],
    ["ビットコイン news", "ビッ+ット+トコ+コイ+イン news"],
    ['"東京 news"', "東京+京+news"],
    ['"news 東京"', "news+東京"],
    ["2024年", "2024+年*"],
    ["🐸", "🐸"],
    ["cats -dogs", "cats -dogs"],
    ['cats -"hot dogs"', "cats -hot+dogs"],
    ["cats - dogs", "cats dogs"],
    ["-dogs", null],
    ["--", null],
    ["cats --dogs", "cats -dogs"],
    ["cats OR dogs", "cats|dogs"],
    ["cats OR dogs OR birds fish", "cats|dogs|birds fish"],
    ["OR cats", "cats"],
    ["cats OR", "cats"],
    ["cats OR OR dogs", "cats|dogs"],
    ["cats OR -dogs", "cats -dogs"],
    ["cats or dogs", "cats or dogs"],
    ["cats AND dogs", "cats dogs"],
    ["AND", null],
    ["NOT NEAR", "not near"],
    ["title:x", null],
    ["cats language:en include:spam sentiment:positive domain:a.b", "cats"],
    ["sort:hot", null],
    ["-language:en cats", "cats"],
    ["nsfw:false", "!nsfw"],
    ["nsfw:FALSE cats", "cats !nsfw"],
    ["nsfw:true cats", "cats"],
    ["-nsfw:false cats", "cats"],
    ["-dogs nsfw:false", "!nsfw"],
    ['"nsfw:false"', "nsfw+false"],
    ["https://a.b/c?d=e", "https+a+b+c+d+e"],
    ["nostr:npub1abc", "nostr+npub1abc"],
    ["12:30 key: :value", "12+30 key value"],
    ["(a) {b} [c] ^d a+b", "a b c d a+b"],
    ["", null],
    [" \n", null],
    ["!?", null],
    ["\u0000", null],
    ["a\u0000b", "a+b"],
    ["\ud800", null],
  ];
  for (const [text, expected] of rows) {
    test(JSON.stringify(text), () => expect(shown(parseSearch(text))).toBe(expected));
  }
});

test("a query has no more phrases and words than the bounds say, and no longer text", () => {
  const many = parseSearch(Array.from({ length: 500 }, (_, i) => `w${i}`).join(" "));
  expect(many?.all.length).toBe(16);
  const long = parseSearch(`"${"a ".repeat(500)}"`);
  expect(long?.all).toEqual([[{ words: Array(64).fill("a"), isPrefix: false }]]);
  const both = parseSearch(`${'"a a a a a a a a a a" '.repeat(20)} b`);
  expect(both?.all.flat().flatMap(({ words }) => words).length).toBeLessThanOrEqual(64);
  expect(shown(parseSearch(`${" ".repeat(SEARCH_LENGTH_MAX - 1)}ab`))).toBe("a");
});

testRandomly("no text is an error, and a query is the same when it is parsed again", (random) => {
  const signs = ['"', "-", "*", "OR", "AND", ":", " ", " ", "a", "nsfw:false", "東", "(", "NEAR("];
  for (let n = 0; n < 500; n++) {
    const text = random
      .list(random.below(20), () => random.pick([...signs, random.text(4)]))
      .join("");
    const query = parseSearch(text);
    if (query === null) continue;
    expect(parseSearch(query.text)).toEqual(query);
    for (const { words } of [...query.all.flat(), ...query.none]) {
      expect(words.length).toBeGreaterThan(0);
      for (const word of words) expect(word).toMatch(/^[^\s"]+$/u);
    }
  }
});

describe("a filter with a search", () => {
  const kinds = new Set([1, 30_023]);

  test("asks for kinds that are searched only", () => {
    expect(parseFilter({ search: "x" }, kinds)).toMatchObject({ kinds });
    expect(parseFilter({ search: "x", kinds: [1, 7] }, kinds)).toMatchObject({
      kinds: new Set([1]),
    });
    expect(parseFilter({ search: "x", kinds: [4, 7] }, kinds)).toBeNull();
  });

  test("is as one without when nothing is left to look for", () => {
    for (const search of ["", "language:en", "-x"]) {
      expect(parseFilter({ search, kinds: [7] }, kinds)).toEqual(parseFilter({ kinds: [7] }));
    }
  });

  test("may exclude without looking for words, of whatever kind", () => {
    const filter = parseFilter({ search: "nsfw:false" }, kinds);
    expect(filter).toMatchObject({ kinds: null, search: { all: [], excludesNsfw: true } });
  });

  test("is refused where there is no search, and when it is no text", () => {
    const off = "unsupported: this relay has no search (NIP-50)";
    expect(parseFilter({ search: "x" })).toBe(off);
    expect(parseFilter({ search: "" })).toBe(off);
    for (const search of [null, 1, ["x"], {}]) {
      expect(parseFilter({ search }, kinds)).toBe("invalid: search must be a string");
    }
  });
});
