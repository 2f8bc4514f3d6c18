// Timelines: whether what their authors wrote lately is among the newest entries of the kinds asked
// for, in memory (newest.ts), or is to be looked for by author. Entries in memory cost next to
// nothing, so they are all looked at first, and so many more are read as seem to be needed: once,
// for who asks the same a second later, too.

import { NEWEST_MAX, type WantedAuthors } from "./newest.ts";
import type { EventReader } from "./read.ts";
import type { Place } from "./term.ts";

/** More entries of a list, read in one step: a millisecond's work. */
const MORE_MAX = 4096;
/** A list grows to so many times its length. */
const GROWTH = 4;

export interface Timeline {
  /** Of kinds: at most as many as have lists at a time. */
  readonly keys: readonly number[];
  readonly authors: WantedAuthors;
  readonly start: Place;
  readonly lastAge: number;
  /** So many entries. */
  readonly wanted: number;
}

/** What was found of a timeline in memory, back to the time that memory has all of. */
export interface Tried {
  readonly seen: number;
  readonly kept: number;
  /** Of the first seen, and as far as memory goes. */
  readonly firstAge: number;
  readonly lastAge: number;
  /** All that is wanted, or all there is. */
  readonly isEnough: boolean;
}

/**
 * Null when memory doesn't go back to where the timeline starts; "growing" when lists have been
 * made longer, and are to be tried again.
 */
export function tryNewest(reader: EventReader, timeline: Timeline): Tried | "growing" | null {
  const { keys, authors, start, wanted } = timeline;
  const lists = keys.map((key) => reader.newest(key));
  let { lastAge } = timeline;
  for (const { isComplete, end } of lists) {
    if (!isComplete) lastAge = Math.min(lastAge, end[0] - 1); // of that second, it may lack some
  }
  if (lastAge < start[0]) return null;
  let [seen, kept, firstAge] = [0, 0, lastAge];
  for (const list of lists) {
    const counts = list.count(start, lastAge, authors, wanted - kept);
    seen += counts.seen;
    kept += counts.kept;
    firstAge = Math.min(firstAge, counts.firstAge);
  }
  const isEnough = kept >= wanted || lastAge === timeline.lastAge;
  const tried = { seen, kept, firstAge, lastAge, isEnough };
  if (isEnough || entriesNeeded(tried, wanted) > NEWEST_MAX) return tried;
  let hasGrown = false;
  for (const [i, list] of lists.entries()) {
    if (list.isComplete || list.isFull || list.end[0] - 1 > lastAge) continue;
    const more = Math.min(MORE_MAX, (GROWTH - 1) * list.length);
    reader.extendNewest(keys[i] as number, list, more);
    hasGrown = true;
  }
  return hasGrown ? "growing" : tried;
}

/** About how many entries hold so many that are wanted, when `kept` of `seen` are. */
export function entriesNeeded(
  { seen, kept }: { readonly seen: number; readonly kept: number },
  wanted: number,
): number {
  return (wanted * seen) / Math.max(0.5, kept);
}
