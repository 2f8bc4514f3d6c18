// Which of two events stands: of a replaceable's versions (NIP-01), and before a deletion (NIP-09).
// Pure; knows no thread.

import type { NostrEvent } from "../protocol/event.ts";
import { KIND_DELETION } from "../protocol/kind.ts";

export type EventHead = Pick<NostrEvent, "id" | "pubkey" | "created_at" | "kind">;

/** NIP-01: the later one, and of the same second the one with the lowest id. */
export function isNewer(event: EventHead, current: EventHead): boolean {
  if (event.created_at !== current.created_at) return event.created_at > current.created_at;
  return event.id < current.id;
}

/**
 * NIP-09: own events only, never another deletion; by id, or by an address whose key has led here,
 * up to the request's time.
 */
export function isTarget(deletion: NostrEvent, event: EventHead, target: string): boolean {
  if (deletion.pubkey !== event.pubkey || event.kind === KIND_DELETION) return false;
  if (target === event.id) return true;
  return event.created_at <= deletion.created_at && target.startsWith(`${event.kind}:`);
}
