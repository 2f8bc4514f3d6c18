// The newest entries in memory: a list against a sorted array, and a reader that keeps its lists
// through all that is written, moved and removed, against a naive filter over what is stored.

import { describe, expect, test } from "bun:test";
import type { NostrEvent, Tag } from "../../src/protocol/event.ts";
import { type Filter, parseFilter } from "../../src/protocol/filter.ts";
import { candidateOf } from "../../src/store/candidate.ts";
import { CountingReader } from "../../src/store/counting-reader.ts";
import { compareEntries, NewestCursor } from "../../src/store/cursor.ts";
import { authorInfo, authorPart } from "../../src/store/info.ts";
import {
  Newest,
  NEWEST_KEYS_MAX,
  NEWEST_MAX,
  NewestEntries,
  WantedAuthors,
} from "../../src/store/newest.ts";
import type { EventReader } from "../../src/store/read.ts";
import { Run } from "../../src/store/run.ts";
import { Scan } from "../../src/store/scan.ts";
import { openForReading } from "../../src/store/schema.ts";
import {
  authorKey,
  kindKey,
  type Place,
  type TermEntry,
  type TermRow,
} from "../../src/store/term.ts";
import { naiveScan, type RawFilter } from "../support/random-filters.ts";
import { TestStore } from "../support/test-store.ts";
import { author, type Dice, forEachSeed, makeEvent } from "../support/unsigned-events.ts";

const KEY = 1000;
const EVERYTHING = { lastAge: Number.POSITIVE_INFINITY, authors: null, isRemoved: () => false };

