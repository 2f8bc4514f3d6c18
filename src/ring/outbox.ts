// The sending side of one ring: the producer, the consumer's doorbell, and how to wait for room.
// Workers block until there is room; the main thread never does and takes -1 for an answer.
//
// Waiting can't deadlock: the graph of rings without the main thread has no cycle, and the main
// thread always drains.

import type { Doorbell } from "./doorbell.ts";
import { recordBytesMax, type RingProducer } from "./ring.ts";

/** What records that only hint at themselves may take of the ring before the consumer is woken. */
const QUIET_PART = 1 / 8;
/** A wake-up may be missed only if the consumer has died; this bounds how long that goes unseen. */
const RECHECK_MS = 100;

export class Outbox {
  readonly producer: RingProducer;
  private readonly consumerBell: Doorbell;
  private readonly ownBell: Doorbell;
  private quietBytes = 0;

  constructor(producer: RingProducer, consumerBell: Doorbell, ownBell: Doorbell) {
    this.producer = producer;
    this.consumerBell = consumerBell;
    this.ownBell = ownBell;
  }

  get bytes(): Buffer {
    return this.producer.bytes;
  }

  get view(): DataView {
    return this.producer.view;
  }

  /** The longest payload that can be sent. */
  get recordBytesMax(): number {
    return recordBytesMax(this.producer.capacity);
  }

  /** Room for `bytes`, as an offset; blocks while the ring is full. Not for the main thread. */
  reserve(bytes: number): number {
    for (;;) {
      const offset = this.tryReserve(bytes);
      if (offset >= 0) return offset;
      const seen = this.ownBell.sequence();
      const again = this.tryReserve(bytes);
      if (again >= 0) return again;
      this.ownBell.wait(seen, RECHECK_MS);
    }
  }

  /** Room for `bytes`, or -1; then the own doorbell rings when there is room again. */
  tryReserve(bytes: number): number {
    const offset = this.producer.reserve(bytes);
    if (offset >= 0) return offset;
    this.producer.wantRoom();
    this.consumerBell.ring(); // it may be full of what the consumer hasn't been woken for
    return this.producer.reserve(bytes); // released between the look and the wish?
  }

  commit(type: number, bytes: number): void {
    this.producer.commit(type, bytes);
    this.quietBytes = 0;
    this.consumerBell.ring();
  }

  /** For what can wait until the consumer is awake anyway: see `Doorbell.hint`. */
  commitQuietly(type: number, bytes: number): void {
    this.quietBytes += bytes;
    if (this.quietBytes > this.producer.capacity * QUIET_PART) {
      this.commit(type, bytes);
      return;
    }
    this.producer.commit(type, bytes);
    this.consumerBell.hint();
  }

  /** Wakes the consumer, for what was committed quietly. */
  ring(): void {
    this.consumerBell.ring();
  }
}
