// Connections that have had signatures checked in vain. A forged event costs its sender nothing and
// the relay as much as a good one, so who sends them is served when nobody else waits: a flood of
// them keeps its senders waiting and hardly anybody else. Within a connection the order stays.

/** Good events that take away the suspicion which one forged event raises. */
const REDEEMING_EVENTS = 16;
/** Beyond this much that waits, it is taken in the order it came, as everybody's is. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;
/** Of the list's part that is done with, before it is cut off. */
const DONE_MAX = 1024;

/** A client's message; or, where the text is null, its end. */
export interface Waiting {
  readonly connId: number;
  readonly text: string | null;
  readonly bytes: number;
}

export class Suspects {
  /** By connection: how many good events it owes. */
  private readonly owed = new Map<number, number>();
  /** By connection: how many messages wait. */
  private readonly counts = new Map<number, number>();
  private waiting: Waiting[] = [];
  private at = 0;
  private bytes = 0;

  get hasWaiting(): boolean {
    return this.at < this.waiting.length;
  }

  /** Whether there is more than should wait. */
  get isFull(): boolean {
    return this.bytes > WAITING_BYTES_MAX;
  }

  /** Whether what comes from this connection has to wait: also behind what waits already. */
  mustWait(connId: number): boolean {
    return this.owed.has(connId) || this.counts.has(connId);
  }

  onForged(connId: number): void {
    this.owed.set(connId, REDEEMING_EVENTS);
  }

  onGood(connId: number): void {
    const owed = this.owed.get(connId);
    if (owed === undefined) return;
    if (owed > 1) this.owed.set(connId, owed - 1);
    else this.owed.delete(connId);
  }

  /** When all that the connection has sent is dealt with. */
  forget(connId: number): void {
    this.owed.delete(connId);
  }

  add(message: Waiting): void {
    this.waiting.push(message);
    this.bytes += message.bytes;
    this.counts.set(message.connId, (this.counts.get(message.connId) ?? 0) + 1);
  }

  /** The one that has waited longest, or null. */
  take(): Waiting | null {
    const message = this.waiting[this.at];
    if (message === undefined) return null;
    this.at += 1;
    this.bytes -= message.bytes;
    const left = (this.counts.get(message.connId) as number) - 1;
    if (left > 0) this.counts.set(message.connId, left);
    else this.counts.delete(message.connId);
    if (this.at === this.waiting.length || this.at > DONE_MAX) {
      this.waiting = this.waiting.slice(this.at);
      this.at = 0;
    }
    return message;
  }
}
