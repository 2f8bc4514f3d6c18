// The stored events that match one filter, newest first, ties by lowest id: index entries as the
// plan says, checked against the events themselves. `step` does a bounded piece of work, so that
// its caller can turn to other queries in between.

import type { Filter } from "../protocol/filter.ts";
import { KeyCursor, MergedCursor, NewestCursor, SpanCursor } from "./cursor.ts";
import { authorPart, infoKind, type RowType, speaksForItself } from "./info.ts";
import { NEWEST_KEYS_MAX, type NewestQuery, WantedAuthors } from "./newest.ts";
import { type Plan, planFilter, planOf, type Way } from "./plan.ts";
import type { EventReader } from "./read.ts";
import type { Sight } from "./sight.ts";
import type { StoredEvent } from "./stored-event.ts";
import { authorKeys, type Place, type TermEntry } from "./term.ts";
import { TextMatcher } from "./text-matcher.ts";
import { entriesNeeded, Trial } from "./trial.ts";

const DEPTH_MIN = 4;
/** Cursors opened in one step. */
const OPEN_PER_STEP = 32;
/** Before this many entries, how often they match tells little. */
const SAMPLE_ENTRIES = 256;
/** Index entries looked at in one step. */
const ENTRIES_PER_STEP = 512;
/** Events fetched in one step, and about how many bytes of them. */
const FETCH_MIN = 8;
const FETCH_MAX = 64;
const FETCH_BYTES = 256 * 1024;

/** An event that matches. What was read of it may have been let go: see `rest`. */
export interface Match {
  readonly age: number;
  readonly order: number;
  readonly seq: number;
  /** Unix seconds, 0 = never. */
  readonly expires: number;
  stored: StoredEvent | null;
}

export interface Found extends Match {
  stored: StoredEvent;
}

export interface StreamOptions {
  /** Events wanted; what ties with the last of them is added, up to `tiesMax`. */
  readonly limit: number;
  readonly tiesMax: number;
  /** Events committed later are not the scan's: the monitor sends them. */
  readonly headSeq: number;
  readonly nowSeconds: () => number;
  /** Null when all that the filter matches may be seen. */
  readonly sight: Sight | null;
  /** Null when each event is wanted, not only how many there are. */
  readonly unseen: Unseen | null;
  /** Null, or where its filter asks for one second: the first and last wanted (`idOrder`). */
  readonly orders: Orders | null;
}

export type Orders = readonly [first: number, last: number];

/**
 * For a count: what is done with entries that tell all there is to know of their events, which are
 * then neither fetched nor found. What the filter asks for, an entry and its key must tell.
 */
export interface Unseen {
  readonly onEntry: (entry: TermEntry) => void;
  /** What is read instead of what the planner says: where the other entries are. */
  readonly otherKeys: readonly number[] | null;
}

export class FilterStream {
  private readonly reader: EventReader;
  private readonly filter: Filter;
  private readonly options: StreamOptions;
  private readonly matcher: TextMatcher;
  /** Events of these are not even fetched. */
  private readonly blindKinds: ReadonlySet<number> | null;
  /** Those whose entries under a kind are wanted; null for all. */
  private authors: WantedAuthors | null = null;
  /** How the newest entries are read in memory; null when they aren't. */
  private newest: NewestQuery | null = null;
  /** Of a timeline, until it is known where to look for it. */
  private trial: Trial | null = null;
  /** Up to this age, memory has all of its kinds: what comes after it tells if the plan is good. */
  private memoryAge = Number.NEGATIVE_INFINITY;
  /** Chosen by the first step. */
  plan: Plan | null = null;
  /** What was fetched in vain, for whoever asks what a query costs. */
  readonly passedOver = { removed: 0, expired: 0, hidden: 0, unmatched: 0 };
  /** Where it begins. */
  private start: Place;
  private cursor = new MergedCursor();
  /** Of the plan's keys, how many are in the cursor. */
  private opened = 0;
  /** Of the entries beyond memory, how many were looked at, and how many looked good. */
  private entriesSeen = 0;
  private entriesKept = 0;
  private firstAge = 0;
  /** Events that match. */
  private matched = 0;
  private lastSeq = 0;
  private ready: Match[] = [];
  private readyAt = 0;
  /** Of the events fetched last; at first a guess that fetches few. */
  private meanBytes = FETCH_BYTES / FETCH_MIN;
  private taken = 0;
  private boundaryAge = 0;
  private isExhausted = false;
  /** Set once the stream has ended: whether there was more to be had beyond the limit. */
  hasMore = false;
  isDone = false;

