// Scans of many authors and kinds against a naive filter, over stores large enough that spans of
// time are cut down and grow again, while the index is moved and others write between the steps.

import { expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { type Filter, parseFilter } from "../../src/protocol/filter.ts";
import { candidateOf } from "../../src/store/candidate.ts";
import type { EventReader } from "../../src/store/read.ts";
import { Scan } from "../../src/store/scan.ts";
import { naiveScan, type RawFilter } from "../support/random-filters.ts";
import { TestStore } from "../support/test-store.ts";
import { author, type Dice, forEachSeed, makeEvent } from "../support/unsigned-events.ts";

const AUTHORS = 400;
const KINDS = [1, 6, 7, 1984, 9735];

interface Shape {
  readonly count: number;
  /** Events fall into so many seconds, skewed to the later ones. */
  readonly seconds: number;
  readonly from: number;
}

/** Few authors write most; the newest seconds are the fullest. */
function skewedEvent(dice: Dice, { seconds, from }: Shape, number: number): NostrEvent {
  const skewed = (end: number, power: number): number =>
    Math.floor(end * (dice.next() / 2 ** 32) ** power);
  return makeEvent({
    pubkey: author(skewed(AUTHORS, 4)),
    created_at: from + seconds - 1 - skewed(seconds, dice.pick([1, 3, 8])),
    kind: KINDS[skewed(KINDS.length, 2)] as number,
    content: `${number}`,
  });
}

function manyAuthorsFilter(dice: Dice, events: readonly NostrEvent[]): RawFilter {
  const filter: RawFilter = {};
  const first = dice.below(AUTHORS);
  const count = dice.pick([1, 3, 8, 30, 150, 399]);
  const spread = Array.from({ length: count }, (_, i) => author((first + i) % (AUTHORS + 20)));
  filter.authors = dice.chance(0.2) ? [author(AUTHORS + 1)] : spread;
  if (dice.chance(0.9)) filter.kinds = dice.some(KINDS, 1 + dice.below(4));
  if (dice.chance(0.3)) filter.since = dice.pick(events).created_at;
  if (dice.chance(0.3)) filter.until = dice.pick(events).created_at;
  if ((filter.since ?? 0) > (filter.until ?? Infinity)) filter.until = filter.since as number;
  if (dice.chance(0.15)) filter.ids = dice.some(events, 1 + dice.below(200)).map(({ id }) => id);
  if (dice.chance(0.8)) filter.limit = dice.pick([1, 2, 9, 60, 500, 5000]);
  return filter;
}

/** Runs to the end, with `between` called after each slice of some steps. */
function drain(dice: Dice, reader: EventReader, scan: Scan, between: () => void) {
  const ids: string[] = [];
  for (let slices = 0; slices < 100_000; slices++) {
    const isDone = reader.inSnapshot(() => {
      for (let steps = dice.pick([1, 5, 40]); steps > 0; steps--) {
        const found = scan.next();
        if (found === "done") return true;
        if (found !== "working") ids.push(found.stored.id);
      }
      return false;
    });
    if (isDone) return { ids, hint: scan.hint() };
    if (dice.chance(0.2)) scan.rest();
    between();
  }
  throw new Error("the scan does not end");
}

test("many authors are found as a naive filter finds them, whatever moves meanwhile", () => {
  forEachSeed(3, (dice) => {
    using store = new TestStore();
    const shape: Shape = {
      count: dice.pick([600, 3000, 5500]),
      seconds: dice.pick([1, 3, 50, 20_000, 40_000_000]),
      from: dice.pick([0, 1000, 1_700_000_000]),
    };
    const made = Array.from({ length: shape.count }, (_, i) => skewedEvent(dice, shape, i));
    const written = store.writeInBatches(made, [700, 40]);
    expect(written.every(({ verdicts }) => verdicts.every(({ seq }) => seq > 0))).toBe(true);
    const events = [...made];
    const reader = store.openReader();
    const foreign = store.openWriter();
    let number = shape.count;
    for (let i = 0; i < 25; i++) {
      const filters = dice.list(1 + dice.below(2), () => manyAuthorsFilter(dice, events));
      const limits = { limitDefault: 100, limitMax: 4000, tiesMax: dice.pick([0, 20, 4000]) };
      const parsed = filters.map((filter) => parseFilter(filter) as Filter);
      const scan = new Scan(reader, parsed, { ...limits, nowSeconds: () => 2_000_000_000 });
      const wanted = naiveScan(events, filters, limits);
      const answer = drain(dice, reader, scan, () => {
        if (!dice.chance(0.1)) return;
        const more = dice.list(1 + dice.below(60), () => skewedEvent(dice, shape, number++));
        foreign.write(more.map(candidateOf));
        events.push(...more);
        if (dice.chance(0.5)) foreign.maintain();
        if (dice.chance(0.5)) reader.head();
      });
      expect([filters, limits, answer]).toEqual([filters, limits, wanted]);
    }
  });
});
