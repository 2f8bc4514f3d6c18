// What a search is narrowed by, as words in a column of their own: an event's author, its kind, and
// its single-letter tags, by their keys in the other index. Pure; belongs to no thread.

import { isIndexedTag, type NostrEvent } from "../protocol/event.ts";
import type { Filter } from "../protocol/filter.ts";
import { isNsfw } from "../protocol/search-match.ts";
import type { Phrase, SearchQuery } from "../protocol/search-query.ts";
import { authorKey, kindKey, tagKey } from "./term.ts";

const NSFW = "nsfw";
/** Longer lists are left to the look at each event that was found: each value costs a look-up. */
const VALUES_MAX = 64;

export function facetWords(event: NostrEvent): string[] {
  const words = [facetOf(authorKey(event.pubkey)), facetOf(kindKey(event.kind))];
  for (const [name, value] of event.tags) {
    if (isIndexedTag(name, value)) words.push(facetOf(tagKey(name as string, value as string)));
  }
  if (isNsfw(event)) words.push(NSFW);
  return [...new Set(words)];
}

function facetOf(key: number): string {
  return key.toString(36);
}

/**
 * The query in FTS5's language, and as much of the filter as it can tell. Words have letters and
 * digits only and stand in quotes, so none can be taken for anything else. `allKinds`: how many
 * kinds are indexed.
 */
export function searchExpression(query: SearchQuery, filter: Filter, allKinds: number): string {
  const parts = query.all.map((group) => `{title body} : (${group.map(quoted).join(" OR ")})`);
  for (const { letter, values } of filter.tags) {
    pushFacets(parts, values, (value) => tagKey(letter, value));
  }
  if (filter.authors !== null) pushFacets(parts, filter.authors, authorKey);
  if (filter.kinds !== null && filter.kinds.size < allKinds) {
    pushFacets(parts, filter.kinds, kindKey);
  }
  const none = query.none.map((phrase) => `{title body} : (${quoted(phrase)})`);
  if (query.excludesNsfw) none.push(`facets : ("${NSFW}")`);
  const wanted = parts.map((part) => `(${part})`).join(" AND ");
  return none.length === 0 ? wanted : `(${wanted}) NOT (${none.join(" OR ")})`;
}

function pushFacets<T>(
  parts: string[],
  values: Iterable<T> & { size: number },
  keyOf: (value: T) => number,
): void {
  if (values.size > VALUES_MAX) return;
  const words = [...values].map((value) => `"${facetOf(keyOf(value))}"`);
  parts.push(`facets : (${words.join(" OR ")})`);
}

function quoted({ words, isPrefix }: Phrase): string {
  return `"${words.join(" ")}"${isPrefix ? " *" : ""}`;
}