describe("a list", () => {
  const infoOf = (n: number): number => authorInfo(authorKey(author(n)), n % 2 === 0);

  function randomEntries(dice: Dice, count: number, firstSeq: number): TermEntry[] {
    const width = dice.pick([1, 30, 1e6]);
    return Array.from({ length: count }, (_, i): TermEntry => {
      return [-1000 - dice.below(width), dice.below(3), firstSeq + i, infoOf(dice.below(9))];
    });
  }

  function runOf(entries: readonly TermEntry[]): Run {
    const rows = entries.map(([age, order, seq, info]): TermRow => {
      return { key: KEY, age, order, seq, info };
    });
    const others = [KEY - 1, KEY + 1].map((key) => ({ key, age: -1, order: 1, seq: 1, info: 1 }));
    return Run.of([...rows, ...others]);
  }

  /** What it holds is what there is, from the newest on, up to its end. */
  function check(list: NewestEntries, all: readonly TermEntry[]): void {
    const { end, isComplete, length } = list;
    const held = all.filter((entry) => isComplete || compareEntries(entry, end) <= 0);
    expect(held).toHaveLength(length);
    const { entries, isWhole } = list.read([-Infinity, -1, -1, 0], Infinity, EVERYTHING);
    expect(entries).toEqual(length === 0 && !isComplete ? [] : held);
    expect(isWhole).toBe(isComplete);
    expect(length).toBeLessThanOrEqual(NEWEST_MAX);
  }

  test("is, whatever comes and goes, what a sorted array begins with", () => {
    forEachSeed(30, (dice) => {
      const scale = dice.pick([1, 1, 1, 300]);
      let seq = 1;
      const more = (count: number): TermEntry[] => {
        const entries = randomEntries(dice, count, seq);
        seq += count;
        return entries;
      };
      let all = more(dice.below(60) * scale).toSorted(compareEntries);
      const list = new NewestEntries();
      const extend = (): void => {
        const after = list.isComplete ? [] : all.slice(list.length);
        const count = (1 + dice.below(20)) * scale;
        list.extend(after.slice(0, count), after.length < count);
      };
      extend();
      for (let step = 0; step < 30; step++) {
        if (dice.chance(0.3)) extend();
        if (dice.chance(0.5)) {
          const news = more(dice.below(10) * scale);
          // What is in it already is told again when its rows are moved.
          const again = dice.chance(0.3) && all.length > 0 ? [dice.pick(all)] : [];
          const run = runOf([...news, ...again]);
          list.add(run, 1, run.length - 1);
          all = [...all, ...news].toSorted(compareEntries);
        }
        if (dice.chance(0.3) && all.length > 0) {
          const gone = dice.pick(all);
          list.remove(gone);
          list.remove(gone);
          all = all.filter((entry) => entry !== gone);
        }
        if (dice.chance(0.1)) {
          const isRemoved = (one: number): boolean => one % 5 === step % 5;
          list.removeAll(isRemoved);
          all = all.filter((entry) => !isRemoved(entry[2]));
        }
        check(list, all);
        const start: Place =
          dice.chance(0.5) && all.length > 0 ? dice.pick(all) : [-Infinity, -1, -1, 0];
        const lastAge = dice.pick([0, -1001, all.at(dice.below(9))?.[0] ?? 0]);
        const parts = new Set([1, 2, 3].map((n) => authorPart(authorKey(author(n)))));
        const authors = new WantedAuthors(parts);
        const isOf = ([, , , info]: TermEntry): boolean => parts.has(info % 2 ** 46);
        const isGone = (one: number): boolean => one % 7 === 3;
        const held = all.slice(0, list.length);
        const within = held.filter((one) => compareEntries(one, start) > 0 && one[0] <= lastAge);
        const limit = 1 + dice.below(20);
        const wanted = within.filter((one) => isOf(one) && !isGone(one[2]));
        const { entries } = list.read(start, limit, { lastAge, authors, isRemoved: isGone });
        expect(entries).toEqual(wanted.slice(0, limit));
        const query = { lastAge, authors, isRemoved: isGone };
        const counts = list.count(start, query, Infinity);
        expect([counts.seen, counts.kept]).toEqual([within.length, wanted.length]);
        if (within.length > 0) expect(counts.firstAge).toBe(within[0]![0]);
      }
    });
  });

  test("says whether anything may come after what it has given", () => {
    const entries = [1, 2, 3, 4].map((n): TermEntry => [-10 + n, 0, n, infoOf(1)]);
    const list = new NewestEntries();
    list.extend(entries, false);
    const from = [-Infinity, -1, -1, 0] as const;
    const states = (query: typeof EVERYTHING, limit: number): [number, boolean] => {
      const { entries: found, isWhole } = list.read(from, limit, query);
      return [found.length, isWhole];
    };
    expect(states(EVERYTHING, 9)).toEqual([4, false]);
    expect(states(EVERYTHING, 2)).toEqual([2, false]);
    expect(states({ ...EVERYTHING, lastAge: -8 }, 9)).toEqual([2, true]);
    expect(states({ ...EVERYTHING, lastAge: -6 }, 9)).toEqual([4, false]); // more may be at -6
    list.extend([], true);
    expect(states(EVERYTHING, 9)).toEqual([4, true]);
    expect(list.end).toEqual(entries[3]!);
  });

  test("that is full loses its oldest, and no more is read into it", () => {
    const entries = Array.from({ length: NEWEST_MAX + 5 }, (_, i): TermEntry => [i, 0, i + 9, 0]);
    const list = new NewestEntries();
    list.extend(entries, true);
    expect([list.length, list.isFull, list.isComplete]).toEqual([NEWEST_MAX, true, false]);
    const run = runOf([[-1, 0, 1, 0]]);
    list.add(run, 1, 2);
    expect([list.length, list.isFull]).toEqual([NEWEST_MAX * 0.75 + 1, false]);
    check(list, [[-1, 0, 1, 0], ...entries]);
    const whole = new NewestEntries();
    whole.extend(entries.slice(5), true);
    expect([whole.isFull, whole.isComplete]).toEqual([true, true]);
    whole.add(run, 1, 2);
    expect([whole.isFull, whole.isComplete]).toEqual([false, false]);
  });

  test("is counted until enough is found", () => {
    const list = new NewestEntries();
    list.extend(
      Array.from({ length: 50 }, (_, i): TermEntry => [i, 0, i + 1, infoOf(i % 2)]),
      true,
    );
    const authors = new WantedAuthors(new Set([authorPart(authorKey(author(1)))]));
    const from = [-Infinity, -1, -1, 0] as const;
    const count = (start: Place, lastAge: number, max: number) =>
      list.count(start, { lastAge, authors, isRemoved: () => false }, max);
    expect(count(from, Infinity, 3)).toEqual({ seen: 6, kept: 3, firstAge: 0 });
    expect(count(from, 9, 30)).toEqual({ seen: 10, kept: 5, firstAge: 0 });
    expect(count(from, -1, 30)).toEqual({ seen: 0, kept: 0, firstAge: 0 });
    expect(count([49, 0, 50, 0], Infinity, 3)).toEqual({
      seen: 0,
      kept: 0,
      firstAge: Infinity,
    });
  });
});

