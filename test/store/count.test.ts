// Counts: whatever way they are computed, and whatever has happened to the index, they are what
// looking at all visible events comes to; and what has many events is counted without reading them.

import { describe, expect, spyOn, test } from "bun:test";
import type { NostrEvent, Tag } from "../../src/protocol/event.ts";
import { type Filter, parseFilter } from "../../src/protocol/filter.ts";
import { Visibility } from "../../src/protocol/visibility.ts";
import { candidateOf } from "../../src/store/candidate.ts";
import { canCountByIndex, Count, type CountResult } from "../../src/store/count.ts";
import type { EventReader } from "../../src/store/read.ts";
import { Scan } from "../../src/store/scan.ts";
import { Sight } from "../../src/store/sight.ts";
import { tagKey } from "../../src/store/term.ts";
import { EventWriter } from "../../src/store/write.ts";
import { checkIndex } from "../support/check-index.ts";
import { naiveHll } from "../support/naive-hll.ts";
import { isExpired, NaiveStore } from "../support/naive-store.ts";
import { naiveScan, randomFilter, type RawFilter } from "../support/random-filters.ts";
import { TestStore } from "../support/test-store.ts";
import {
  author,
  type Dice,
  forEachSeed,
  makeEvent,
  sha256Hex,
} from "../support/unsigned-events.ts";

const NO_KINDS: ReadonlySet<number> = new Set();
const NOTES = [0, 1, 2].map((i) => sha256Hex(`note ${i}`));
const ADDRESS = `30023:${author(0)}:x`;

const ALONE = {
  now: 0,
  countMax: 1e6,
  mixedKinds: NO_KINDS,
  sight: null as Sight | null,
  rest: null as (() => void) | null,
};

/** Each step in a snapshot of its own; between them, `rest` may do anything. */
function countOf(
  reader: EventReader,
  raw: readonly RawFilter[],
  given: Partial<typeof ALONE> = {},
): CountResult {
  const { now, countMax, mixedKinds, sight, rest } = { ...ALONE, ...given };
  const filters = raw.map((filter) => parseFilter(filter)) as (Filter | null)[];
  const matching = filters
    .filter((filter) => filter !== null)
    .flatMap((filter) => (sight === null ? filter : (sight.narrow(filter) ?? [])));
  const options = { countMax, nowSeconds: () => now, mixedKinds };
  const make = (): Count =>
    new Count(reader, matching, options, (scan) => new Scan(reader, matching, scan, sight));
  const count = reader.inSnapshot(make);
  while (!reader.inSnapshot(() => count.step())) {
    if (rest === null) continue;
    count.rest();
    rest();
  }
  return count.result();
}

function naiveCount(visible: readonly NostrEvent[], filters: readonly RawFilter[]): CountResult {
  const limits = { limitDefault: 1e6, limitMax: 1e6, tiesMax: 0 };
  const { ids } = naiveScan(visible, filters, limits);
  const counted = visible.filter(({ id }) => ids.includes(id));
  const tag = Object.entries(filters[0] ?? {}).find(([key]) => key.startsWith("#"));
  const values = tag?.[1] as string[] | undefined;
  const isEligible = filters.length === 1 && values !== undefined && values.length > 0;
  const hll = isEligible ? naiveHll(values[0] as string, counted) : null;
  return { count: counted.length, isApproximate: false, hll };
}

/** What clients ask counts of, each of something that events have. */
const CANONICAL: readonly RawFilter[] = [
  ...NOTES.flatMap((id): RawFilter[] => [
    { "#e": [id], kinds: [7] },
    { "#e": [id], kinds: [6] },
    { "#e": [id], kinds: [1] },
    { "#q": [id], kinds: [1, 1111] },
    { "#q": [id], kinds: [1] },
    { "#E": [id], kinds: [1111] },
  ]),
  { "#p": [author(0)], kinds: [3] },
  { "#p": [author(1)], kinds: [3] },
  { "#t": ["nostr"], kinds: [1] },
  { "#a": [ADDRESS], kinds: [7] },
];

/** By the index as well: with other kinds, with times, by author, by kind, all. */
const BY_INDEX: readonly RawFilter[] = [
  { "#e": [NOTES[0] as string] },
  { "#e": [NOTES[0] as string], kinds: [5, 7, 30_023] },
  { "#p": [author(0)], since: 1010 },
  { "#t": ["nostr"], kinds: [1], until: 1020 },
  { authors: [author(0)] },
  { authors: [author(0), author(1)], kinds: [1, 3] },
  { kinds: [7] },
  { kinds: [1, 3, 7], since: 1005, until: 1020 },
  {},
];

