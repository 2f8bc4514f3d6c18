// One connection to a relay of the router's, from the moment it is open to its end: the live
// subscription, the catch-up, and what is sent. Belongs to the router's thread.
//
// In this order, so that nothing falls between: the live subscription is open before anything is
// compared; and the commit that the comparison begins with is where sending begins. So a catch-up
// and what is new overlap, and what both find is passed on once (peer-inflow.ts, outflow.ts).

import type { Database } from "bun:sqlite";
import { nowSeconds } from "../config/clock.ts";
import type { LogLevel } from "../config/log.ts";
import { matchesFilter } from "../protocol/filter.ts";
import { NO_EVENT_LIMITS, type NostrEvent, parseEvent } from "../protocol/event.ts";
import { textId } from "../store/candidate.ts";
import type { ItemReader } from "../store/item-scan.ts";
import { fetchByIds } from "./fetch-ids.ts";
import type { IdList } from "./id-list.ts";
import type { IdMemory } from "./id-memory.ts";
import { isOursToSend, readEvents } from "./local-events.ts";
import { nextTurn } from "./local-items.ts";
import type { NewEvent, NewEvents } from "./new-events.ts";
import { Outflow } from "./outflow.ts";
import { downloadPages } from "./paging.ts";
import { type CatchUp, compare, type CompareSlots } from "./peer-catch-up.ts";
import type { PeerCounters, PeerState } from "./peer-counters.ts";
import { PeerError, PeerRefusal } from "./peer-error.ts";
import type { PeerInflow } from "./peer-inflow.ts";
import type { RelayClient } from "./relay-client.ts";
import type { Cursor } from "./router-cursors.ts";
import type { StreamConfig } from "./router-file.ts";
import type { Session } from "./session.ts";
import type { StreamPlugins } from "./stream-plugins.ts";
import type { Subscription } from "./subscription.ts";

export interface LinkParts {
  readonly config: StreamConfig;
  readonly timeoutMs: () => number;
  readonly db: Database;
  readonly reader: ItemReader;
  readonly newEvents: NewEvents;
  readonly plugins: StreamPlugins;
  readonly slots: CompareSlots;
  readonly cursor: Cursor;
  readonly inflow: PeerInflow;
  readonly counters: PeerCounters;
  /** What the relay doesn't take, until everything is compared again. */
  readonly refusedThere: IdMemory;
  /** Whether the relay can compare (NIP-77), for all that is known. */
  readonly canCompare: () => boolean;
  readonly onCantCompare: () => void;
  /** The connection has held for a while. */
  readonly onSteady: () => void;
  readonly onState: (state: PeerState) => void;
  readonly say: (level: LogLevel, text: string) => void;
}

/** A connection that has held so long was no failure. */
const STEADY_MS = 60_000;
/** Clocks differ, and events are published some seconds after they were signed. */
const OVERLAP_S = 120;
/** Until silence is noticed, a peer may have sent what never came. */
const SILENCE_TIMEOUTS = 3;
/** Of what has come already: a few milliseconds' work. */
const EVENTS_PER_TURN = 64;
/** The longest that a timer takes. */
const NEVER_MS = 2 ** 31 - 1;

export class PeerLink {
  private readonly parts: LinkParts;
  private readonly session: Session;
  private readonly client: RelayClient;
  private readonly outflow: Outflow;
  private subscription: Subscription | null = null;
  /** Commits up to this one are on their way or aren't wanted; null while none is looked at. */
  private readTo: number | null = null;

  constructor(session: Session, client: RelayClient, parts: LinkParts) {
    this.session = session;
    this.client = client;
    this.parts = parts;
    this.outflow = this.openOutflow();
  }

  get traffic(): RelayClient["traffic"] {
    return this.client.traffic;
  }

  isSending(id: string): boolean {
    return this.outflow.has(id);
  }

  /** Once it is live: moves the cursor as far as everything is settled. */
  moveCursor(): void {
    const { cursor, inflow } = this.parts;
    if (inflow.isIdle && this.subscription?.hasKept !== true) cursor.down = nowSeconds();
    if (this.readTo === null) return;
    const first = this.outflow.firstSeq;
    cursor.up = first === null ? this.readTo : Math.min(this.readTo, first - 1);
  }

