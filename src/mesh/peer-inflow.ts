// What comes from one relay, on its way into the database: asked about, once, at the plugin, then
// handed to the intake, a bounded number of events at a time. Remembers what the relay is known to
// have, so that nothing goes back to where it came from, and what was refused here, so that a
// catch-up doesn't ask for it again and again. Lives as long as its peer, over all connections.

import { encodeEvent, type NostrEvent } from "../protocol/event.ts";
import { matchesFilter } from "../protocol/filter.ts";
import { classifyKind } from "../protocol/kind.ts";
import { IdMemory } from "./id-memory.ts";
import { NOT_ASKED_FOR } from "./paging.ts";
import type { PeerCounters } from "./peer-counters.ts";
import type { StreamConfig } from "./router-file.ts";
import type { RouterIntake } from "./router-intake.ts";
import type { Session } from "./session.ts";
import type { StreamPlugins } from "./stream-plugins.ts";

/** Events that the intake has and hasn't settled yet. */
const WINDOW = 128;
const REMEMBERED = 65_536;

export interface InflowParts {
  readonly config: StreamConfig;
  readonly url: string;
  readonly intake: RouterIntake;
  readonly plugins: StreamPlugins;
  readonly counters: PeerCounters;
  /** Whether it is just being sent there. */
  readonly isLeaving: (id: string) => boolean;
  readonly onRefused: (id: string, reason: string) => void;
}

export class PeerInflow {
  /** What the relay has: it came from there, or was taken there. */
  readonly there = new IdMemory(REMEMBERED);
  /** What has become known to be there since a comparison began. */
  private cameMeanwhile: IdMemory | null = null;
  private readonly refused = new IdMemory(REMEMBERED);
  private readonly parts: InflowParts;
  private forgottenAt = performance.now();
  /** Events that have come and aren't settled: so many of them the intake has. */
  private readonly underWay = new Set<string>();
  private pending = 0;
  private readonly waiting = new Set<() => void>();

  constructor(parts: InflowParts) {
    this.parts = parts;
  }

  /** From now on it is known what comes while a comparison is under way. */
  beginComparing(): void {
    this.cameMeanwhile = new IdMemory(REMEMBERED);
    for (const id of this.underWay) this.cameMeanwhile.add(id);
  }

  /**
   * These are on one side only, whatever is remembered of them, unless they came meanwhile: so
   * they are sent, or asked for, again.
   */
  forgetUnlessNew(...found: readonly Iterable<string>[]): void {
    for (const ids of found) {
      for (const id of ids) if (!this.cameMeanwhile?.has(id)) this.there.delete(id);
    }
    this.cameMeanwhile = null;
  }

  /** The relay has taken it. */
  noteThere(id: string): void {
    this.there.add(id);
    this.cameMeanwhile?.add(id);
  }

  /** All that came has been settled. */
  get isIdle(): boolean {
    return this.underWay.size === 0;
  }

  /** Refusals were last forgotten so long ago that a connection that held would have done it. */
  get isStale(): boolean {
    const { catchUpIntervalMs } = this.parts.config;
    return performance.now() - this.forgottenAt >= (catchUpIntervalMs ?? Infinity);
  }

  /** What was refused is asked for once more. */
  forgetRefusals(): void {
    this.refused.clear();
    this.forgottenAt = performance.now();
  }

  isWanted(id: string): boolean {
    return !this.there.has(id) && !this.refused.has(id);
  }

  /** Waits while too many events are under way. What can't be stored now stops the session. */
  async take(event: NostrEvent, session: Session): Promise<void> {
    const { config, counters } = this.parts;
    counters.received += 1;
    const { id } = event;
    if (!matchesFilter(config.filter, event)) {
      this.turnAway(id, NOT_ASKED_FOR);
    } else if (classifyKind(event.kind) === "ephemeral") {
      // Nothing keeps it, so nothing would keep it from going round a circle of relays for ever.
      this.turnAway(id, "invalid: ephemeral events are not passed on");
    } else if (this.there.has(id) || this.parts.isLeaving(id)) {
      counters.duplicate += 1;
    } else if (this.refused.has(id)) {
      counters.refused += 1;
    } else {
      this.noteThere(id);
      this.underWay.add(id);
      try {
        await this.store(event, session);
      } catch (error) {
        this.there.delete(id);
        this.underWay.delete(id);
        throw error;
      }
    }
  }

  /** Of what is no event. */
  noteFlaw(flaw: string): void {
    this.parts.counters.received += 1;
    this.turnAway("an event", flaw);
  }

  /** Until the intake has none of its events any more: it settles each. */
  async settled(): Promise<void> {
    while (this.pending > 0) await new Promise<void>((resolve) => this.waiting.add(resolve));
  }

  private async store(event: NostrEvent, session: Session): Promise<void> {
    const { plugins, intake, url } = this.parts;
    const verdict = await plugins.checkDown(event.id, () => encodeEvent(event).json, url);
    if (verdict !== null) {
      this.underWay.delete(event.id);
      this.refuse(event.id, verdict.message || `blocked: the plugin says ${verdict.action}`);
      return;
    }
    while (this.pending >= WINDOW) await this.untilRoom(session);
    this.pending += 1;
    void this.settle(event, intake, session);
  }

  private async settle(event: NostrEvent, intake: RouterIntake, session: Session): Promise<void> {
    const { counters } = this.parts;
    try {
      const fate = await intake.take(event);
      if (fate.kind === "refused") this.refuse(event.id, fate.reason);
      else if (fate.kind === "stored") counters.stored += 1;
      else counters.duplicate += 1;
    } catch (error) {
      this.there.delete(event.id); // it is asked for again
      session.stop(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.pending -= 1;
      this.underWay.delete(event.id);
      const waiting = [...this.waiting];
      this.waiting.clear();
      for (const resume of waiting) resume();
    }
  }

  /** Not asked for again, until refusals are forgotten. */
  private refuse(id: string, reason: string): void {
    this.there.delete(id);
    this.refused.add(id);
    this.turnAway(id, reason);
  }

  private turnAway(id: string, reason: string): void {
    this.parts.counters.refused += 1;
    this.parts.onRefused(id, reason);
  }

  private untilRoom(session: Session): Promise<void> {
    return session.suspend((resume) => {
      this.waiting.add(resume);
      return () => this.waiting.delete(resume);
    });
  }
}
