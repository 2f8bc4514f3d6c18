// Removes what an author has stored, a bounded piece at a time, as the table `erase` asks: one who
// has vanished (NIP-62) takes gift wraps to them along (NIP-59). What is to be done is in the
// database, so that it is done even if the process dies in between. Owned by the writer.

import type { Database, Statement } from "bun:sqlite";
import type { NostrEvent } from "../protocol/event.ts";
import { KIND_GIFT_WRAP } from "../protocol/kind.ts";
import type { Removal } from "./history.ts";
import { infoKind } from "./info.ts";
import { EventReader } from "./read.ts";
import type { StoredEvents } from "./stored.ts";
import { authorKey, ownersOf, tagKey } from "./term.ts";

/** Index entries looked at in one step: some milliseconds' work, or tens when all are removed. */
const STEP_ENTRIES = 256;

interface Job {
  readonly pubkey: string;
  readonly what: Removal;
  /** Unix seconds, inclusive. */
  readonly until: number;
  readonly detail: string;
  /** The keys still to be read, and how far the first of them has been. */
  keys: number[];
  place: [age: number, order: number, seq: number];
}

export class Eraser {
  private readonly db: Database;
  private readonly stored: StoredEvents;
  private readonly insert: Statement;
  private readonly select: Statement;
  private readonly finish: Statement;
  private job: Job | null = null;
  private reader: EventReader | null = null;
  /** False when there is surely nothing to do. */
  private mayHaveWork = true;

  constructor(db: Database, stored: StoredEvents) {
    this.db = db;
    this.stored = stored;
    this.insert = db.prepare(
      `INSERT INTO erase VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET until = max(until, excluded.until), detail = excluded.detail`,
    );
    this.select = db.prepare("SELECT pubkey, what, until, detail FROM erase LIMIT 1");
    this.finish = db.prepare("DELETE FROM erase WHERE pubkey = ? AND what = ? AND until = ?");
  }

  /** Within a transaction. `detail`: see `HistoryEntry`. */
  add(pubkey: string, what: Removal, until: number, detail: string): void {
    this.insert.run(Buffer.from(pubkey, "hex"), what, until, detail);
    this.mayHaveWork = true;
  }

  /** Another process has written. */
  onOther(): void {
    this.mayHaveWork = true;
  }

  /** Whether `step` has anything to do. Asks the database now and then. */
  hasWork(): boolean {
    if (this.job !== null || !this.mayHaveWork) return this.job !== null;
    this.job = this.next();
    this.mayHaveWork = this.job !== null;
    if (this.job === null) this.reader = null; // it keeps a copy of the index's tail
    return this.job !== null;
  }

  /** Within a transaction: looks at some entries, and removes what is to go. */
  step(forget: (event: NostrEvent) => void): void {
    const { job } = this;
    if (job === null) throw new Error("assert: nothing to erase");
    this.reader ??= new EventReader(this.db);
    this.reader.head();
    const [key] = job.keys;
    if (key === undefined) {
      this.finish.run(Buffer.from(job.pubkey, "hex"), job.what, job.until);
      this.job = null;
      return;
    }
    const entries = this.reader.entries(key, ...job.place, STEP_ENTRIES);
    const isWrapsOnly = key !== authorKey(job.pubkey);
    for (const [age, order, seq, info] of entries) {
      job.place = [age, order, seq];
      if (isWrapsOnly && infoKind(info) !== KIND_GIFT_WRAP) continue;
      if (this.isMeant(job, seq)) {
        const event = this.stored.remove(seq, job.what, job.detail);
        if (event !== null) forget(event);
        if (this.stored.hasRemovedMuch) return;
      }
    }
    if (entries.length === STEP_ENTRIES) return;
    job.keys = job.keys.slice(1);
    job.place = startOf(job.until);
  }

  /** What failed is begun again. */
  reset(): void {
    this.job = null;
    this.mayHaveWork = true;
  }

  /** Keys may collide. A request to vanish stays itself, as the proof of why the rest is gone. */
  private isMeant({ pubkey, until, detail }: Job, seq: number): boolean {
    const event = this.stored.load(seq);
    if (event === null || event.created_at > until || event.id === detail) return false;
    return event.pubkey === pubkey || ownersOf(event).includes(pubkey);
  }

  private next(): Job | null {
    const row = this.select.values()[0] as [Uint8Array, Removal, number, string] | undefined;
    if (row === undefined) return null;
    const [bytes, what, until, detail] = row;
    const pubkey = Buffer.from(bytes).toString("hex");
    const keys = [authorKey(pubkey)];
    if (what === "vanished") keys.push(tagKey("p", pubkey));
    return { pubkey, what, until, detail, keys, place: startOf(until) };
  }
}

function startOf(until: number): Job["place"] {
  return [-until, -1, -1];
}