/** Some with so many rows that a few of them are more than a step of a move. */
function reaction(dice: Dice, stored: readonly NostrEvent[], now: number): NostrEvent {
  const kind = dice.pick([1, 1, 3, 3, 5, 6, 7, 7, 7, 1111, 30_023]);
  const pubkey = author(dice.below(40));
  const tags: Tag[] = [];
  const add = (name: string, value: string, chance: number): void => {
    if (dice.chance(chance)) tags.push([name, value]);
  };
  if (kind === 5) {
    const own = stored.filter((event) => event.pubkey === pubkey);
    for (const { id } of own.length > 0 ? dice.some(own, 2) : []) tags.push(["e", id]);
  }
  for (const name of ["e", "q", "E"]) add(name, dice.pick(NOTES), 0.5);
  for (const i of [0, 1]) add("p", author(i), 0.7);
  add("t", "nostr", 0.5);
  add("a", ADDRESS, 0.3);
  add("h", "group", 0.05);
  if (dice.chance(0.1)) for (let i = 0; i < 300; i++) tags.push(["r", `${dice.below(10_000)}`]);
  add("expiration", `${now + dice.below(10)}`, 0.1);
  const content = `${dice.below(1_000_000)}`;
  return makeEvent({ pubkey, kind, tags, content, created_at: 1000 + dice.below(40) });
}

/** A step of a move, which may fail anywhere in it. */
function move(dice: Dice, store: TestStore, mover: EventWriter): void {
  if (!dice.chance(0.25)) {
    mover.maintain();
    return;
  }
  const what = dice.pick(["INSERT ON term", "INSERT ON tally", "UPDATE ON tally"]);
  const when = dice.pick(["key % 3 = 0", "key % 2 = 1", "1"]);
  store.db.run(`CREATE TRIGGER broken BEFORE ${what} WHEN new.${when === "1" ? "key > 0" : when}
                BEGIN SELECT raise(ABORT, 'broken'); END`);
  try {
    mover.maintain();
  } catch (error) {
    expect(String(error)).toContain("broken");
  }
  store.db.run("DROP TRIGGER broken");
}

test("any history of writes, removals, moves, failures and crashes counts as naively", () => {
  let tallies = 0;
  forEachSeed(2, (dice) => {
    using store = new TestStore();
    const options = {
      ...store.options,
      tailEvents: dice.pick([3, 20, 60]),
      tallyEntries: dice.pick([1, 1, 5]),
    };
    const open = (): EventWriter => new EventWriter(store.db, options);
    const other = store.openWriter(options);
    const writers = [open(), other];
    const readers = [store.openReader(), store.openReader()];
    const naive = new NaiveStore();
    let now = 5000;
    for (let round = 0; round < 25; round++) {
      const events = naive.entries.map(({ event }) => event);
      const batch = dice.list(1 + dice.below(25), () => reaction(dice, events, now));
      dice.pick(writers).write(batch.map(candidateOf));
      for (const event of batch) naive.apply(event);
      now += dice.below(3);
      if (dice.chance(0.2)) {
        dice.pick(writers).removeExpired(now, 1000);
        naive.expire(now);
      }
      for (let steps = dice.below(4); steps > 0; steps--) move(dice, store, dice.pick(writers));
      if (dice.chance(0.1)) writers[0] = open(); // as after a crash
      const visible = naive.entries.map(({ event }) => event).filter((e) => !isExpired(e, now));
      const reader = dice.pick(readers);
      for (const filter of [...dice.some(CANONICAL, 8), ...dice.some(BY_INDEX, 3)]) {
        const asked = [filter];
        expect([filter, countOf(reader, asked, { now })]).toEqual([
          filter,
          naiveCount(visible, asked),
        ]);
      }
      const filters = dice.list(1 + dice.below(2), () => randomFilter(dice, batch, 20));
      const mixedKinds = new Set(dice.some([1, 3, 7], dice.below(3)));
      const found = countOf(reader, filters, { now, mixedKinds });
      expect([filters, found]).toEqual([filters, naiveCount(visible, filters)]);
    }
    expect(checkIndex(store.db)).toEqual([]);
    tallies += store.db.query("SELECT n FROM tally").values().length;
  });
  expect(tallies).toBeGreaterThan(0);
}, 30_000);