  constructor(reader: EventReader, filter: Filter, options: StreamOptions) {
    this.reader = reader;
    this.filter = filter;
    this.options = options;
    this.matcher = new TextMatcher(filter);
    this.blindKinds = options.sight?.blindKinds ?? null;
    this.start = [-filter.until, options.orders?.[0] ?? -1, -1, 0];
    this.isDone = options.limit === 0;
  }

  /** The next event, or null: then the stream is done, or needs a `step`. */
  peek(): Match | null {
    if (this.isDone) return null;
    let found = this.ready[this.readyAt];
    // What has waited here for a slow client may have expired since it was fetched.
    while (found !== undefined && this.isExpired(found.expires)) {
      this.readyAt += 1;
      this.checkEnd(); // what comes next may lie beyond the limit
      found = this.isDone ? undefined : this.ready[this.readyAt];
    }
    return found ?? null;
  }

  private isExpired(expires: number): boolean {
    return expires !== 0 && expires <= this.options.nowSeconds();
  }

  /** Moves past the event that `peek` gives. */
  take(): void {
    const found = this.ready[this.readyAt];
    if (found === undefined) throw new Error("assert: take without an event");
    this.readyAt += 1;
    this.taken += 1;
    if (this.taken === this.options.limit) this.boundaryAge = found.age;
    this.checkEnd();
  }

  /** A bounded piece of work towards the next event. */
  step(): void {
    this.plan ??= this.choose();
    if (this.trial !== null) {
      this.tryNewest(this.trial);
      return;
    }
    const { keys, isSparse } = this.plan;
    if (this.opened < keys.length) {
      if (isSparse) this.openSpan(keys, Number.POSITIVE_INFINITY);
      else this.openSome(keys);
      return;
    }
    this.ready = this.fetch();
    this.readyAt = 0;
    this.checkEnd();
  }

  /**
   * Lets go of the texts fetched ahead: many streams may wait for their turn or their client, and
   * each would hold some. What it knows of the events it keeps, so that no work is done in vain.
   */
  rest(): void {
    this.ready = this.isDone ? [] : this.ready.slice(this.readyAt);
    this.readyAt = 0;
    for (const match of this.ready) match.stored = null;
  }

  /** Fetches texts again, of the next events; those that were removed meanwhile are passed over. */
  refetch(): void {
    const end = this.readyAt + this.affordable();
    const texts = this.fetchTexts(this.ready.slice(this.readyAt, end).map(({ seq }) => seq));
    const next: Match[] = [];
    for (const match of this.ready.slice(this.readyAt, end)) {
      const stored = texts.get(match.seq);
      if (stored !== undefined) next.push({ ...match, stored });
    }
    this.ready = [...next, ...this.ready.slice(end)];
    this.readyAt = 0;
    this.checkEnd();
  }

  /** Ends the stream when nothing is left, or what comes next lies beyond the limit. */
  private checkEnd(): void {
    const next = this.ready[this.readyAt];
    if (next === undefined) {
      this.isDone = this.isExhausted;
      return;
    }
    const { limit, tiesMax } = this.options;
    if (this.taken < limit) return;
    if (next.age === this.boundaryAge && this.taken < limit + tiesMax) return;
    this.hasMore = true;
    this.isDone = true;
  }

