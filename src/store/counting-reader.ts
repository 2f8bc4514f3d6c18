// A reader that counts what is read through it, for whoever asks what a query costs. The others
// count nothing, and know nothing of it.

import type { Database } from "bun:sqlite";
import { EventReader } from "./read.ts";
import type { StoredEvent } from "./stored-event.ts";
import type { TermEntry } from "./term.ts";

export interface ReadCounts {
  /** Index entries, each as often as it was read. */
  entries: number;
  /** Of these, from the tail of the index, which is in memory. */
  tailEntries: number;
  /** Reads of index entries: of one key or of many. */
  entryReads: number;
  /** Spans of time that held too many entries, which were read in vain and are in no other sum. */
  spansCut: number;
  /** Entries counted to choose a way, without reading them. */
  entriesCounted: number;
  events: number;
  eventBytes: number;
}

export class CountingReader extends EventReader {
  readonly counts: ReadCounts = {
    entries: 0,
    tailEntries: 0,
    entryReads: 0,
    spansCut: 0,
    entriesCounted: 0,
    events: 0,
    eventBytes: 0,
  };
  /** Rows of events up to this seq are in the table. */
  private readonly merged: number;

  constructor(db: Database) {
    super(db);
    this.merged = (db.query("SELECT merged FROM head").values()[0] as [number])[0];
  }

  override entries(
    key: number,
    age: number,
    order: number,
    seq: number,
    limit: number,
  ): readonly TermEntry[] {
    const found = super.entries(key, age, order, seq, limit);
    this.addEntries(found);
    return found;
  }

  override entriesBetween(
    keys: readonly number[],
    fromAge: number,
    toAge: number,
    max: number,
  ): TermEntry[] | null {
    const found = super.entriesBetween(keys, fromAge, toAge, max);
    if (found === null) this.counts.spansCut += 1;
    this.addEntries(found ?? []);
    return found;
  }

  override countEntries(key: number, since: number, until: number, limit: number): number {
    const count = super.countEntries(key, since, until, limit);
    this.counts.entriesCounted += count;
    return count;
  }

  override texts(seqs: readonly number[]): StoredEvent[] {
    const found = super.texts(seqs);
    this.counts.events += found.length;
    for (const { length } of found) this.counts.eventBytes += length;
    return found;
  }

  private addEntries(found: readonly TermEntry[]): void {
    this.counts.entryReads += 1;
    this.counts.entries += found.length;
    for (const entry of found) if (entry[2] > this.merged) this.counts.tailEntries += 1;
  }
}
