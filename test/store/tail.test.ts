// The tail of the index: in memory as on disk, whoever writes, and on its way into the table.

import { describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { openForReading } from "../../src/store/schema.ts";
import { Run } from "../../src/store/run.ts";
import { Tail } from "../../src/store/tail.ts";
import { kindKey, type TermEntry, type TermRow } from "../../src/store/term.ts";
import { EventWriter } from "../../src/store/write.ts";
import { candidateOf } from "../../src/store/candidate.ts";
import { authorPart, infoAuthor } from "../../src/store/info.ts";
import { checkIndex } from "../support/check-index.ts";
import { TestStore } from "../support/test-store.ts";
import { type Dice, forEachSeed, makeEvent, randomEvent } from "../support/unsigned-events.ts";

/** With replaceables and deletions. */
const SPREAD = { authors: 3, kinds: [0, 1, 5, 7, 30_000], seconds: 20 };

/** Few different values, so that every column decides now and then. */
function randomRows(dice: Dice, seqs: readonly number[]): TermRow[] {
  return seqs.flatMap((seq) =>
    dice.list(1 + dice.below(3), () => ({
      key: 1 + dice.below(4),
      age: -dice.below(3),
      order: dice.below(3),
      seq,
      info: dice.below(100),
    })),
  );
}

function compareRows(a: TermRow, b: TermRow): number {
  return a.key - b.key || a.age - b.age || a.order - b.order || a.seq - b.seq;
}

function rowsOf(run: Run): TermRow[] {
  return Array.from({ length: run.length }, (_, i) => ({
    key: run.keys[i] as number,
    age: run.ages[i] as number,
    order: run.orders[i] as number,
    seq: run.seqs[i] as number,
    info: run.infos[i] as number,
  }));
}

describe("a run", () => {
  test("is in order, goes to bytes and back, is merged and filtered as lists are", () => {
    forEachSeed(100, (dice) => {
      const a = randomRows(dice, [1, 2, 3, 4]);
      const b = randomRows(dice, [5, 6, 7]);
      const [runA, runB] = [Run.of([...a]), Run.of([...b])];
      expect(rowsOf(Run.decode(runA.encode()))).toEqual(a.toSorted(compareRows));
      const all = [...a, ...b].toSorted(compareRows);
      expect(rowsOf(Run.merge(runA, runB))).toEqual(all);
      const isEven = (seq: number): boolean => seq % 2 === 0;
      expect(rowsOf(Run.merge(runA, runB).filter(isEven))).toEqual(
        all.filter(({ seq }) => isEven(seq)),
      );
    });
  });

  test("of torn bytes is refused", () => {
    const bytes = Run.of([{ key: 1, age: 2, order: 3, seq: 4, info: 5 }]).encode();
    expect(bytes).toHaveLength(50);
    for (let length = 0; length < bytes.length; length++) {
      if (length === 32) continue; // a place without a row
      const message = `a part of the index has ${length} bytes`;
      expect(() => Run.decode(bytes.subarray(0, length))).toThrow(message);
    }
    const lies = bytes.slice();
    for (const count of [-1, 0.5, 3, Number.NaN, Number.POSITIVE_INFINITY]) {
      new Float64Array(lies.buffer, 0, 1)[0] = count;
      expect(() => Run.decode(lies)).toThrow("a part of the index has 50 bytes");
    }
  });

  test("says once where and when an event is, however many rows it has", () => {
    const [age, order, seq] = [-1_700_000_000, 2 ** 48 - 1, 2 ** 40];
    const row = (key: number, info: number): TermRow => ({ key, age, order, seq, info });
    const infos = [0, 1, 65_535, 2 ** 32 - 1, 2 ** 32, 2 ** 47 + 2 ** 46 + 2 ** 45, 2 ** 48 - 1];
    const rows = infos.map((info, i) => row(2 ** 48 - 9 + i, info));
    expect(Run.of([...rows]).encode()).toHaveLength(8 + 24 + 18 * rows.length);
    expect(rowsOf(Run.decode(Run.of([...rows]).encode()))).toEqual(rows);
    const expiring = { ...row(2 ** 48 - 2, 7), age: 1_800_000_000 };
    const taken = [0.5, 1.5].map((key) => ({ ...row(key, 3), age: -key, seq: seq + 0.5 }));
    const all = [...taken, ...rows, expiring];
    expect(Run.of([...all]).encode()).toHaveLength(8 + 4 * 24 + 18 * all.length);
    expect(rowsOf(Run.decode(Run.of([...all]).encode()))).toEqual(all);
  });

  test("is read wherever its bytes lie", () => {
    const row = { key: 1, age: -2, order: 3, seq: 4, info: 5 };
    const odd = new Uint8Array(51);
    odd.set(Run.of([row]).encode(), 1);
    expect(rowsOf(Run.decode(odd.subarray(1)))).toEqual([row]);
  });
});

describe("the tail in memory", () => {
  test("answers as a sorted list does", () => {
    using store = new TestStore();
    forEachSeed(200, (dice) => {
      const tail = new Tail(store.db);
      const rows: TermRow[] = [];
      const removed = new Set<number>();
      for (let part = 1; part <= 1 + dice.below(12); part++) {
        const seqs = Array.from({ length: dice.below(4) }, (_, i) => part * 10 + i);
        const more = randomRows(dice, seqs);
        const gone = rows.length > 0 && dice.chance(0.3) ? [dice.pick(rows).seq] : [];
        for (const seq of gone) removed.add(seq);
        rows.push(...more);
        tail.add(part, Run.of([...more]), gone);
      }
      const live = rows.filter(({ seq }) => !removed.has(seq)).toSorted(compareRows);
      for (let i = 0; i < 20; i++) {
        const [key, limit] = [1 + dice.below(5), 1 + dice.below(6)];
        const place = { key, age: -dice.below(4), order: dice.below(4) - 1, seq: dice.below(130) };
        const entryOf = ({ age, order, seq, info }: TermRow): TermEntry => [age, order, seq, info];
        const of = live.filter((row) => row.key === key);
        const after = of.filter((row) => compareRows(row, { ...place, info: 0 }) > 0);
        const before = of.filter((row) => compareRows(row, { ...place, info: 0 }) < 0);
        const args = [key, place.age, place.order, place.seq, limit] as const;
        expect(tail.entries(...args)).toEqual(after.slice(0, limit).map(entryOf));
        expect(tail.entriesBefore(...args)).toEqual(
          before.toReversed().slice(0, limit).map(entryOf),
        );
        const [first, last] = [-2, -dice.below(3)];
        const inRange = rows.filter((r) => r.key === key && r.age >= first && r.age <= last);
        expect(tail.count(key, first, last)).toBe(inRange.length);
      }
      const upTo = dice.below(130);
      expect(rowsOf(tail.runUpTo(upTo))).toEqual(live.filter(({ seq }) => seq <= upTo));
    });
  });
});

function headOf(store: TestStore): number[] {
  return store.db.query("SELECT seq, merged, merging FROM head").values()[0] as number[];
}

/** What a reader finds under a kind's key. */
function readKind(store: TestStore, kind: number): number[] {
  return store
    .openReader()
    .entries(kindKey(kind), Number.NEGATIVE_INFINITY, -1, -1, 1000)
    .map(([, , seq]) => seq);
}

describe("the move into the table", () => {
  const events = Array.from({ length: 30 }, (_, i) =>
    makeEvent({ created_at: 1000 - i, content: `${i}`, tags: [["t", `${i % 7}`]] }),
  );
  /** Moves at every opportunity. */
  const eager = (store: TestStore): EventWriter =>
    new EventWriter(store.db, { ...store.options, tailEvents: 1 });

  test("begins with enough events, and leaves nothing in the tail", () => {
    using store = new TestStore();
    const writer = new EventWriter(store.db, { ...store.options, tailEvents: 30 });
    writer.write(events.slice(0, 29).map(candidateOf));
    expect(writer.maintain()).toBe(false);
    expect(headOf(store)).toEqual([29, 0, 0]);
    writer.write(events.slice(29).map(candidateOf));
    while (writer.maintain());
    expect(headOf(store)).toEqual([30, 30, 30]);
    expect(store.db.query("SELECT count(*) FROM tail_run").values()).toEqual([[0]]);
    expect(checkIndex(store.db)).toEqual([]);
    expect(readKind(store, 1)).toEqual(events.map((_, i) => i + 1));
  });

  test("takes many steps, and every state in between is whole", () => {
    using store = new TestStore();
    forEachSeed(6, (dice) => {
      const writer = eager(store);
      const size = 300;
      const more = Array.from({ length: size }, () => randomEvent(dice, SPREAD));
      writer.write(more.map(candidateOf));
      let steps = 0;
      for (let isMore = true; isMore; steps++) {
        isMore = writer.maintain();
        const seqs = store.rows().map(([seq]) => seq);
        if (dice.chance(0.5) && seqs.length > 0) writer.remove([dice.pick(seqs)]);
        if (dice.chance(0.3)) writer.write([candidateOf(randomEvent(dice, SPREAD))]);
        expect(checkIndex(store.db)).toEqual([]);
        if (steps > 200) break; // each write makes it due again
      }
    });
  });

  test("an event is found in either place, and once where it is in both", () => {
    using store = new TestStore();
    store.write(...events);
    const reader = store.openReader();
    const all = (): number[] =>
      reader.entries(kindKey(1), Number.NEGATIVE_INFINITY, -1, -1, 100).map(([, , seq]) => seq);
    const wanted = events.map((_, i) => i + 1);
    reader.head();
    expect(all()).toEqual(wanted);
    store.moveTail(); // the reader hasn't heard of it
    expect(all()).toEqual(wanted);
    reader.head();
    expect(all()).toEqual(wanted);
  });

  test("a removed event is in neither place, before, while and after it is moved", () => {
    using store = new TestStore();
    const writer = eager(store);
    writer.write(events.map(candidateOf));
    writer.remove([3]);
    expect(readKind(store, 1)).not.toContain(3);
    while (writer.maintain());
    writer.remove([4]);
    expect(readKind(store, 1)).toEqual(
      events.map((_, i) => i + 1).filter((i) => i !== 3 && i !== 4),
    );
    expect(checkIndex(store.db)).toEqual([]);
  });

  test("two processes write, remove and move by turns", () => {
    forEachSeed(20, (dice) => {
      using store = new TestStore();
      const options = { ...store.options, tailEvents: 5 };
      const writers = [new EventWriter(store.db, options), store.openWriter()] as const;
      for (let round = 0; round < 40; round++) {
        const writer = dice.pick(writers);
        const batch = dice.list(1 + dice.below(6), () => randomEvent(dice, SPREAD));
        writer.write(batch.map(candidateOf));
        const seqs = store.rows().map(([seq]) => seq);
        if (dice.chance(0.4) && seqs.length > 0) dice.pick(writers).remove([dice.pick(seqs)]);
        if (dice.chance(0.7)) dice.pick(writers).maintain();
      }
      expect(checkIndex(store.db)).toEqual([]);
    });
  });

  test("one that was left in the middle is taken up, once the tail has twice its size", () => {
    using store = new TestStore();
    store.write(...events.slice(0, 10));
    store.db.run("UPDATE head SET merging = 10"); // as after a crash between two steps
    const writer = new EventWriter(store.db, { ...store.options, tailEvents: 10 });
    writer.write(events.slice(10, 15).map(candidateOf));
    expect(writer.maintain()).toBe(false);
    writer.write(events.slice(15).map(candidateOf));
    while (writer.maintain());
    expect(headOf(store).slice(1)).not.toEqual([0, 10]);
    expect(checkIndex(store.db)).toEqual([]);
  });

  test("that fails leaves everything as it was, and works the next time", () => {
    using store = new TestStore();
    const writer = eager(store);
    writer.write(events.map(candidateOf));
    store.db.run(`CREATE TRIGGER broken BEFORE INSERT ON term WHEN new.seq = 20
                  BEGIN SELECT raise(ABORT, 'broken'); END`);
    expect(() => writer.maintain()).toThrow("broken");
    expect(headOf(store)).toEqual([30, 0, 0]);
    expect(checkIndex(store.db)).toEqual([]);
    store.db.run("DROP TRIGGER broken");
    while (writer.maintain());
    expect(headOf(store)).toEqual([30, 30, 30]);
    expect(checkIndex(store.db)).toEqual([]);
  });
});

describe("moving all of the tail", () => {
  const events = Array.from({ length: 9000 }, (_, i) =>
    makeEvent({ created_at: i % 50, content: `${i}`, tags: [["t", `${i % 7}`]] }),
  );

  test("leaves nothing, however little there is, and does nothing where nothing is", () => {
    using store = new TestStore();
    store.writer.moveTail();
    expect(headOf(store)).toEqual([0, 0, 0]);
    store.writer.write([candidateOf(events[0] as NostrEvent)]);
    for (let times = 0; times < 2; times++) {
      store.writer.moveTail();
      expect(headOf(store)).toEqual([1, 1, 1]);
      expect(store.db.query("SELECT count(*) FROM tail_run").values()).toEqual([[0]]);
      expect(checkIndex(store.db)).toEqual([]);
    }
  });

  test("is done in steps, and ends a move that was left in the middle, by whomever", () => {
    using store = new TestStore();
    const writer = new EventWriter(store.db, { ...store.options, tailEvents: 100_000 });
    writer.write(events.slice(0, 6000).map(candidateOf));
    store.db.run("UPDATE head SET merging = 4000"); // as another process leaves it when it dies
    store.openWriter().write(events.slice(6000).map(candidateOf));
    writer.remove([3, 3999, 8999]);
    let commits = 0;
    const dataVersion = () => reader.query("PRAGMA data_version").values()[0]?.[0];
    using reader = openForReading(store.options);
    let version = dataVersion();
    const { run } = store.db;
    store.db.run = (...args: Parameters<typeof run>) => {
      const result = run.apply(store.db, args);
      if (dataVersion() !== version) commits += 1;
      version = dataVersion();
      return result;
    };
    writer.moveTail();
    expect(commits).toBeGreaterThan(1);
    expect(headOf(store)).toEqual([9000, 9000, 9000]);
    expect(checkIndex(store.db)).toEqual([]);
  });

  test("goes on with what was there, while others write, and leaves them what is theirs", () => {
    using store = new TestStore();
    const [writer, other] = [store.openWriter(), store.openWriter()];
    writer.write(events.slice(0, 50).map(candidateOf));
    other.write(events.slice(50, 60).map(candidateOf));
    writer.moveTail();
    expect(headOf(store)).toEqual([60, 60, 60]);
    other.write(events.slice(60, 70).map(candidateOf));
    other.remove([1, 55, 65]);
    writer.write(events.slice(0, 80).map(candidateOf));
    expect(checkIndex(store.db)).toEqual([]);
    expect(store.rows()).toHaveLength(80);
  });
});

test("who writes much moves more at a time, the larger the index is", () => {
  using store = new TestStore();
  const options = { ...store.options, tailEvents: 10, tailEventsMax: 30 };
  const writer = new EventWriter(store.db, options);
  const moves: number[] = [];
  for (let i = 0; i < 600; i++) {
    writer.write([candidateOf(makeEvent({ content: `${i}` }))]);
    const [, before = 0] = headOf(store);
    while (writer.maintain());
    const [, merged = 0] = headOf(store);
    if (merged > before) moves.push(merged - before);
  }
  expect([moves[0], moves.at(-1)]).toEqual([10, 30]);
  expect(moves).toEqual(moves.toSorted((a, b) => a - b));
});

test("an index entry of a kind tells the author, so that many authors need few cursors", () => {
  using store = new TestStore();
  const db = openForReading(store.options);
  store.write(makeEvent({ kind: 7 }));
  const [entry] = store.openReader().entries(kindKey(7), Number.NEGATIVE_INFINITY, -1, -1, 1);
  const { author: authorKey } = candidateOf(makeEvent({ kind: 7 })).keys;
  expect(infoAuthor(entry?.[3] ?? 0)).toBe(authorPart(authorKey));
  db.close();
});
