// What syncs (NIP-77) read of the store: for random events, filters and viewers, time and id of
// what the naive answer has, whether the index, the table or the texts told, and whatever happens
// between two steps.

import { expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { type Filter, MATCH_ALL, parseFilter } from "../../src/protocol/filter.ts";
import { type EventGuard, type Viewer, Visibility } from "../../src/protocol/visibility.ts";
import { ItemReader, openItemScan } from "../../src/store/item-scan.ts";
import { openForReading } from "../../src/store/schema.ts";
import { Sight } from "../../src/store/sight.ts";
import { naiveScan, randomFilter, type RawFilter } from "../support/random-filters.ts";
import { TestStore } from "../support/test-store.ts";
import {
  author,
  type Dice,
  forEachSeed,
  makeEvent,
  randomEvent,
  sha256Hex,
} from "../support/unsigned-events.ts";

const PRIVATE = [4, 1059];
const SIGNED_IN = [7];
const RULES = {
  privateKinds: new Set(PRIVATE),
  signedInKinds: new Set(SIGNED_IN),
  isAllSignedIn: false,
};
const KINDS = [1, 1, 4, 7, 1059, 30_023];
const SPREAD = { authors: 4, kinds: KINDS, seconds: 12 };
const ALL = { limitDefault: 10_000, limitMax: 10_000, tiesMax: 0 };
const NOW = 5000;

/** Hides what has an `h` tag, and kind 30023, from all but one author. */
const GUARD: EventGuard = {
  kinds: new Set([30_023]),
  version: 0,
  mayHide: (kind, text) => kind === 30_023 || text.includes('["h",'),
  sees: (viewer, event) =>
    viewer.has(author(1)) || !(event.kind === 30_023 || event.tags.some(([name]) => name === "h")),
  seesOfGroup: (viewer) => (viewer.has(author(1)) ? "all" : "none"),
  checkRead: () => null,
  widen: () => [],
};

function naiveSees(viewer: Viewer, event: NostrEvent, hasGuard: boolean): boolean {
  const { kind, pubkey, tags } = event;
  if (hasGuard && !GUARD.sees(viewer, event)) return false;
  if (SIGNED_IN.includes(kind)) return viewer.size > 0;
  if (!PRIVATE.includes(kind)) return true;
  return [...viewer].some(
    (key) => key === pubkey || tags.some((t) => t[0] === "p" && t[1] === key),
  );
}

function isOver({ tags }: NostrEvent): boolean {
  const time = tags.find(([name]) => name === "expiration")?.[1];
  return time !== undefined && Number(time) <= NOW;
}

function fill(dice: Dice, store: TestStore): NostrEvent[] {
  const events = new Map<string, NostrEvent>();
  for (let i = 0; i < 150; i++) {
    const { tags, ...fields } = randomEvent(dice, SPREAD);
    const more = dice.chance(0.1) ? [["expiration", String(NOW + dice.below(3) - 1)]] : [];
    const group = dice.chance(0.1) ? [["h", "group"]] : [];
    const event = makeEvent({ ...fields, tags: [...tags, ...more, ...group] });
    events.set(event.id, event);
  }
  store.write(...events.values());
  if (dice.chance(0.5)) store.moveTail();
  return store.events();
}

interface Item {
  readonly createdAt: number;
  readonly id: string;
}

function read(
  reader: ItemReader,
  filter: Filter | null,
  sight: Sight,
  between: () => void = () => {},
): Item[] {
  const items: Item[] = [];
  const onItem = (createdAt: number, id: Uint8Array): void =>
    void items.push({ createdAt, id: Buffer.from(id).toString("hex") });
  const scan = openItemScan(reader, filter, sight, {
    itemsMax: 10_000,
    nowSeconds: () => NOW,
    onItem,
  });
  while (!reader.inSnapshot(() => scan.step())) {
    scan.rest();
    between();
  }
  return items.sort((a, b) => (a.id < b.id ? -1 : 1));
}

function itemsOf(events: readonly NostrEvent[], ids: readonly string[]): Item[] {
  const wanted = new Set(ids);
  return events
    .filter(({ id }) => wanted.has(id))
    .map(({ created_at, id }) => ({ createdAt: created_at, id }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

function syncFilter(dice: Dice, events: readonly NostrEvent[]): RawFilter {
  if (dice.chance(0.2)) return dice.pick([{}, { until: 1006 }, { since: 1004 }, { kinds: [4, 1] }]);
  const { limit, ...filter } = randomFilter(dice, events, 60);
  return dice.chance(0.2) && limit !== undefined ? { ...filter, limit } : filter;
}

for (const hasGuard of [false, true]) {
  const hidden = hasGuard ? "private, and what groups hide" : "private";
  test(`what is asked for and may be seen, where some is ${hidden}`, () => {
    const visibility = new Visibility(RULES, hasGuard ? GUARD : null);
    forEachSeed(7, (dice) => {
      using store = new TestStore();
      const events = fill(dice, store);
      using db = openForReading(store.options);
      const reader = new ItemReader(db);
      for (let i = 0; i < 50; i++) {
        const viewer = new Set(dice.list(dice.below(3), () => author(dice.below(5))));
        const seen = events.filter((one) => naiveSees(viewer, one, hasGuard) && !isOver(one));
        const raw = syncFilter(dice, events);
        const { ids } = naiveScan(seen, [raw], ALL);
        const found = read(reader, parseFilter(raw) as Filter, new Sight(visibility, viewer));
        expect([raw, [...viewer], found]).toEqual([raw, [...viewer], itemsOf(events, ids)]);
      }
    });
  });
}

test("nothing, for a filter that matches nothing", () => {
  using store = new TestStore();
  store.write(makeEvent());
  using db = openForReading(store.options);
  expect(read(new ItemReader(db), null, new Sight(new Visibility(RULES)))).toEqual([]);
});

const many = Array.from({ length: 3000 }, (_, i) =>
  makeEvent({ content: String(i), created_at: 1000 + (i % 700), kind: [1, 6, 4][i % 3] as number }),
);
const everybody = new Sight(new Visibility(RULES));
const self = new Sight(new Visibility(RULES), new Set([author(0)]));

const ways: [what: string, filter: Filter, sight: Sight, kinds: number[]][] = [
  ["all of it", MATCH_ALL, everybody, [1, 6]],
  ["all of it and one's own", MATCH_ALL, self, [1, 4, 6]],
  ["some kinds", { ...MATCH_ALL, kinds: new Set([6]) }, everybody, [6]],
  ["one's own", { ...MATCH_ALL, kinds: new Set([4]) }, self, [4]],
];

test.each(ways)("%s, while events come and go between the steps", (_, filter, sight, kinds) => {
  using store = new TestStore();
  store.writeInBatches(many, [500]);
  using db = openForReading(store.options);
  const isWanted = ({ kind }: NostrEvent): boolean => kinds.includes(kind);
  const removed = new Set<string>();
  let round = 0;
  const found = read(new ItemReader(db), filter, sight, () => {
    round += 1;
    if (round > 40) return;
    const victim = many[(round * 7) % many.length] as NostrEvent;
    removed.add(victim.id);
    const tags = [["e", victim.id]];
    store.write(
      makeEvent({ kind: 5, tags, content: String(round), created_at: 3000 }),
      makeEvent({ content: `new ${round}`, created_at: 1000 + round, kind: kinds[0] as number }),
    );
    if (round % 5 === 0) store.moveTail();
  });
  expect(round).toBeGreaterThan(1);
  const ids = found.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const original = new Set(many.filter(isWanted).map(({ id }) => id));
  expect(ids.filter((id) => !original.has(id))).toEqual([]); // what came later is not its own
  const missing = [...original].filter((id) => !ids.includes(id));
  expect(missing.filter((id) => !removed.has(id))).toEqual([]);
});

test("no more than are asked for by its limit, the newest, ties by lowest id", () => {
  using store = new TestStore();
  store.writeInBatches(many, [500]);
  using db = openForReading(store.options);
  const reader = new ItemReader(db);
  const notes = many.filter(({ kind }) => kind === 1);
  const sorted = notes.toSorted((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1));
  const filter = { ...MATCH_ALL, kinds: new Set([1]), limit: 101 };
  const wanted = sorted.slice(0, 101).map(({ id }) => id);
  expect(read(reader, filter, everybody)).toEqual(itemsOf(many, wanted));
  expect(read(reader, { ...filter, limit: 0 }, everybody)).toEqual([]);
  expect(read(reader, { ...filter, ids: new Set([sha256Hex("none")]) }, everybody)).toEqual([]);
});
