// The tail of the index: the rows of the newest events, which are not in the table `term` yet. Rows
// of one event belong all over that table, and a commit that put them there would write a page for
// nearly each of them. So a commit appends its rows as one blob to the table `tail_run`; every
// thread that needs them keeps them in memory; and many commits' rows are moved into `term` at a
// time, in order (merge.ts).
//
//   tail_run  one row a commit: its number, the last `seq` so far, a run of index rows (run.ts),
//             and the seqs of events removed by it whose rows are still in the tail
//   head      seq: the last given out; part: the number of the last row of `tail_run`; merged: all
//             rows of events up to this seq are in `term`; merging: some rows up to this one are
//
// A run may also have rows that say what a tally is to lose (tallies.ts): their keys are no
// entry's, and they leave the tail for the tally.
//
// An entry may be found in both places while it is moved, never in none: whoever reads refreshes
// the tail first, then reads `term`.

import type { Database, Statement } from "bun:sqlite";
import { isBefore, Run } from "./run.ts";
import { STRONG_KEYS, type TermEntry } from "./term.ts";

export interface Head {
  readonly seq: number;
  readonly part: number;
  readonly merged: number;
  readonly merging: number;
  /** Raised by every commit of events, by whomever. */
  readonly turn: number;
}

/** What a writer's tail tells of the strong keys (term.ts) it comes to know. */
export interface KeySink {
  add(strongKey: number): void;
  /** Some may have been in the tail and left it unseen. */
  onGap(): void;
}

/** Who keeps entries of its own in step with a reader's tail. */
export interface TailListener {
  /** Rows of a part, also of events that are removed later. */
  onPart(run: Run): void;
  /** Rows of events that are removed have left the tail. */
  onPrune(isRemoved: (seq: number) => boolean): void;
  /** Parts have come and gone unseen. */
  onGap(): void;
}

/** A run is merged with the one before it unless that one is so many times longer. */
const GROWTH = 2;

export class Tail {
  private readonly selectHead: Statement;
  private readonly selectParts: Statement;
  private runs: Run[] = [];
  private removed = new Set<number>();
  private part = 0;
  private merged = 0;
  private isLoaded = false;
  /** Of what a writer looks up (term.ts), the keys that are here; null for who looks up nothing. */
  private readonly strongKeys: Set<number> | null;
  private readonly sink: KeySink | null;
  private readonly listener: TailListener | null;

  constructor(db: Database, sink: KeySink | null = null, listener: TailListener | null = null) {
    this.sink = sink;
    this.listener = listener;
    this.strongKeys = sink === null ? null : new Set();
    this.selectHead = db.prepare("SELECT seq, part, merged, merging, turn FROM head");
    this.selectParts = db.prepare(
      "SELECT part, rows, removed FROM tail_run WHERE part > ? ORDER BY part",
    );
  }

  /** Takes notice of what has been committed by now, by whomever. */
  refresh(): Head {
    const row = this.selectHead.values()[0] as number[];
    const [seq = 0, part = 0, merged = 0, merging = 0, turn = 0] = row;
    if (part !== this.part || !this.isLoaded) this.load(part);
    if (merged > this.merged) this.prune(merged);
    this.isLoaded = true;
    return { seq, part, merged, merging, turn };
  }

  /**
   * Parts have numbers without gaps, so one that is missing has left for `term` unseen. What the
   * head says is no proof: without a transaction, parts may leave between the two look-ups.
   */
  private load(upTo: number): void {
    const rows = this.selectParts.values(this.part) as [number, Uint8Array, Uint8Array][];
    for (const [part, run, removed] of rows) {
      if (part !== this.part + 1) this.onGap();
      this.add(part, Run.decode(run), decodeSeqs(removed));
    }
    if (this.part >= upTo) return;
    this.part = upTo;
    this.onGap();
  }

  private onGap(): void {
    this.sink?.onGap();
    this.listener?.onGap();
  }

  /** What a commit has added. */
  add(part: number, run: Run, removed: readonly number[]): void {
    for (const seq of removed) this.removed.add(seq);
    this.part = part;
    if (run.length === 0) return;
    this.noteStrongKeys(run, this.sink);
    this.listener?.onPart(run);
    let last = run;
    for (;;) {
      const previous = this.runs.at(-1);
      if (previous === undefined || previous.length >= GROWTH * last.length) break;
      this.runs.pop();
      last = Run.merge(previous, last);
    }
    this.runs.push(last);
  }

  /** False when there is surely no entry under this strong key. For a writer's tail only. */
  mayHave(strongKey: number): boolean {
    return this.strongKeys?.has(strongKey) ?? true;
  }

  private noteStrongKeys(run: Run, sink: KeySink | null): void {
    if (this.strongKeys === null) return;
    for (let i = run.after(STRONG_KEYS, -Infinity, -1, -1); i < run.length; i++) {
      this.strongKeys.add(run.keys[i] as number);
      sink?.add(run.keys[i] as number);
    }
  }

  /** What it takes in memory: some 40 bytes a row. */
  get rowCount(): number {
    return this.runs.reduce((sum, { length }) => sum + length, 0);
  }

  /** Is this event gone, though its rows are still here? */
  isRemoved(seq: number): boolean {
    return this.removed.has(seq);
  }

