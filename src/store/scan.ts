// One REQ or COUNT over the store: its filters' streams merged into one, newest first, ties by
// lowest id, no event twice (NIP-01). Resumable: `next` may be called again at any later time.

import type { Filter } from "../protocol/filter.ts";
import { FilterStream, type Found, type Match } from "./filter-stream.ts";
import type { EventReader } from "./read.ts";
import type { Sight } from "./sight.ts";

export interface ScanOptions {
  /** For a filter that has no limit of its own. */
  readonly limitDefault: number;
  /** Larger limits are clamped to this. */
  readonly limitMax: number;
  readonly tiesMax: number;
  readonly nowSeconds: () => number;
}

export class Scan {
  /** The commit that the scan ends at: events with a higher `seq` are not its own. */
  readonly headSeq: number;
  readonly streams: readonly FilterStream[];
  private readonly hasZeroLimit: boolean;
  /** Has fetched texts again and nothing was taken since: it keeps them, or it may never get on. */
  private refetched: FilterStream | null = null;

  /** `sight`: what of it all may be seen; null for who may see everything. */
  constructor(
    reader: EventReader,
    filters: readonly Filter[],
    options: ScanOptions,
    sight: Sight | null = null,
  ) {
    this.headSeq = reader.head();
    this.hasZeroLimit = filters.some((filter) => filter.limit === 0);
    const { tiesMax, nowSeconds } = options;
    this.streams = filters.flatMap((asked) => {
      const limit = Math.min(asked.limit ?? options.limitDefault, options.limitMax);
      const filter = sight === null ? asked : sight.narrow(asked);
      if (filter === null) return [];
      const looking = sight?.mustLook(filter) ? sight : null;
      const { headSeq } = this;
      const more = { limit, tiesMax, headSeq, nowSeconds, sight: looking };
      return [new FilterStream(reader, filter, more)];
    });
  }

  /** The next event; "working" after a bounded piece of work without one; "done" at the end. */
  next(): Found | "working" | "done" {
    let best: Match | null = null;
    let owner: FilterStream | null = null;
    for (const stream of this.streams) {
      if (stream.isDone) continue;
      const found = stream.peek();
      if (found === null) {
        stream.step();
        return "working";
      }
      if (best !== null && !isBefore(found, best)) continue;
      best = found;
      owner = stream;
    }
    if (best === null || owner === null) return "done";
    if (!hasText(best)) {
      owner.refetch();
      this.refetched = owner;
      return "working";
    }
    this.refetched = null;
    for (const stream of this.streams) if (stream.peek()?.seq === best.seq) stream.take();
    return best;
  }

  /** To be called when the next call of `next` may be long in coming: lets go of texts. */
  rest(): void {
    for (const stream of this.streams) if (stream !== this.refetched) stream.rest();
  }

  /**
   * NIP-67, once done: were there stored events beyond a limit? Null when a limit of 0 means that
   * nobody looked.
   */
  hint(): "finish" | "more" | null {
    if (this.streams.some((stream) => stream.hasMore)) return "more";
    return this.hasZeroLimit ? null : "finish";
  }
}

function hasText(match: Match): match is Found {
  return match.text !== null;
}

function isBefore(a: Match, b: Match): boolean {
  if (a.age !== b.age) return a.age < b.age;
  return a.order !== b.order ? a.order < b.order : a.seq < b.seq;
}
