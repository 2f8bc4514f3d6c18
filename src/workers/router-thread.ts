// The router within the relay (src/mesh/router.ts): a thread of its own, with sockets and so with
// an event loop. Like the main thread it never waits for a ring and always drains its own, so the
// ring from the writer back to it closes no circle of threads that wait for each other.
//
// To stop, it ends its connections, waits until the writer has answered what came by them, and only
// then passes the stop on.

import type { Database } from "bun:sqlite";
import { setting } from "../config/current.ts";
import { nextTurn } from "../mesh/local-items.ts";
import { Router } from "../mesh/router.ts";
import { encodeRouterMetrics } from "../mesh/router-metrics.ts";
import type { Doorbell } from "../ring/doorbell.ts";
import type { Inbox } from "../ring/inbox.ts";
import type { Outbox } from "../ring/outbox.ts";
import type { RingConsumer } from "../ring/ring.ts";
import { openForReading, storeOptions } from "../store/schema.ts";
import { MAIL, trySendStop } from "./mail.ts";
import { type FateMail, readFate, trySendRouterMetrics } from "./mail-router.ts";
import { RelayIntake } from "./router-intake.ts";
import { openOutbox, type Station } from "./thread.ts";

const IDLE_WAIT_MS = 1000;
const METRICS_MS = 1000;

export class RouterThread {
  private readonly websocket: Outbox;
  private readonly writer: Outbox;
  private readonly db: Database;
  private readonly intake: RelayIntake;
  private readonly router: Router;
  private readonly hasMetrics = setting("metrics.networks").length > 0;
  private fates: FateMail[] = [];
  private hasStopMail = false;
  private hasEnded = false;
  private failure: { readonly error: unknown } | null = null;

  constructor(station: Station, bell: Doorbell) {
    if (station.writer === null) throw new Error("assert: a router without a writer");
    this.websocket = openOutbox(station.websocket, bell);
    this.writer = openOutbox(station.writer, bell);
    this.db = openForReading(storeOptions());
    this.intake = new RelayIntake(station, this.writer, this.db);
    this.router = new Router({
      file: setting("router.file"),
      dataDir: setting("data_dir"),
      db: this.db,
      intake: this.intake,
      onFatal: (error) => {
        this.failure ??= { error };
        bell.ring();
      },
    });
  }

  /** Until the relay stops. Throws what ends the thread, and the process with it. */
  async run(inbox: Inbox): Promise<void> {
    // Besides, a promise of Atomics.waitAsync alone doesn't keep an event loop alive.
    const timer = setInterval(() => this.sendMetrics(), METRICS_MS);
    while (!this.hasEnded) {
      const seen = inbox.bell.sequence();
      inbox.drain(this.visit);
      inbox.release();
      this.settle();
      if (this.failure !== null) throw this.failure.error;
      if (this.hasStopMail) {
        this.hasStopMail = false;
        void this.stopRouter(inbox.bell);
      }
      if (inbox.bell.sequence() !== seen) await nextTurn();
      else await inbox.bell.waitAsync(seen, IDLE_WAIT_MS);
    }
    clearInterval(timer);
    this.db.close();
    while (!trySendStop(this.writer)) await nextTurn();
    this.websocket.reserve(0); // the main thread always drains
    this.websocket.commit(MAIL.stopped, 0);
  }

  private readonly visit = (ring: RingConsumer): void => {
    switch (ring.type) {
      case MAIL.fate:
        this.fates.push(readFate(ring));
        break;
      case MAIL.stop:
        this.hasStopMail = true;
        break;
      default:
        throw new Error(`assert: router got mail of type ${ring.type}`);
    }
  };

  private settle(): void {
    const { fates } = this;
    this.fates = [];
    if (fates.length > 0) this.intake.settle(fates);
    else this.intake.sendQueued();
  }

  /** Its last events are settled by the loop meanwhile. */
  private async stopRouter(bell: Doorbell): Promise<void> {
    try {
      await this.router.stop();
      if (!this.intake.isIdle) throw new Error("assert: the router has stopped too early");
      this.hasEnded = true;
    } catch (error) {
      this.failure = { error };
    }
    bell.ring();
  }

  private sendMetrics(): void {
    if (!this.hasMetrics) return;
    trySendRouterMetrics(this.websocket, encodeRouterMetrics(this.router.statuses));
  }
}
