// Searching the stored events: what is found, in which order, and how it goes with the rest of a
// filter. The index is made of many small pieces here, and some of the events are not in it yet.

import { describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import {
  naiveSearches,
  randomQuery,
  randomSearchable,
  renderQuery,
} from "../support/naive-search.ts";
import { type Filter, parseFilter } from "../../src/protocol/filter.ts";
import { NOBODY, type Viewer, Visibility } from "../../src/protocol/visibility.ts";
import { SearchBudget, SearchStream } from "../../src/store/search-stream.ts";
import { Sight } from "../../src/store/sight.ts";
import { naiveMatches, type RawFilter } from "../support/random-filters.ts";
import { SEARCH_KINDS, SearchStore } from "../support/search-store.ts";
import { author, type Dice, forEachSeed, makeEvent } from "../support/unsigned-events.ts";

const contents = (events: readonly NostrEvent[]) => events.map(({ content }) => content);
const ids = (events: readonly NostrEvent[]) => events.map(({ id }) => id).toSorted();

function randomOthers(dice: Dice, events: readonly NostrEvent[]): RawFilter {
  const filter: RawFilter = {};
  const event = dice.pick(events);
  if (dice.chance(0.3)) filter.authors = [event.pubkey, author(9)];
  if (dice.chance(0.3)) filter.kinds = [event.kind, 7];
  if (dice.chance(0.2)) filter["#d"] = ["0", "2"];
  if (dice.chance(0.1)) filter["#p"] = [author(0)];
  if (dice.chance(0.1))
    filter["#n"] = dice.some(events, 80).map((one) => one.tags.at(-1)?.[1] ?? "");
  if (dice.chance(0.2)) filter.since = event.created_at;
  if (dice.chance(0.2)) filter.until = Math.max(event.created_at, filter.since ?? 0);
  if (dice.chance(0.1)) filter.ids = dice.some(events, 20).map(({ id }) => id);
  return filter;
}

test("random searches with other conditions find what a naive search finds", () => {
  forEachSeed(5, (dice) => {
    using store = new SearchStore();
    const events = dice.list(120, () => randomSearchable(dice, dice.next()));
    store.write(...events.slice(0, 90));
    store.catchUp();
    store.write(...events.slice(90)); // found without the index
    const stored = store.events();
    for (let n = 0; n < 30; n++) {
      const query = randomQuery(dice);
      const others = randomOthers(dice, stored);
      const filter = { ...others, search: renderQuery(query) };
      const expected = stored.filter(
        (event) =>
          SEARCH_KINDS.has(event.kind) &&
          naiveMatches(others, event) &&
          naiveSearches(query, event),
      );
      const { events: found, hint } = store.search([filter]);
      expect({ filter, ids: ids(found), hint }).toEqual({
        filter,
        ids: ids(expected),
        hint: "finish",
      });
      const limit = 1 + dice.below(5);
      const limited = store.search([{ ...filter, limit }]);
      const isMore = expected.length > limit;
      expect(limited.events.length).toBe(Math.min(limit, expected.length));
      // With ids, there is no rank, and the answer is that of any filter.
      expect(limited.hint).toBe(isMore ? "more" : "finish");
      if (others.ids === undefined) expect(limited.events).toEqual(found.slice(0, limit));
    }
  });
});

describe("what is found comes", () => {
  test("best first: titles before texts, more before fewer, short before long", () => {
    using store = new SearchStore();
    const long = `nostr ${"word ".repeat(50)}`;
    store.write(
      makeEvent({ content: "x", tags: [["title", "On nostr"]] }),
      makeEvent({ content: "nostr nostr nostr" }),
      makeEvent({ content: "nostr and more" }),
      makeEvent({ content: long }),
      ...Array.from({ length: 12 }, (_, i) => makeEvent({ content: `other ${i}` })),
    );
    store.catchUp();
    const found = contents(store.search([{ search: "nostr" }]).events);
    expect(found).toEqual(["x", "nostr nostr nostr", "nostr and more", long]);
  });

  test("newest first when equally good", () => {
    using store = new SearchStore();
    const events = [1, 2, 3].map((i) => makeEvent({ content: "same", created_at: 1000 + i }));
    store.write(...events);
    store.catchUp();
    expect(store.search([{ search: "same" }]).events).toEqual(events.toReversed());
  });

  test("before what other filters find, each event once", () => {
    using store = new SearchStore();
    const a = makeEvent({ content: "apple", created_at: 1001 });
    const b = makeEvent({ content: "banana", created_at: 1002 });
    const both = makeEvent({ content: "apple banana banana", created_at: 1003 });
    const none = makeEvent({ content: "cherry", created_at: 1004 });
    store.write(a, b, both, none);
    store.catchUp();
    const filters = [{ kinds: [1] }, { search: "apple" }, { search: "banana" }];
    expect(store.search(filters).events).toEqual([a, both, b, none]);
    expect(store.search([{ kinds: [1], limit: 2 }, { search: "cherry" }])).toEqual({
      events: [none, both],
      hint: "more",
      isCut: false,
    });
  });

  test("from what is not yet indexed before what is", () => {
    using store = new SearchStore();
    const [first, second, third] = [1, 2, 3].map((i) => makeEvent({ content: `new ${i}` }));
    store.write(first as NostrEvent);
    store.catchUp();
    store.write(second as NostrEvent, third as NostrEvent);
    expect(contents(store.search([{ search: "new" }]).events)).toEqual(["new 3", "new 2", "new 1"]);
  });
});

describe("a limit", () => {
  const events = Array.from({ length: 40 }, (_, i) => makeEvent({ content: `common ${i}` }));

  test("is kept, and the answer says whether there is more", () => {
    using store = new SearchStore();
    store.write(...events);
    store.catchUp();
    const cases: [limit: number, count: number, hint: string | null][] = [
      [0, 0, null],
      [1, 1, "more"],
      [39, 39, "more"],
      [40, 40, "finish"],
      [41, 40, "finish"],
    ];
    for (const [limit, count, hint] of cases) {
      const answer = store.search([{ search: "common", limit }]);
      expect([answer.events.length, answer.hint]).toEqual([count, hint as never]);
    }
    expect(store.search([{ search: "common" }], { limitDefault: 7 }).events.length).toBe(7);
    expect(store.search([{ search: "common", limit: 30 }], { limitMax: 9 }).events.length).toBe(9);
    expect(store.search([{ search: "common", limit: 5, since: 1001 }]).hint).toBe("finish");
  });

  test("does not count what has expired or was removed since", () => {
    using store = new SearchStore();
    const passing = makeEvent({ content: "common x", tags: [["expiration", "500"]] });
    store.write(passing, ...events);
    store.catchUp();
    store.writer.remove([2, 3, 4]); // the index doesn't know
    const early = store.search([{ search: "common", limit: 38 }], { nowSeconds: () => 499 });
    expect([early.events.length, early.hint]).toEqual([38, "finish"]);
    const late = store.search([{ search: "common", limit: 37 }], { nowSeconds: () => 500 });
    expect([late.events.length, late.hint]).toEqual([37, "finish"]);
  });
});

test("events of other kinds are never found, whatever the filter asks for", () => {
  using store = new SearchStore();
  store.write(makeEvent({ kind: 4, content: "secret" }), makeEvent({ kind: 7, content: "secret" }));
  store.catchUp();
  expect(store.indexed()).toEqual([]);
  expect(store.search([{ search: "secret" }, { search: "secret", kinds: [4, 7] }]).events).toEqual(
    [],
  );
});

test("what its client may not see is not found, and leaves no trace", () => {
  using store = new SearchStore();
  const hidden = [0, 2].map((i) =>
    makeEvent({ kind: 30_023, content: `word ${i}`, pubkey: author(i) }),
  );
  const open = [1, 3].map((i) => makeEvent({ content: `word ${i}` }));
  store.write(hidden[0] as NostrEvent, open[0] as NostrEvent);
  store.catchUp();
  store.write(hidden[1] as NostrEvent, open[1] as NostrEvent); // not indexed yet
  const rules = { privateKinds: new Set<number>(), isAllSignedIn: false };
  const visibility = new Visibility({ ...rules, signedInKinds: new Set([30_023]) });
  const ask = (filter: object, viewer: Viewer) =>
    store.search([{ search: "word", ...filter }], {}, new Sight(visibility, viewer));
  expect(ask({}, NOBODY)).toEqual({ events: open.toReversed(), hint: "finish", isCut: false });
  expect(ask({ limit: 2 }, NOBODY)).toMatchObject({ hint: "finish" });
  expect(ask({ kinds: [30_023] }, NOBODY)).toMatchObject({ events: [], hint: "finish" });
  expect(ask({}, new Set([author(5)])).events.length).toBe(4);
});

test("nothing is found beyond the index while it is far behind, and the answer says so", () => {
  using store = new SearchStore();
  const events = Array.from({ length: 1025 }, (_, i) => makeEvent({ content: `word ${i}` }));
  store.write(...events);
  expect(store.search([{ search: "word" }])).toEqual({ events: [], hint: "more", isCut: true });
  store.catchUp();
  expect(store.search([{ search: "word" }], { limitMax: 2000 })).toMatchObject({ hint: "more" });
  expect(store.search([{ search: '"word 7"' }])).toMatchObject({ hint: "finish", isCut: false });
});

test("what is not yet indexed is looked at within the budget of all searches, too", () => {
  using store = new SearchStore();
  store.write(...Array.from({ length: 200 }, (_, i) => makeEvent({ content: `word ${i}` })));
  const reader = store.openReader();
  const headSeq = reader.head();
  const filter = parseFilter({ search: "word" }, SEARCH_KINDS) as Filter;
  const options = { limit: 500, headSeq, nowSeconds: () => 0, sight: null };
  const budget = new SearchBudget();
  const stream = new SearchStream(reader, store.searches, filter, options, budget);
  stream.step(); // finds where the index ends
  stream.step(); // looks at some events
  budget.spend(20_000, process.threadCpuUsage());
  let found = 0;
  while (!stream.isDone) {
    if (stream.peek() === null) stream.step();
    else {
      stream.take();
      found += 1;
    }
  }
  expect({ found, isCut: stream.isCut, hasMore: stream.hasMore }).toEqual({
    found: 64,
    isCut: true,
    hasMore: true,
  });
});

test("a count has all that is indexed, and says when there may be more", () => {
  using store = new SearchStore();
  const events = Array.from({ length: 1300 }, (_, i) => makeEvent({ content: `word ${i}` }));
  store.write(...events.slice(0, 200));
  store.catchUp();
  expect(store.count("word")).toEqual({ count: 200, isApproximate: false, hll: null });
  store.write(...events.slice(200));
  expect(store.count("word")).toEqual({ count: 200, isApproximate: true, hll: null });
  store.catchUp();
  expect(store.count("word")).toEqual({ count: 1300, isApproximate: false, hll: null });
});

test("hostile searches are answered", () => {
  using store = new SearchStore();
  const word = "z".repeat(64);
  store.write(makeEvent({ content: `${word} near or not and title body` }));
  store.catchUp();
  const hostile = [
    '"',
    '""""',
    "title:near",
    "NEAR(near or, 5)",
    "near) OR (x",
    "{title} : near",
    "near^ +near",
    "near AND",
    "NOT near",
    `${"(".repeat(600)}near${")".repeat(400)}`,
    '"near'.repeat(200),
    "near* ".repeat(200),
    "-near ".repeat(100),
    "near OR ".repeat(120),
    "z".repeat(10_000),
    "\u0000near\u0000",
    "near\ud800",
    "'; DROP TABLE state; --",
  ];
  for (const search of hostile) {
    const filter = { search, authors: Array.from({ length: 500 }, (_, i) => author(i)) };
    expect(store.search([filter]).events.length).toBeLessThanOrEqual(1);
  }
  expect(store.search([{ search: "near* near OR ".repeat(9) }]).events.length).toBe(1);
  expect(store.search([{ search: "z".repeat(10_000) }]).events.length).toBe(1);
});