  /** Ends by an error only. */
  async serve(): Promise<void> {
    const { session } = this;
    const { config, onState } = this.parts;
    onState("catching-up");
    const tasks: (() => Promise<void>)[] = [() => this.exchange(), () => this.hold()];
    if (config.isDown) {
      const live = this.client.subscribe([{ ...config.filterJson, limit: 0 }]);
      this.subscription = live;
      await this.receive(live, "stored");
      tasks.push(() => this.receive(live, "end"));
    }
    await session.together(...tasks.map((task) => task()));
  }

  private async hold(): Promise<void> {
    await this.session.sleep(STEADY_MS);
    this.parts.onSteady();
  }

  private openOutflow(): Outflow {
    const { counters, inflow, refusedThere, say } = this.parts;
    return new Outflow(this.client, this.session, {
      onSent: () => void (counters.sent += 1),
      onThere: (id, isNew) => {
        inflow.noteThere(id);
        if (isNew) counters.accepted += 1;
        else counters.duplicateThere += 1;
      },
      onRefused: (id, reason, isForGood) => {
        if (isForGood) refusedThere.add(id);
        counters.refusedThere += 1;
        say("debug", `${id} refused there: ${reason}`);
      },
    });
  }

  // Down

  /** Until the stored events have come, of which there are none; or for as long as it lasts. */
  private async receive(subscription: Subscription, until: "stored" | "end"): Promise<void> {
    for (let count = 1; ; count++) {
      // What is refused at once needs no wait: a flood of that must not hold up other streams.
      if (count % EVENTS_PER_TURN === 0) await nextTurn();
      const { done, value } = await this.nextOf(subscription, until);
      if (done) throw new PeerError("the subscription has ended");
      if (value.type === "stored") {
        if (until === "stored") return;
        continue;
      }
      await this.onEvent(value.event);
    }
  }

  /** A relay that ends a subscription which it has taken restarts, say. */
  private async nextOf(subscription: Subscription, until: "stored" | "end") {
    try {
      return await subscription.next();
    } catch (error) {
      const isPassing = until === "end" && error instanceof PeerRefusal;
      throw isPassing ? new PeerError(error.message) : error;
    }
  }

  private async onEvent(value: unknown): Promise<void> {
    const { inflow } = this.parts;
    const event = parseEvent(value, NO_EVENT_LIMITS);
    if (typeof event === "string") inflow.noteFlaw(event);
    else await inflow.take(event, this.session);
  }

  // Both

  /** Catches up, then sends what is new, and compares everything again now and then. */
  private async exchange(): Promise<void> {
    const { config, newEvents, inflow } = this.parts;
    const found = await this.compare(inflow.isStale);
    const startAt =
      found?.kind === "compared" ? found.head : this.cursorUp(found, newEvents.head());
    const tasks = [this.catchUp(found)];
    if (config.isUp) tasks.push(this.sendNew(startAt), this.outflow.sendAgain());
    await this.session.together(...tasks);
  }

  /** Where sending begins with a relay that can't compare. */
  private cursorUp(found: CatchUp | null, head: number): number {
    const { up } = this.parts.cursor;
    if (found === null) return head; // only what is new
    return up === null || up > head ? 0 : up; // beyond the head: of another database
  }

  /** Null when there is no catch-up. `isAnew`: nothing is taken as known from before. */
  private async compare(isAnew: boolean): Promise<CatchUp | null> {
    const { config, counters, inflow, say } = this.parts;
    if (!config.isCatchingUp) return null;
    counters.catchUps += 1;
    if (!this.parts.canCompare()) return { kind: "unsupported", why: "" };
    if (isAnew) {
      inflow.forgetRefusals();
      this.parts.refusedThere.clear();
    }
    inflow.beginComparing();
    const found = await compare(this.session, this.parts);
    if (found.kind === "unsupported") {
      this.parts.onCantCompare();
      say("info", `it can't compare (NIP-77): ${found.why}`);
      return found;
    }
    const { have, need } = found;
    inflow.forgetUnlessNew(have, isAnew ? need : []);
    say("info", `${have.count} events only here, ${need.count} only there`);
    return found;
  }

