// A filter on the command line: one object, or an array of them. Strict as a client's, because a
// misspelt key must not delete more than was meant.

import { type Filter, parseFilter } from "../protocol/filter.ts";
import { UsageError } from "./command.ts";

export interface FilterArgument {
  readonly json: string;
  /** Null when it can match nothing. */
  readonly filter: Filter | null;
}

export function parseFilterArguments(text: string): FilterArgument[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UsageError("the filter is not JSON");
  }
  return (Array.isArray(value) ? (value as unknown[]) : [value]).map((one) => {
    if (typeof one === "object" && one !== null && "search" in one) {
      throw new UsageError("a filter with a search is for nandu search");
    }
    const filter = parseFilter(one);
    if (typeof filter === "string") throw new UsageError(`the filter is ${filter}`);
    return { json: JSON.stringify(one), filter };
  });
}

/** Filters that can match nothing are left out. */
export function parseFilterArgument(text: string): Filter[] {
  return parseFilterArguments(text).flatMap(({ filter }) => filter ?? []);
}