  private choose(): Plan {
    const { reader, filter } = this;
    const { since, until } = filter;
    const otherKeys = this.options.unseen?.otherKeys ?? null;
    if (otherKeys !== null) return planOf({ name: "special", keys: otherKeys });
    const count = (key: number, max: number) => reader.countEntries(key, since, until, max);
    const plan = planFilter(filter, count, this.options.sight?.audience(filter) ?? null);
    if (plan.isByKind && filter.authors !== null) {
      this.authors = new WantedAuthors(new Set(authorKeys(filter.authors).map(authorPart)));
    }
    const isNewest = plan.isByKind || plan.name === "all";
    if (isNewest && plan.keys.length <= NEWEST_KEYS_MAX && this.options.unseen === null) {
      const { authors } = this;
      this.newest = { lastAge: -since, authors, isRemoved: reader.isRemoved };
      if (plan.next !== null && authors !== null) {
        const reach = { start: this.start, wanted: this.options.limit + 1 };
        this.trial = new Trial(reader, plan.keys, { ...this.newest, authors }, reach);
      }
    }
    return plan;
  }

  /** A timeline: by kind, from memory or not, or by author. */
  private tryNewest(trial: Trial): void {
    const tried = trial.step();
    if (tried === "growing") return;
    this.trial = null;
    if (tried === null) {
      this.newest = null;
      return;
    }
    const { firstAge, lastAge, kept, isEnough } = tried;
    const { next, entriesMax } = this.plan as Plan;
    const wanted = this.options.limit + 1;
    this.memoryAge = lastAge;
    if (isEnough || next === null || entriesNeeded(tried, wanted) < entriesMax) return;
    const span = ((lastAge - firstAge + 1) * wanted) / Math.max(0.5, kept);
    this.goBy(next(), this.start, span);
  }

  /**
   * Goes on with the plan's next, from where this one has come to, when it would take this one too
   * long to find what is missing, to judge by what it has found beyond memory.
   */
  private reconsider(last: Place): void {
    const { next, entriesMax } = this.plan as Plan;
    if (next === null || this.entriesSeen < SAMPLE_ENTRIES) return;
    const sample = { seen: this.entriesSeen, kept: this.entriesKept };
    const missing = this.options.limit + 1 - this.matched;
    if (entriesNeeded(sample, missing) < entriesMax) return;
    const span = ((last[0] - this.firstAge + 1) * missing) / Math.max(0.5, sample.kept);
    this.goBy(next(), last, span);
  }

  /** Another way from here on; the first span is so many seconds wide. */
  private goBy(way: Way, from: Place, span: number): void {
    this.plan = { ...(this.plan as Plan), ...way, isByKind: false, next: null };
    this.start = from;
    this.cursor = new MergedCursor();
    this.openSpan(way.keys, span);
  }

  /** All keys together. */
  private openSpan(keys: readonly number[], span: number): void {
    const lastAge = -this.filter.since;
    const wanted = this.options.limit - this.taken + 1;
    this.cursor.add(new SpanCursor(this.reader, keys, this.start, { lastAge, span, wanted }));
    this.opened = keys.length;
  }

  /** A cursor for each of some keys. */
  private openSome(keys: readonly number[]): void {
    const isSample = this.plan?.next !== null && this.newest === null;
    const wanted = isSample ? SAMPLE_ENTRIES : this.options.limit + 1;
    const perCursor = Math.ceil(wanted / keys.length);
    const depth = Math.max(DEPTH_MIN, perCursor);
    const end = Math.min(keys.length, this.opened + OPEN_PER_STEP);
    for (; this.opened < end; this.opened++) {
      const key = keys[this.opened] as number;
      const { reader, start, newest } = this;
      this.cursor.add(
        newest === null
          ? new KeyCursor(reader, key, start, depth)
          : new NewestCursor(reader, key, start, depth, newest),
      );
    }
  }

