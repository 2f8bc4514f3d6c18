// What the running sums lack for one sync, hour by hour: events that are not in them yet, others
// that are and have been removed or have expired, and those it may see of classes that are not
// summed for it: they have been looked at one by one when it was opened. All of it is small, or
// there is no SumChanges. Each is read once, by pieces. Within a snapshot each.

import type { Database, Statement } from "bun:sqlite";
import { ItemSum } from "../negentropy/item-sum.ts";
import type { Filter } from "../protocol/filter.ts";
import { textCreatedAt } from "./candidate.ts";
import type { ItemReader } from "./item-scan.ts";
import { payloadText } from "./payload.ts";
import type { Sight } from "./sight.ts";
import type { StoredEvent } from "./stored-event.ts";
import { SUM_BACKLOG_MAX } from "./sum-keeper.ts";
import { ALL_SET_ID, type SumSet } from "./sum-sets.ts";
import { groupsOf, hourOf, monthOfHour } from "./sum-tables.ts";
import { SumsGone, type SumView } from "./sum-view.ts";
import { EXPIRING_KEY } from "./term.ts";
import { TextMatcher } from "./text-matcher.ts";

/** Expired events wait for their removal for a minute, say. */
const EXPIRED_MAX = 1024;
/** Texts may be of a hundred thousand bytes and more, and some have to be parsed. */
const TEXTS_READ = 32;
const EXPIRED_READ_FIRST = 8;
const EXPIRED_READ = 256;

interface Opening {
  readonly sight: Sight;
  readonly view: SumView;
  /** Unix seconds. */
  readonly nowSeconds: number;
}

/** An event that isn't in the sums, or wasn't when the sync was opened, or is to leave them. */
interface Change {
  readonly seq: number;
  readonly hour: number;
  readonly sum: ItemSum;
}

interface Taken extends Change {
  readonly n: number;
}