  private async catchUp(first: CatchUp | null): Promise<void> {
    const { config } = this.parts;
    if (first?.kind === "unsupported" && config.isDown) await this.fetchSince();
    let found = first;
    for (;;) {
      while (found?.kind === "compared") {
        const before = this.movedCount;
        await this.transfer(found.have, found.need);
        if (!found.isPartial || this.movedCount === before) break;
        found = await this.compare(false);
      }
      this.parts.onState("live");
      if (found?.kind !== "compared") return;
      await this.session.sleep(config.catchUpIntervalMs ?? NEVER_MS);
      found = await this.compare(true);
    }
  }

  private get movedCount(): number {
    return this.parts.counters.stored + this.parts.counters.accepted;
  }

  private async transfer(have: IdList, need: IdList): Promise<void> {
    const { config } = this.parts;
    const tasks: Promise<void>[] = [];
    if (config.isDown) tasks.push(this.fetch(need));
    if (config.isUp) tasks.push(this.send(have));
    await this.session.together(...tasks);
  }

  private async fetch(need: IdList): Promise<void> {
    const ids = need[Symbol.iterator]();
    const next = (): string | null => {
      for (;;) {
        const { value } = ids.next();
        if (value === undefined) return null;
        if (this.parts.inflow.isWanted(value)) return value;
      }
    };
    await fetchByIds(this.session, next, this.sink());
  }

  private async fetchSince(): Promise<void> {
    const { config, cursor, timeoutMs, say } = this.parts;
    const overlap = OVERLAP_S + (SILENCE_TIMEOUTS * timeoutMs()) / 1000;
    const down = cursor.down ?? 0;
    const isLate = down > nowSeconds(); // the clock was ahead: what it says is worth nothing
    const since = Math.max(config.filter.since, isLate ? 0 : down - overlap);
    const times = since > 0 ? { since: Math.floor(since) } : {};
    const json = { ...config.filterJson, ...times };
    await downloadPages(this.session, json, {
      ...this.sink(),
      onCutSecond: (second) => {
        say("warn", `it may have more events of second ${second} than it sends at once`);
      },
    });
  }

  private sink() {
    const { inflow } = this.parts;
    return {
      onEvent: (event: NostrEvent) => inflow.take(event, this.session),
      onFlaw: (flaw: string) => inflow.noteFlaw(flaw),
      onPage: () => {},
      onMissing: () => {},
    };
  }

  // Up

  /** What was found to be only here. */
  private async send(have: IdList): Promise<void> {
    const { outflow } = this;
    const { reader } = this.parts;
    for (const { text, expires } of readEvents(reader, this.wantedOf(have))) {
      const id = textId(text);
      if (await this.isToBeSent(id, text, expires)) await outflow.add(id, text.toString("utf8"), 0);
    }
    await outflow.caughtUp();
  }

  private *wantedOf(ids: Iterable<string>): Generator<string, undefined> {
    for (const id of ids) if (this.mayBeWanted(id)) yield id;
  }

  private mayBeWanted(id: string): boolean {
    return !this.parts.inflow.there.has(id) && !this.parts.refusedThere.has(id);
  }

  /** What is committed from `startAt` on. */
  private async sendNew(startAt: number): Promise<never> {
    const { newEvents } = this.parts;
    this.readTo = startAt;
    for (;;) {
      const { events, upTo } = newEvents.after(this.readTo);
      for (const event of events) {
        await this.sendOne(event);
        this.readTo = event.seq;
      }
      this.readTo = upTo;
      if (events.length > 0) await nextTurn();
      else await this.session.suspend((resume) => newEvents.onChange(upTo, resume));
    }
  }

  private async sendOne(one: NewEvent): Promise<void> {
    const { id, text, expires } = one;
    if (!this.mayBeWanted(id) || !matchesFilter(this.parts.config.filter, one.event)) return;
    if (await this.isToBeSent(id, text, expires)) {
      await this.outflow.add(id, text.toString("utf8"), one.seq);
    }
  }

  /** `expires` in Unix seconds, 0 = never. */
  private async isToBeSent(id: string, text: Buffer, expires: number): Promise<boolean> {
    const { plugins, counters } = this.parts;
    if (!this.mayBeWanted(id)) return false;
    if (expires !== 0 && expires <= nowSeconds()) return false;
    const isHeld =
      !isOursToSend(text) ||
      (plugins.hasUp && (await plugins.checkUp(id, text.toString("utf8"))) !== null);
    if (isHeld) counters.held += 1;
    return !isHeld;
  }
}
