// Signing in (NIP-42): what an AUTH event must say. Its id and signature are checked elsewhere.
// Pure.

import { firstTagValue, type NostrEvent } from "./event.ts";
import { KIND_AUTH } from "./kind.ts";
import type { Reason } from "./reason.ts";
import type { IsThisRelay } from "./relay-url.ts";

/** NIP-42: "close (e.g. within ~10 minutes) of the current time". */
export const AUTH_WINDOW_S = 600;

/** Null when the event signs its author in, on the connection that got this challenge. */
export function checkAuthEvent(
  event: NostrEvent,
  challenge: string,
  isThisRelay: IsThisRelay,
  nowSeconds: number,
): Reason | null {
  if (event.kind !== KIND_AUTH) return "invalid: AUTH must carry an event of kind 22242";
  if (Math.abs(event.created_at - nowSeconds) > AUTH_WINDOW_S) {
    return `invalid: created_at must be within ${AUTH_WINDOW_S} seconds of now`;
  }
  if (firstTagValue(event, "challenge") !== challenge) {
    return "invalid: the challenge is not the one this connection got";
  }
  const relay = firstTagValue(event, "relay");
  if (relay === null) return "invalid: the relay tag is missing";
  return isThisRelay(relay) ? null : "invalid: the relay tag names another relay";
}
