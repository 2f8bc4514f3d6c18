// Proof of work (NIP-13): how hard an event's id was to find, and what its author aimed for. Pure.

import type { NostrEvent } from "./event.ts";
import type { Reason } from "./reason.ts";

/** NIP-13: the leading zero bits of an id, which is checked hex. 0 to 256. */
export function difficultyOf(id: string): number {
  let zeros = 0;
  for (const digit of id) {
    const value = Number.parseInt(digit, 16);
    if (value === 0) {
      zeros += 4;
      continue;
    }
    return zeros + Math.clz32(value) - 28;
  }
  return zeros;
}

/** The target that the `nonce` tag commits to, or null when there is none. */
export function committedTarget(event: NostrEvent): number | null {
  for (const tag of event.tags) {
    if (tag[0] !== "nonce") continue;
    return /^[0-9]{1,3}$/.test(tag[2] ?? "") ? Number(tag[2]) : null;
  }
  return null;
}

/**
 * The commitment is required: without it, who mines many events for an easy target gets those
 * through that happen to be harder.
 */
export function checkWork(event: NostrEvent, difficultyMin: number): Reason | null {
  if (difficultyMin === 0) return null;
  const difficulty = difficultyOf(event.id);
  if (difficulty < difficultyMin) {
    return `pow: difficulty ${difficulty} is less than ${difficultyMin}`;
  }
  const target = committedTarget(event);
  if (target === null) {
    return `pow: the nonce tag must commit to a difficulty of at least ${difficultyMin}`;
  }
  return target < difficultyMin
    ? `pow: the committed difficulty ${target} is less than ${difficultyMin}`
    : null;
}
