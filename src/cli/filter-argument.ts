// A filter on the command line: one object, or an array of them. Strict as a client's, because a
// misspelt key must not delete more than was meant.

import { type Filter, parseFilter } from "../protocol/filter.ts";
import { UsageError } from "./command.ts";

/** Filters that can match nothing are left out. */
export function parseFilterArgument(text: string): Filter[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UsageError("the filter is not JSON");
  }
  const filters: Filter[] = [];
  for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) {
    if (typeof one === "object" && one !== null && "search" in one) {
      throw new UsageError("a filter with a search is for nandu search");
    }
    const filter = parseFilter(one);
    if (typeof filter === "string") throw new UsageError(`the filter is ${filter}`);
    if (filter !== null) filters.push(filter);
  }
  return filters;
}