  /** Up to `limit` entries under `key`, after the given place in order. */
  entries(key: number, age: number, order: number, seq: number, limit: number): TermEntry[] {
    const found: TermEntry[] = [];
    const places = this.runs.map((run) => run.after(key, age, order, seq));
    while (found.length < limit) {
      const best = this.next(key, places);
      if (best < 0) break;
      const run = this.runs[best] as Run;
      const at = places[best] as number;
      places[best] = at + 1;
      this.push(found, run, at);
    }
    return found;
  }

  /** Up to `limit` entries under `key`, before the given place, in descending order. */
  entriesBefore(key: number, age: number, order: number, seq: number, limit: number): TermEntry[] {
    const found: TermEntry[] = [];
    // A seq is whole, so this is the last row before the place itself.
    const places = this.runs.map((run) => run.after(key, age, order, seq - 0.5) - 1);
    while (found.length < limit) {
      const best = this.previous(key, places);
      if (best < 0) break;
      const run = this.runs[best] as Run;
      const at = places[best] as number;
      places[best] = at - 1;
      this.push(found, run, at);
    }
    return found;
  }

  /** Adds all entries under these keys with such ages; false when `found` has more than `max`. */
  collect(
    keys: readonly number[],
    fromAge: number,
    toAge: number,
    max: number,
    found: TermEntry[],
  ): boolean {
    for (const run of this.runs) {
      for (const key of keys) {
        let at = run.after(key, fromAge, -1, -1);
        for (; at < run.length; at++) {
          if (run.keys[at] !== key || (run.ages[at] as number) > toAge) break;
          this.push(found, run, at);
          if (found.length > max) return false;
        }
      }
    }
    return true;
  }

  /** How many entries `key` has with ages from `first` to `last`, those of removed events too. */
  count(key: number, first: number, last: number): number {
    let count = 0;
    for (const run of this.runs) {
      const start = run.after(key, first, -1, -1);
      count += run.after(key, last, Number.MAX_VALUE, Number.MAX_VALUE) - start;
    }
    return count;
  }

  /** All rows of events up to `upTo` that are still there, in one run. */
  runUpTo(upTo: number): Run {
    const isWanted = (seq: number): boolean => seq <= upTo && !this.removed.has(seq);
    let merged = Run.ofLength(0);
    for (const run of this.runs.toReversed()) merged = Run.merge(merged, run.filter(isWanted));
    return merged;
  }

  /** Rows of events up to `merged` are in `term`. */
  private prune(merged: number): void {
    this.merged = merged;
    this.runs = this.runs
      .map((run) => run.filter((seq) => seq > merged))
      .filter((run) => run.length > 0);
    if (this.removed.size > 0) this.listener?.onPrune((seq) => this.removed.has(seq));
    for (const seq of this.removed) if (seq <= merged) this.removed.delete(seq);
    this.strongKeys?.clear();
    for (const run of this.runs) this.noteStrongKeys(run, null);
  }

  private push(found: TermEntry[], run: Run, at: number): void {
    const seq = run.seqs[at] as number;
    if (this.removed.size > 0 && this.removed.has(seq)) return;
    found.push([run.ages[at] as number, run.orders[at] as number, seq, run.infos[at] as number]);
  }

  /** Which run has the next row of that key; -1 when none has. */
  private next(key: number, places: readonly number[]): number {
    let best = -1;
    for (let i = 0; i < this.runs.length; i++) {
      const run = this.runs[i] as Run;
      const at = places[i] as number;
      if (at >= run.length || run.keys[at] !== key) continue;
      if (best < 0 || isBefore(run, at, this.runs[best] as Run, places[best] as number)) best = i;
    }
    return best;
  }

  private previous(key: number, places: readonly number[]): number {
    let best = -1;
    for (let i = 0; i < this.runs.length; i++) {
      const run = this.runs[i] as Run;
      const at = places[i] as number;
      if (at < 0 || run.keys[at] !== key) continue;
      if (best < 0 || isBefore(this.runs[best] as Run, places[best] as number, run, at)) best = i;
    }
    return best;
  }
}

export function encodeSeqs(seqs: readonly number[]): Uint8Array {
  return new Uint8Array(Float64Array.from(seqs).buffer);
}

function decodeSeqs(bytes: Uint8Array): number[] {
  const copy = bytes.slice();
  return [...new Float64Array(copy.buffer, 0, copy.byteLength / 8)];
}

/** Two lists in order as one, what is in both once. */
export function mergeEntries(
  a: readonly TermEntry[],
  b: readonly TermEntry[],
  limit: number,
  isBefore: (a: TermEntry, b: TermEntry) => boolean,
): readonly TermEntry[] {
  if (b.length === 0) return a;
  const merged: TermEntry[] = [];
  let i = 0;
  let j = 0;
  while (merged.length < limit && (i < a.length || j < b.length)) {
    const left = a[i];
    const right = b[j];
    if (left !== undefined && right !== undefined && left[2] === right[2]) j += 1;
    else if (right === undefined || (left !== undefined && isBefore(left, right))) {
      merged.push(left as TermEntry);
      i += 1;
    } else {
      merged.push(right);
      j += 1;
    }
  }
  return merged;
}
