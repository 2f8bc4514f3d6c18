// Which kinds' words are searched (NIP-50): those that the operator names, but for private ones.

import { kindSet } from "../protocol/kind-set.ts";
import type { Settings } from "./options.ts";

/** Every filter that searches names them, wherever it goes. */
export const SEARCH_KINDS_MAX = 256;
/** What of NIP-04 and NIP-59 is stored: nobody can read it, so nobody shall look for it. */
const SEALED_KINDS: ReadonlySet<number> = new Set([4, 1059]);

/** In ascending order. Empty when there is no search. */
export function searchKinds(settings: Settings): ReadonlySet<number> {
  const kinds = kindSet(settings["search.kinds"]).difference(SEALED_KINDS);
  const open = kinds.difference(kindSet(settings["auth.private_kinds"]));
  return new Set([...open].sort((a, b) => a - b));
}
