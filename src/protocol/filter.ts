// Filters (NIP-01): untrusted JSON → a form with every field present, and the one definition of
// what matches. Lists are sets, so a filter of thousands of ids costs no more per event than one.
// An empty list matches nothing: such a filter is `null` once parsed.

import { isIndexedTag, isLetter, isTimestamp, type NostrEvent } from "./event.ts";
import { HexSet } from "./hex-set.ts";
import { isHex64 } from "./hex.ts";
import { isKind } from "./kind.ts";
import type { Reason } from "./reason.ts";
import { matchesSearch } from "./search-match.ts";
import { parseSearch, type SearchQuery } from "./search-query.ts";

/** A Set, or a HexSet. */
export interface Values extends Iterable<string> {
  readonly size: number;
  has(value: string): boolean;
  keys(): Iterator<string>;
}

export interface TagCondition {
  readonly letter: string;
  readonly values: Values;
}

export interface Filter {
  readonly ids: Values | null;
  readonly authors: Values | null;
  readonly kinds: ReadonlySet<number> | null;
  readonly tags: readonly TagCondition[];
  /** Unix seconds, inclusive. */
  readonly since: number;
  /** Unix seconds, inclusive. */
  readonly until: number;
  /** As asked for, not yet clamped; null when the filter has none. */
  readonly limit: number | null;
  /** NIP-50; null when there is nothing to look for. */
  readonly search: SearchQuery | null;
}

export const UNTIL_MAX = Number.MAX_SAFE_INTEGER;

export const MATCH_ALL: Filter = {
  ids: null,
  authors: null,
  kinds: null,
  tags: [],
  since: 0,
  until: UNTIL_MAX,
  limit: null,
  search: null,
};

const NO_SEARCH: Reason = "unsupported: this relay has no search (NIP-50)";
const NO_KINDS: ReadonlySet<number> = new Set();

type Draft = { -readonly [K in keyof Filter]: Filter[K] };

/**
 * A filter, null when it can match nothing, or the reason why it is none. `searchKinds` are those
 * whose words are searched; none of them: there is no search.
 */
export function parseFilter(
  value: unknown,
  searchKinds: ReadonlySet<number> = NO_KINDS,
): Filter | null | Reason {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return "invalid: a filter must be an object";
  }
  const draft: Draft = { ...MATCH_ALL };
  const tags: TagCondition[] = [];
  let isEmpty = false;
  for (const [key, item] of Object.entries(value as Record<string, unknown>)) {
    const refusal = key.startsWith("#") ? parseTag(key, item, tags) : parseField(key, item, draft);
    if (refusal !== null) return refusal;
    if (key === "search" && searchKinds.size === 0) return NO_SEARCH;
    if (Array.isArray(item) && item.length === 0) isEmpty = true;
  }
  draft.tags = tags;
  if (draft.search !== null && draft.search.all.length > 0) {
    draft.kinds = draft.kinds?.intersection(searchKinds) ?? searchKinds;
    if (draft.kinds.size === 0) return null; // nothing of these kinds has words to be found by
  }
  return isEmpty || draft.since > draft.until ? null : draft;
}

function parseField(key: string, item: unknown, draft: Draft): Reason | null {
  switch (key) {
    case "ids":
    case "authors": {
      if (!Array.isArray(item) || !item.every(isHex64)) {
        return `invalid: ${key} must be an array of 64 lower-case hex digits each`;
      }
      draft[key] = new Set(item);
      return null;
    }
    case "kinds": {
      if (!Array.isArray(item) || !item.every(isKind)) {
        return "invalid: kinds must be an array of integers from 0 to 65535";
      }
      draft.kinds = new Set(item);
      return null;
    }
    case "since":
    case "until": {
      if (!isTimestamp(item)) return `invalid: ${key} must be a unix timestamp in seconds`;
      draft[key] = item;
      return null;
    }
    case "limit": {
      if (!isTimestamp(item)) return "invalid: limit must be an integer from 0 on";
      draft.limit = item;
      return null;
    }
    case "search": {
      if (typeof item !== "string") return "invalid: search must be a string";
      draft.search = parseSearch(item);
      return null;
    }
    default:
      return `unsupported: unknown filter key ${quote(key)}`;
  }
}

function parseTag(key: string, item: unknown, tags: TagCondition[]): Reason | null {
  const letter = key.slice(1);
  if (!isLetter(letter)) {
    return `unsupported: only single-letter tags are indexed, not ${quote(key)}`;
  }
  if (!Array.isArray(item) || !item.every((value) => typeof value === "string")) {
    return `invalid: ${key} must be an array of strings`;
  }
  if ((letter === "e" || letter === "p") && !item.every(isHex64)) {
    return `invalid: ${key} must be an array of 64 lower-case hex digits each`;
  }
  // No event has one; and between threads it would turn into U+FFFD, which events may have.
  if (!item.every((value) => value.isWellFormed())) return `invalid: ${key} has a lone surrogate`;
  tags.push({ letter, values: new Set(item) });
  return null;
}

