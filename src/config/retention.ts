// How long events are kept, as configured: for single kinds, and for all others.

import { GROUP_KIND_RANGES, KIND_DELETION, KIND_VANISH } from "../protocol/kind.ts";
import { kindNumbers } from "../protocol/kind-set.ts";
import { derived } from "./derived.ts";
import type { Settings } from "./options.ts";

export interface Retention {
  /** Seconds from created_at on, by kind; 0 = for ever. */
  readonly kinds: ReadonlyMap<number, number>;
  /** The same for all other kinds. */
  readonly others: number;
}

type KindRange = readonly [first: number, last: number];

/**
 * What stays, unless named: deletions and requests to vanish, for what they have removed could come
 * back; and what groups are made of (NIP-29).
 */
export function keptKinds(settings: Settings): readonly KindRange[] {
  const always: readonly KindRange[] = [
    [KIND_DELETION, KIND_DELETION],
    [KIND_VANISH, KIND_VANISH],
  ];
  return settings["groups.enabled"] ? [...always, ...GROUP_KIND_RANGES] : always;
}

export const retention: () => Retention = derived((settings) => {
  const kinds = new Map<number, number>();
  for (const [first, last] of keptKinds(settings)) {
    for (let kind = first; kind <= last; kind++) kinds.set(kind, 0);
  }
  for (const [kind, seconds] of kindNumbers(settings["store.retention_kinds"])) {
    kinds.set(kind, seconds);
  }
  return { kinds, others: settings["store.retention_s"] };
});

/** Seconds; 0 = for ever. */
export function keptSeconds({ kinds, others }: Retention, kind: number): number {
  return kinds.get(kind) ?? others;
}
