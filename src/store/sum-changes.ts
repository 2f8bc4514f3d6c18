// What the running sums lack for one sync, hour by hour: events that are not in them yet, others
// that are and have been removed or have expired, and those it may see of classes that are not
// summed for it: they have been looked at one by one when it was opened. All of it is small, or
// there is no SumChanges. Within a snapshot each.

import type { Database } from "bun:sqlite";
import { ItemSum } from "../negentropy/item-sum.ts";
import type { Filter } from "../protocol/filter.ts";
import { textCreatedAt, textKind } from "./candidate.ts";
import { type ItemReader, TextIds } from "./item-scan.ts";
import { payloadText } from "./payload.ts";
import type { StoredText } from "./read.ts";
import type { Sight } from "./sight.ts";
import { SUM_BACKLOG_MAX } from "./sum-keeper.ts";
import { ALL_SET_ID, type SumSet } from "./sum-sets.ts";
import { groupsOf, hourOf, monthOfHour } from "./sum-tables.ts";
import type { SumView } from "./sum-view.ts";
import { EXPIRING_KEY } from "./term.ts";
import { TextMatcher } from "./text-matcher.ts";

/** Expired events wait for their removal for a minute, say. */
const EXPIRED_MAX = 1024;
const TEXTS_READ = 256;
const EXPIRED_READ = 8;

interface Opening {
  readonly sight: Sight;
  readonly view: SumView;
  /** Unix seconds. */
  readonly nowSeconds: number;
}

/** An event that isn't in the sums, or wasn't when the sync was opened. */
interface Pending {
  readonly seq: number;
  readonly hour: number;
  readonly sum: ItemSum;
}

type TakenRow = [
  seq: number,
  createdAt: number,
  kind: number,
  id: Uint8Array,
  payload: Uint8Array | null,
];

export class SumChanges {
  /** The set's at the opening. */
  readonly openedUpTo: number;
  /** What was seen one by one. */
  ownCount = 0;
  readonly pendingCount: number;
  private readonly db: Database;
  private readonly reader: ItemReader;
  private readonly set: SumSet;
  private readonly view: SumView;
  private readonly matcher: TextMatcher;
  private readonly ids = new TextIds();
  private readonly own = new Map<number, ItemSum>();
  private readonly pending: readonly Pending[];
  private state = "";
  private hours = new Map<number, ItemSum>();

  /** Null when the sums are too far behind; then the set is read as any other. */
  static open(
    db: Database,
    reader: ItemReader,
    set: SumSet,
    filter: Filter,
    opening: Opening,
  ): SumChanges | null {
    const head = reader.head();
    if (head - set.upTo > SUM_BACKLOG_MAX) return null;
    if (takenRows(db, SUM_BACKLOG_MAX + 1).length > SUM_BACKLOG_MAX) return null;
    if (expiredSeqs(reader, opening.nowSeconds).length > EXPIRED_MAX) return null;
    return new SumChanges(db, reader, set, filter, { ...opening, head });
  }

  private constructor(
    db: Database,
    reader: ItemReader,
    set: SumSet,
    filter: Filter,
    opening: Opening & { readonly head: number },
  ) {
    this.db = db;
    this.reader = reader;
    this.set = set;
    this.view = opening.view;
    this.openedUpTo = set.upTo;
    this.matcher = new TextMatcher(filter);
    this.pending = this.readPending(opening);
    this.pendingCount = this.pending.length;
  }

  /** An event of a class that isn't summed, which is seen. */
  addOwn(text: Buffer): void {
    addTo(this.own, hourOf(textCreatedAt(text)), this.ids.of(text));
    this.ownCount += 1;
    this.state = "";
  }

  private readPending({ sight, head, nowSeconds }: Opening & { readonly head: number }) {
    const pending: Pending[] = [];
    const lookedAt = sight.privateKinds.union(sight.guardedKinds); // whenever they came
    for (let after = this.openedUpTo; after < head;) {
      const texts = this.reader.textsAfter(after, head, TEXTS_READ);
      for (const { seq, expires, text } of texts) {
        if (expires !== 0 && expires <= nowSeconds) continue;
        if (!this.matcher.matches(text)) continue;
        const kind = textKind(text);
        const seen = this.view.seen(kind, groupsOf(text));
        if (seen === "all") {
          const sum = new ItemSum();
          sum.addId(this.ids.of(text));
          pending.push({ seq, hour: hourOf(textCreatedAt(text)), sum });
        } else if (seen === "some" && !lookedAt.has(kind) && sight.sees(text)) {
          this.addOwn(text);
        }
      }
      after = texts.length < TEXTS_READ ? head : (texts.at(-1) as StoredText).seq;
    }
    return pending;
  }