  /** A batch of candidates in order, then checked: the work is bounded, whatever matches. */
  private fetch(): Match[] {
    const wanted = Math.max(FETCH_MIN, this.options.limit - this.taken + 1);
    const countMax = Math.min(wanted, this.affordable());
    const candidates: TermEntry[] = [];
    let entry: TermEntry | null = null;
    const isSample = this.plan?.next !== null && this.entriesSeen < SAMPLE_ENTRIES;
    const entriesMax = isSample ? SAMPLE_ENTRIES - this.entriesSeen : ENTRIES_PER_STEP;
    for (let i = 0; i < entriesMax && candidates.length < countMax; i++) {
      entry = this.nextEntry();
      if (entry === null) {
        this.isExhausted = true;
        break;
      }
      const isSampled = entry[0] > this.memoryAge;
      if (isSampled && this.entriesSeen === 0) this.firstAge = entry[0];
      if (isSampled) this.entriesSeen += 1;
      if (!this.mayMatch(entry[3])) continue;
      if (isSampled) this.entriesKept += 1;
      if (!this.isUnseen(entry)) candidates.push(entry);
    }
    const found = candidates.length === 0 ? [] : this.check(candidates);
    this.matched += found.length;
    if (entry !== null) this.reconsider(entry);
    return found;
  }

  private mayMatch(info: number): boolean {
    if (this.plan?.isByKind === true) return this.authors?.has(info) ?? true;
    const kind = infoKind(info);
    if (this.blindKinds?.has(kind)) return false;
    return this.filter.kinds?.has(kind) ?? true;
  }

  /** Whether this entry is enough, its event needn't be found. */
  private isUnseen(entry: TermEntry): boolean {
    const { unseen } = this.options;
    if (unseen === null) return false;
    const own: RowType = this.plan?.isByKind === true ? "kind" : "other";
    if (!speaksForItself(entry[3], this.filter.tags.length > 0 ? "tag" : own)) return false;
    unseen.onEntry(entry);
    return true;
  }

  private affordable(): number {
    return Math.min(FETCH_MAX, Math.max(1, Math.floor(FETCH_BYTES / this.meanBytes)));
  }

  private fetchTexts(seqs: readonly number[]): Map<number, StoredEvent> {
    const texts = new Map<number, StoredEvent>();
    let bytes = 0;
    for (const stored of this.reader.texts(seqs)) {
      texts.set(stored.seq, stored);
      bytes += stored.length;
    }
    if (texts.size > 0) this.meanBytes = bytes / texts.size;
    return texts;
  }

  private check(entries: readonly TermEntry[]): Match[] {
    const texts = this.fetchTexts(entries.map((entry) => entry[2]));
    const found: Match[] = [];
    const { sight } = this.options;
    for (const [age, order, seq, info] of entries) {
      const stored = texts.get(seq); // removed since the entry was read?
      if (stored === undefined) this.passOverRemoved([age, order, seq, info]);
      else if (this.isExpired(stored.expires)) this.passedOver.expired += 1;
      else if (sight !== null && !sight.sees(stored.text)) this.passedOver.hidden += 1;
      else if (!this.matcher.matchesStored(stored)) this.passedOver.unmatched += 1;
      else found.push({ age, order, seq, expires: stored.expires, stored });
    }
    return found;
  }

  private passOverRemoved(entry: TermEntry): void {
    this.passedOver.removed += 1;
    if (this.newest !== null) this.reader.forget(entry);
  }

  /** The next entry within the time range, each event once. */
  private nextEntry(): TermEntry | null {
    const { orders } = this.options;
    for (;;) {
      const entry = this.cursor.head;
      if (entry === null || entry[0] > -this.filter.since) return null;
      if (orders !== null && entry[1] > orders[1]) return null;
      this.cursor.advance();
      if (entry[2] === this.lastSeq || entry[2] > this.options.headSeq) continue;
      this.lastSeq = entry[2];
      return entry;
    }
  }
}
