// The main thread's way to one ingester. The main thread never waits, so what finds the ring full
// is kept here, in order, until there is room. Bounded: the sockets that send are paused while
// anything is kept, so each adds what was read from it already, and past the byte limit it ends.

import type { Outbox } from "../ring/outbox.ts";
import {
  type SubscriptionRef,
  trySendClientGone,
  trySendClientText,
  trySendControlChanged,
  trySendStop,
  trySendSubscriptionEnded,
} from "./mail.ts";
import { type ManagementRequest, trySendManagement } from "./mail-management.ts";

const OVERFLOW_BYTES_MAX = 64 * 1024 * 1024;

interface Kept {
  /** False when the ring is still full. */
  readonly trySend: () => boolean;
  readonly bytes: number;
}

export class IngesterFeed {
  /** Connections to resume once nothing is kept any more. */
  readonly pausedIds = new Set<number>();
  private readonly outbox: Outbox;
  private kept: Kept[] = [];
  private keptBytes = 0;

  constructor(outbox: Outbox) {
    this.outbox = outbox;
  }

  get isFull(): boolean {
    return this.kept.length > 0;
  }

  /** False when even the overflow is full: the message is lost, and its connection must end. */
  sendText(connId: number, text: string, bytes: number): boolean {
    if (this.isFull && this.keptBytes + bytes > OVERFLOW_BYTES_MAX) return false;
    this.send(() => trySendClientText(this.outbox, connId, text, bytes), bytes);
    return true;
  }

  sendGone(connId: number): void {
    this.send(() => trySendClientGone(this.outbox, connId), 0);
  }

  sendEnded(ref: SubscriptionRef): void {
    this.send(() => trySendSubscriptionEnded(this.outbox, ref), 0);
  }

  sendManagement(request: ManagementRequest): void {
    this.send(() => trySendManagement(this.outbox, request), request.body.length);
  }

  sendControlChanged(): void {
    this.send(() => trySendControlChanged(this.outbox), 0);
  }

  sendStop(): void {
    this.send(() => trySendStop(this.outbox), 0);
  }

  /** Sends what was kept, as far as there is room. */
  retry(): void {
    if (!this.isFull) return;
    const at = this.kept.findIndex(({ bytes, trySend }) => {
      if (!trySend()) return true;
      this.keptBytes -= bytes;
      return false;
    });
    this.kept = at < 0 ? [] : this.kept.slice(at);
  }

  private send(trySend: () => boolean, bytes: number): void {
    if (!this.isFull && trySend()) return;
    this.kept.push({ trySend, bytes });
    this.keptBytes += bytes;
  }
}
