// Who may read what, as configured. Each thread asks for itself.

import { kindSet } from "../protocol/kind-set.ts";
import { type EventGuard, Visibility } from "../protocol/visibility.ts";
import { derived } from "./derived.ts";

let guard: EventGuard | null = null;

/** Once, when a thread starts, before it reads anything. */
export function guardReading(by: EventGuard): void {
  guard = by;
}

export const visibility = derived(
  (settings) =>
    new Visibility(
      {
        privateKinds: kindSet(settings["auth.private_kinds"]),
        signedInKinds: kindSet(settings["auth.read_kinds"]),
        isAllSignedIn: settings["auth.read"],
      },
      guard,
    ),
);
