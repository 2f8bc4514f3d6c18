// The query planner: which terms of a filter to read. Ids name their events; otherwise every
// condition is a way in (one tag's values, the authors), and the one with the fewest entries is
// taken, found by counting a few of them in the index. What the chosen terms don't cover is checked
// on each event.
//
// Many authors are a case of their own. The newest events of the kinds asked for, whoever wrote
// them, are one cursor a kind, and their entries say who did: where the authors write much of all
// there is, the wanted ones are soon found among them. How much they write isn't known beforehand,
// so it is tried; the first entries also tell how far back all authors together must be read.

import type { Filter, TagCondition, Values } from "../protocol/filter.ts";
import type { Viewer } from "../protocol/visibility.ts";
import { ALL_KEY, authorKeys, authorKindKeys, idKey, kindKey, tagKey } from "./term.ts";

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

/**
 * Keys, and what they stand for: `ids`, `#t`, `authors`, `authors × kinds`, `kinds`, `all`, or
 * `viewer`, for the authors and `p` tags of private events.
 */
export interface Way {
  readonly name: string;
  readonly keys: readonly number[];
}

/** About how many entries a way in has. */
export interface Estimate {
  readonly way: Way;
  readonly size: number;
  /** Counting was cut off: there may be more. */
  readonly isCutOff: boolean;
}

/** Every event that the filter matches is under at least one of a plan's keys. */
export interface Plan extends Way {
  /** The ways in that were compared; none when there was only one. */
  readonly compared: readonly Estimate[];
  /** Whether these are kinds' keys, whose entries tell the author. */
  readonly isByKind: boolean;
  /** Whether each key has next to no entries. */
  readonly isSparse: boolean;
  /** Another way, to go on with when this one would look at more entries than this. */
  readonly next: (() => Way) | null;
  readonly entriesMax: number;
}

/** `audience`: keys of which each event that can be seen has one, as author or in a `p` tag. */
export function planFilter(
  filter: Filter,
  count: CountEntries,
  audience: Viewer | null = null,
): Plan {
  if (filter.ids !== null) return { ...planOf(idWay(filter.ids)), isSparse: true };
  const { kinds, authors } = filter;
  const isTimeline = filter.tags.length === 0 && authors !== null && audience === null;
  if (isTimeline && kinds !== null) {
    const count = authors.size * kinds.size;
    if (count >= TRIED_AUTHORS_MIN && kinds.size <= TRIED_KINDS_MAX) {
      const next = (): Way => authorWay(authors, kinds);
      return { ...planByKind(kinds), next, entriesMax: TRIED_ENTRIES * count };
    }
  }
  const ways = waysIn(filter);
  if (audience !== null) ways.push(audienceWay(audience, filter.kinds));
  if (ways.length === 0) return kinds === null ? planOf(ALL) : planByKind(kinds);
  return ways.length === 1 ? planOf(ways[0] as Way) : planSmallest(ways, count);
}

const ALL: Way = { name: "all", keys: [ALL_KEY] };

/** Entries under these keys, all of them. */
export function planOf({ name, keys }: Way): Plan {
  const entriesMax = Number.POSITIVE_INFINITY;
  return { name, keys, compared: [], isByKind: false, isSparse: false, next: null, entriesMax };
}

function planByKind(kinds: ReadonlySet<number>): Plan {
  return { ...planOf(kindWay(kinds)), isByKind: true };
}

/**
 * The way in with the fewest entries. A count that was cut off is too low, so a winner that was
 * counted to its end is right; any other has to win again with more counted.
 */
function planSmallest(ways: readonly Way[], count: CountEntries): Plan {
  for (let max = ESTIMATE_ENTRIES_MIN; ; max *= 4) {
    const compared = ways.map((way) => estimate(way, count, max));
    const best = compared.reduce((a, b) => (b.size < a.size ? b : a));
    if (!best.isCutOff || max >= ESTIMATE_ENTRIES_MAX) return { ...planOf(best.way), compared };
  }
}

function waysIn(filter: Filter): Way[] {
  const ways = filter.tags.map(tagWay);
  if (filter.authors !== null) ways.push(authorWay(filter.authors, filter.kinds));
  return ways;
}

function idWay(ids: Values): Way {
  return { name: "ids", keys: [...ids].map(idKey) };
}

function kindWay(kinds: ReadonlySet<number>): Way {
  return { name: "kinds", keys: [...kinds].map(kindKey) };
}

function tagWay({ letter, values }: TagCondition): Way {
  return { name: `#${letter}`, keys: [...values].map((value) => tagKey(letter, value)) };
}

function audienceWay(audience: Viewer, kinds: ReadonlySet<number> | null): Way {
  const recipients = [...audience].map((pubkey) => tagKey("p", pubkey));
  return { name: "viewer", keys: [...recipients, ...authorWay(audience, kinds).keys] };
}

function authorWay(authors: Values, kinds: ReadonlySet<number> | null): Way {
  if (kinds === null || authors.size * kinds.size > AUTHOR_KINDS_MAX) {
    return { name: "authors", keys: authorKeys(authors) };
  }
  return authorKindWay(authors, kinds);
}

function authorKindWay(authors: Values, kinds: ReadonlySet<number>): Way {
  const byKind = [...kinds].map((kind) => authorKindKeys(authors, kind));
  const keys: number[] = [];
  for (let at = 0; at < authors.size; at++) for (const own of byKind) keys.push(own[at] as number);
  return { name: "authors × kinds", keys };
}

function estimate(way: Way, count: CountEntries, max: number): Estimate {
  const { keys } = way;
  const looked = Math.min(keys.length, ESTIMATE_KEYS);
  const limit = Math.ceil(max / looked);
  let entries = 0;
  let isCutOff = false;
  for (let i = 0; i < looked; i++) {
    const found = count(keys[i] as number, limit);
    entries += found;
    isCutOff ||= found === limit;
  }
  return { way, size: (entries / looked) * keys.length + keys.length, isCutOff };
}

/**
 * The keys under which the monitor keeps a filter: the way in with the fewest keys, for each takes
 * memory, as there is no database to ask for the one with the fewest events.
 */
export function monitorKeys(filter: Filter): readonly number[] {
  return monitorWay(filter).keys;
}

export function monitorWay(filter: Filter): Way {
  const { ids, authors, kinds, tags } = filter;
  if (ids !== null) return idWay(ids);
  const best = tags.reduce<TagCondition | undefined>(
    (a, b) => (a !== undefined && a.values.size <= b.values.size ? a : b),
    undefined,
  );
  if (authors !== null && (best === undefined || authors.size <= best.values.size)) {
    return kinds?.size === 1 ? authorKindWay(authors, kinds) : authorWay(authors, null);
  }
  if (best !== undefined) return tagWay(best);
  return kinds === null ? ALL : kindWay(kinds);
}