test("who asks is told of what they may see", () => {
  const rules = { privateKinds: new Set([7, 1111]), signedInKinds: new Set([6]) };
  const visibility = new Visibility({ ...rules, isAllSignedIn: false });
  forEachSeed(2, (dice) => {
    using store = new TestStore();
    const options = { ...store.options, tailEvents: 100, tallyEntries: 10 };
    const writer = new EventWriter(store.db, options);
    const naive = new NaiveStore();
    const batch = dice.list(300, () => reaction(dice, [], 1e6)).filter(({ kind }) => kind !== 5);
    writer.write(batch.map(candidateOf));
    writer.maintain();
    for (const event of batch) naive.apply(event);
    const reader = store.openReader();
    for (const viewer of [
      new Set<string>(),
      new Set([author(0)]),
      new Set([author(1), author(9)]),
    ]) {
      const sight = new Sight(visibility, viewer);
      const visible = naive.entries
        .map(({ event }) => event)
        .filter(({ kind, pubkey, tags }) => {
          if (kind === 6) return viewer.size > 0;
          if (kind !== 7 && kind !== 1111) return true;
          return [pubkey, ...tags.map(([k, v]) => (k === "p" ? v : ""))].some((key) =>
            viewer.has(key!),
          );
        });
      const { mixedKinds } = sight;
      for (const filter of [...CANONICAL, ...BY_INDEX]) {
        const found = countOf(reader, [filter], { mixedKinds, sight });
        const expected = naiveCount(visible, [filter]);
        // What isn't worth looking for has no registers.
        const hll = sight.narrow(parseFilter(filter) as Filter) === null ? null : expected.hll;
        expect([filter, viewer, found]).toEqual([filter, viewer, { ...expected, hll }]);
      }
    }
  });
});

test("what a group hides is in no count", () => {
  using store = new TestStore();
  const hidden = ["secret"];
  const isHidden = ({ tags }: Pick<NostrEvent, "tags">): boolean =>
    tags.some(([name, value]) => (name === "d" || name === "h") && value === "secret");
  const guard = {
    kinds: new Set([39_000, 39_002]),
    version: 0,
    mayHide: () => true,
    sees: (viewer: ReadonlySet<string>, event: Pick<NostrEvent, "tags">) =>
      viewer.size > 0 || !isHidden(event),
    seesOfGroup: () => "some" as const,
    checkRead: () => null,
    widen: () => [],
  };
  const rules = { privateKinds: NO_KINDS, signedInKinds: NO_KINDS, isAllSignedIn: false };
  const events = [
    makeEvent({ kind: 39_000, tags: [["d", "secret"]] }),
    makeEvent({ kind: 39_002, tags: [["d", "secret"]] }),
    makeEvent({
      kind: 7,
      tags: [
        ["h", "secret"],
        ["t", "nostr"],
      ],
    }),
    makeEvent({ kind: 7, tags: [["t", "nostr"]] }),
  ];
  store.write(...events);
  const reader = store.openReader();
  for (const viewer of [new Set<string>(), new Set([author(1)])]) {
    const sight = new Sight(new Visibility(rules, guard), viewer);
    const visible = events.filter((event) => guard.sees(viewer, event));
    for (const filter of [
      { kinds: [39_000] },
      { kinds: [39_002], "#d": hidden },
      { "#d": hidden },
      { "#h": hidden },
      { "#t": ["nostr"], kinds: [7] },
      { authors: [author(0)] },
      {},
    ]) {
      const { mixedKinds } = sight;
      const found = countOf(reader, [filter], { sight, mixedKinds });
      expect([filter, found]).toEqual([filter, naiveCount(visible, [filter])]);
    }
  }
});

