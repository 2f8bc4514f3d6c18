// Which kinds' words are searched (NIP-50). Pure; belongs to no thread.

import type { Settings } from "../config/options.ts";

/** Direct messages and what wraps them (NIP-04, 59): not even their existence is to be found. */
const PRIVATE_KINDS: ReadonlySet<number> = new Set([4, 13, 14, 15, 1059, 21_059]);

/** Empty when there is no search. */
export function searchKinds(settings: Settings): ReadonlySet<number> {
  const kinds = settings["search.kinds"].map(Number).filter((kind) => !PRIVATE_KINDS.has(kind));
  return new Set(kinds.sort((a, b) => a - b));
}
