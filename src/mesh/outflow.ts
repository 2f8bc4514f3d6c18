// What is on its way to one relay over one connection: a bounded number of events unanswered. What
// the relay has no time for (`rate-limited:`) or failed at (`error:`) is sent again after a while;
// every other answer is final. Knows the first commit that is not settled yet, so that nobody
// counts as sent what the relay may not have. Belongs to the router's thread.

import type { RelayClient } from "./relay-client.ts";
import { type Answer, IS_DUPLICATE, IS_RATE_LIMITED } from "./relay-message.ts";
import { Retry, type RetryPolicy } from "./retry.ts";
import type { Session } from "./session.ts";

export interface OutflowSink {
  /** It is there: taken, or it was there already. */
  onThere(id: string, isNew: boolean): void;
  /** `isForGood`: it would be refused again. */
  onRefused(id: string, reason: string, isForGood: boolean): void;
  /** It goes out, again perhaps. */
  onSent(): void;
}

interface Departing {
  readonly id: string;
  readonly json: string;
  /** 0 until it is met in the order of commits. */
  seq: number;
  /** It must be settled before the catch-up is. */
  readonly isOfCatchUp: boolean;
  /** How often it was put off while others were taken. */
  putOffCount: number;
  /** Of all that were taken, when it was put off. */
  takenBefore: number;
}

/** Unanswered events: as strfry's sync. */
const HIGH_WATER = 100;
const PATIENCE: RetryPolicy = { firstMs: 1000, longestMs: 60_000, failuresMax: Infinity };
/** After that, it is the event and not the moment; everything is compared again some day. */
const PUT_OFF_MAX = 10;
const IS_PASSING = /^(?:rate-limited|error)\b/;

export class Outflow {
  private readonly client: RelayClient;
  private readonly session: Session;
  private readonly sink: OutflowSink;
  private readonly patience = new Retry(PATIENCE);
  private readonly underWay = new Map<string, Departing>();
  /** Of those under way, in ascending order: they are met in that order. */
  private readonly seqs = new Set<number>();
  private putOff: Departing[] = [];
  private takenCount = 0;
  private catchUpCount = 0;
  /** The relay has asked for a pause. */
  private isHeld = false;
  private readonly waiting = new Set<() => void>();

  constructor(client: RelayClient, session: Session, sink: OutflowSink) {
    this.client = client;
    this.session = session;
    this.sink = sink;
  }

  has(id: string): boolean {
    return this.underWay.has(id);
  }

  /** The lowest `seq` of what is under way; null when there is none. */
  get firstSeq(): number | null {
    for (const seq of this.seqs) return seq;
    return null;
  }

  /** Sends it; waits while too many are under way. `seq` is 0 in a catch-up. */
  async add(id: string, json: string, seq: number): Promise<void> {
    const known = this.underWay.get(id);
    if (known !== undefined) {
      if (known.seq === 0 && seq > 0) {
        known.seq = seq;
        this.seqs.add(seq);
      }
      return;
    }
    const isOfCatchUp = seq === 0;
    const event = { id, json, seq, isOfCatchUp, putOffCount: 0, takenBefore: 0 };
    this.underWay.set(id, event);
    if (isOfCatchUp) this.catchUpCount += 1;
    else this.seqs.add(seq);
    while (this.isHeld || this.underWay.size > HIGH_WATER) await this.untilChange();
    this.send(event);
  }

  /** Until all of the catch-up that was added is settled. */
  async caughtUp(): Promise<void> {
    while (this.catchUpCount > 0) await this.untilChange();
  }

  /** Sends again what was put off, for as long as the session lasts. */
  async sendAgain(): Promise<never> {
    for (;;) {
      while (this.putOff.length === 0) await this.untilChange();
      await this.session.sleep(this.patience.failed() ?? PATIENCE.longestMs);
      const events = this.putOff;
      this.putOff = [];
      this.isHeld = false;
      for (const event of events) this.send(event);
      this.changed();
    }
  }

  private send(event: Departing): void {
    this.sink.onSent();
    this.client.publish(event.id, event.json).then(
      (answer) => this.onAnswer(event, answer),
      (error: unknown) => {
        // The session ends by it, and whoever waits hears of it there.
        this.session.stop(error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  private onAnswer(event: Departing, { isAccepted, reason }: Answer): void {
    if (isAccepted || IS_DUPLICATE.test(reason)) {
      this.takenCount += 1;
      this.patience.succeeded();
      this.sink.onThere(event.id, isAccepted && !IS_DUPLICATE.test(reason));
    } else {
      const isPassing = IS_PASSING.test(reason);
      if (isPassing && this.mayPutOff(event)) {
        if (IS_RATE_LIMITED.test(reason)) this.isHeld = true;
        this.putOff.push(event);
        this.changed();
        return;
      }
      this.sink.onRefused(event.id, reason, !isPassing);
    }
    this.underWay.delete(event.id);
    this.seqs.delete(event.seq);
    if (event.isOfCatchUp) this.catchUpCount -= 1;
    this.changed();
  }

  /** Not counted while the relay takes nothing at all. */
  private mayPutOff(event: Departing): boolean {
    if (event.putOffCount === 0 || this.takenCount > event.takenBefore) event.putOffCount += 1;
    event.takenBefore = this.takenCount;
    return event.putOffCount <= PUT_OFF_MAX;
  }

  private untilChange(): Promise<void> {
    return this.session.suspend((resume) => {
      this.waiting.add(resume);
      return () => this.waiting.delete(resume);
    });
  }

  private changed(): void {
    for (const resume of [...this.waiting]) resume();
  }
}
