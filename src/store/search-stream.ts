// The stored events that one filter with a search finds (NIP-50), best first, ties newest first. Of
// some thousands of the newest that have the words the best come first, then those of the next
// thousands, so that nothing that is asked for ranks a whole database. `step` does a bounded piece
// of work, and all together may do no more than their budget allows.
//
// The newest events may not be indexed yet. When they are few they are looked at one by one and
// come first, so what has just been published is found at once.

import { type Filter, matchesFilter } from "../protocol/filter.ts";
import type { SearchQuery } from "../protocol/search-query.ts";
import { decodeText, textCreatedAt, textKind } from "./candidate.ts";
import type { Found } from "./filter-stream.ts";
import type { EventReader } from "./read.ts";
import { searchExpression } from "./search-facets.ts";
import type { Hit, SearchReader } from "./search-reader.ts";
import type { Sight } from "./sight.ts";
import type { StoredEvent } from "./stored-event.ts";
import { idOrder } from "./term.ts";
import { TextMatcher } from "./text-matcher.ts";

/** Events whose words fit that are ranked together. */
const ROUND_HITS = 2048;
/** Hits asked for in one step: a few milliseconds. */
const STEP_HITS = 1024;
/** Events not yet indexed that are looked at, and in one step. */
export const LATE_EVENTS_MAX = 1024;
const STEP_LATE_EVENTS = 64;
/** Events fetched in one step, and about how many bytes of them. */
const FETCH_MAX = 64;
const FETCH_BYTES = 256 * 1024;
/** What all searches of a query may take together: events ranked, and this thread's time. */
const BUDGET_HITS = 20_000;
const BUDGET_MICROSECONDS = 1_000_000;
const NEWEST = Number.MAX_SAFE_INTEGER;

/** Shared by all searches of one query. */
export class SearchBudget {
  private hits = BUDGET_HITS;
  private microseconds = BUDGET_MICROSECONDS;

  get isSpent(): boolean {
    return this.hits <= 0 || this.microseconds <= 0;
  }

  /** `since`: what `process.threadCpuUsage` said before. */
  spend(hits: number, since: NodeJS.CpuUsage): void {
    const { user, system } = process.threadCpuUsage(since);
    this.hits -= hits;
    this.microseconds -= user + system;
  }
}

export interface SearchOptions {
  readonly limit: number;
  /** Events committed later are not the scan's: the monitor sends them. */
  readonly headSeq: number;
  readonly nowSeconds: () => number;
  /** Null when all that the filter matches may be seen. */
  readonly sight: Sight | null;
}

/** Whether the index finds it. By their ids, events are found without, and looked at. */
export function usesIndex(filter: Filter): boolean {
  return filter.search !== null && filter.search.all.length > 0 && filter.ids === null;
}

export class SearchStream {
  private readonly reader: EventReader;
  private readonly index: SearchReader;
  private readonly filter: Filter;
  private readonly options: SearchOptions;
  private readonly budget: SearchBudget;
  private readonly matcher: TextMatcher;
  private expression: string | null = null;
  /** Pieces of the index still to be looked at, the next one last. */
  private shards: number[] = [];
  /** In the next one, lower seqs than this. */
  private before = NEWEST;
  /** Events after this one that are not indexed are looked at one by one. */
  private lateAfter: number;
  /** This round's; once ranked, the best are last. */
  private hits: Hit[] = [];
  private isRanked = false;
  private ready: Found[] = [];
  private readyAt = 0;
  private hasTakenReady = true;
  private meanBytes = FETCH_BYTES / 8;
  private taken = 0;
  /** Whether it has ended before all was looked at. */
  isCut = false;
  /** Set once the stream has ended: whether there was, or may be, more. */
  hasMore = false;
  isDone: boolean;

  constructor(
    reader: EventReader,
    index: SearchReader,
    filter: Filter,
    options: SearchOptions,
    budget: SearchBudget,
  ) {
    this.reader = reader;
    this.index = index;
    this.filter = filter;
    this.options = options;
    this.budget = budget;
    this.matcher = new TextMatcher({ ...filter, search: null }); // the words are the index's
    this.lateAfter = options.headSeq;
    this.isDone = options.limit === 0;
  }

  /** The next event, or null: then the stream is done, or needs a `step`. */
  peek(): Found | null {
    if (this.isDone) return null;
    let found = this.ready[this.readyAt];
    while (found !== undefined && this.isExpired(found.expires)) {
      this.readyAt += 1;
      found = this.ready[this.readyAt];
    }
    if (found === undefined) return null;
    if (this.taken < this.options.limit) return found;
    this.hasMore = true;
    this.isDone = true;
    return null;
  }

