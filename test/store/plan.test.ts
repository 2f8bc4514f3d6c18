// The planner: whatever it chooses covers the answer, and it chooses the way with fewest entries.

import { describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { type Filter, parseFilter } from "../../src/protocol/filter.ts";
import { type CountEntries, monitorKeys, planFilter } from "../../src/store/plan.ts";
import {
  ALL_KEY,
  authorKey,
  authorKindKey,
  eventKeys,
  idKey,
  kindKey,
  tagKey,
} from "../../src/store/term.ts";
import { naiveMatches, randomFilter, type RawFilter } from "../support/random-filters.ts";
import { TestStore } from "../support/test-store.ts";
import { author, forEachSeed, makeEvent, randomEvent } from "../support/unsigned-events.ts";

const UNTIL = Number.MAX_SAFE_INTEGER;

function parsed(filter: RawFilter): Filter {
  return parseFilter(filter) as Filter;
}

/** Counts as the database would, in a map of how many entries each key has. */
function counted(sizes: ReadonlyMap<number, number>) {
  let looked = 0;
  const count = (key: number, limit: number): number => {
    const size = Math.min(sizes.get(key) ?? 0, limit);
    looked += size;
    return size;
  };
  return { count, looked: () => looked };
}

const uncounted = (): number => {
  throw new Error("there was nothing to compare");
};

/** The keys that are read in the end, whatever is tried before. */
function planKeys(filter: Filter, count: CountEntries): readonly number[] {
  const plan = planFilter(filter, count);
  return (plan.next?.() ?? plan).keys;
}

describe("the only way in is taken without counting", () => {
  const ids = ["a", "b"].map((digit) => digit.repeat(64));
  const [first, second] = [author(1), author(2)];
  const cases: { filter: RawFilter; keys: number[]; monitored?: number[] }[] = [
    { filter: {}, keys: [ALL_KEY] },
    { filter: { since: 1, until: 2, limit: 3 }, keys: [ALL_KEY] },
    { filter: { kinds: [1, 0] }, keys: [kindKey(1), kindKey(0)] },
    { filter: { ids }, keys: ids.map(idKey) },
    { filter: { ids, authors: [first], kinds: [1], "#t": ["x"] }, keys: ids.map(idKey) },
    { filter: { authors: [first, second] }, keys: [authorKey(first), authorKey(second)] },
    {
      filter: { authors: [first, second], kinds: [0, 3] },
      keys: [first, second].flatMap((pubkey) => [0, 3].map((kind) => authorKindKey(pubkey, kind))),
      monitored: [authorKey(first), authorKey(second)],
    },
    {
      filter: { authors: [first, second], kinds: [3] },
      keys: [authorKindKey(first, 3), authorKindKey(second, 3)],
    },
    { filter: { "#t": ["x", "y"], kinds: [1] }, keys: [tagKey("t", "x"), tagKey("t", "y")] },
  ];
  for (const { filter, keys, monitored = keys } of cases) {
    test(JSON.stringify(filter).slice(0, 60), () => {
      expect(planKeys(parsed(filter), uncounted)).toEqual(keys);
      expect(monitorKeys(parsed(filter))).toEqual(monitored);
    });
  }

  test("authors × kinds beyond a thousand are authors", () => {
    const authors = Array.from({ length: 500 }, (_, i) => author(i));
    const keys = authors.map(authorKey);
    expect(planKeys(parsed({ authors, kinds: [1, 2] }), uncounted)).toHaveLength(1000);
    expect(planKeys(parsed({ authors, kinds: [1, 2, 3] }), uncounted)).toEqual(keys);
  });
});

describe("of several ways in, the one with the fewest entries is taken", () => {
  const cases: { desc: string; filter: RawFilter; sizes: [number, number][]; keys: number[] }[] = [
    {
      desc: "a rare tag before a common one",
      filter: { "#t": ["rare"], "#r": ["common"] },
      sizes: [
        [tagKey("t", "rare"), 5],
        [tagKey("r", "common"), 1_000_000],
      ],
      keys: [tagKey("t", "rare")],
    },
    {
      desc: "a rare tag after a common one",
      filter: { "#r": ["common"], "#t": ["rare"] },
      sizes: [
        [tagKey("t", "rare"), 5],
        [tagKey("r", "common"), 1_000_000],
      ],
      keys: [tagKey("t", "rare")],
    },
    {
      desc: "a tag that nobody has",
      filter: { "#r": ["common"], "#t": ["none"], authors: [author(1)] },
      sizes: [
        [tagKey("r", "common"), 1_000_000],
        [authorKey(author(1)), 1],
      ],
      keys: [tagKey("t", "none")],
    },
    {
      desc: "an author with a thousand notes over a hashtag with a hundred thousand",
      filter: { "#t": ["popular"], authors: [author(1)] },
      sizes: [
        [tagKey("t", "popular"), 100_000],
        [authorKey(author(1)), 1000],
      ],
      keys: [authorKey(author(1))],
    },
    {
      desc: "a hashtag with a thousand notes over an author with a hundred thousand",
      filter: { "#t": ["popular"], authors: [author(1)] },
      sizes: [
        [tagKey("t", "popular"), 1000],
        [authorKey(author(1)), 100_000],
      ],
      keys: [tagKey("t", "popular")],
    },
    {
      desc: "150 authors with ten notes each over a hashtag with a million",
      filter: { "#t": ["popular"], authors: Array.from({ length: 150 }, (_, i) => author(i)) },
      sizes: [
        [tagKey("t", "popular"), 1_000_000],
        ...Array.from({ length: 150 }, (_, i): [number, number] => [authorKey(author(i)), 10]),
      ],
      keys: Array.from({ length: 150 }, (_, i) => authorKey(author(i))),
    },
    {
      desc: "a hashtag with ten notes over 150 authors",
      filter: { authors: Array.from({ length: 150 }, (_, i) => author(i)), "#t": ["rare"] },
      sizes: [
        [tagKey("t", "rare"), 10],
        [authorKey(author(0)), 10],
      ],
      keys: [tagKey("t", "rare")],
    },
  ];
  for (const { desc, filter, sizes, keys } of cases) {
    test(desc, () => {
      const { count, looked } = counted(new Map(sizes));
      expect(planKeys(parsed(filter), count)).toEqual(keys);
      // Looking must not cost more than it saves.
      expect(looked()).toBeLessThan(10_000);
    });
  }

  test("counting stops, however large both are", () => {
    const big = [tagKey("t", "a"), tagKey("r", "b"), authorKey(author(1))];
    const { count, looked } = counted(new Map(big.map((key) => [key, 1e9])));
    planKeys(parsed({ "#t": ["a"], "#r": ["b"], authors: [author(1)] }), count);
    expect(looked()).toBeLessThan(70_000);
  });

  test("only entries within the filter's time count", () => {
    using store = new TestStore();
    const past = Array.from({ length: 300 }, (_, i) =>
      makeEvent({ created_at: 100, tags: [["t", "old"]], content: `${i}` }),
    );
    const present = Array.from({ length: 20 }, (_, i) =>
      makeEvent({
        created_at: 200,
        tags: [
          ["t", "old"],
          ["r", "new"],
        ],
        content: `${i}`,
      }),
    );
    const recent = Array.from({ length: 100 }, (_, i) =>
      makeEvent({ created_at: 300, tags: [["r", "new"]], content: `${i}` }),
    );
    store.write(...past, ...present, ...recent);
    const reader = store.openReader();
    const plan = (since: number, until: number) =>
      planKeys(parsed({ "#r": ["new"], "#t": ["old"] }), (key, limit) =>
        reader.countEntries(key, since, until, limit),
      );
    expect(plan(0, UNTIL)).toEqual([tagKey("r", "new")]);
    expect(plan(201, UNTIL)).toEqual([tagKey("t", "old")]);
    expect(plan(0, 199)).toEqual([tagKey("r", "new")]);
    const counts = [
      [0, UNTIL],
      [200, 200],
      [201, UNTIL],
      [0, 199],
      [0, 0],
    ].map(([since, until]) =>
      reader.countEntries(tagKey("t", "old"), since as number, until as number, 310),
    );
    expect(counts).toEqual([310, 20, 0, 300, 0]);
  });
});

test("what is chosen covers every event that matches", () => {
  const spread = { authors: 5, kinds: [0, 1, 5, 7], seconds: 20 };
  forEachSeed(50, (dice) => {
    const events: NostrEvent[] = Array.from({ length: 60 }, () => randomEvent(dice, spread));
    for (let i = 0; i < 20; i++) {
      const raw = randomFilter(dice, events, 10);
      const matching = events.filter((event) => naiveMatches(raw, event));
      const plans = [
        planKeys(parsed(raw), (_, limit) => dice.below(limit + 1)),
        monitorKeys(parsed(raw)),
      ];
      for (const plan of plans) {
        const keys = new Set(plan);
        const missed = matching.filter((event) => {
          const { id, terms } = eventKeys(event);
          return ![id, ...terms].some((key) => keys.has(key));
        });
        expect([raw, missed]).toEqual([raw, []]);
      }
    }
  });
});
