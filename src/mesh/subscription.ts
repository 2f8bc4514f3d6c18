// A REQ at another relay, as an async iterator of what comes of it. What isn't taken yet is kept up
// to some bytes; then the client stops reading its socket, so that the peer waits (the few messages
// that had already arrived are kept all the same). Belongs to its client's thread.

import type { EoseHint } from "../protocol/message.ts";

export type Delivery =
  | { readonly type: "event"; readonly event: unknown }
  | { readonly type: "stored"; readonly hint: EoseHint };

/** To be forgotten at once: each time, what is left is copied. */
const TAKEN_MIN = 64;

interface Kept {
  readonly delivery: Delivery;
  readonly bytes: number;
}

export interface SubscriptionOwner {
  /** What is kept in all has changed by so many bytes. */
  keptChanged(bytes: number): void;
  /** Sends CLOSE, unless the peer has ended it. */
  close(subscription: Subscription): void;
}

export class Subscription implements AsyncIterableIterator<Delivery> {
  readonly id: string;
  /** Its stored events have not all come yet. */
  isLoading = true;
  private readonly owner: SubscriptionOwner;
  private kept: Kept[] = [];
  private at = 0;
  private failure: Error | null = null;
  private isEnded = false;
  private waiting: PromiseWithResolvers<IteratorResult<Delivery>> | null = null;

  constructor(id: string, owner: SubscriptionOwner) {
    this.id = id;
    this.owner = owner;
  }

  // For the client

  deliver(delivery: Delivery, bytes: number): void {
    if (this.isEnded) return;
    if (delivery.type === "stored") this.isLoading = false;
    if (this.waiting !== null) {
      this.settle().resolve({ done: false, value: delivery });
      return;
    }
    this.kept.push({ delivery, bytes });
    this.owner.keptChanged(bytes);
  }

  /** What was delivered before is still taken; then the iterator throws. */
  fail(error: Error): void {
    if (this.isEnded || this.failure !== null) return;
    this.failure = error;
    this.isLoading = false;
    if (this.waiting !== null) this.settle().reject(error);
  }

  // For who asked

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Delivery>> {
    const kept = this.kept[this.at];
    if (kept !== undefined) {
      this.at += 1;
      this.forgetTaken();
      this.owner.keptChanged(-kept.bytes);
      return Promise.resolve({ done: false, value: kept.delivery });
    }
    if (this.isEnded) return Promise.resolve({ done: true, value: undefined });
    if (this.failure !== null) return Promise.reject(this.failure);
    if (this.waiting !== null) throw new Error("assert: a subscription is read by one only");
    this.waiting = Promise.withResolvers();
    return this.waiting.promise;
  }

  /** Also when there is always something left: then half of it at a time. */
  private forgetTaken(): void {
    if (2 * this.at < this.kept.length || (this.at < TAKEN_MIN && this.hasKept)) return;
    this.kept = this.kept.slice(this.at);
    this.at = 0;
  }

  /** Whether the next delivery is here already. */
  get hasKept(): boolean {
    return this.at < this.kept.length;
  }

  /** Ends it; also what `for await` calls that is left early. */
  return(): Promise<IteratorResult<Delivery>> {
    if (!this.isEnded) {
      const hasFailed = this.failure !== null;
      this.isEnded = true;
      this.isLoading = false;
      const bytes = this.kept.slice(this.at).reduce((sum, one) => sum + one.bytes, 0);
      this.kept = [];
      this.at = 0;
      this.owner.keptChanged(-bytes);
      if (!hasFailed) this.owner.close(this);
      if (this.waiting !== null) this.settle().resolve({ done: true, value: undefined });
    }
    return Promise.resolve({ done: true, value: undefined });
  }

  private settle(): PromiseWithResolvers<IteratorResult<Delivery>> {
    const waiting = this.waiting as PromiseWithResolvers<IteratorResult<Delivery>>;
    this.waiting = null;
    return waiting;
  }
}
