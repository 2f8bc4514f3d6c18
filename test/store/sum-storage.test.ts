// Running sums, whatever happens to a store: what syncs are told by them is what the naive answer
// has, for random filters, viewers and bounds, and in the end the sums are what the events add up
// to.

import { describe, expect, test } from "bun:test";
import type { NostrEvent, Tag } from "../../src/protocol/event.ts";
import { type Bound, compareBounds, END, START } from "../../src/negentropy/bound.ts";
import {
  type IdRun,
  type ItemStorage,
  NotYet,
  type Part,
} from "../../src/negentropy/item-storage.ts";
import { ItemSum } from "../../src/negentropy/item-sum.ts";
import { type Filter, MATCH_ALL, parseFilter } from "../../src/protocol/filter.ts";
import { type EventGuard, type Viewer, Visibility } from "../../src/protocol/visibility.ts";
import { ItemReader } from "../../src/store/item-scan.ts";
import { Sight } from "../../src/store/sight.ts";
import { canonicalText, insertSumSet } from "../../src/store/sum-sets.ts";
import { SumStorage } from "../../src/store/sum-storage.ts";
import { SumsGone } from "../../src/store/sum-view.ts";
import { converse } from "../negentropy/conversation.ts";
import { hex, type Item, naiveDifference, sorted, vectorOf } from "../negentropy/items.ts";
import { checkIndex } from "../support/check-index.ts";
import { checkSums } from "../support/check-sums.ts";
import type { RawFilter } from "../support/random-filters.ts";
import { GUARD, naiveItems, NOW, Soup, soupVisibility } from "../support/sum-soup.ts";
import { TestStore } from "../support/test-store.ts";
import { author, type Dice, forEachSeed, makeEvent } from "../support/unsigned-events.ts";

/** NANDU_TEST_ROUNDS=100 for the long run, of minutes. */
const ROUNDS = Number(process.env["NANDU_TEST_ROUNDS"] ?? 2);
/** So few that hours have several, and are cut within their seconds. */
const PIECE_ITEMS = 32;

/** Asks until there is an answer, with whatever `between` does in between. */
class Patient implements ItemStorage {
  private readonly reader: ItemReader;
  private readonly sums: SumStorage;
  private readonly between: () => void;

  constructor(reader: ItemReader, sums: SumStorage, between: () => void = () => {}) {
    this.reader = reader;
    this.sums = sums;
    this.between = between;
    while (!reader.inSnapshot(() => sums.prepare())) {
      sums.rest();
      between();
    }
  }

  sum(lower: Bound, upper: Bound): ItemSum {
    return this.ask(() => this.sums.sum(lower, upper));
  }

  split(lower: Bound, upper: Bound, count: number): readonly Part[] {
    return this.ask(() => this.sums.split(lower, upper, count));
  }

  ids(lower: Bound, upper: Bound, countMax: number): IdRun {
    return this.ask(() => this.sums.ids(lower, upper, countMax));
  }

  private ask<T>(question: () => T): T {
    for (;;) {
      this.between();
      try {
        return this.reader.inSnapshot(() => {
          if (!this.sums.refresh()) throw new NotYet();
          return question();
        });
      } catch (error) {
        if (!(error instanceof NotYet)) throw error;
      }
    }
  }
}

function itemsOf(events: readonly NostrEvent[]): Item[] {
  return sorted(
    events.map(({ created_at, id }) => ({ timestamp: created_at, id: Buffer.from(id, "hex") })),
  );
}

function naiveSum(items: readonly Item[]): ItemSum {
  const sum = new ItemSum();
  for (const { id } of items) sum.addId(id);
  return sum;
}

function within(items: readonly Item[], lower: Bound, upper: Bound): Item[] {
  return items.filter((item) => compareBounds(lower, item) <= 0 && compareBounds(item, upper) < 0);
}

function randomBound(dice: Dice, soup: Soup, items: readonly Item[]): Bound {
  if (dice.chance(0.15) || items.length === 0) return dice.pick([START, END]);
  const { timestamp, id } = dice.pick(items);
  const hour = timestamp - (timestamp % 3600);
  const time = dice.pick([timestamp, timestamp, timestamp + 1, hour, hour + 3600, soup.time()]);
  return { timestamp: time, id: id.subarray(0, dice.pick([0, 0, 1, 2, 31, 32])) };
}

