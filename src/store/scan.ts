// One REQ or COUNT over the store: its filters' streams merged into one, newest first, ties by
// lowest id, no event twice (NIP-01); before them, one after another, those of filters that search,
// best first (NIP-50). Resumable: `next` may be called again at any later time.

import type { Filter } from "../protocol/filter.ts";
import { FilterStream, type Found, type Match, type Orders, type Unseen } from "./filter-stream.ts";
import type { EventReader } from "./read.ts";
import type { SearchReader } from "./search-reader.ts";
import { SearchBudget, SearchStream, usesIndex } from "./search-stream.ts";
import type { Sight } from "./sight.ts";

export interface ScanOptions {
  /** For a filter that has no limit of its own. */
  readonly limitDefault: number;
  /** Larger limits are clamped to this. */
  readonly limitMax: number;
  readonly tiesMax: number;
  readonly nowSeconds: () => number;
  /** For counts (count.ts): what isn't even looked at. */
  readonly unseen?: Unseen | null;
  /** As of a stream. */
  readonly orders?: Orders | null;
}

/** Who names events by their ids and says no limit wants all of these. */
export function limitOf({ ids, limit }: Filter, options: ScanOptions): number {
  const { limitDefault, limitMax } = options;
  return Math.min(limit ?? Math.max(limitDefault, ids?.size ?? 0), limitMax);
}

export class Scan {
  /** The commit that the scan ends at: events with a higher `seq` are not its own. */
  readonly headSeq: number;
  readonly streams: readonly FilterStream[];
  private readonly searches: SearchStream[] = [];
  /** The search that is being read; those before it are done. */
  private searchAt = 0;
  /** The seqs of what searches have found. */
  private readonly searched = new Set<number>();
  private readonly hasZeroLimit: boolean;
  /** Has fetched texts again and nothing was taken since: it keeps them, or it may never get on. */
  private refetched: FilterStream | null = null;

  /**
   * `sight`: what of it all may be seen; null for who may see everything. Without an index, what a
   * search asks for is looked for in each event.
   */
  constructor(
    reader: EventReader,
    filters: readonly Filter[],
    options: ScanOptions,
    sight: Sight | null = null,
    index: SearchReader | null = null,
  ) {
    this.headSeq = reader.head();
    this.hasZeroLimit = filters.some((filter) => filter.limit === 0);
    const { tiesMax, nowSeconds, unseen = null, orders = null } = options;
    const budget = new SearchBudget();
    this.streams = filters.flatMap((asked) => {
      const limit = limitOf(asked, options);
      const filter = sight === null ? asked : sight.narrow(asked);
      if (filter === null) return [];
      const looking = sight?.mustLook(filter) ? sight : null;
      const { headSeq } = this;
      const more = { limit, tiesMax, headSeq, nowSeconds, sight: looking, unseen, orders };
      if (index === null || !usesIndex(filter)) return [new FilterStream(reader, filter, more)];
      this.searches.push(new SearchStream(reader, index, filter, more, budget));
      return [];
    });
  }

  /** The next event; "working" after a bounded piece of work without one; "done" at the end. */
  next(): Found | "working" | "done" {
    const search = this.searches[this.searchAt];
    if (search !== undefined) return this.nextOf(search);
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
    if (this.searched.has(best.seq)) {
      this.takeAll(best.seq);
      return "working";
    }
    if (!isThere(best)) {
      owner.refetch();
      this.refetched = owner;
      return "working";
    }
    this.refetched = null;
    this.takeAll(best.seq);
    return best;
  }

  private takeAll(seq: number): void {
    for (const stream of this.streams) if (stream.peek()?.seq === seq) stream.take();
  }

  private nextOf(search: SearchStream): Found | "working" {
    const found = search.peek();
    if (found === null) {
      if (search.isDone) this.searchAt += 1;
      else search.step();
      return "working";
    }
    search.take();
    if (this.searched.has(found.seq)) return "working"; // another search has found it, too
    this.searched.add(found.seq);
    return found;
  }

  /** To be called when the next call of `next` may be long in coming: lets go of texts. */
  rest(): void {
    this.searches[this.searchAt]?.rest();
    for (const stream of this.streams) if (stream !== this.refetched) stream.rest();
  }

  /** Whether a search has ended before it has looked at everything. */
  get isCut(): boolean {
    return this.searches.some((search) => search.isCut);
  }

  /**
   * NIP-67, once done: were there stored events beyond a limit? Null when a limit of 0 means that
   * nobody looked.
   */
  hint(): "finish" | "more" | null {
    if (this.streams.some((stream) => stream.hasMore)) return "more";
    if (this.searches.some((search) => search.hasMore)) return "more";
    return this.hasZeroLimit ? null : "finish";
  }
}

function isThere(match: Match): match is Found {
  return match.stored !== null;
}

function isBefore(a: Match, b: Match): boolean {
  if (a.age !== b.age) return a.age < b.age;
  return a.order !== b.order ? a.order < b.order : a.seq < b.seq;
}
