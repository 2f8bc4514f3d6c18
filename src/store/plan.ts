// The query planner: which terms of a filter to read. Ids name their events; otherwise every
// condition is a way in (one tag's values, the authors), and the one with the fewest entries is
// taken, found by counting a few of them in the index. What the chosen terms don't cover is checked
// on each event.
//
// Many authors are a case of their own. The newest events of the kinds asked for, whoever wrote
// them, are one cursor a kind, and their entries say who did: where the authors write much of all
// there is, the wanted ones are soon found among them. How much they write isn't known beforehand,
// so it is tried; the first entries also tell how far back all authors together must be read.

import type { Filter, TagCondition } from "../protocol/filter.ts";
import type { Viewer } from "../protocol/visibility.ts";
import { ALL_KEY, authorKey, authorKindKey, idKey, kindKey, tagKey } from "./term.ts";

/** Beyond this many authors × kinds, authors are read and the kind checked in the index entry. */
const AUTHOR_KINDS_MAX = 1000;
/** With so many authors' keys, the kinds are tried first, unless they are too many themselves. */
const TRIED_AUTHORS_MIN = 8;
const TRIED_KINDS_MAX = 16;
/** To look for an author's events costs as much as reading so many entries of a kind. */
const TRIED_ENTRIES = 8;
/** An estimate looks at this many keys of a way in, and counts at most so many entries in all. */
const ESTIMATE_KEYS = 8;
const ESTIMATE_ENTRIES_MIN = 1024;
const ESTIMATE_ENTRIES_MAX = 16_384; // about 2 ms

/** How many entries a key has, counted up to `limit`. */
export type CountEntries = (key: number, limit: number) => number;

/** Every event that the filter matches is under at least one of a plan's keys. */
export interface Plan {
  /** The keys to read and merge. */
  readonly keys: readonly number[];
  /** Whether these are kinds' keys, whose entries tell the author. */
  readonly isByKind: boolean;
  /** Whether each key has next to no entries. */
  readonly isSparse: boolean;
  /** Another plan's keys, to go on with when this one would look at more entries than this. */
  readonly next: (() => readonly number[]) | null;
  readonly entriesMax: number;
}

/** `audience`: keys of which each event that can be seen has one, as author or in a `p` tag. */
export function planFilter(
  filter: Filter,
  count: CountEntries,
  audience: Viewer | null = null,
): Plan {
  if (filter.ids !== null) return { ...planOf([...filter.ids].map(idKey)), isSparse: true };
  const { kinds, authors } = filter;
  const isTimeline = filter.tags.length === 0 && authors !== null && audience === null;
  if (isTimeline && kinds !== null) {
    const count = authors.size * kinds.size;
    if (count >= TRIED_AUTHORS_MIN && kinds.size <= TRIED_KINDS_MAX) {
      const next = (): number[] => authorKeys(authors, kinds);
      return { ...planByKind(kinds), next, entriesMax: TRIED_ENTRIES * count };
    }
  }
  const ways = waysIn(filter);
  if (audience !== null) ways.push(audienceKeys(audience, filter.kinds));
  if (ways.length === 0) return kinds === null ? planOf([ALL_KEY]) : planByKind(kinds);
  return planOf(ways.length === 1 ? (ways[0] as number[]) : smallest(ways, count));
}

function planOf(keys: readonly number[]): Plan {
  const entriesMax = Number.POSITIVE_INFINITY;
  return { keys, isByKind: false, isSparse: false, next: null, entriesMax };
}

function planByKind(kinds: ReadonlySet<number>): Plan {
  return { ...planOf([...kinds].map(kindKey)), isByKind: true };
}

/**
 * The way in with the fewest entries. A count that was cut off is too low, so a winner that was
 * counted to its end is right; any other has to win again with more counted.
 */
function smallest(ways: readonly number[][], count: CountEntries): readonly number[] {
  for (let max = ESTIMATE_ENTRIES_MIN; ; max *= 4) {
    const estimates = ways.map((keys) => estimate(keys, count, max));
    const best = estimates.reduce((a, b) => (b.size < a.size ? b : a));
    if (!best.isCutOff || max >= ESTIMATE_ENTRIES_MAX) return best.keys;
  }
}

function waysIn(filter: Filter): number[][] {
  const ways = filter.tags.map(({ letter, values }) => [...values].map((v) => tagKey(letter, v)));
  if (filter.authors !== null) ways.push(authorKeys(filter.authors, filter.kinds));
  return ways;
}

function audienceKeys(audience: Viewer, kinds: ReadonlySet<number> | null): number[] {
  const recipients = [...audience].map((pubkey) => tagKey("p", pubkey));
  return [...recipients, ...authorKeys(audience, kinds)];
}

function authorKeys(authors: ReadonlySet<string>, kinds: ReadonlySet<number> | null): number[] {
  if (kinds === null || authors.size * kinds.size > AUTHOR_KINDS_MAX) {
    return [...authors].map(authorKey);
  }
  const keys: number[] = [];
  for (const author of authors) for (const kind of kinds) keys.push(authorKindKey(author, kind));
  return keys;
}

interface Estimate {
  readonly keys: readonly number[];
  readonly size: number;
  readonly isCutOff: boolean;
}

function estimate(keys: readonly number[], count: CountEntries, max: number): Estimate {
  const looked = Math.min(keys.length, ESTIMATE_KEYS);
  const limit = Math.ceil(max / looked);
  let entries = 0;
  let isCutOff = false;
  for (let i = 0; i < looked; i++) {
    const found = count(keys[i] as number, limit);
    entries += found;
    isCutOff ||= found === limit;
  }
  return { keys, size: (entries / looked) * keys.length + keys.length, isCutOff };
}

/**
 * The keys under which the monitor keeps a filter: the way in with the fewest keys, for each takes
 * memory, as there is no database to ask for the one with the fewest events.
 */
export function monitorKeys(filter: Filter): readonly number[] {
  const { ids, authors, kinds, tags } = filter;
  if (ids !== null) return [...ids].map(idKey);
  const best = tags.reduce<TagCondition | undefined>(
    (a, b) => (a !== undefined && a.values.size <= b.values.size ? a : b),
    undefined,
  );
  if (authors !== null && (best === undefined || authors.size <= best.values.size)) {
    const [kind] = kinds?.size === 1 ? kinds : [];
    if (kind === undefined) return [...authors].map(authorKey);
    return [...authors].map((author) => authorKindKey(author, kind));
  }
  if (best !== undefined) return [...best.values].map((value) => tagKey(best.letter, value));
  return kinds === null ? [ALL_KEY] : [...kinds].map(kindKey);
}