function checkRange(storage: ItemStorage, lower: Bound, upper: Bound, items: readonly Item[]) {
  const wanted = within(items, lower, upper);
  expect(storage.sum(lower, upper)).toEqual(naiveSum(wanted));
  for (const count of [2, 16].filter((some) => some <= wanted.length)) {
    const parts = storage.split(lower, upper, count);
    expect(parts.length).toBeGreaterThan(1);
    expect(parts.length).toBeLessThanOrEqual(count);
    expect(compareBounds(parts.at(-1)?.upper as Bound, upper)).toBe(0);
    let from = lower;
    for (const part of parts) {
      const ofPart = within(wanted, from, part.upper);
      expect(ofPart.length).toBeGreaterThan(0);
      expect(part.sum).toEqual(naiveSum(ofPart));
      from = part.upper;
    }
  }
  for (const max of [1, 31, 1000]) {
    const { ids, next } = storage.ids(lower, upper, max);
    const count = ids.length / 32;
    expect(hex(ids)).toBe(hex(Buffer.concat(wanted.slice(0, count).map(({ id }) => id))));
    expect(count).toBeLessThanOrEqual(max);
    if (next === null) {
      expect(count).toBe(wanted.length);
    } else {
      expect(count).toBeGreaterThanOrEqual(Math.min(max, PIECE_ITEMS));
      expect(within(wanted, lower, next)).toHaveLength(count);
    }
  }
}

function randomFilter(dice: Dice, soup: Soup): RawFilter {
  const filter: RawFilter = { ...dice.pick(soup.sets) };
  if (dice.chance(0.3)) filter.since = soup.time();
  if (dice.chance(0.3)) filter.until = soup.time();
  if (dice.chance(0.4) && filter.kinds === undefined) {
    filter.kinds = dice.list(1 + dice.below(3), () => dice.pick([1, 4, 7, 9, 1059, 30_023]));
  }
  return filter;
}

function randomViewer(dice: Dice): Viewer {
  return new Set(dice.list(dice.below(3), () => author(dice.below(5))));
}

interface Opened {
  readonly filter: RawFilter;
  readonly viewer: Viewer;
  readonly sums: SumStorage | null;
}

function openAtRandom(
  dice: Dice,
  soup: Soup,
  { store, reader, hasGuard }: { store: TestStore; reader: ItemReader; hasGuard: boolean },
): Opened {
  const [filter, viewer] = [randomFilter(dice, soup), randomViewer(dice)];
  const parsed = parseFilter(filter) as Filter | null;
  const sight = new Sight(soupVisibility(hasGuard), viewer);
  const open = (): SumStorage | null =>
    parsed && SumStorage.open(store.db, reader, parsed, sight, () => NOW, PIECE_ITEMS);
  return { filter, viewer, sums: reader.inSnapshot(open) };
}

const ADDED: RawFilter[] = [
  { authors: [author(0), author(2)] },
  { "#t": ["topic 1", "topic 2"], kinds: [1, 4, 7, 9] },
];

function addSets(store: TestStore, soup: Soup): void {
  for (const filter of ADDED) {
    expect(insertSumSet(store.db, canonicalText(parseFilter(filter) as Filter) as string)).not.toBe(
      null,
    );
    soup.sets.push(filter);
  }
}