/** A client's own word in a reason: escaped, and never long. */
function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

/** How many values its lists hold. */
export function countValues(filter: Filter): number {
  let count = (filter.ids?.size ?? 0) + (filter.authors?.size ?? 0) + (filter.kinds?.size ?? 0);
  for (const condition of filter.tags) count += condition.values.size;
  for (const group of filter.search?.all ?? []) count += group.length;
  return count;
}

/** Each filter costs memory, and time whenever an event is near it. */
const FILTER_COST_MIN = 20;
/** One that names no ids, authors or tags is looked at for every event of its kinds. */
const BROAD_FILTER_COST_MIN = 100;
/** One that searches looks at their words, too, and for each of its phrases. */
const SEARCH_FILTER_COST_MIN = 200;
const SEARCH_PHRASE_COST = 100;
/** So many characters of a tag's value take the memory of a short value. */
const LONG_VALUE_LENGTH = 256;

/** What a filter costs to keep open, in values. */
export function filterCost(filter: Filter): number {
  return Math.max(countValues(filter) + countLong(filter), filterCostMin(filter));
}

function filterCostMin({ ids, authors, tags, search }: Filter): number {
  if (search !== null) {
    const phrases = search.all.reduce((sum, { length }) => sum + length, search.none.length);
    return Math.max(SEARCH_FILTER_COST_MIN, SEARCH_PHRASE_COST * phrases);
  }
  const isBroad = ids === null && authors === null && tags.length === 0;
  return isBroad ? BROAD_FILTER_COST_MIN : FILTER_COST_MIN;
}

function countLong({ tags }: Filter): number {
  let count = 0;
  for (const { values } of tags) {
    for (const value of values) count += Math.floor(value.length / LONG_VALUE_LENGTH);
  }
  return count;
}

/** NIP-01's `&&` of all conditions. `limit` plays no part. */
export function matchesFilter(filter: Filter, event: NostrEvent): boolean {
  if (event.created_at < filter.since || event.created_at > filter.until) return false;
  if (filter.kinds !== null && !filter.kinds.has(event.kind)) return false;
  if (filter.authors !== null && !filter.authors.has(event.pubkey)) return false;
  if (filter.ids !== null && !filter.ids.has(event.id)) return false;
  for (const condition of filter.tags) if (!matchesTag(condition, event)) return false;
  return filter.search === null || matchesSearch(filter.search, event);
}

/** NIP-01's `||` of all filters of a REQ. */
export function matchesAny(filters: readonly Filter[], event: NostrEvent): boolean {
  for (const filter of filters) if (matchesFilter(filter, event)) return true;
  return false;
}

function matchesTag({ letter, values }: TagCondition, event: NostrEvent): boolean {
  for (const tag of event.tags) {
    if (tag[0] !== letter) continue;
    const value = tag[1];
    if (value !== undefined && isIndexedTag(letter, value) && values.has(value)) return true;
  }
  return false;
}

/** Of values of 64 hex digits, with so many or more: fewer take no more memory in a Set. */
const HEX_SET_MIN = 16;

/** Values, or many ids or keys one after the other. */
type ValuesRow = readonly string[] | string;

/** Plain data, for a record between threads. */
export type FilterRow = readonly [
  ids: ValuesRow | null,
  authors: ValuesRow | null,
  kinds: readonly number[] | null,
  tags: readonly (readonly [letter: string, values: ValuesRow])[],
  since: number,
  until: number,
  limit: number | null,
  search: string | null,
];

export function encodeFilter(filter: Filter): FilterRow {
  return [
    filter.ids && encodeHexes(filter.ids),
    filter.authors && encodeHexes(filter.authors),
    filter.kinds && [...filter.kinds],
    filter.tags.map(({ letter, values }) => {
      const isHex = letter === "e" || letter === "p"; // isIndexedTag
      return [letter, isHex ? encodeHexes(values) : [...values]] as const;
    }),
    filter.since,
    filter.until,
    filter.limit,
    filter.search && filter.search.text,
  ];
}

export function decodeFilter(row: FilterRow): Filter {
  const [ids, authors, kinds, tags, since, until, limit, search] = row;
  return {
    ids: ids === null ? null : decodeValues(ids),
    authors: authors === null ? null : decodeValues(authors),
    kinds: kinds && new Set(kinds),
    tags: tags.map(([letter, values]) => ({ letter, values: decodeValues(values) })),
    since,
    until,
    limit,
    search: search === null ? null : parseSearch(search),
  };
}

function encodeHexes(values: Values): ValuesRow {
  return values.size < HEX_SET_MIN ? [...values] : [...values].join("");
}

function decodeValues(row: ValuesRow): Values {
  return typeof row === "string" ? new HexSet(row) : new Set(row);
}