test("a count goes on while what it counts is moved from place to place", () => {
  forEachSeed(2, (dice) => {
    using store = new TestStore();
    const options = { ...store.options, tailEvents: 300, tallyEntries: 50 };
    const writer = new EventWriter(store.db, options);
    const events = dice.list(1200, () => reaction(dice, [], 1e6)).filter(({ kind }) => kind !== 5);
    const naive = new NaiveStore();
    for (let done = 0; done < events.length; done += 100) {
      const batch = events.slice(done, done + 100);
      writer.write(batch.map(candidateOf));
      for (const event of batch) naive.apply(event);
      const reader = store.openReader();
      const visible = naive.entries.map(({ event }) => event);
      const rest = (): void => {
        if (dice.chance(0.3)) writer.maintain();
      };
      for (const filter of [...dice.some(CANONICAL, 2), ...dice.some(BY_INDEX, 2)]) {
        expect([filter, countOf(reader, [filter], { rest })]).toEqual([
          filter,
          naiveCount(visible, [filter]),
        ]);
      }
    }
  });
}, 20_000);

test("an event that is removed in the middle of a move is taken away once, if at all", () => {
  using store = new TestStore();
  const writer = new EventWriter(store.db, { ...store.options, tailEvents: 30, tallyEntries: 1 });
  const make = (i: number, tags: Tag[]): NostrEvent =>
    makeEvent({
      pubkey: author(i),
      kind: 7,
      tags: [...NOTES.map((id) => ["e", id]), ["t", "nostr"], ["a", ADDRESS], ...tags],
    });
  const rows = (i: number): Tag[] => Array.from({ length: 300 }, (_, n) => ["r", `${i} ${n}`]);
  let stored = Array.from({ length: 20 }, (_, i) => make(i, []));
  writer.write(stored.map(candidateOf));
  writer.moveTail();
  const moving = Array.from({ length: 40 }, (_, i) => make(i + 20, rows(i)));
  writer.write(moving.map(candidateOf));
  stored.push(...moving);
  writer.write([candidateOf(makeEvent())]); // steps are as large as what was written last
  const reader = store.openReader();
  for (let step = 0; writer.maintain() || step < 8; step++) {
    const [first, second] = [stored[0], stored.at(-1 - step)] as [NostrEvent, NostrEvent];
    const { pubkey } = first;
    writer.write([candidateOf(makeEvent({ kind: 5, pubkey, tags: [["e", first.id]] }))]);
    const [[seq]] = store.db
      .query("SELECT seq FROM event WHERE id = ?")
      .values(Buffer.from(second.id, "hex")) as [[number]];
    const { id } = second;
    if (step % 2 === 0) writer.remove([seq]);
    else {
      const tags = [["e", id]];
      writer.write([candidateOf(makeEvent({ kind: 5, pubkey: second.pubkey, tags }))]);
    }
    stored = stored.filter((event) => event !== first && event !== second);
    for (const filter of [...CANONICAL.slice(0, 1), ...CANONICAL.slice(-1)]) {
      expect(countOf(reader, [filter])).toEqual(naiveCount(stored, [filter]));
    }
    expect(checkIndex(store.db)).toEqual([]);
  }
});

describe("what has thousands of events", () => {
  const filter: RawFilter = { "#e": [NOTES[0] as string], kinds: [7] };
  const reactions = Array.from({ length: 5000 }, (_, i) =>
    makeEvent({ pubkey: author(i), kind: 7, tags: [["e", NOTES[0] as string]], content: "+" }),
  );
  const special = reactions
    .slice(0, 3)
    .map((event) => makeEvent({ ...event, tags: [...event.tags, ["expiration", "9000"]] }));
  const mentions = Array.from({ length: 3000 }, (_, i) =>
    makeEvent({ kind: 42, tags: [["e", NOTES[0] as string]], content: `${i}` }),
  );

  test("is counted without reading them, but for the special ones", () => {
    using store = new TestStore();
    store.write(...mentions);
    store.moveTail();
    store.writeInBatches(reactions.slice(0, 4900), [700]);
    store.moveTail();
    store.write(...reactions.slice(4900), ...special);
    const reader = store.openReader();
    const [texts, entries] = [spyOn(reader, "texts"), spyOn(reader, "entries")];
    expect(countOf(reader, [filter])).toEqual(naiveCount([...reactions, ...special], [filter]));
    expect(texts.mock.calls.map(([seqs]) => seqs.length)).toEqual([3]);
    expect(entries.mock.results.flatMap(({ value }) => value as unknown[])).toHaveLength(3);
  });

  test("is counted to its end, beyond the limit of what is read", () => {
    using store = new TestStore();
    store.writer.write(reactions.slice(0, 4000).map(candidateOf));
    const reader = store.openReader();
    const cut = { count: 100, isApproximate: true, hll: null };
    const isTallied = (): boolean => reader.tally(tagKey("e", NOTES[0] as string)) !== null;
    expect([isTallied(), countOf(reader, [filter], { countMax: 100 })]).toEqual([false, cut]);
    store.moveTail();
    const all = naiveCount(reactions.slice(0, 4000), [filter]);
    expect([isTallied(), countOf(reader, [filter], { countMax: 100 })]).toEqual([true, all]);
  });

  test("has no tally of what isn't much, and one once it is", () => {
    using store = new TestStore();
    store.write(...reactions.slice(0, 600));
    store.moveTail();
    expect(store.db.query("SELECT count(*) FROM tally").values()).toEqual([[0]]);
    store.writeInBatches(reactions.slice(600), [100]);
    store.moveTail();
    expect(store.db.query("SELECT count(*) FROM tally").values()).toEqual([[1]]);
    expect(checkIndex(store.db)).toEqual([]);
  });
});