describe("the lists of a reader", () => {
  const ofKey = (key: number, rows: number): Run =>
    Run.of(Array.from({ length: rows }, (_, i) => ({ key, age: -i, order: 0, seq: i, info: 0 })));

  test("are those that were read last", () => {
    const newest = new Newest();
    const first = newest.get(1);
    for (let key = 2; key <= NEWEST_KEYS_MAX; key++) newest.get(key);
    expect(newest.get(1)).toBe(first);
    newest.get(NEWEST_KEYS_MAX + 1); // in place of 2
    expect(newest.get(1)).toBe(first);
    for (let key = 2; key <= NEWEST_KEYS_MAX; key++) newest.get(key);
    newest.get(NEWEST_KEYS_MAX + 1);
    expect(newest.get(1)).not.toBe(first);
  });

  test("are not kept up for nobody, nor with more than they hold at once", () => {
    const newest = new Newest();
    const [read, unread] = [newest.get(1), newest.get(2)];
    for (const list of [read, unread]) list.extend([], true);
    for (let part = 0; part < 300; part++) {
      if (part === 150) expect(newest.get(1)).toBe(read);
      newest.onPart(ofKey(3, 1));
    }
    expect(newest.get(1)).toBe(read);
    expect(newest.get(2)).not.toBe(unread);
    newest.onPart(ofKey(1, NEWEST_MAX));
    expect(newest.get(1)).toBe(read);
    expect(read.length).toBe(NEWEST_MAX);
    newest.onPart(ofKey(1, NEWEST_MAX + 1));
    expect(newest.get(1)).not.toBe(read);
  });
});