  /** Moves past the event that `peek` gives. */
  take(): void {
    this.readyAt += 1;
    this.taken += 1;
    this.hasTakenReady = true;
  }

  /** A bounded piece of work towards the next event. */
  step(): void {
    const usage = process.threadCpuUsage();
    const hitsBefore = this.hits.length;
    if (this.expression === null) this.begin();
    else if (this.lateAfter < this.options.headSeq) this.lookAtLate();
    else if (!this.isRanked) this.collect();
    else if (this.hits.length > 0) this.fetch();
    else this.endRound();
    this.budget.spend(Math.max(0, this.hits.length - hitsBefore), usage);
  }

  /** Lets go of texts; not of those that were just fetched, or it may never get on. */
  rest(): void {
    if (!this.hasTakenReady) return;
    const left = this.ready.slice(this.readyAt).reverse();
    for (const { seq } of left) this.hits.push({ seq, score: 0 }); // next, and in this order
    this.ready = [];
    this.readyAt = 0;
  }

  private begin(): void {
    const { headSeq } = this.options;
    const { seq, kindCount, shards } = this.index.head();
    this.expression = searchExpression(this.filter.search as SearchQuery, this.filter, kindCount);
    this.shards = shards.toReversed();
    this.before = Math.min(seq, headSeq) + 1; // what is indexed meanwhile is looked at as late
    if (headSeq - seq <= LATE_EVENTS_MAX) this.lateAfter = Math.min(seq, headSeq);
    else this.isCut = true; // the index is far behind
  }

  private lookAtLate(): void {
    if (this.budget.isSpent) {
      this.lateAfter = this.options.headSeq;
      this.isCut = true;
      return;
    }
    const after = this.lateAfter;
    const upTo = Math.min(after + STEP_LATE_EVENTS, this.options.headSeq);
    this.lateAfter = upTo;
    for (const { seq, text } of this.reader.textsAfter(after, upTo, STEP_LATE_EVENTS)) {
      if (this.filter.kinds?.has(textKind(text)) === false) continue;
      const isMatch = matchesFilter(this.filter, decodeText(text));
      if (isMatch) this.hits.push({ seq, score: Number.NEGATIVE_INFINITY });
    }
  }

  private collect(): void {
    const shard = this.shards.at(-1);
    if (shard === undefined || this.hits.length >= ROUND_HITS || this.budget.isSpent) {
      this.hits.sort((a, b) => b.score - a.score || a.seq - b.seq);
      this.isRanked = true;
      return;
    }
    const found = this.index.hits(shard, this.expression as string, this.before, STEP_HITS);
    for (const hit of found) this.hits.push(hit);
    if (found.length < STEP_HITS) this.shards.pop();
    this.before = found.at(-1)?.seq ?? this.before;
  }

  private fetch(): void {
    const affordable = Math.max(1, Math.floor(FETCH_BYTES / this.meanBytes));
    const wanted = this.options.limit - this.taken + 1;
    const count = Math.min(FETCH_MAX, affordable, Math.max(8, wanted), this.hits.length);
    const seqs = this.hits.splice(this.hits.length - count).map(({ seq }) => seq);
    const texts = new Map<number, StoredEvent>();
    let bytes = 0;
    for (const stored of this.reader.texts(seqs)) {
      texts.set(stored.seq, stored);
      bytes += stored.length;
    }
    if (texts.size > 0) this.meanBytes = bytes / texts.size;
    this.ready = [];
    this.readyAt = 0;
    for (const seq of seqs.reverse()) {
      const stored = texts.get(seq); // removed, and the index doesn't know yet?
      if (stored !== undefined && this.matches(stored)) this.ready.push(foundOf(stored));
    }
    this.hasTakenReady = this.ready.length === 0;
  }

  private matches({ expires, text }: StoredEvent): boolean {
    if (this.isExpired(expires)) return false;
    const createdAt = textCreatedAt(text);
    if (createdAt < this.filter.since || createdAt > this.filter.until) return false;
    if (this.options.sight?.sees(text) === false) return false;
    return this.matcher.matches(text);
  }

  private endRound(): void {
    this.isRanked = false;
    if (this.shards.length > 0 && !this.budget.isSpent) return;
    this.isCut ||= this.shards.length > 0;
    this.hasMore = this.isCut;
    this.isDone = true;
  }

  private isExpired(expires: number): boolean {
    return expires !== 0 && expires <= this.options.nowSeconds();
  }
}

function foundOf(stored: StoredEvent): Found {
  const { seq, expires, id, text } = stored;
  return { age: -textCreatedAt(text), order: idOrder(id), seq, expires, stored };
}
