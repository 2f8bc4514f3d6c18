// The writer's way to one monitor. The writer never waits for a monitor: what finds the ring full
// is read again from the database when there is room, in the order of `seq`. The commits of other
// processes take the same road.

import { log } from "../config/log.ts";
import type { Outbox } from "../ring/outbox.ts";
import { type Candidate, candidateOf, decodeText } from "../store/candidate.ts";
import type { EventReader } from "../store/read.ts";
import { eventMailBytes, trySendEvent } from "./mail-event.ts";

/** Events read in one piece. */
const CATCH_UP_EVENTS = 200;

export class MonitorFeed {
  private readonly outbox: Outbox;
  /** Everything up to this `seq` has been sent. */
  private sentSeq: number;

  constructor(outbox: Outbox, sentSeq: number) {
    this.outbox = outbox;
    this.sentSeq = sentSeq;
  }

  isBehind(head: number): boolean {
    return this.sentSeq < head;
  }

  /** Sends a new event, unless earlier ones must go first or there is no room. */
  offer(candidate: Candidate, seq: number): void {
    if (this.sentSeq === seq - 1 && this.trySend(candidate, seq)) this.sentSeq = seq;
  }

  /** Sends some of what is missing, up to `head`; returns whether any could be sent. */
  catchUp(reader: EventReader, head: number): boolean {
    const before = this.sentSeq;
    const texts = reader.textsAfter(before, head, CATCH_UP_EVENTS);
    for (const { seq, text } of texts) {
      if (!this.trySend(candidateOf(decodeText(text)), seq)) return this.sentSeq > before;
      this.sentSeq = seq;
    }
    if (texts.length < CATCH_UP_EVENTS) this.sentSeq = head; // the last ones have been removed
    return true;
  }

  /** False when the ring is full. */
  private trySend(candidate: Candidate, seq: number): boolean {
    if (eventMailBytes(candidate) <= this.outbox.recordBytesMax) {
      return trySendEvent(this.outbox, candidate, seq, 0, 0);
    }
    // Another process with larger limits has stored it. Readers pass over it as well.
    log("warn", "writer", `event ${candidate.id} is larger than this process can send`);
    return true;
  }
}
