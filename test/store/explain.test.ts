// What a query costs: its counts are those of what was read, and what it finds is what a naive scan
// finds.

import { describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { type Filter, parseFilter } from "../../src/protocol/filter.ts";
import { Visibility } from "../../src/protocol/visibility.ts";
import { textId } from "../../src/store/candidate.ts";
import { type Asked, countFilter, measureQuery } from "../../src/store/explain.ts";
import type { ScanOptions } from "../../src/store/scan.ts";
import { Sight } from "../../src/store/sight.ts";
import { naiveScan, randomFilter, type RawFilter } from "../support/random-filters.ts";
import { TestStore } from "../support/test-store.ts";
import { author, forEachSeed, makeEvent, randomEvent } from "../support/unsigned-events.ts";

const NOW = 5000;
const LIMITS = { limitDefault: 50, limitMax: 80, tiesMax: 20 };
const OPTIONS: ScanOptions = { ...LIMITS, nowSeconds: () => NOW };
const PRIVATE_KIND = 4;
const visibility = new Visibility({
  privateKinds: new Set([PRIVATE_KIND]),
  signedInKinds: new Set(),
  isAllSignedIn: false,
});

function askedBy(...viewer: string[]): Asked {
  return { options: OPTIONS, sight: new Sight(visibility, new Set(viewer)), sliceMs: 1000 };
}

function parsed(filter: RawFilter): Filter {
  return parseFilter(filter) as Filter;
}

function count(store: TestStore, filter: RawFilter, asked = askedBy()) {
  const ids: string[] = [];
  const cost = countFilter(store.db, parsed(filter), asked, ({ stored }) =>
    ids.push(textId(stored.text)),
  );
  return { ids, cost };
}

function textBytes(events: readonly NostrEvent[]): number {
  return events.reduce((sum, event) => sum + JSON.stringify(event).length, 0);
}

const notes = Array.from({ length: 30 }, (_, i) =>
  makeEvent({ created_at: 1000 + i, pubkey: author(i % 3), content: `${i}` }),
);
const tagged = Array.from({ length: 6 }, (_, i) =>
  makeEvent({ created_at: 2000 + i, kind: 7, pubkey: author(i % 2), tags: [["t", "a"]] }),
);
const expired = makeEvent({ created_at: 3000, tags: [["expiration", "4000"]] });
const everything = [...notes, ...tagged, expired];

/** In the tail of the index as they are, or all moved into the table. */
function filled(isMoved: boolean): TestStore {
  const store = new TestStore();
  store.write(...everything);
  if (isMoved) store.moveTail();
  return store;
}

describe.each([
  ["in the tail", false],
  ["in the table", true],
])("what is read %s", (_, isMoved) => {
  const inTail = (entries: number): number => (isMoved ? 0 : entries);

  test("by ids: an entry and an event for each that is there", () => {
    using store = filled(isMoved);
    const wanted = notes.slice(0, 5);
    const ids = [...wanted.map(({ id }) => id), "0".repeat(64)];
    const { cost } = count(store, { ids });
    expect([cost.plan?.name, cost.plan?.keys.length, cost.plan?.compared]).toEqual(["ids", 6, []]);
    expect(cost).toMatchObject({
      instead: null,
      reads: {
        entries: 5,
        tailEntries: inTail(5),
        entryReads: 1,
        spansCut: 0,
        entriesCounted: 0,
        events: 5,
        eventBytes: textBytes(wanted),
      },
      passedOver: { removed: 0, expired: 0, hidden: 0, unmatched: 0 },
      matched: 5,
      events: 5,
      hint: "finish",
    });
  });

  test("by the rarer of two ways, both counted before", () => {
    using store = filled(isMoved);
    const { cost, ids } = count(store, { authors: [author(0)], kinds: [7, 1], "#t": ["a"] });
    const compared = cost.plan?.compared.map((one) => [one.way.name, one.size, one.isCutOff]);
    // Each way's entries and its keys; all of author 0's are notes 0, 3, 6…, 3 tagged, 1 expired.
    expect(compared).toEqual([
      ["#t", 6 + 1, false],
      ["authors × kinds", 14 + 2, false],
    ]);
    expect(cost.plan?.name).toBe("#t");
    expect(cost.reads).toEqual({
      entries: 6,
      tailEntries: inTail(6),
      entryReads: 1,
      spansCut: 0,
      entriesCounted: 20,
      events: 6,
      eventBytes: textBytes(tagged),
    });
    expect([cost.passedOver.unmatched, cost.matched, ids.length]).toEqual([3, 3, 3]);
  });

  test("of expired events: fetched, and passed over", () => {
    using store = filled(isMoved);
    const { cost } = count(store, { since: 3000 });
    expect([cost.plan?.name, cost.reads.events, cost.passedOver.expired]).toEqual(["all", 1, 1]);
    expect([cost.matched, cost.events, cost.hint]).toEqual([0, 0, "finish"]);
  });

  test("beyond the limit: one event more, for the hint", () => {
    using store = filled(isMoved);
    const { cost } = count(store, { kinds: [1], limit: 7, until: 1100 });
    expect([cost.reads.events, cost.matched, cost.events, cost.hint]).toEqual([8, 8, 7, "more"]);
  });

  test("with a limit of 0: nothing", () => {
    using store = filled(isMoved);
    const { cost } = count(store, { limit: 0 });
    expect([cost.plan, cost.reads.entryReads, cost.events, cost.hint]).toEqual([null, 0, 0, null]);
  });
});

describe("many authors with kinds", () => {
  const authors = Array.from({ length: 40 }, (_, i) => author(i));

  test("of events that are theirs: the kinds alone", () => {
    using store = filled(true);
    const { cost } = count(store, { authors, kinds: [1], limit: 10 });
    expect([cost.plan?.name, cost.plan?.next?.().name, cost.instead]).toEqual([
      "kinds",
      "authors × kinds",
      null,
    ]);
  });

  test("of events that are others': the kinds first, then spans of the authors'", () => {
    using store = new TestStore();
    const own = makeEvent({ created_at: 1, pubkey: author(7) });
    const others = Array.from({ length: 3000 }, (_, i) =>
      makeEvent({ created_at: 1000 + i, pubkey: author(50) }),
    );
    store.writeInBatches([own, ...others], [1000]);
    const { cost, ids } = count(store, { authors, kinds: [1], limit: 10 });
    expect([cost.plan?.name, cost.instead?.name, cost.instead?.keys.length]).toEqual([
      "kinds",
      "authors × kinds",
      40,
    ]);
    expect([ids, cost.reads.events]).toEqual([[own.id], 1]);
    expect(cost.reads.entries).toBeLessThan(1500);
  });
});

describe("private events", () => {
  const [me, you, other] = [author(1), author(2), author(3)];
  const mine = makeEvent({ kind: PRIVATE_KIND, pubkey: you, tags: [["p", me]], created_at: 10 });
  const others = Array.from({ length: 9 }, (_, i) =>
    makeEvent({ kind: PRIVATE_KIND, pubkey: you, tags: [["p", other]], created_at: 20 + i }),
  );
  const shared = makeEvent({ created_at: 30 });

  function store(): TestStore {
    const made = new TestStore();
    made.write(mine, ...others, shared);
    return made;
  }

  test("asked for by nobody in particular, are not read at all", () => {
    using made = store();
    const { cost } = count(made, { kinds: [PRIVATE_KIND] });
    expect([cost.isHidden, cost.plan, cost.reads.entries, cost.hint]).toEqual([
      true,
      null,
      0,
      "finish",
    ]);
    const { cost: all, ids } = count(made, {});
    expect([ids, all.reads.entries, all.reads.events]).toEqual([[shared.id], 11, 1]);
  });

  test("among others, are fetched and passed over when they are not the viewer's", () => {
    using made = store();
    const { cost, ids } = count(made, {}, askedBy(me));
    expect(ids).toEqual([shared.id, mine.id]);
    expect([cost.plan?.name, cost.reads.events, cost.passedOver.hidden]).toEqual(["all", 11, 9]);
    expect([cost.matched, cost.events]).toEqual([2, 2]);
  });

  test("alone, are found by who may see them", () => {
    using made = store();
    const { cost, ids } = count(made, { kinds: [PRIVATE_KIND], authors: [you] }, askedBy(me));
    expect([ids, cost.plan?.name, cost.reads.events]).toEqual([[mine.id], "viewer", 1]);
  });
});

test("a random filter finds what a naive scan finds, and its counts agree with one another", () => {
  forEachSeed(4, (dice) => {
    using store = new TestStore();
    const spread = { authors: 6, kinds: [1, 5, 7, 1984], seconds: 1 + dice.below(40) };
    const events = Array.from({ length: dice.below(300) + 1 }, () => randomEvent(dice, spread));
    store.writeInBatches(events, [50]);
    const stored = store.events();
    for (let i = 0; i < 50; i++) {
      const filter = randomFilter(dice, stored, dice.chance(0.5) ? 6 : 100);
      const { ids, cost } = count(store, filter);
      const { reads, passedOver } = cost;
      expect([filter, { ids, hint: cost.hint }]).toEqual([
        filter,
        naiveScan(stored, [filter], LIMITS),
      ]);
      expect(cost.events).toBe(ids.length);
      expect(cost.matched).toBeGreaterThanOrEqual(cost.events);
      expect(reads.events).toBe(cost.matched + passedOver.unmatched + passedOver.expired);
      expect(reads.entries).toBeGreaterThanOrEqual(reads.events);
      const whole = measureQuery(store.db, [parsed(filter)], askedBy());
      expect([whole.events, whole.hint]).toEqual([cost.events, cost.hint]);
    }
  });
});