describe("a reader", () => {
  const LIMITS = { limitDefault: 40, limitMax: 300, tiesMax: 10 };
  const KINDS = [0, 1, 1, 1, 5, 7, 7, 30_000];

  function idsOf(reader: EventReader, filters: readonly RawFilter[], now: number) {
    const parsed = filters.map((filter) => parseFilter(filter) as Filter);
    const scan = new Scan(reader, parsed, { ...LIMITS, nowSeconds: () => now });
    const ids: string[] = [];
    for (let steps = 0; steps < 100_000; steps++) {
      const found = scan.next();
      if (found === "done") return { ids, hint: scan.hint() };
      if (found !== "working") ids.push(found.stored.id);
    }
    throw new Error("the scan does not end");
  }

  function anyEvent(dice: Dice, stored: readonly NostrEvent[], now: number): NostrEvent {
    const kind = dice.pick(KINDS);
    const pubkey = author(dice.below(12));
    const tags: Tag[] = [];
    if (kind === 30_000) tags.push(["d", dice.pick(["", "a"])]);
    if (kind !== 5 && dice.chance(0.05)) tags.push(["expiration", `${now + 1 + dice.below(30)}`]);
    if (kind === 5) {
      const own = stored.filter((event) => event.pubkey === pubkey);
      for (const { id } of own.length > 0 ? dice.some(own, dice.below(4)) : [])
        tags.push(["e", id]);
      if (dice.chance(0.4)) tags.push(["a", `0:${pubkey}:`]);
    }
    const late = dice.chance(0.7);
    const created_at = late ? 900_000 + now : 1000 + dice.below(900_000);
    return makeEvent({ pubkey, kind, tags, created_at, content: `${dice.below(1e9)}` });
  }

  function timeline(dice: Dice, now: number): RawFilter {
    const filter: RawFilter = {};
    if (dice.chance(0.8)) filter.kinds = dice.some(KINDS, 1 + dice.below(4));
    if (dice.chance(0.7)) {
      const first = dice.below(12);
      filter.authors = dice.list(1 + dice.below(10), () => author((first + dice.below(5)) % 14));
    }
    if (dice.chance(0.2)) filter.since = 900_000 + now - dice.below(50);
    if (dice.chance(0.2)) filter.until = 900_000 + now - dice.below(50);
    if ((filter.since ?? 0) > (filter.until ?? Infinity)) filter.until = filter.since as number;
    if (dice.chance(0.7)) filter.limit = dice.pick([1, 3, 20, 100, 300]);
    return filter;
  }

  test("finds what is stored, whatever was written, moved and removed since it last looked", () => {
    forEachSeed(3, (dice) => {
      using store = new TestStore();
      let now = 5000;
      const options = { ...store.options, tailEvents: dice.pick([5, 40, 200]) };
      const writers = [store.openWriter(options), store.openWriter(options)];
      const reader = store.openReader();
      for (let round = 0; round < 60; round++) {
        const stored = store.events();
        now += dice.below(3);
        const count = dice.pick([1, 1, 5, 60]);
        const batch = dice.list(count, () => anyEvent(dice, stored, now));
        dice.pick(writers).write(batch.map(candidateOf));
        if (dice.chance(0.2)) dice.pick(writers).removeExpired(now, 1000);
        while (dice.chance(0.6)) dice.pick(writers).maintain();
        if (dice.chance(0.3)) continue; // parts may come and go that it never sees
        const live = store.events().filter(({ tags }) => {
          const expiration = tags.find(([name]) => name === "expiration");
          return expiration === undefined || Number(expiration[1]) > now;
        });
        for (let i = 0; i < 4; i++) {
          const filters = dice.list(1 + dice.below(2), () => timeline(dice, now));
          const answer = reader.inSnapshot(() => idsOf(reader, filters, now));
          expect([filters, answer]).toEqual([filters, naiveScan(live, filters, LIMITS)]);
        }
      }
    });
  }, 20_000);

  const events = Array.from({ length: 3000 }, (_, i) =>
    makeEvent({ pubkey: author(i % 100), created_at: 1000 + i, content: `${i}` }),
  );
  const many = Array.from({ length: 20 }, (_, i) => author(5 * i));

  test("reads what a timeline needs once, and anew after parts it hasn't seen", () => {
    using store = new TestStore();
    store.writeInBatches(events, [500]);
    store.moveTail();
    const db = openForReading(store.options);
    const reader = new CountingReader(db);
    const filter = { kinds: [1], authors: many, limit: 100 };
    const wanted = naiveScan(events, [filter], LIMITS);
    const read = (): number => {
      const before = reader.counts.entries;
      expect(idsOf(reader, [filter], 0)).toEqual(wanted);
      return reader.counts.entries - before;
    };
    expect(read()).toBeGreaterThan(500);
    expect(read()).toBe(0);
    store.write(makeEvent({ pubkey: author(7), created_at: 9000 }));
    expect(read()).toBe(0);
    store.write(makeEvent({ pubkey: author(7), created_at: 9001 }));
    store.moveTail();
    expect(read()).toBeGreaterThan(500);
    expect(read()).toBe(0);
    db.close();
  });

  test("keeps what it knows while rows are moved, and forgets what was looked for in vain", () => {
    using store = new TestStore();
    store.writeInBatches(events, [500]);
    const reader = store.openReader();
    const filter = { kinds: [1], authors: many, limit: 100 };
    expect(idsOf(reader, [filter], 0)).toEqual(naiveScan(events, [filter], LIMITS));
    const list = reader.newest(kindKey(1));
    const { length } = list;
    expect(length).toBeGreaterThan(500);
    store.moveTail();
    expect(idsOf(reader, [filter], 0)).toEqual(naiveScan(events, [filter], LIMITS));
    expect(reader.newest(kindKey(1))).toBe(list);
    const gone = events.slice(2500).filter(({ pubkey }) => pubkey === many[0]);
    const tags = gone.map(({ id }): Tag => ["e", id]);
    store.write(makeEvent({ pubkey: many[0]!, kind: 5, created_at: 5000, tags }));
    const left = events.filter((event) => !gone.includes(event));
    expect(idsOf(reader, [filter], 0)).toEqual(naiveScan(left, [filter], LIMITS));
    expect(gone).toHaveLength(5);
    expect(list.length).toBe(length - gone.length);
  });

  test("holds no version of a profile that is replaced", () => {
    using store = new TestStore();
    const reader = store.openReader();
    reader.head();
    const list = reader.newest(kindKey(0));
    for (let i = 0; i < 30; i++) store.write(makeEvent({ kind: 0, created_at: 1000 + i }));
    reader.head();
    expect(list.length).toBeGreaterThan(1);
    store.moveTail();
    reader.head();
    expect(list.length).toBe(1);
  });

  test("reads no more of a kind for who asks for what lies far back", () => {
    using store = new TestStore();
    store.writeInBatches(events, [500]);
    const reader = store.openReader();
    const filter = { kinds: [1], authors: many, until: 2000, limit: 20 };
    expect(idsOf(reader, [filter], 0)).toEqual(naiveScan(events, [filter], LIMITS));
    expect(reader.newest(kindKey(1)).length).toBe(256);
  });

  test("finds timelines of more kinds than it keeps in memory", () => {
    using store = new TestStore();
    const kinds = Array.from({ length: NEWEST_KEYS_MAX + 2 }, (_, i) => 1000 + i);
    const mixed = events.map((event, i) => makeEvent({ ...event, kind: 1000 + (i % 10) }));
    store.writeInBatches(mixed, [500]);
    const reader = store.openReader();
    const filter = { kinds, authors: many, limit: 200 };
    expect(idsOf(reader, [filter], 0)).toEqual(naiveScan(mixed, [filter], LIMITS));
  });

  test("leaves the rest to who looks at each entry, for authors who aren't in memory", () => {
    using store = new TestStore();
    store.writeInBatches(events, [500]);
    const reader = store.openReader();
    const authors = new WantedAuthors(new Set([authorPart(authorKey(author(2000)))]));
    const start = [-Infinity, -1, -1, 0] as const;
    const query = { lastAge: 0, authors, isRemoved: () => false };
    const cursor = new NewestCursor(reader, kindKey(1), start, 100, query);
    const list = reader.newest(kindKey(1));
    expect([list.length, list.end[0], cursor.head?.[0]]).toEqual([256, -3744, -3743]);
    for (let age = -3743; age <= -1000; age++, cursor.advance()) expect(cursor.head?.[0]).toBe(age);
    expect(cursor.head).toBeNull();
    expect(list.length).toBe(256);
  });

  test("looks for authors by themselves when the newest of a kind are hardly ever theirs", () => {
    using store = new TestStore();
    const loud = Array.from({ length: 2 * NEWEST_MAX }, (_, i) =>
      makeEvent({ pubkey: author(500), created_at: 10_000 + i, content: `${i}` }),
    );
    store.writeInBatches([...events, ...loud], [2000]);
    const db = openForReading(store.options);
    const reader = new CountingReader(db);
    const filter = { kinds: [1], authors: many, limit: 100 };
    expect(idsOf(reader, [filter], 0)).toEqual(naiveScan(events, [filter], LIMITS));
    expect(reader.counts.entries).toBeLessThan(2000);
    // Memory is full, and holds some of what this one asks for.
    const late = Array.from({ length: 60 }, (_, i) =>
      makeEvent({ pubkey: many[i % 20]!, created_at: 30_000 + i }),
    );
    store.writeInBatches(late, [60]);
    const until = 34_500;
    const some = { kinds: [1], authors: many, limit: 100, until };
    expect(idsOf(reader, [{ kinds: [1], limit: 300 }], 0).ids).toHaveLength(300);
    reader.extendNewest(kindKey(1), reader.newest(kindKey(1)), 3 * NEWEST_MAX);
    expect(reader.newest(kindKey(1)).isFull).toBe(true);
    expect(idsOf(reader, [some], 0)).toEqual(naiveScan([...events, ...late], [some], LIMITS));
    const all = { kinds: [1], authors: [...many, author(500)], limit: 300 };
    expect(idsOf(reader, [all], 0)).toEqual(naiveScan([...loud, ...late], [all], LIMITS));
    db.close();
  });

  test("ends though two timelines take each other's lists", () => {
    using store = new TestStore();
    const mixed = Array.from({ length: 20_000 }, (_, i) =>
      makeEvent({ pubkey: author(i % 100), kind: 1000 + (i % 10), created_at: 1000 + i }),
    );
    store.writeInBatches(mixed, [2000]);
    store.moveTail();
    const reader = store.openReader();
    const limits = { limitDefault: 500, limitMax: 500, tiesMax: 10, nowSeconds: () => 0 };
    const scans = [1000, 1005].map((first) => {
      const kinds = [0, 1, 2, 3, 4].map((i) => first + i);
      return new Scan(
        reader,
        [parseFilter({ kinds, authors: many, limit: 500 })! as Filter],
        limits,
      );
    });
    const done = new Set<Scan>();
    let found = 0;
    for (let steps = 0; steps < 20_000 && done.size < 2; steps++) {
      const scan = scans[steps % 2]!;
      const next = done.has(scan) ? "done" : scan.next();
      if (next === "done") done.add(scan);
      else if (next !== "working") found += 1;
    }
    expect([done.size, found]).toEqual([2, 1000]);
  });

  for (const place of ["table", "tail"] as const) {
    test(`goes on by author when what memory has is gone, from the ${place}`, () => {
      using store = new TestStore();
      const past = Array.from({ length: 20_000 }, (_, i) =>
        makeEvent({ pubkey: author(1000 + (i % 50)), created_at: 1000 + i, content: `${i}` }),
      );
      const late = Array.from({ length: 101 }, (_, i) =>
        makeEvent({ pubkey: many[i % 20]!, created_at: 100_000 + i, content: `${i}` }),
      );
      store.writeInBatches(past, [4000]);
      store.moveTail();
      const writer = store.openWriter({ ...store.options, tailEvents: 1e6 });
      writer.write(late.map(candidateOf));
      if (place === "table") store.moveTail();
      const db = openForReading(store.options);
      const reader = new CountingReader(db);
      const filter = { kinds: [1], authors: many, limit: 100 };
      const read = (): number => {
        const before = reader.counts.entries;
        expect(idsOf(reader, [filter], 0).ids).toHaveLength(100);
        return reader.counts.entries - before;
      };
      read();
      const { pubkey, id } = late[50]!;
      const deletion = makeEvent({ kind: 5, pubkey, created_at: 200_000, tags: [["e", id]] });
      writer.write([candidateOf(deletion)]);
      // Once so many as a list holds, to look for the one that is missing.
      expect(read() + read() + read()).toBeLessThan(NEWEST_MAX + 1000);
      db.close();
    });
  }

  test("goes on in the table where its lists end", () => {
    using store = new TestStore();
    const loud = Array.from({ length: NEWEST_MAX + 3000 }, (_, i) =>
      makeEvent({ pubkey: author(i % 3), created_at: 10_000 + i, content: `${i}` }),
    );
    store.writeInBatches(loud, [2000]);
    const reader = store.openReader();
    const filter = { kinds: [1] };
    const limits = { limitDefault: 50_000, limitMax: 50_000, tiesMax: 0 };
    const scan = new Scan(reader, [parseFilter(filter) as Filter], {
      ...limits,
      nowSeconds: () => 0,
    });
    let found = 0;
    for (let next = scan.next(); next !== "done"; next = scan.next()) {
      if (next === "working") continue;
      found += 1;
      if (next.age !== -10_000 - loud.length + found) throw new Error(`${found}: ${next.age}`);
    }
    expect(found).toBe(loud.length);
    expect(reader.newest(kindKey(1)).isFull).toBe(true);
  });
});
