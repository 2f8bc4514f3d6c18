// What a batch comes to: a verdict for each of its events.

import type { Acknowledgement, Reason } from "../protocol/reason.ts";

/** `seq` is 0 for an event that is not stored by this batch. */
export type Verdict =
  | { readonly accepted: true; readonly reason: Acknowledgement; readonly seq: number }
  | { readonly accepted: false; readonly reason: Reason; readonly seq: 0 };

export interface WriteResult {
  /** One for each event of the batch, in its order. */
  readonly verdicts: readonly Verdict[];
  /** Ids of stored events that this batch removed: replaced or deleted. */
  readonly removedIds: readonly string[];
  /** The last `seq` before this batch. Larger than the writer's own last: others have written. */
  readonly headBefore: number;
  readonly headAfter: number;
}

export const DUPLICATE: Verdict = {
  accepted: true,
  reason: "duplicate: already have this event",
  seq: 0,
};
export const DELETED: Verdict = {
  accepted: false,
  reason: "blocked: this event was deleted by its author",
  seq: 0,
};
export const REMOVED: Verdict = {
  accepted: false,
  reason: "blocked: this event was deleted by a moderator",
  seq: 0,
};
export const VANISHED: Verdict = {
  accepted: false,
  reason: "blocked: its author has asked to vanish from this relay",
  seq: 0,
};
export const SUPERSEDED: Verdict = {
  accepted: false,
  reason: "blocked: a newer version of this event was deleted by its author",
  seq: 0,
};
export const REPLACED: Verdict = {
  accepted: false,
  reason: "duplicate: a newer version of this event is stored",
  seq: 0,
};