describe.each([false, true])("where groups hide some: %p", (hasGuard) => {
  test("all answers are the naive ones", () => {
    forEachSeed(ROUNDS, (dice) => {
      using store = new TestStore();
      const soup = new Soup(dice, store);
      const reader = new ItemReader(store.db);
      for (let round = 0; round < 6; round++) {
        if (round === 2) addSets(store, soup); // far behind the other
        for (let i = 0; i < 8; i++) soup.stir();
        const events = soup.events();
        for (let i = 0; i < 4; i++) {
          const { filter, viewer, sums } = openAtRandom(dice, soup, { store, reader, hasGuard });
          if (sums === null) continue;
          // The sums may come to be up to date at any time: nothing else changes.
          const keep = (): void => {
            if (dice.chance(0.2)) store.writer.sums.step(1 + dice.below(40));
          };
          keep();
          const storage = new Patient(reader, sums, keep);
          const items = itemsOf(naiveItems(events, filter, viewer, hasGuard));
          checkRange(storage, START, END, items);
          for (let range = 0; range < 4; range++) {
            const bounds = [randomBound(dice, soup, items), randomBound(dice, soup, items)];
            const [lower, upper] = bounds.sort(compareBounds) as [Bound, Bound];
            checkRange(storage, lower, upper, items);
          }
        }
        expect(checkSums(store.db)).toEqual([]);
      }
      expect(checkIndex(store.db)).toEqual([]);
    });
  });

  test("syncs find what was there throughout, while events come and go", () => {
    forEachSeed(ROUNDS, (dice) => {
      using store = new TestStore();
      const soup = new Soup(dice, store);
      const reader = new ItemReader(store.db);
      addSets(store, soup);
      for (let round = 0; round < 5; round++) {
        for (let i = 0; i < 12; i++) soup.stir();
        const { filter, viewer, sums } = openAtRandom(dice, soup, { store, reader, hasGuard });
        if (sums === null) continue;
        const naive = () => itemsOf(naiveItems(soup.events(), filter, viewer, hasGuard));
        const before = naive();
        const ever = new Map(before.map((item) => [hex(item.id), item]));
        let there = before;
        let stirs = 8;
        const storage = new Patient(reader, sums, () => {
          if (stirs === 0 || !dice.chance(0.3)) return;
          stirs -= 1;
          soup.stir();
          const now = new Map(naive().map((item) => [hex(item.id), item]));
          there = there.filter(({ id }) => now.has(hex(id)));
          for (const [id, item] of now) ever.set(id, item);
        });
        const mine = before.filter(() => dice.chance(0.8));
        const extra = itemsOf(dice.list(30, () => soup.event()));
        const client = { storage: vectorOf([...mine, ...extra]), frameBytesMax: 4096 };
        const { have, need } = converse(client, { storage, frameBytesMax: 4096 });
        const all = [...ever.values()];
        const lacking = naiveDifference(there, [...mine, ...extra]); // some may be there by chance
        expect(lacking.filter((id) => !need.includes(id))).toEqual([]);
        expect(need.filter((id) => !ever.has(id))).toEqual([]);
        expect(have.filter((id) => there.some((item) => hex(item.id) === id))).toEqual([]);
        const absent = naiveDifference([...mine, ...extra], all);
        expect(absent.filter((id) => !have.includes(id))).toEqual([]);
      }
      expect(checkSums(store.db)).toEqual([]);
    });
  });
});

describe("in bounded pieces, between which others have their turns,", () => {
  const openAll = (store: TestStore, reader: ItemReader, pieceItems?: number): SumStorage => {
    const sight = new Sight(soupVisibility(false));
    return reader.inSnapshot(() =>
      SumStorage.open(store.db, reader, MATCH_ALL, sight, () => NOW, pieceItems),
    ) as SumStorage;
  };
  const prepare = (reader: ItemReader, sums: SumStorage): number => {
    let times = 1;
    while (!reader.inSnapshot(() => sums.prepare())) times += 1;
    return times;
  };
  const ask = <T>(reader: ItemReader, sums: SumStorage, question: () => T): [T, number] => {
    for (let times = 1; ; times++) {
      expect(times).toBeLessThan(1000); // there is an end
      try {
        return [reader.inSnapshot(() => (sums.refresh(), question())), times];
      } catch (error) {
        if (!(error instanceof NotYet)) throw error;
      }
    }
  };
  const some = (count: number, secondsApart: number, tags: Tag[] = []): NostrEvent[] =>
    Array.from({ length: count }, (_, i) =>
      makeEvent({ content: `${i}`, created_at: 1000 + i * secondsApart, tags }),
    );

  test("what isn't in the sums yet and what has left them is read", () => {
    using store = new TestStore();
    const reader = new ItemReader(store.db);
    const events = some(200, 10, [["h", "open"]]);
    store.writeInBatches(events, [100]);
    const pending = openAll(store, reader);
    expect(prepare(reader, pending)).toBeGreaterThan(5);
    const [sum] = ask(reader, pending, () => pending.sum(START, END));
    expect(sum).toEqual(naiveSum(itemsOf(events)));
    store.writer.sums.keepAll();
    store.db.run("DELETE FROM event WHERE seq <= 150");
    const taken = openAll(store, reader);
    expect(prepare(reader, taken)).toBeGreaterThan(4);
    const [left] = ask(reader, taken, () => taken.sum(START, END));
    expect(left).toEqual(naiveSum(itemsOf(events.slice(150))));
  });

  test("ids are found that are far from each other", () => {
    using store = new TestStore();
    const reader = new ItemReader(store.db);
    const events = some(100, 40 * 24 * 3600);
    store.writeInBatches(events, [100]);
    store.writer.sums.keepAll();
    const sums = openAll(store, reader);
    prepare(reader, sums);
    const [{ ids, next }, times] = ask(reader, sums, () => sums.ids(START, END, 1000));
    expect([hex(ids), next]).toEqual([
      hex(Buffer.concat(itemsOf(events).map(({ id }) => id))),
      null,
    ]);
    expect(times).toBeGreaterThan(20);
  });

  test("hours with too many pieces are read, both at the edges of a range", () => {
    using store = new TestStore();
    const reader = new ItemReader(store.db);
    const events = [0, 3600 * 5].flatMap((start) =>
      Array.from({ length: 2100 }, (_, i) => makeEvent({ created_at: start + i })),
    );
    store.writeInBatches(events, [1000]);
    store.writer.sums.keepAll();
    const sums = openAll(store, reader, 1);
    prepare(reader, sums);
    const lower: Bound = { timestamp: 1, id: new Uint8Array(0) };
    const upper: Bound = { timestamp: 3600 * 5 + 2000, id: new Uint8Array(0) };
    // Who describes a range asks for both, one after the other.
    const [{ sum, parts }] = ask(reader, sums, () => ({
      sum: sums.sum(lower, upper),
      parts: sums.split(lower, upper, 16),
    }));
    expect(sum).toEqual(naiveSum(within(itemsOf(events), lower, upper)));
    expect(parts.map((part) => part.sum.count)).toEqual([2099, 2000]);
  });

  test("sums of many classes are read, and count as what is held", () => {
    using store = new TestStore();
    const reader = new ItemReader(store.db);
    const events = Array.from({ length: 5000 }, (_, i) =>
      makeEvent({ kind: 40_000 + i, created_at: 3600 * (i % 700) }),
    );
    store.writeInBatches(events, [1000]);
    store.writer.sums.keepAll();
    const sums = openAll(store, reader);
    prepare(reader, sums);
    const upper: Bound = { timestamp: 3600 * 700, id: new Uint8Array(0) };
    const [sum, times] = ask(reader, sums, () => sums.sum(START, upper));
    expect([sum, times]).toEqual([naiveSum(itemsOf(events)), 2]);
    expect(sums.heldCount).toBe(700);
  });
});