describe("a count", () => {
  const events = Array.from({ length: 9 }, (_, i) =>
    makeEvent({ pubkey: author(i), tags: [["t", "x"]], content: `${i}` }),
  );
  const rows: [what: string, filters: RawFilter[], countMax: number, expected: CountResult][] = [
    ["by index", [{ "#t": ["x"] }], 9, naiveCount(events, [{ "#t": ["x"] }])],
    ["by index", [{ "#t": ["x"] }], 8, { count: 8, isApproximate: true, hll: null }],
    ["of a kind", [{ kinds: [1] }], 9, { count: 9, isApproximate: false, hll: null }],
    ["of a kind", [{ kinds: [1] }], 8, { count: 8, isApproximate: true, hll: null }],
    ["by scan", [{ "#t": ["x", "y"] }], 9, naiveCount(events, [{ "#t": ["x"] }])],
    ["by scan", [{ "#t": ["x", "y"] }], 8, { count: 8, isApproximate: true, hll: null }],
    ["of nothing", [{ ids: [] }], 8, { count: 0, isApproximate: false, hll: null }],
  ];
  for (const [what, filters, countMax, expected] of rows) {
    test(`${what} of nine that may go to ${countMax} is ${expected.count}`, () => {
      using store = new TestStore();
      store.write(...events);
      expect(countOf(store.openReader(), filters, { countMax })).toEqual(expected);
    });
  }

  const HIDDEN = new Set([4, 1059]);
  const ways: [filter: RawFilter, isByIndex: boolean][] = [
    [{ kinds: [7], "#e": [NOTES[0] as string] }, true],
    [{ kinds: [7, 4], "#e": [NOTES[0] as string] }, false],
    [{ "#e": [NOTES[0] as string] }, false],
    [{ kinds: [7], "#e": NOTES }, false],
    [{ kinds: [7], "#e": [NOTES[0] as string], "#t": ["x"] }, false],
    [{ kinds: [7], "#e": [NOTES[0] as string], authors: [author(0)] }, false],
    [{ kinds: [7], "#e": [NOTES[0] as string], since: 1, until: 9 }, true],
    [{ kinds: [7], "#e": [NOTES[0] as string], limit: 9 }, false],
    [{ kinds: [7], authors: [author(0), author(1)] }, true],
    [{ kinds: [7], ids: [NOTES[0] as string] }, false],
    [{ kinds: [1, 7] }, true],
    [{ authors: [author(0)] }, false],
    [{}, false],
  ];
  for (const [filter, isByIndex] of ways) {
    test(`of ${JSON.stringify(filter)} is ${isByIndex ? "" : "not "}left to the index`, () => {
      expect(canCountByIndex(parseFilter(filter) as Filter, HIDDEN)).toBe(isByIndex);
    });
  }

  // Found by search, as in the tests of terms: a tag that has the key of kind 1.
  test("of a kind or an author has no events of a tag that shares its key", () => {
    using store = new TestStore();
    const crafted = makeEvent({ kind: 7, tags: [["t", "167n\ub55c\u44fa"]] });
    store.write(crafted, ...events);
    store.moveTail();
    const reader = store.openReader();
    expect(countOf(reader, [{ kinds: [1] }]).count).toBe(9);
    expect(countOf(reader, [{ "#t": ["167n\ub55c\u44fa"] }]).count).toBe(1);
  });
});
