// The monitor's memory of the last commits, for subscriptions that arrive with an earlier one. By
// count and by bytes it is bounded; what it no longer has is in the database.

import type { StoredText } from "../store/stored-event.ts";

const COUNT_MAX = 2048;
const BYTES_MAX = 4 * 1024 * 1024;

export class RecentEvents {
  private events: (StoredText | null)[] = [];
  /** Those before it have been let go. */
  private start = 0;
  private bytes = 0;
  /** Every commit after this one is here. */
  private floor = Number.POSITIVE_INFINITY;

  /** Copies the text, which lies in a ring. `seq` grows from call to call. */
  add(seq: number, expires: number, text: Buffer): void {
    if (this.events.length === 0) this.floor = Math.min(this.floor, seq - 1);
    this.events.push({ seq, expires, text: Buffer.from(text) });
    this.bytes += text.length;
    while (this.events.length - this.start > COUNT_MAX || this.bytes > BYTES_MAX) {
      const oldest = this.events[this.start] as StoredText;
      this.events[this.start++] = null;
      this.bytes -= oldest.text.length;
      this.floor = oldest.seq;
    }
    if (this.start > COUNT_MAX) {
      this.events = this.events.slice(this.start);
      this.start = 0;
    }
  }

  /** A commit that isn't kept, nor any before it. */
  passOver(seq: number): void {
    if (this.events.length > 0) this.events = [];
    this.start = 0;
    this.bytes = 0;
    this.floor = seq;
  }

  /** The commits after `seq`, in order; null when some of them are no longer here. */
  after(seq: number): readonly StoredText[] | null {
    if (seq < this.floor) return null;
    let at = this.events.length;
    while (at > this.start && (this.events[at - 1] as StoredText).seq > seq) at -= 1;
    return this.events.slice(at) as StoredText[];
  }
}
