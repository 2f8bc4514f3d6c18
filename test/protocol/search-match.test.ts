// What of an event is searched, and the one definition of a match, held against a naive search.

import { describe, expect, test } from "bun:test";
import { parseFilter } from "../../src/protocol/filter.ts";
import { type Filter, matchesFilter } from "../../src/protocol/filter.ts";
import {
  EVENT_WORDS_MAX,
  eventWords,
  isNsfw,
  matchesSearch,
} from "../../src/protocol/search-match.ts";
import { parseSearch, type Phrase, type SearchQuery } from "../../src/protocol/search-query.ts";
import {
  naiveSearches,
  randomQuery,
  randomSearchable,
  renderQuery,
} from "../support/naive-search.ts";
import { forEachSeed, makeEvent } from "../support/unsigned-events.ts";

const profile = (content: unknown) => makeEvent({ kind: 0, content: JSON.stringify(content) });

describe("searched are", () => {
  const rows: { desc: string; event: ReturnType<typeof makeEvent>; title: string; body: string }[] =
    [
      {
        desc: "a note's text",
        event: makeEvent({ content: "Hello World" }),
        title: "",
        body: "hello world",
      },
      {
        desc: "an article's title, summary and hashtags, each by itself",
        event: makeEvent({
          kind: 30_023,
          content: "Text",
          tags: [
            ["title", "A Title"],
            ["t", "One"],
            ["t", "Two"],
            ["summary", "Sum"],
            ["title", "B"],
          ],
        }),
        title: "a title · b",
        body: "text · one · two · sum",
      },
      {
        desc: "subject, name, description and alt",
        event: makeEvent({
          tags: [
            ["subject", "S"],
            ["name", "N"],
            ["description", "D"],
            ["alt", "A"],
          ],
        }),
        title: "s · n",
        body: "d · a",
      },
      {
        desc: "no other tags, and none without a value",
        event: makeEvent({ content: "x", tags: [["r", "no"], ["title"], [], ["p", "no"]] }),
        title: "",
        body: "x",
      },
      {
        desc: "a profile's names and what it says of itself",
        event: profile({
          name: "jack",
          display_name: "Jack D",
          about: "bitcoin",
          nip05: "_@cash.app",
          website: "no",
        }),
        title: "jack · jack d · cash app",
        body: "bitcoin",
      },
      {
        desc: "nothing of a profile with other types",
        event: profile({ name: 1, about: ["x"] }),
        title: "",
        body: "",
      },
      { desc: "nothing of a profile that is no object", event: profile(null), title: "", body: "" },
      {
        desc: "nothing of a profile that is no JSON",
        event: makeEvent({ kind: 0, content: "jack" }),
        title: "",
        body: "",
      },
    ];
  for (const { desc, event, title, body } of rows) {
    test(desc, () => {
      const words = eventWords(event);
      expect({ title: words.title.join(" "), body: words.body.join(" ") }).toEqual({ title, body });
    });
  }

  test("a bounded number of words", () => {
    const tags = Array.from({ length: 3000 }, () => ["t", "a b"]);
    const { body } = eventWords(makeEvent({ content: "x ".repeat(100_000), tags }));
    expect(body.length).toBe(EVENT_WORDS_MAX);
    expect(eventWords(makeEvent({ tags })).body.length).toBeLessThanOrEqual(EVENT_WORDS_MAX);
  });
});

describe("marked as not safe for work is an event", () => {
  const rows: [tags: string[][], expected: boolean][] = [
    [[["content-warning", "nudity"]], true],
    [[["content-warning"]], true],
    [[["t", "nsfw"]], true],
    [[["t", "NSFW"]], true],
    [
      [
        ["t", "safe"],
        ["l", "nsfw"],
      ],
      false,
    ],
    [[], false],
  ];
  for (const [tags, expected] of rows) {
    test(JSON.stringify(tags), () => expect(isNsfw(makeEvent({ tags }))).toBe(expected));
  }
});

describe("a search matches", () => {
  const event = makeEvent({
    content: "The Lightning-Network, don't wait! 東京都 nostr.build",
    tags: [
      ["title", "Über Nostr"],
      ["t", "free"],
      ["t", "speech"],
    ],
  });
  const rows: [search: string, expected: boolean][] = [
    ["lightning", true],
    ["LIGHTNING network", true],
    ["network lightning", true],
    ['"lightning network"', true],
    ['"network lightning"', false],
    ["lightning-network", true],
    ["dont", false],
    ["don't", true],
    ["uber", true],
    ["light", false],
    ["light*", true],
    ['"the light*"', false],
    ["東", true],
    ["都", true],
    ["京都", true],
    ["東都", false],
    ['"東京都 nostr"', true],
    ['"東京 nostr"', false],
    ["nostr lightning", true],
    ['"nostr the"', false],
    ['"free speech"', false],
    ["free speech", true],
    ["free -speech", false],
    ["free -beer", true],
    ["beer OR speech", true],
    ["beer OR wine", false],
    ["free nsfw:false", true],
  ];
  for (const [search, expected] of rows) {
    test(search, () => {
      expect(matchesSearch(parseSearch(search) as SearchQuery, event)).toBe(expected);
    });
  }
});

test("rows of few different words are found where they stand, also where they overlap", () => {
  const words = ["a", "b", "ab", "ba"];
  forEachSeed(20, (dice) => {
    const content = dice.list(30, () => dice.pick(words)).join(" ");
    const event = makeEvent({ content });
    for (let n = 0; n < 50; n++) {
      const row = dice.list(1 + dice.below(6), () => dice.pick(words)).join(" ");
      const query = parseSearch(`"${row}"`) as SearchQuery;
      const beginning = { ...query, all: query.all.map((group) => group.map(asBeginning)) };
      expect({ content, row, found: matchesSearch(query, event) }).toEqual({
        content,
        row,
        found: ` ${content} `.includes(` ${row} `),
      });
      expect({ content, row, found: matchesSearch(beginning, event) }).toEqual({
        content,
        row,
        found: ` ${content} `.includes(` ${row}`),
      });
    }
  });
});

function asBeginning({ words }: Phrase): Phrase {
  return { words, isPrefix: true };
}

test("random searches match what a naive search finds, with and without other conditions", () => {
  const kinds = new Set([1, 30_023]);
  forEachSeed(20, (dice) => {
    const events = dice.list(40, () => randomSearchable(dice, dice.next()));
    for (let n = 0; n < 40; n++) {
      const query = randomQuery(dice);
      const search = renderQuery(query);
      const until = 1000 + dice.below(60);
      const filter = parseFilter({ search, until, "#d": ["0", "1"] }, kinds) as Filter;
      const found = events.filter((event) => matchesFilter(filter, event));
      const expected = events.filter((event) => {
        const hasTag = event.tags.some(([name, value]) => name === "d" && /[01]/.test(value ?? ""));
        const isAsked = kinds.has(event.kind) && event.created_at <= until && hasTag;
        return isAsked && naiveSearches(query, event);
      });
      expect({ search, found }).toEqual({ search, found: expected });
    }
  });
});
