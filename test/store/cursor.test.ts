// Spans of time against a sorted list: every entry after the start and within the range, once, in
// order, whatever the first span is and however full the seconds are.

import { expect, test } from "bun:test";
import { compareEntries, SpanCursor } from "../../src/store/cursor.ts";
import type { EventReader, TermEntry } from "../../src/store/read.ts";
import type { Place } from "../../src/store/term.ts";
import { type Dice, forEachSeed } from "../support/unsigned-events.ts";

const FIRST = -Number.MAX_SAFE_INTEGER;

/** As the index answers: all within the range in order, or null when they are more than `max`. */
function readerOf(
  entries: readonly TermEntry[],
  calls: { count: number; read: number },
): EventReader {
  const entriesBetween = (_: unknown, from: number, to: number, max: number) => {
    calls.count += 1;
    if (!(from <= to)) throw new Error(`a span from ${from} to ${to}`);
    const found = entries.filter(([age]) => age >= from && age <= to);
    if (found.length > max) return null;
    calls.read += found.length;
    return found;
  };
  const after = (key: number, age: number, order: number, seq: number, limit: number) => {
    const isAfter = (entry: TermEntry): boolean => compareEntries(entry, [age, order, seq, 0]) > 0;
    const found = entries.filter((entry) => entry[3] === key && isAfter(entry)).slice(0, limit);
    calls.read += found.length;
    return found;
  };
  return { entriesBetween, entries: after } as unknown as EventReader;
}

function randomEntries(dice: Dice): TermEntry[] {
  const width = dice.pick([1, 2, 100, 1e6, Number.MAX_SAFE_INTEGER]);
  const newest = dice.pick([0, 0, 1_700_000_000, Number.MAX_SAFE_INTEGER]);
  const count = dice.pick([0, 1, 30, 300, 5000, 9000]);
  const entries = Array.from({ length: count }, (_, seq): TermEntry => {
    const back = Math.floor(width * (dice.next() / 2 ** 32) ** dice.pick([1, 5]));
    return [Math.min(0, back - newest), dice.below(3), seq + 1, 1 + (seq % 2)];
  });
  return entries.sort(compareEntries);
}

test("a span cursor visits what a sorted list holds, in a bounded number of look-ups", () => {
  forEachSeed(60, (dice) => {
    const entries = randomEntries(dice);
    const any = (): Place => (entries.length > 0 ? dice.pick(entries) : [-5, 0, 0, 0]);
    const age = any()[0];
    const start: Place = dice.pick([[FIRST, -1, -1, 0], any(), [age, -1, -1, 0]]);
    const lastAge = dice.pick([-0, 0, any()[0], start[0]]);
    const span = dice.pick([0.3, 1, 60.5, 1e9, Number.MAX_SAFE_INTEGER, Infinity]);
    const wanted = dice.pick([1, 2, 51, 501, Number.MAX_SAFE_INTEGER]);
    const calls = { count: 0, read: 0 };
    const cursor = new SpanCursor(readerOf(entries, calls), [1, 2], start, {
      lastAge,
      span,
      wanted,
    });
    const found: TermEntry[] = [];
    for (; cursor.head !== null; cursor.advance()) found.push(cursor.head);
    const expected = entries.filter((entry) => {
      return compareEntries(entry, start) > 0 && entry[0] <= lastAge;
    });
    expect(found).toEqual(expected);
    expect(calls.count).toBeLessThan(100 + 30 * entries.length);
  });
});

test("a second that is too full is read a little at a time, from wherever it begins", () => {
  const full = Array.from({ length: 20_000 }, (_, i): TermEntry => [-50, i, i + 1, 1 + (i % 2)]);
  const entries: TermEntry[] = [[-51, 0, 30_000, 1], ...full, [-49, 0, 30_001, 2]];
  const [newest, oldest] = [entries[0] as TermEntry, entries.at(-1) as TermEntry];
  const cases: { start: Place; lastAge: number; expected: readonly TermEntry[] }[] = [
    { start: [FIRST, -1, -1, 0], lastAge: 0, expected: entries },
    { start: [FIRST, -1, -1, 0], lastAge: -50, expected: [newest, ...full] },
    { start: [-50, -1, -1, 0], lastAge: -50, expected: full },
    { start: [-50, 19_990, 19_991, 1], lastAge: 0, expected: [...full.slice(-9), oldest] },
  ];
  for (const { start, lastAge, expected } of cases) {
    const calls = { count: 0, read: 0 };
    const options = { lastAge, span: 1000, wanted: 51 };
    const cursor = new SpanCursor(readerOf(entries, calls), [1, 2], start, options);
    for (let i = 0; i < expected.length; i++, cursor.advance()) {
      if (compareEntries(cursor.head as TermEntry, expected[i] as TermEntry) !== 0) {
        throw new Error(`entry ${i} is ${cursor.head}`);
      }
      if (i === 5) expect(calls.read).toBeLessThan(500);
    }
    expect(cursor.head).toBe(null);
  }
});
