// The filters that benchmarks ask with, made from a data set's sample: what clients ask for day by
// day (the mix), what weighs on a relay (heavy), and counts.

import { authorKey } from "../support/events.ts";
import { Random } from "../support/random.ts";
import { AUTHORS, COMMON_TAG, popularAuthor, popularHashtag, RARE_TAG, SEED } from "./dataset.ts";
import { type Dataset, timeAt } from "./dataset-file.ts";

export type Filter = Record<string, unknown>;

type MakeFilter = (random: Random, dataset: Dataset) => Filter;

const DAY_S = 86_400;
const WEEK_S = 7 * DAY_S;

function author(random: Random): string {
  return authorKey(popularAuthor(random)).pubkey;
}

/** Different ones, popular and not, as a follow list has. */
export function authors(random: Random, count: number): string[] {
  const first = random.below(AUTHORS);
  const step = Math.floor(AUTHORS / count);
  return Array.from({ length: count }, (_, i) => authorKey((first + i * step) % AUTHORS).pubkey);
}

export const MIX: Readonly<Record<string, MakeFilter>> = {
  id: (random, { ids }) => ({ ids: [random.pick(ids)] }),
  profile: (random) => ({ kinds: [0], authors: [author(random)], limit: 1 }),
  user: (random) => ({ kinds: [1, 6], authors: [author(random)], limit: 50 }),
  "timeline of 50": (random) => ({ kinds: [1, 6], authors: authors(random, 50), limit: 100 }),
  "timeline of 500": (random) => ({ kinds: [1, 6], authors: authors(random, 500), limit: 100 }),
  thread: (random, { notes }) => ({ kinds: [1], "#e": [random.pick(notes)], limit: 200 }),
  hashtag: (random) => ({ kinds: [1], "#t": [popularHashtag(random)], limit: 50 }),
  mention: (random) => ({ kinds: [1, 6, 7], "#p": [author(random)], limit: 50 }),
  global: () => ({ kinds: [1], limit: 100 }),
  recent: () => ({ since: timeAt(1) - DAY_S, limit: 100 }),
  range: (random) => {
    const since = timeAt(random.next() / 2 ** 32) - WEEK_S;
    return { kinds: [1, 6, 30_023], since, until: since + WEEK_S, limit: 100 };
  },
};

export const HEAVY: Readonly<Record<string, MakeFilter>> = {
  "1,000 authors × 5 kinds": (random) => ({
    kinds: [0, 1, 6, 7, 30_023],
    authors: authors(random, 1000),
    limit: 500,
  }),
  "since only": (random) => ({ since: timeAt(0.5) - random.below(WEEK_S), limit: 500 }),
  "rare or common tag": () => ({ "#t": [RARE_TAG, COMMON_TAG], limit: 500 }),
  "rare and common tag": (random, { notes }) => ({
    "#t": [COMMON_TAG],
    "#e": [random.pick(notes)],
  }),
};

/** Answered from a few entries of the index. */
export const SMALL_COUNTS: Readonly<Record<string, MakeFilter>> = {
  "of followers": (random) => ({ kinds: [3], "#p": [author(random)] }),
  "of reactions": (random, { notes }) => ({ kinds: [7], "#e": [random.pick(notes)] }),
};

/** A large part of what is stored. */
export const LARGE_COUNTS: Readonly<Record<string, MakeFilter>> = {
  "of a common tag": () => ({ "#t": [COMMON_TAG] }),
  "of a kind": () => ({ kinds: [7] }),
};

/** `count` filters of one kind. */
export function filtersOf(
  make: MakeFilter,
  dataset: Dataset,
  count: number,
  seed: number,
): Filter[] {
  const random = new Random(SEED + seed);
  return Array.from({ length: count }, () => make(random, dataset));
}

/** `count` filters of the mix, each kind as often, in random order. */
export function mixedFilters(dataset: Dataset, count: number, seed: number): Filter[] {
  const random = new Random(SEED + seed);
  const kinds = Object.values(MIX);
  return Array.from({ length: count }, () => random.pick(kinds)(random, dataset));
}

/** Ids that no event has. */
export function unknownIds(count: number, seed: number): Filter[] {
  const random = new Random(SEED + seed);
  return Array.from({ length: count }, () => ({ ids: [random.hex(64)] }));
}