test("a sync ends when its client may see less than when it was opened", () => {
  using store = new TestStore();
  const reader = new ItemReader(store.db);
  let isOpen = true;
  let version = 1;
  const guard: EventGuard = {
    ...GUARD,
    get version() {
      return version;
    },
    seesOfGroup: (viewer, kind, groupId) =>
      isOpen ? "all" : GUARD.seesOfGroup(viewer, kind, groupId),
  };
  const rules = { privateKinds: new Set([4]), signedInKinds: new Set<number>() };
  const sight = new Sight(new Visibility({ ...rules, isAllSignedIn: false }, guard));
  store.write(makeEvent({ tags: [["h", "ours"]] }), makeEvent({ tags: [["h", "open"]] }));
  store.writer.sums.keepAll();
  const sums = reader.inSnapshot(() =>
    SumStorage.open(store.db, reader, MATCH_ALL, sight, () => NOW),
  ) as SumStorage;
  const storage = new Patient(reader, sums);
  expect(storage.sum(START, END).count).toBe(2);
  version = 2; // of something else
  expect(storage.sum(START, END).count).toBe(2);
  [isOpen, version] = [false, 3];
  expect(() => storage.sum(START, END)).toThrow(SumsGone);
});

test("as the client of a sync, too", () => {
  forEachSeed(2 * ROUNDS, (dice) => {
    using store = new TestStore();
    const soup = new Soup(dice, store);
    const reader = new ItemReader(store.db);
    for (let i = 0; i < 25; i++) soup.stir();
    const { filter, viewer, sums } = openAtRandom(dice, soup, { store, reader, hasGuard: true });
    if (sums === null) return;
    const items = itemsOf(naiveItems(soup.events(), filter, viewer, true));
    const theirs = [...items.filter(() => dice.chance(0.9)), ...itemsOf([makeEvent()])];
    const client = { storage: new Patient(reader, sums), frameBytesMax: 4096 };
    const result = converse(client, { storage: vectorOf(theirs), frameBytesMax: 4096 });
    expect(result.have.toSorted()).toEqual(naiveDifference(items, theirs));
    expect(result.need.toSorted()).toEqual(naiveDifference(theirs, items));
  });
});
