// A thread's inbox: all rings that lead to it, drained into one batch, and the doorbell it sleeps
// on. Rings are given upstream first, that is in the order of the flow.
//
// Causality across rings: heads are read downstream first, records are handled upstream first. So
// when a record is seen, everything that its cause sent before it, by whatever ring, has been
// handled. (Example: the ingester announces that a subscription is closed, then hands an event to
// the writer; by the time the main thread sees that event's OK, it knows of the close.)

import type { Doorbell } from "./doorbell.ts";
import type { RingConsumer } from "./ring.ts";

/** Called once per record; it lies in `ring` at `ring.offset` until the batch is released. */
export type Visit = (ring: RingConsumer, ringIndex: number) => void;

export class Inbox {
  readonly bell: Doorbell;
  private readonly rings: readonly RingConsumer[];

  constructor(bell: Doorbell, rings: readonly RingConsumer[]) {
    this.bell = bell;
    this.rings = rings;
  }

  /**
   * Visits every record committed so far and returns how many there were. They stay in place until
   * `release`, so a batch may point into the rings; a visitor that is done with its record may
   * release its ring at once.
   */
  drain(visit: Visit): number {
    const { rings } = this;
    for (let i = rings.length - 1; i >= 0; i--) (rings[i] as RingConsumer).refresh();
    let count = 0;
    for (let i = 0; i < rings.length; i++) {
      const ring = rings[i] as RingConsumer;
      while (ring.advance()) {
        visit(ring, i);
        count += 1;
      }
    }
    return count;
  }

  release(): void {
    for (const ring of this.rings) ring.release();
  }
}
