// The sets of events that running sums are kept of (sum-tables.ts), each by its filter: how a
// filter is written so that equal ones are the same text, and which set has what a sync asks for.
// Reads and changes the table by the connection it is given.

import type { Database } from "bun:sqlite";
import { type Filter, parseFilter, UNTIL_MAX } from "../protocol/filter.ts";

export interface SumSet {
  readonly id: number;
  /** As it is written in the table. */
  readonly text: string;
  readonly filter: Filter;
  /** The sums have the events up to this seq. */
  readonly upTo: number;
}

/** Of all events. */
export const ALL_SET_ID = 0;
/** The keeper looks at each event once for each, and each sync looks through all. */
export const SETS_MAX = 64;

/** Sorted in every respect. Null for filters of which no sums are kept. */
export function canonicalText(filter: Filter): string | null {
  const { since, until, limit, search } = filter;
  if (since !== 0 || until !== UNTIL_MAX || limit !== null || search !== null) return null;
  return JSON.stringify(conditions(filter, filter.kinds));
}

function conditions(filter: Filter, kinds: ReadonlySet<number> | null): object {
  const { ids, authors, tags } = filter;
  const sorted = (values: Iterable<string> | null) => values && [...values].sort();
  const entries: [string, unknown][] = tags.map(({ letter, values }) => [
    `#${letter}`,
    sorted(values),
  ]);
  entries.push(["authors", sorted(authors)], ["ids", sorted(ids)]);
  entries.push(["kinds", kinds && [...kinds].sort((a, b) => a - b)]);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.filter(([, value]) => value !== null));
}

/** All sets, in the order they were added in. */
export function readSumSets(db: Database): SumSet[] {
  const rows = db.query("SELECT id, filter, upto FROM sum_set ORDER BY id").values();
  return (rows as [number, string, number][]).map(([id, text, upTo]) => {
    const filter = parseFilter(JSON.parse(text));
    if (filter === null || typeof filter === "string") {
      throw new Error(`database: sum_set ${id} has the filter ${text}`);
    }
    return { id, text, filter, upTo };
  });
}

/** The set that has all that a filter asks for, and more at most by kind and time; or null. */
export function findSumSet(sets: readonly SumSet[], filter: Filter): SumSet | null {
  if (filter.limit !== null || filter.search !== null) return null;
  const wanted = JSON.stringify(conditions(filter, null));
  const covers = (set: SumSet): boolean => {
    const { kinds } = set.filter;
    if (kinds !== null && !(filter.kinds?.isSubsetOf(kinds) ?? false)) return false;
    return JSON.stringify(conditions(set.filter, null)) === wanted;
  };
  return sets.find(covers) ?? null;
}

/** Its id; null when there is one like it already. Within a transaction. */
export function insertSumSet(db: Database, text: string): number | null {
  const insert = "INSERT INTO sum_set (filter, upto) VALUES (?, 0) ON CONFLICT DO NOTHING";
  const row = db.query(`${insert} RETURNING id`).values(text)[0] as [number] | undefined;
  return row?.[0] ?? null;
}

/** Within a transaction. */
export function deleteSumSet(db: Database, id: number): void {
  db.query("DELETE FROM sum_set WHERE id = ?").run(id);
  db.query("DELETE FROM sums WHERE set_id = ?").run(id);
}
