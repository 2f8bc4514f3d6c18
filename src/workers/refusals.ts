// Refused events on their way into the history (history.ts), for `nandu why`: from the ingesters,
// which refuse most, quietly to the writer, which writes them down now and then, many at a time.
// It is a log, so it is bounded everywhere: of a flood of refusals only some are kept.

import { describeError, log } from "../config/log.ts";
import { isHex64 } from "../protocol/hex.ts";
import type { Outbox } from "../ring/outbox.ts";
import type { RingConsumer } from "../ring/ring.ts";
import type { HistoryEntry } from "../store/history.ts";
import type { EventWriter } from "../store/write.ts";
import { MAIL } from "./mail.ts";

export type Refusal = Pick<HistoryEntry, "id" | "detail">;

/** What one ingester passes on in a second. */
const PER_SECOND_MAX = 100;
const SECOND_MS = 1000;
/** What the writer keeps until it writes them. */
const HELD_MAX = 1000;
const FLUSH_MS = 1000;
/** After a failure, on a full disk for instance. */
const RETRY_MS = 5000;
const ID_LENGTH = 64;
const DETAIL_LENGTH_MAX = 500;

// refused: id, 64 hex digits | reason

/** An ingester's end. */
export class RefusalLog {
  private readonly writer: Outbox;
  private secondEnds = 0;
  private count = 0;

  constructor(writer: Outbox) {
    this.writer = writer;
  }

  /** Unless there are too many, or no room; of an `id` that is none there is nothing to say. */
  send(id: string, reason: string): void {
    if (!isHex64(id) || !this.isAllowed()) return;
    const text = id + reason.slice(0, DETAIL_LENGTH_MAX);
    const bytes = Buffer.byteLength(text);
    const at = this.writer.tryReserve(bytes);
    if (at < 0) return;
    this.writer.bytes.write(text, at, bytes, "utf8");
    this.writer.commitQuietly(MAIL.refused, bytes);
  }

  private isAllowed(): boolean {
    const now = performance.now();
    if (now >= this.secondEnds) {
      this.secondEnds = now + SECOND_MS;
      this.count = 0;
    }
    this.count += 1;
    return this.count <= PER_SECOND_MAX;
  }
}

export function readRefusal(ring: RingConsumer): Refusal {
  const text = ring.bytes.toString("utf8", ring.offset, ring.offset + ring.length);
  return { id: text.slice(0, ID_LENGTH), detail: text.slice(ID_LENGTH) };
}

/** The writer's end. */
export class Refusals {
  private readonly store: EventWriter;
  private held: Refusal[] = [];
  private nextFlushAt = 0;

  constructor(store: EventWriter) {
    this.store = store;
  }

  add(refusal: Refusal): void {
    if (this.held.length < HELD_MAX) this.held.push(refusal);
  }

  /** `now` as of performance.now. */
  flushIfDue(now: number): void {
    if (this.held.length === 0 || now < this.nextFlushAt) return;
    this.nextFlushAt = now + FLUSH_MS;
    try {
      this.store.addRefusals(this.held);
      this.held = [];
    } catch (error) {
      log("error", "writer", `refusals not written down: ${describeError(error)}`);
      this.nextFlushAt = now + RETRY_MS;
    }
  }
}
