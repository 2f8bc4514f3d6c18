// Timelines: whether what their authors wrote lately is among the newest entries of the kinds asked
// for, in memory (newest.ts), or is to be looked for by author. Entries in memory cost next to
// nothing, so they are all looked at first, and so many more are read as seem to be needed: once,
// for who asks the same a second later, too.

import { NEWEST_MAX, type NewestEntries, type NewestQuery, type WantedAuthors } from "./newest.ts";
import type { EventReader } from "./read.ts";
import type { Place } from "./term.ts";

/** More entries, read in one step: a millisecond's work. */
const MORE_MAX = 4096;
/** A list grows to so many times its length. */
const GROWTH = 4;

/** Of the entries looked at, how many are wanted. */
export interface Sample {
  readonly seen: number;
  readonly kept: number;
}

/** What was found of a timeline in memory. */
export interface Tried extends Sample {
  /** Of the first entry seen, and back to which memory has all. */
  readonly firstAge: number;
  readonly lastAge: number;
  /** All that is wanted, or all there is. */
  readonly isEnough: boolean;
}

/** About how many entries hold so many that are wanted. */
export function entriesNeeded({ seen, kept }: Sample, wanted: number): number {
  return (wanted * seen) / Math.max(0.5, kept);
}

export class Trial {
  private readonly reader: EventReader;
  /** Of kinds: at most as many as have lists at a time. */
  private readonly keys: readonly number[];
  private readonly query: NewestQuery & { readonly authors: WantedAuthors };
  private readonly start: Place;
  private readonly wanted: number;
  /** Of all lists together, when they were last made longer. */
  private length = -1;

  /** Entries after `start`: so many are wanted of those that the query asks for. */
  constructor(
    reader: EventReader,
    keys: readonly number[],
    query: NewestQuery & { readonly authors: WantedAuthors },
    { start, wanted }: { readonly start: Place; readonly wanted: number },
  ) {
    this.reader = reader;
    this.keys = keys;
    this.query = query;
    this.start = start;
    this.wanted = wanted;
  }

  /** "growing" when lists have been made longer; null when memory doesn't go back to the start. */
  step(): Tried | "growing" | null {
    const lists = this.keys.map((key) => this.reader.newest(key));
    const tried = this.look(lists);
    if (tried === null || tried.isEnough) return tried;
    if (entriesNeeded(tried, this.wanted) > NEWEST_MAX) return tried;
    return this.grow(lists, tried.lastAge) ? "growing" : tried;
  }

  private look(lists: readonly NewestEntries[]): Tried | null {
    const { start, wanted, query } = this;
    let { lastAge } = query;
    for (const { isComplete, end } of lists) {
      if (!isComplete) lastAge = Math.min(lastAge, end[0] - 1); // of that second, it may lack some
    }
    if (lastAge < start[0]) return null;
    let [seen, kept, firstAge] = [0, 0, lastAge];
    for (const list of lists) {
      const counts = list.count(start, { ...query, lastAge }, wanted - kept);
      seen += counts.seen;
      kept += counts.kept;
      firstAge = Math.min(firstAge, counts.firstAge);
    }
    const isEnough = kept >= wanted || lastAge === query.lastAge;
    return { seen, kept, firstAge, lastAge, isEnough };
  }

  /** The lists that end first. Others who read may take them away: then that is that. */
  private grow(lists: readonly NewestEntries[], lastAge: number): boolean {
    const length = lists.reduce((sum, list) => sum + list.length, 0);
    if (length <= this.length) return false;
    this.length = length;
    let hasGrown = false;
    for (const [i, list] of lists.entries()) {
      if (list.isComplete || list.isFull || list.end[0] - 1 > lastAge) continue;
      const more = Math.min(MORE_MAX / lists.length, (GROWTH - 1) * list.length);
      this.reader.extendNewest(this.keys[i] as number, list, Math.floor(more));
      hasGrown = true;
    }
    return hasGrown;
  }
}