type TakenRow = [
  n: number,
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
  private readonly reader: ItemReader;
  private readonly set: SumSet;
  private readonly view: SumView;
  private readonly sight: Sight;
  private readonly openedAt: number;
  private readonly matcher: TextMatcher;
  private readonly selectPlace: Statement;
  private readonly selectTaken: Statement;
  private readonly own = new Map<number, ItemSum>();
  /** Those up to `pendingUpTo` are known; at last that is the head at the opening. */
  private readonly pending: Change[] = [];
  private pendingUpTo: number;
  private readonly openedHead: number;
  /** Those up to `takenUpTo` are known, in their order. */
  private taken: Taken[] = [];
  private takenUpTo = 0;
  /** Null where it isn't in these sums. */
  private expired = new Map<number, Change | null>();
  private sumsState = "";
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
    const sql = "SELECT (SELECT max(n) FROM taken) - (SELECT min(n) FROM taken)";
    const [takenSpan] = db.query(sql).values()[0] as [number | null];
    if (takenSpan !== null && takenSpan >= SUM_BACKLOG_MAX) return null;
    if (expiredSeqs(reader, opening.nowSeconds).length > EXPIRED_MAX) return null;
    return new SumChanges(db, reader, set, filter, { ...opening, head });
  }

  private constructor(
    db: Database,
    reader: ItemReader,
    set: SumSet,
    filter: Filter,
    { sight, view, nowSeconds, head }: Opening & { readonly head: number },
  ) {
    this.reader = reader;
    this.set = set;
    this.sight = sight;
    this.view = view;
    this.openedAt = nowSeconds;
    this.openedUpTo = set.upTo;
    this.openedHead = head;
    this.pendingUpTo = set.upTo;
    this.matcher = new TextMatcher(filter);
    // Without rows, the first is the next that there will be.
    this.selectPlace = db.query(
      `SELECT upto, (SELECT min(n) FROM taken),
         (SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'taken')
       FROM sum_set WHERE id = ?`,
    );
    this.selectTaken = db.query(
      `SELECT n, seq, created_at, kind, id, payload FROM taken WHERE n > ?
       ORDER BY n LIMIT ${TEXTS_READ}`,
    );
  }

  /** Of events that it holds. */
  get heldCount(): number {
    return this.ownCount + this.pending.length + this.taken.length + this.expired.size;
  }

  /** An event of a class that isn't summed, which is seen. */
  addOwn({ text, idBytes }: StoredEvent): void {
    sumOf(this.own, hourOf(textCreatedAt(text))).addId(idBytes);
    this.ownCount += 1;
    this.state = "";
  }

  /**
   * Takes notice of what has been committed by now: by the hour, what is to be added to the sums.
   * Null after a bounded part of that, when there is more to be read. Throws `SumsGone` when the
   * set has been removed. What was taken or expired after the sync was opened may count or not, so
   * of more than is read here, the first are enough.
   */
  refresh(nowSeconds: number): ReadonlyMap<number, ItemSum> | null {
    const row = this.selectPlace.values(this.set.id)[0];
    if (row === undefined) throw new SumsGone("the set of running sums was removed");
    const [upTo, firstTaken, nextTaken] = row as [number, number | null, number];
    const first = firstTaken ?? nextTaken;
    this.reader.head();
    if (!this.readPending() || !this.readTaken(first)) return null;
    const expired = expiredSeqs(this.reader, nowSeconds);
    if (!this.readExpired(expired)) return null;
    const sumsState = `${upTo} ${first}`;
    if (sumsState !== this.sumsState) this.view.forget();
    this.sumsState = sumsState;
    const state = [sumsState, this.takenUpTo, ...expired].join(" ");
    if (state !== this.state) this.hours = this.collect(upTo);
    this.state = state;
    return this.hours;
  }

  /** True when all have been. */
  private readPending(): boolean {
    const { sight, pendingUpTo, openedHead } = this;
    if (pendingUpTo === openedHead) return true;
    const lookedAt = sight.privateKinds.union(sight.guardedKinds); // whenever they came
    const texts = this.reader.textsAfter(pendingUpTo, openedHead, TEXTS_READ);
    for (const stored of texts) {
      const { expires, kind, text } = stored;
      if (expires !== 0 && expires <= this.openedAt) continue;
      if (!this.matcher.matchesStored(stored)) continue;
      const seen = this.view.seen(kind, groupsOf(text));
      if (seen === "all") this.pending.push(changeOf(stored));
      else if (seen === "some" && !lookedAt.has(kind) && sight.sees(text)) this.addOwn(stored);
    }
    const isAll = texts.length < TEXTS_READ;
    this.pendingUpTo = isAll ? openedHead : (texts.at(-1) as StoredEvent).seq;
    return isAll;
  }

  /** From the first that there is. True when all have been, or so many that they are enough. */
  private readTaken(first: number): boolean {
    if (this.taken.length > 0 && (this.taken[0] as Taken).n < first) {
      this.taken = this.taken.filter(({ n }) => n >= first);
    }
    this.takenUpTo = Math.max(this.takenUpTo, first - 1);
    if (this.takenUpTo - first >= SUM_BACKLOG_MAX) return true;
    const rows = this.selectTaken.values(this.takenUpTo) as TakenRow[];
    for (const [n, seq, createdAt, kind, id, payload] of rows) {
      const text = payload === null ? null : payloadText(id, payload);
      this.takenUpTo = n;
      if (this.view.seen(kind, groupsOf(text)) !== "all") continue;
      if (this.set.id !== ALL_SET_ID && (text === null || !this.matcher.matches(text))) continue;
      this.taken.push({ n, seq, hour: hourOf(createdAt), sum: ItemSum.of(1, id) });
    }
    return rows.length < TEXTS_READ;
  }

  /** True when all have been. */
  private readExpired(seqs: readonly number[]): boolean {
    const unknown = seqs.filter((seq) => !this.expired.has(seq));
    if (unknown.length === 0 && seqs.length === this.expired.size) return true;
    const news = unknown.slice(0, TEXTS_READ);
    const known = new Map<number, Change | null>(news.map((seq) => [seq, null]));
    for (const seq of seqs)
      if (this.expired.has(seq)) known.set(seq, this.expired.get(seq) ?? null);
    for (const stored of this.reader.texts(news)) {
      const isSummed = this.view.seen(stored.kind, groupsOf(stored.text)) === "all";
      if (isSummed && this.matcher.matchesStored(stored)) known.set(stored.seq, changeOf(stored));
    }
    this.expired = known;
    return unknown.length <= TEXTS_READ;
  }

  private collect(upTo: number): Map<number, ItemSum> {
    const hours = new Map<number, ItemSum>();
    for (const [hour, sum] of this.own) sumOf(hours, hour).add(sum);
    for (const { seq, hour, sum } of this.pending) if (seq > upTo) sumOf(hours, hour).add(sum);
    for (const { seq, hour, sum } of this.taken) if (seq <= upTo) sumOf(hours, hour).subtract(sum);
    for (const change of this.expired.values()) {
      if (change === null || change.seq > upTo) continue;
      sumOf(hours, change.hour).subtract(change.sum);
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

/** One more at most than there should be. The order is that of their expiry. */
function expiredSeqs(reader: ItemReader, nowSeconds: number): number[] {
  // From 1 on: what is made to share that key has an age of 0 at most.
  let place: readonly [number, number, number] = [1, -1, -1];
  const seqs: number[] = [];
  while (seqs.length <= EXPIRED_MAX) {
    const limit = seqs.length === 0 ? EXPIRED_READ_FIRST : EXPIRED_READ; // there are few, mostly
    const entries = reader.entries(EXPIRING_KEY, ...place, limit);
    for (const [expires, order, seq] of entries) {
      if (expires > nowSeconds || seqs.length > EXPIRED_MAX) return seqs;
      seqs.push(seq);
      place = [expires, order, seq];
    }
    if (entries.length < limit) break;
  }
  return seqs;
}

function sumOf(sums: Map<number, ItemSum>, bucket: number): ItemSum {
  let sum = sums.get(bucket);
  if (sum === undefined) {
    sum = new ItemSum();
    sums.set(bucket, sum);
  }
  return sum;
}

function changeOf({ seq, text, idBytes }: StoredEvent): Change {
  return { seq, hour: hourOf(textCreatedAt(text)), sum: ItemSum.of(1, idBytes) };
}
