// The monitor's memory of the last commits, for subscriptions that arrive with an earlier one. By
// count and by bytes it is bounded; what it no longer has is in the database.

import type { StoredText } from "../store/read.ts";

const COUNT_MAX = 2048;
const BYTES_MAX = 4 * 1024 * 1024;

export class RecentEvents {
  private readonly events: StoredText[] = [];
  private bytes = 0;
  /** Every commit after this one is here. */
  private floor = Number.POSITIVE_INFINITY;

  /** Copies the text, which lies in a ring. `seq` grows from call to call. */
  add(seq: number, expires: number, text: Buffer): void {
    if (this.events.length === 0) this.floor = Math.min(this.floor, seq - 1);
    this.events.push({ seq, expires, text: Buffer.from(text) });
    this.bytes += text.length;
    while (this.events.length > COUNT_MAX || this.bytes > BYTES_MAX) {
      const oldest = this.events.shift() as StoredText;
      this.bytes -= oldest.text.length;
      this.floor = oldest.seq;
    }
  }

  /** The commits after `seq`, in order; null when some of them are no longer here. */
  after(seq: number): readonly StoredText[] | null {
    if (seq < this.floor) return null;
    let at = this.events.length;
    while (at > 0 && (this.events[at - 1] as StoredText).seq > seq) at -= 1;
    return this.events.slice(at);
  }
}
