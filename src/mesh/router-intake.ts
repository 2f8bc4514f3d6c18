// Where the router's events go: into the database, by a writer of the command's own or by that of
// the relay it is in. What all of its streams share of it. Pure.

import type { NostrEvent } from "../protocol/event.ts";

/** What has become of an event, once that is on disk. */
export type Fate =
  | { readonly kind: "stored" | "known" }
  /** For good, as far as can be seen: NIP-01's reason. */
  | { readonly kind: "refused"; readonly reason: string };

export const KNOWN: Fate = { kind: "known" };
const DUPLICATE = "duplicate";

/** Of what a writer says. An older version of what is here is no news either. */
export function fateOf(isStored: boolean, isAccepted: boolean, reason: string): Fate {
  if (isStored) return { kind: "stored" };
  return isAccepted || reason.startsWith(DUPLICATE) ? KNOWN : { kind: "refused", reason };
}

/** The database can't take it just now: a full disk, say. */
export class IntakeFault extends Error {
  override readonly name = "IntakeFault";
}

export interface RouterIntake {
  /** Checked as if its author had signed in and published it. Rejects: IntakeFault. */
  take(event: NostrEvent): Promise<Fate>;
}
