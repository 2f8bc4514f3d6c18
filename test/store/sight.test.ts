// Privacy (NIP-04, 17, 59): for random events, filters and viewers, an answer is the naive answer
// over what the viewer may see: order, limits, ties, hint and count included. And what a sign-in
// makes visible is found by the widened filters, all of it and nothing twice.

import { expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { type Filter, parseFilter } from "../../src/protocol/filter.ts";
import { type Viewer, Visibility } from "../../src/protocol/visibility.ts";
import type { EventReader } from "../../src/store/read.ts";
import { Scan } from "../../src/store/scan.ts";
import { Sight } from "../../src/store/sight.ts";
import {
  naiveScan,
  naiveMatches,
  randomFilter,
  type RawFilter,
} from "../support/random-filters.ts";
import { TestStore } from "../support/test-store.ts";
import { author, type Dice, forEachSeed, randomEvent } from "../support/unsigned-events.ts";

const PRIVATE = [4, 1059];
const SIGNED_IN = [7];
const RULES = new Visibility({
  privateKinds: new Set(PRIVATE),
  signedInKinds: new Set(SIGNED_IN),
  isAllSignedIn: false,
});
const SPREAD = { authors: 4, kinds: [1, 1, 4, 4, 7, 1059, 30_023], seconds: 12 };
const LIMITS = { limitDefault: 30, limitMax: 60, tiesMax: 5 };
const ALL = { limitDefault: 10_000, limitMax: 10_000, tiesMax: 0 };

function naiveSees(viewer: Viewer, { kind, pubkey, tags }: NostrEvent): boolean {
  if (SIGNED_IN.includes(kind)) return viewer.size > 0;
  if (!PRIVATE.includes(kind)) return true;
  return [...viewer].some(
    (key) => key === pubkey || tags.some((t) => t[0] === "p" && t[1] === key),
  );
}

function randomViewer(dice: Dice): Viewer {
  const count = dice.pick([0, 1, 1, 2, 3]);
  return new Set(dice.list(count, () => author(dice.below(SPREAD.authors + 1))));
}

function answer(
  reader: EventReader,
  filters: readonly Filter[],
  limits: typeof LIMITS,
  sight: Sight,
): { ids: string[]; hint: "finish" | "more" | null } {
  const scan = new Scan(reader, filters, { ...limits, nowSeconds: () => 0 }, sight);
  const ids: string[] = [];
  for (;;) {
    const found = scan.next();
    if (found === "done") return { ids, hint: scan.hint() };
    if (found !== "working") ids.push(found.stored.id);
  }
}

function fill(dice: Dice, store: TestStore): NostrEvent[] {
  const events = new Map<string, NostrEvent>();
  for (let i = 0; i < 150; i++) {
    const event = randomEvent(dice, SPREAD);
    events.set(event.id, event);
  }
  store.write(...events.values());
  return store.events();
}

/** More often than not for private kinds. */
function filterAmong(dice: Dice, events: readonly NostrEvent[]): RawFilter {
  const filter = randomFilter(dice, events, 40);
  if (dice.chance(0.3)) filter.kinds = dice.some(PRIVATE, 1 + dice.below(2));
  return filter;
}

test("nobody is told anything of what they may not see", () => {
  forEachSeed(25, (dice) => {
    using store = new TestStore();
    const events = fill(dice, store);
    const reader = store.openReader();
    for (let i = 0; i < 60; i++) {
      const viewer = randomViewer(dice);
      const visible = events.filter((event) => naiveSees(viewer, event));
      const raw = dice.list(1 + dice.below(3), () => filterAmong(dice, events));
      const filters = raw.map((one) => parseFilter(one) as Filter);
      const found = answer(reader, filters, LIMITS, new Sight(RULES, viewer));
      const expected = naiveScan(visible, raw, LIMITS);
      expect([[...viewer], raw, found]).toEqual([[...viewer], raw, expected]);
    }
  });
});

test("a sign-in makes visible what it should, once, and nothing else is read again", () => {
  forEachSeed(25, (dice) => {
    using store = new TestStore();
    const events = fill(dice, store);
    const reader = store.openReader();
    for (let i = 0; i < 60; i++) {
      const before = randomViewer(dice);
      const after = new Set([...before, author(dice.below(SPREAD.authors))]);
      const { limit: _, ...raw } = filterAmong(dice, events);
      const filter = parseFilter(raw) as Filter;
      const widened = RULES.widen(filter, before, after);
      const sight = new Sight(RULES, after, before);
      const expected = events.filter(
        (event) => naiveMatches(raw, event) && naiveSees(after, event) && !naiveSees(before, event),
      );
      const found = answer(reader, widened, ALL, sight).ids;
      expect([raw, found.toSorted()]).toEqual([raw, expected.map(({ id }) => id).toSorted()]);
    }
  });
});

test("what needs a sign-in is refused when nothing else is asked for", () => {
  const nobody = new Set<string>();
  const parse = (raw: RawFilter) => parseFilter(raw) as Filter;
  const rows: [RawFilter[], string | null][] = [
    [[{ kinds: [4] }], "auth-required: private"],
    [[{ kinds: [4, 1059] }, { kinds: [1059] }], "auth-required: private"],
    [[{ kinds: [4, 7] }], "auth-required: sign in to read these kinds"],
    [[{ kinds: [7] }], "auth-required: sign in to read these kinds"],
    [[{ kinds: [1, 4] }], null],
    [[{ kinds: [4] }, { kinds: [1] }], null],
    [[{}], null],
    [[], null],
  ];
  for (const [raw, reason] of rows) {
    const found = RULES.checkRead(nobody, raw.map(parse));
    if (reason === null) expect(found).toBeNull();
    else expect(found).toStartWith(reason);
    expect(RULES.checkRead(new Set([author(0)]), raw.map(parse))).toBeNull();
  }
  const closed = new Visibility({ ...RULES.rules, isAllSignedIn: true });
  expect(closed.checkRead(nobody, [])).toStartWith("auth-required: sign in to read");
});
