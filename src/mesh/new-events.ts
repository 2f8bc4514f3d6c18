// What is committed here, by whatever process, for all streams that send: one look at the database
// for all of them, and the last events kept, so that each is read and parsed once however many
// relays it goes to. Belongs to the router's thread.

import type { NostrEvent } from "../protocol/event.ts";
import { decodeText, textId } from "../store/candidate.ts";
import type { EventReader } from "../store/read.ts";

/** How often to look while anybody waits: a look costs microseconds when there is nothing. */
const POLL_MS = 100;
const BATCH_EVENTS = 200;
const KEPT_EVENTS_MAX = 1000;
const KEPT_BYTES_MAX = 8 << 20;

export class NewEvent {
  readonly seq: number;
  /** Unix seconds, 0 = never. */
  readonly expires: number;
  readonly text: Buffer;
  private parsed: NostrEvent | null = null;

  constructor(seq: number, expires: number, text: Buffer) {
    this.seq = seq;
    this.expires = expires;
    this.text = text;
  }

  get id(): string {
    return textId(this.text);
  }

  get event(): NostrEvent {
    this.parsed ??= decodeText(this.text);
    return this.parsed;
  }
}

export interface NewBatch {
  readonly events: readonly NewEvent[];
  /** All up to this `seq` has been looked at. */
  readonly upTo: number;
}

export class NewEvents {
  private readonly reader: EventReader;
  /** The newest: whatever there is after `keptAfter`, up to the last of them. */
  private kept: NewEvent[] = [];
  private keptBytes = 0;
  private keptAfter: number;
  private keptUpTo: number;
  /** What each of them has seen already. */
  private readonly waiting = new Map<() => void, number>();
  private timer: Timer | null = null;

  constructor(reader: EventReader) {
    this.reader = reader;
    this.keptAfter = this.keptUpTo = reader.head();
  }

  /** The last commit. */
  head(): number {
    return this.reader.head();
  }

  /** Some of what was committed after `seq`, in order; none at the end. */
  after(seq: number): NewBatch {
    if (seq < this.keptAfter) return this.read(seq); // who is far behind reads for itself
    if (seq > this.keptUpTo) this.forget(seq);
    if (seq === this.keptUpTo) return this.keep();
    const from = this.kept.findIndex((one) => one.seq > seq);
    if (from < 0) return { events: [], upTo: Math.max(seq, this.keptUpTo) };
    const events = this.kept.slice(from, from + BATCH_EVENTS);
    const isAll = from + events.length === this.kept.length;
    return { events, upTo: isAll ? this.keptUpTo : (events.at(-1)?.seq ?? seq) };
  }

  /** `wake` is called once, when there may be more after `seq`; returns what takes that back. */
  onChange(seq: number, wake: () => void): () => void {
    this.waiting.set(wake, seq);
    this.timer ??= setInterval(() => this.poll(), POLL_MS);
    return () => {
      this.waiting.delete(wake);
      if (this.waiting.size === 0) this.stop();
    };
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  private poll(): void {
    const head = this.head();
    for (const [wake, seq] of [...this.waiting]) {
      if (seq >= head) continue;
      this.waiting.delete(wake);
      wake();
    }
  }

  private read(seq: number): NewBatch {
    const head = this.head();
    const events = this.reader
      .textsAfter(seq, head, BATCH_EVENTS)
      .map((one) => new NewEvent(one.seq, one.expires, one.text));
    const isAll = events.length < BATCH_EVENTS;
    return { events, upTo: isAll ? head : (events.at(-1)?.seq ?? head) };
  }

  /** Nobody has looked at anything for a while: what lies between, somebody else may want. */
  private forget(seq: number): void {
    this.kept = [];
    this.keptBytes = 0;
    this.keptAfter = this.keptUpTo = seq;
  }

  /** What comes next: all of it, even what is too much to be kept for the others. */
  private keep(): NewBatch {
    const batch = this.read(this.keptUpTo);
    const { events, upTo } = batch;
    this.keptUpTo = upTo;
    for (const event of events) this.keptBytes += event.text.length;
    this.kept.push(...events);
    let gone = 0;
    while (this.kept.length - gone > KEPT_EVENTS_MAX || this.keptBytes > KEPT_BYTES_MAX) {
      const oldest = this.kept[gone];
      if (oldest === undefined) break;
      this.keptBytes -= oldest.text.length;
      this.keptAfter = oldest.seq;
      gone += 1;
    }
    if (gone > 0) this.kept = this.kept.slice(gone);
    return batch;
  }
}
