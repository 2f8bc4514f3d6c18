// The query planner: which terms of a filter to read. Ids name their events; otherwise every
// condition is a way in (one tag's values, the authors), and the one with the fewest entries is
// taken, found by counting a few of them in the index. What the chosen terms don't cover is checked
// on each event.

import type { Filter } from "../protocol/filter.ts";
import { ALL_KEY, authorKey, authorKindKey, idKey, kindKey, tagKey } from "./term.ts";

/** Beyond this many authors × kinds, authors are read and the kind checked in the index entry. */
const AUTHOR_KINDS_MAX = 1000;
/** An estimate looks at this many keys of a way in, and counts this many entries of each. */
const ESTIMATE_KEYS = 8;
const ESTIMATE_ENTRIES = 128;

/** How many entries a key has, counted up to `limit`. */
export type CountEntries = (key: number, limit: number) => number;

/** The keys to read and merge: every event that the filter matches is under at least one. */
export function planFilter(filter: Filter, count: CountEntries): readonly number[] {
  if (filter.ids !== null) return [...filter.ids].map(idKey);
  const ways = waysIn(filter);
  if (ways.length === 0) return filter.kinds === null ? [ALL_KEY] : [...filter.kinds].map(kindKey);
  if (ways.length === 1) return ways[0] as number[];
  let best = ways[0] as number[];
  let bestSize = Number.POSITIVE_INFINITY;
  for (const keys of ways) {
    const size = estimate(keys, count);
    if (size >= bestSize) continue;
    best = keys;
    bestSize = size;
  }
  return best;
}

function waysIn(filter: Filter): number[][] {
  const ways = filter.tags.map(({ letter, values }) => [...values].map((v) => tagKey(letter, v)));
  if (filter.authors !== null) ways.push(authorKeys(filter.authors, filter.kinds));
  return ways;
}

function authorKeys(authors: ReadonlySet<string>, kinds: ReadonlySet<number> | null): number[] {
  if (kinds === null || authors.size * kinds.size > AUTHOR_KINDS_MAX) {
    return [...authors].map(authorKey);
  }
  const keys: number[] = [];
  for (const author of authors) for (const kind of kinds) keys.push(authorKindKey(author, kind));
  return keys;
}

function estimate(keys: readonly number[], count: CountEntries): number {
  const looked = Math.min(keys.length, ESTIMATE_KEYS);
  let entries = 0;
  for (let i = 0; i < looked; i++) entries += count(keys[i] as number, ESTIMATE_ENTRIES);
  return (entries / Math.max(1, looked)) * keys.length + keys.length;
}

/** The keys under which the monitor keeps a filter: the same ways in, without a database to ask. */
export function monitorKeys(filter: Filter): readonly number[] {
  if (filter.ids !== null) return [...filter.ids].map(idKey);
  const ways = waysIn(filter);
  if (ways.length === 0) return filter.kinds === null ? [ALL_KEY] : [...filter.kinds].map(kindKey);
  return ways.reduce((best, keys) => (keys.length < best.length ? keys : best));
}