  /**
   * Takes notice of what has been committed by now: by the hour, what is to be added to the sums.
   * Throws when the set is gone. What was taken or expired after the sync was opened may count or
   * not, so of more than is read here, the first are enough.
   */
  refresh(nowSeconds: number): ReadonlyMap<number, ItemSum> {
    const row = this.db.query("SELECT upto FROM sum_set WHERE id = ?").values(this.set.id)[0];
    if (row === undefined) throw new Error(`the set of running sums ${this.set.id} was removed`);
    const [upTo] = row as [number];
    const [first, last] = this.db
      .query("SELECT min(n), max(n) FROM taken")
      .values()[0] as unknown[];
    this.reader.head();
    const expired = expiredSeqs(this.reader, nowSeconds);
    const state = [upTo, first, last, ...expired].join(" ");
    if (state !== this.state) {
      this.state = state;
      this.view.forget();
      this.hours = this.collect(upTo, expired);
    }
    return this.hours;
  }

  private collect(upTo: number, expired: readonly number[]): Map<number, ItemSum> {
    const hours = new Map<number, ItemSum>();
    const add = (hour: number, sum: ItemSum): void => sumOf(hours, hour).add(sum);
    for (const [hour, sum] of this.own) add(hour, sum);
    for (const { seq, hour, sum } of this.pending) if (seq > upTo) add(hour, sum);
    for (const [seq, createdAt, kind, id, payload] of takenRows(this.db, SUM_BACKLOG_MAX)) {
      const text = payload === null ? null : payloadText(payload);
      if (seq > upTo || this.view.seen(kind, groupsOf(text)) !== "all") continue;
      if (this.set.id !== ALL_SET_ID && (text === null || !this.matcher.matches(text))) continue;
      sumOf(hours, hourOf(createdAt)).subtract(ItemSum.of(1, id));
    }
    for (const { seq, text } of this.reader.texts(expired)) {
      if (seq > upTo || this.view.seen(textKind(text), groupsOf(text)) !== "all") continue;
      if (!this.matcher.matches(text)) continue;
      sumOf(hours, hourOf(textCreatedAt(text))).subtract(ItemSum.of(1, this.ids.of(text)));
    }
    return hours;
  }
}

/** What changes come to in the months. */
export function byMonth(hours: ReadonlyMap<number, ItemSum>): Map<number, ItemSum> {
  const months = new Map<number, ItemSum>();
  for (const [hour, sum] of hours) sumOf(months, monthOfHour(hour)).add(sum);
  return months;
}

function takenRows(db: Database, limit: number): TakenRow[] {
  const sql = "SELECT seq, created_at, kind, id, payload FROM taken ORDER BY n LIMIT ?";
  return db.query(sql).values(limit) as TakenRow[];
}

/** One more at most than there should be. The order is that of their expiry. */
function expiredSeqs(reader: ItemReader, nowSeconds: number): number[] {
  // From 1 on: what is made to share that key has an age of 0 at most.
  let place: readonly [number, number, number] = [1, -1, -1];
  const seqs: number[] = [];
  while (seqs.length <= EXPIRED_MAX) {
    const entries = reader.entries(EXPIRING_KEY, ...place, EXPIRED_READ);
    for (const [expires, order, seq] of entries) {
      if (expires > nowSeconds) return seqs;
      seqs.push(seq);
      place = [expires, order, seq];
    }
    if (entries.length < EXPIRED_READ) break;
  }
  return seqs;
}

function addTo(hours: Map<number, ItemSum>, hour: number, id: Uint8Array): void {
  sumOf(hours, hour).addId(id);
}

function sumOf(sums: Map<number, ItemSum>, bucket: number): ItemSum {
  let sum = sums.get(bucket);
  if (sum === undefined) {
    sum = new ItemSum();
    sums.set(bucket, sum);
  }
  return sum;
}
