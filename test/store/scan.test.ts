// Scans against a naive filter over a sorted list: the same events in the same order and the same
// hint, for any group of filters, while others write.

import { describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { type Filter, parseFilter, UNTIL_MAX } from "../../src/protocol/filter.ts";
import type { EventReader } from "../../src/store/read.ts";
import { Scan, type ScanOptions } from "../../src/store/scan.ts";
import { authorKey, idKey, kindKey, tagKey } from "../../src/store/term.ts";
import { readRealEvents } from "../support/events.ts";
import { isExpired } from "../support/naive-store.ts";
import {
  naiveMatches,
  naiveScan,
  randomFilter,
  type RawFilter,
} from "../support/random-filters.ts";
import { TestStore } from "../support/test-store.ts";
import {
  author,
  forEachSeed,
  makeEvent,
  randomEvent,
  sha256Hex,
} from "../support/unsigned-events.ts";

const realEvents = readRealEvents();

const LIMITS = { limitDefault: 50, limitMax: 80, tiesMax: 20 };
const NOW = 1_800_000_000;

function scanOf(
  reader: EventReader,
  filters: readonly RawFilter[],
  options: Partial<ScanOptions> = {},
): Scan {
  const parsed = filters.map((filter) => parseFilter(filter) as Filter);
  return new Scan(reader, parsed, { ...LIMITS, nowSeconds: () => NOW, ...options });
}

/** Runs to the end; each step is bounded, so the number of steps is too. */
function drain(scan: Scan): { ids: string[]; hint: "finish" | "more" | null } {
  const ids: string[] = [];
  for (let steps = 0; steps < 1_000_000; steps++) {
    const found = scan.next();
    if (found === "done") return { ids, hint: scan.hint() };
    if (found !== "working") ids.push(found.stored.id);
  }
  throw new Error("the scan does not end");
}

describe("a random group of filters", () => {
  test("finds what a naive filter finds, in its order, over events full of ties", () => {
    forEachSeed(20, (dice) => {
      using store = new TestStore();
      const spread = { authors: 6, kinds: [1, 5, 7, 1984], seconds: 1 + dice.below(40) };
      const events = new Map<string, NostrEvent>();
      for (let n = dice.below(400); n >= 0; n--) {
        const event = randomEvent(dice, spread);
        events.set(event.id, event);
      }
      store.writeInBatches([...events.values()], [100]);
      const stored = store.events();
      const reader = store.openReader();
      for (let i = 0; i < 150; i++) {
        const filters = Array.from({ length: 1 + dice.below(3) }, () =>
          randomFilter(dice, stored, dice.chance(0.5) ? 6 : 100),
        );
        const limits = dice.chance(0.3) ? { ...LIMITS, tiesMax: dice.below(4) } : LIMITS;
        const answer = drain(scanOf(reader, filters, limits));
        expect([filters, answer]).toEqual([filters, naiveScan(stored, filters, limits)]);
      }
    });
  });

  test.skipIf(realEvents.length === 0)("finds what a naive filter finds among real events", () => {
    using store = new TestStore();
    store.writeInBatches(realEvents, [500]);
    const stored = store.events();
    const reader = store.openReader();
    forEachSeed(10, (dice) => {
      for (let i = 0; i < 50; i++) {
        const filters = Array.from({ length: 1 + dice.below(3) }, () =>
          randomFilter(dice, stored, 100),
        );
        const answer = drain(scanOf(reader, filters));
        expect([filters, answer]).toEqual([filters, naiveScan(stored, filters, LIMITS)]);
      }
    });
  });

  test("pages through everything by `until`, missing nothing and ending with `finish`", () => {
    const made = Array.from({ length: 300 }, (_, i) =>
      makeEvent({ created_at: (i * i) % 90, content: `${i}` }),
    );
    const paged = realEvents.length > 0 ? realEvents : made;
    using store = new TestStore();
    store.writeInBatches(paged, [500]);
    const reader = store.openReader();
    const seen = new Set<string>();
    let until = UNTIL_MAX;
    for (let pages = 0; pages < 1000; pages++) {
      const { ids, hint } = drain(scanOf(reader, [{ until, limit: 7 }], { tiesMax: 1000 }));
      for (const id of ids) seen.add(id);
      const last = paged.find(({ id }) => id === ids.at(-1));
      if (hint === "finish") break;
      until = (last?.created_at ?? 0) - 1;
    }
    expect(seen).toEqual(new Set(store.events().map(({ id }) => id)));
  });
});

describe("one filter", () => {
  // Seconds 10 9 9 9 8 8 7 5 0, ids ascending within a second; tagged by second.
  const events = [10, 9, 9, 9, 8, 8, 7, 5, 0]
    .map((created_at, i) =>
      makeEvent({ created_at, tags: [["t", `${created_at}`]], content: `${i}` }),
    )
    .toSorted((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1));

  const cases: { filter: RawFilter; tiesMax?: number; found: number[]; hint: string | null }[] = [
    { filter: {}, found: [0, 1, 2, 3, 4, 5, 6, 7, 8], hint: "finish" },
    { filter: { limit: 9 }, found: [0, 1, 2, 3, 4, 5, 6, 7, 8], hint: "finish" },
    { filter: { limit: 8 }, found: [0, 1, 2, 3, 4, 5, 6, 7], hint: "more" },
    { filter: { limit: 1 }, found: [0], hint: "more" },
    { filter: { limit: 2 }, found: [0, 1, 2, 3], hint: "more" },
    { filter: { limit: 2 }, tiesMax: 2, found: [0, 1, 2, 3], hint: "more" },
    { filter: { limit: 2 }, tiesMax: 1, found: [0, 1, 2], hint: "more" },
    { filter: { limit: 2 }, tiesMax: 0, found: [0, 1], hint: "more" },
    { filter: { limit: 2, since: 9 }, found: [0, 1, 2, 3], hint: "finish" },
    { filter: { limit: 2, since: 9 }, tiesMax: 1, found: [0, 1, 2], hint: "more" },
    { filter: { limit: 4, since: 9 }, found: [0, 1, 2, 3], hint: "finish" },
    { filter: { limit: 5, since: 9 }, found: [0, 1, 2, 3], hint: "finish" },
    { filter: { limit: 0 }, found: [], hint: null },
    { filter: { limit: 0, since: 11 }, found: [], hint: null },
    { filter: { limit: UNTIL_MAX }, found: [0, 1, 2, 3, 4, 5, 6, 7, 8], hint: "finish" },
    { filter: { since: 11 }, found: [], hint: "finish" },
    { filter: { since: 10 }, found: [0], hint: "finish" },
    { filter: { since: 8, until: 9 }, found: [1, 2, 3, 4, 5], hint: "finish" },
    { filter: { since: 8, until: 8 }, found: [4, 5], hint: "finish" },
    { filter: { since: 6, until: 6 }, found: [], hint: "finish" },
    { filter: { until: 0 }, found: [8], hint: "finish" },
    { filter: { since: 0, until: 0, limit: 1 }, found: [8], hint: "finish" },
    { filter: { until: 4 }, found: [8], hint: "finish" },
    { filter: { until: UNTIL_MAX, since: UNTIL_MAX }, found: [], hint: "finish" },
    { filter: { "#t": ["9"], limit: 1 }, found: [1, 2, 3], hint: "finish" },
    { filter: { "#t": ["9", "8"], limit: 3 }, found: [1, 2, 3], hint: "more" },
    { filter: { "#T": ["9"] }, found: [], hint: "finish" },
    { filter: { kinds: [2] }, found: [], hint: "finish" },
    { filter: { authors: [author(1)] }, found: [], hint: "finish" },
    { filter: { ids: [sha256Hex("")] }, found: [], hint: "finish" },
  ];
  for (const { filter, tiesMax = 100, found, hint } of cases) {
    test(`${JSON.stringify(filter)} with ${tiesMax} ties finds ${found.length}: ${hint}`, () => {
      using store = new TestStore();
      store.write(...events.toReversed());
      const answer = drain(scanOf(store.openReader(), [filter], { tiesMax }));
      expect(answer).toEqual({
        ids: found.map((i) => events[i]?.id as string),
        hint: hint as never,
      });
    });
  }

  test("of a limit above the maximum is clamped, and one without has the default", () => {
    using store = new TestStore();
    store.write(...events);
    const reader = store.openReader();
    const count = (filter: RawFilter) => {
      const options = { limitDefault: 1, limitMax: 5, tiesMax: 0 };
      const { ids, hint } = drain(scanOf(reader, [filter], options));
      return [ids.length, hint];
    };
    expect(count({ limit: 6 })).toEqual([5, "more"]);
    expect(count({ limit: 3 })).toEqual([3, "more"]);
    expect(count({})).toEqual([1, "more"]);
    const ids = events.map(({ id }) => id);
    expect(count({ ids: ids.slice(0, 4) })).toEqual([4, "finish"]);
    expect(count({ ids: ids.slice(0, 4), limit: 2 })).toEqual([2, "more"]);
    expect(count({ ids: ids.slice(0, 7) })).toEqual([5, "more"]);
  });
});

describe("several filters", () => {
  const events = Array.from({ length: 9 }, (_, i) =>
    makeEvent({ created_at: 100 - i, kind: i % 3 === 0 ? 7 : 1, content: `${i}` }),
  );
  const cases: { filters: RawFilter[]; found: number[]; hint: "finish" | "more" | null }[] = [
    {
      filters: [{ kinds: [7] }, { kinds: [1] }],
      found: [0, 1, 2, 3, 4, 5, 6, 7, 8],
      hint: "finish",
    },
    { filters: [{}, {}], found: [0, 1, 2, 3, 4, 5, 6, 7, 8], hint: "finish" },
    {
      filters: [
        { kinds: [7], limit: 1 },
        { kinds: [1], limit: 2 },
      ],
      found: [0, 1, 2],
      hint: "more",
    },
    { filters: [{ kinds: [7] }, { kinds: [1], limit: 1 }], found: [0, 1, 3, 6], hint: "more" },
    { filters: [{ limit: 1 }, {}], found: [0, 1, 2, 3, 4, 5, 6, 7, 8], hint: "more" },
    { filters: [{ limit: 0 }, { kinds: [7] }], found: [0, 3, 6], hint: null },
    { filters: [{ limit: 0 }, { kinds: [7], limit: 1 }], found: [0], hint: "more" },
    { filters: [{ limit: 0 }, { limit: 0 }], found: [], hint: null },
    { filters: [{ until: 92 }, { since: 100 }], found: [0, 8], hint: "finish" },
  ];
  for (const { filters, found, hint } of cases) {
    test(`${JSON.stringify(filters)} find ${found.length}: ${hint}`, () => {
      using store = new TestStore();
      store.write(...events);
      const ids = found.map((i) => events[i]?.id as string);
      expect(drain(scanOf(store.openReader(), filters))).toEqual({ ids, hint });
    });
  }

  test("no filter at all finds nothing, and that is all there is", () => {
    using store = new TestStore();
    store.write(...events);
    expect(drain(scanOf(store.openReader(), []))).toEqual({ ids: [], hint: "finish" });
  });
});

describe("ten thousand", () => {
  const events = Array.from({ length: 3000 }, (_, i) =>
    makeEvent({ created_at: i >> 3, pubkey: author(i >> 1), tags: [["t", `${i}`]] }),
  );
  const unknown = Array.from({ length: 7000 }, (_, i) => sha256Hex(`unknown ${i}`));
  const limits = { limitDefault: 100_000, limitMax: 100_000, tiesMax: 0 };
  const cases: { desc: string; filter: RawFilter }[] = [
    { desc: "ids", filter: { ids: [...unknown, ...events.map(({ id }) => id)] } },
    { desc: "ids, 10 wanted", filter: { ids: events.map(({ id }) => id), limit: 10 } },
    { desc: "authors", filter: { authors: [...unknown, ...events.map((e) => e.pubkey)] } },
    {
      desc: "authors of two kinds",
      filter: { authors: [...unknown, ...events.map((e) => e.pubkey)], kinds: [1, 2], limit: 500 },
    },
    { desc: "topics", filter: { "#t": [...unknown, ...events.map((_, i) => `${i}`)] } },
  ];
  for (const { desc, filter } of cases) {
    test(`${desc} in one filter are looked up in bounded steps`, () => {
      using store = new TestStore();
      store.writeInBatches(events, [1000]);
      const scan = scanOf(store.openReader(), [filter], limits);
      expect(scan.next()).toBe("working");
      const before = new Set(events.map(({ id }) => id));
      expect(before.size).toBe(events.length);
      expect(drain(scan)).toEqual(naiveScan(events, [filter], limits));
    });
  }
});

describe("while others write, a scan", () => {
  test("sends nothing committed after its start, and what was removed is missing", () => {
    forEachSeed(20, (dice) => {
      using store = new TestStore();
      const spread = { authors: 4, kinds: [1, 7], seconds: 30 };
      const all = Array.from({ length: 600 }, () => randomEvent(dice, spread));
      store.writeInBatches(all.slice(0, 400), [400]);
      const before = store.events();
      const later = all.slice(400).filter((event) => !before.some(({ id }) => id === event.id));
      const filters = [randomFilter(dice, before, 300), randomFilter(dice, before, 300)];
      const isUnlimited = dice.chance(0.7);
      if (isUnlimited) for (const filter of filters) delete filter.limit;
      const options = { limitDefault: 1000, limitMax: 1000, tiesMax: 1000 };
      const scan = scanOf(store.openReader(), filters, options);
      expect(scan.headSeq).toBe(before.length);
      const removed = new Set<string>();
      const ids: string[] = [];
      for (;;) {
        const found = scan.next();
        if (found === "done") break;
        if (found !== "working") ids.push(found.stored.id);
        if (dice.chance(0.2)) store.write(...later.splice(0, 1 + dice.below(3)));
        if (!dice.chance(0.2)) continue;
        const seqs = Array.from({ length: 3 }, () => 1 + dice.below(before.length));
        for (const id of store.writer.remove(seqs)) removed.add(id);
      }
      // Limits count what is there as the scan comes by, so it may reach further than at first.
      const matching = before.filter((event) => filters.some((f) => naiveMatches(f, event)));
      const order = naiveScan(matching, [{}], options).ids;
      expect(ids).toEqual(order.filter((id) => ids.includes(id)));
      expect(new Set(ids).size).toBe(ids.length);
      if (!isUnlimited) return;
      expect(order.filter((id) => !ids.includes(id) && !removed.has(id))).toEqual([]);
    });
  });

  test("misses what was removed before it came by", () => {
    using store = new TestStore();
    const events = Array.from({ length: 500 }, (_, i) =>
      makeEvent({ created_at: 1000 - i, content: `${i}` }),
    );
    store.write(...events);
    const scan = scanOf(store.openReader(), [{ kinds: [1] }], { limitDefault: 500, limitMax: 500 });
    while (scan.next() === "working");
    store.writer.remove(Array.from({ length: 300 }, (_, i) => 101 + i));
    const { ids, hint } = drain(scan);
    const left = events.filter((_, i) => (i > 0 && i < 100) || i >= 400);
    expect([ids, hint]).toEqual([left.map(({ id }) => id), "finish"]);
  });
});

describe("an expired event is not sent", () => {
  const events = Array.from({ length: 300 }, (_, i) =>
    makeEvent({
      created_at: 1000 - i,
      tags: i % 3 === 0 ? [] : [["expiration", `${2000 + i}`]],
      content: `${i}`,
    }),
  );
  const options = { limitDefault: 300, limitMax: 300, tiesMax: 0 };

  for (const now of [0, 1999, 2001, 2002, 2150, 3000]) {
    test(`as of ${now}, nor does it count for a limit`, () => {
      using store = new TestStore();
      store.write(...events);
      const fresh = events.filter((event) => !isExpired(event, now));
      const clock = { ...options, nowSeconds: () => now };
      for (const filter of [{}, { limit: 50 }, { kinds: [1], limit: 299 }]) {
        const answer = drain(scanOf(store.openReader(), [filter], clock));
        expect(answer).toEqual(naiveScan(fresh, [filter], options));
      }
    });
  }

  test("and is not what a hint of more stands for", () => {
    using store = new TestStore();
    store.write(...events.slice(0, 3)); // the last two have expired
    const answer = drain(scanOf(store.openReader(), [{ limit: 1 }], { nowSeconds: () => 5000 }));
    expect(answer).toEqual({ ids: [events[0]?.id as string], hint: "finish" });
  });

  test("when its time comes while the scan waits for its client", () => {
    using store = new TestStore();
    store.write(...events);
    let now = 0;
    const scan = scanOf(store.openReader(), [{}, { kinds: [1] }], {
      ...options,
      nowSeconds: () => now,
    });
    let first = scan.next();
    while (first === "working") first = scan.next();
    now = 5000;
    const fresh = events.filter((event) => event.tags.length === 0);
    expect([first === "done" ? "" : first.stored.id, ...drain(scan).ids]).toEqual(
      fresh.map(({ id }) => id),
    );
  });
});

describe("terms that share a key", () => {
  const wanted = makeEvent({ created_at: 5, tags: [["t", "a"]] });
  const other = makeEvent({ created_at: 6, kind: 7, pubkey: author(1), tags: [["t", "b"]] });
  const cases: { filter: RawFilter; key: number }[] = [
    { filter: { ids: [wanted.id] }, key: idKey(wanted.id) },
    { filter: { authors: [author(0)] }, key: authorKey(author(0)) },
    { filter: { kinds: [1] }, key: kindKey(1) },
    { filter: { "#t": ["a"] }, key: tagKey("t", "a") },
  ];
  for (const { filter, key } of cases) {
    test(`do not mix up ${Object.keys(filter).join()}`, () => {
      using store = new TestStore();
      store.write(other, wanted);
      store.moveTail();
      store.db
        .query("INSERT INTO term SELECT ?1, age, ord, seq, info FROM term WHERE seq = 1 LIMIT 1")
        .run(key);
      const answer = drain(scanOf(store.openReader(), [{ ...filter, limit: 1 }]));
      expect(answer).toEqual({ ids: [wanted.id], hint: "finish" });
    });
  }
});
