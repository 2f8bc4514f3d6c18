// How long events are kept, as configured: for single kinds, and for all others.

import { KIND_DELETION, KIND_VANISH } from "../protocol/kind.ts";
import { kindNumbers } from "../protocol/kind-set.ts";
import { derived } from "./derived.ts";

export interface Retention {
  /** Seconds from created_at on, by kind; 0 = for ever. */
  readonly kinds: ReadonlyMap<number, number>;
  /** The same for all other kinds. */
  readonly others: number;
}

/** Deletions and requests to vanish stay, unless named: what they have removed could come back. */
const KEPT: readonly number[] = [KIND_DELETION, KIND_VANISH];

export const retention: () => Retention = derived((settings) => {
  const kinds = new Map(KEPT.map((kind) => [kind, 0]));
  for (const [kind, seconds] of kindNumbers(settings["store.retention_kinds"])) {
    kinds.set(kind, seconds);
  }
  return { kinds, others: settings["store.retention_s"] };
});

/** Seconds; 0 = for ever. */
export function keptSeconds({ kinds, others }: Retention, kind: number): number {
  return kinds.get(kind) ?? others;
}
