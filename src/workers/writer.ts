// The writer: the one thread that writes the database. It takes its whole inbox, writes it in
// transactions of at most `store.batch_events_max` events, and only after the commit sends the OKs,
// then the events to the monitors, in the order of `seq`.
//
// Other processes may write the same file (import, a second relay during an upgrade). Their events
// are noticed by `PRAGMA data_version`, or by a jump of `seq`, and go to the monitors as well. Cron
// is here too: expired events are removed between batches.

import type { Database, Statement } from "bun:sqlite";
import { nowSeconds } from "../config/clock.ts";
import { setting } from "../config/current.ts";
import { describeError, log } from "../config/log.ts";
import { retention } from "../config/retention.ts";
import { encodeOk } from "../protocol/message.ts";
import type { Doorbell } from "../ring/doorbell.ts";
import type { Outbox } from "../ring/outbox.ts";
import type { RingConsumer } from "../ring/ring.ts";
import { ControlVersion } from "../policy/control.ts";
import { JointRules } from "../store/companion.ts";
import { closeForWriting, openForWriting, storeOptions } from "../store/schema.ts";
import { TailIds } from "../store/id-lookup.ts";
import { KeyFilter } from "../store/key-filter.ts";
import { EventReader } from "../store/read.ts";
import { RetentionPass } from "../store/retention.ts";
import { EventWriter, type Verdict, type WriteResult } from "../store/write.ts";
import { BannedEvents } from "./banned-events.ts";
import { Changes } from "./changes.ts";
import { GroupDesk } from "./group-desk.ts";
import { MAIL, NO_SLOT, sendStop, sendStopped } from "./mail.ts";
import { type EventMail, readEvent } from "./mail-event.ts";
import { FRAMES, sendFrameQuietly } from "./mail-frames.ts";
import { readManagementCall } from "./mail-management.ts";
import { ROUTER_CONN, sendFate } from "./mail-router.ts";
import { MonitorFeed } from "./monitor-feed.ts";
import { RecentIds } from "./recent-ids.ts";
import { readRefusal, Refusals } from "./refusals.ts";
import { RelayControl } from "./relay-control.ts";
import { HandledRemovers, mayRemove } from "./removers.ts";
import { openOutbox, type Role, type Station } from "./thread.ts";

/** Another process's events reach subscribers this much later at most. */
const FOREIGN_POLL_MS = 50;
/** After a failure, on a full disk for instance. */
const UPKEEP_RETRY_MS = 5000;
/** Some milliseconds' work. */
const TAIL_IDS_BATCH = 2000;
/** Banned events looked for before who has banned one gets the answer. */
const BANNED_AT_ONCE = 8;
const RETENTION_EVERY_MS = 3_600_000;
/** Expired events removed in one transaction. */
const EXPIRE_BATCH = 200;

export class Writer implements Role {
  isStopped = false;
  private readonly websocket: Outbox;
  private readonly monitors: readonly Outbox[];
  private readonly indexers: readonly Outbox[];
  private readonly router: Outbox | null;
  private readonly feeds: readonly MonitorFeed[];
  private readonly recentIds: RecentIds;
  private readonly changes: Changes;
  private readonly removers: HandledRemovers;
  private readonly ingesterCount: number;
  /** Until all of them are in `recentIds`. */
  private tailIds: TailIds | null;
  private readonly db: Database;
  private readonly store: EventWriter;
  private readonly control: RelayControl;
  /** Null where groups are off. */
  private readonly groups: GroupDesk | null;
  private readonly rules: JointRules;
  private readonly bannedEvents: BannedEvents;
  private readonly reader: EventReader;
  private readonly selectDataVersion: Statement;
  private upstreamRunning: number;
  private batch: EventMail[] = [];
  private readonly refusals: Refusals;
  /** The last commit known of, by whomever. */
  private lastSeq: number;
  private dataVersion: number;
  private nextPollAt = 0;
  private nextExpireAt = 0;
  private retentionPass: RetentionPass | null = null;
  /** The seqs of events that are older than they are kept, and still to be removed. */
  private old: readonly number[] = [];
  private nextRetentionAt = 0;
  private nextUpkeepAt = 0;
  private nextSumsAt = 0;

  constructor(station: Station, bell: Doorbell) {
    this.websocket = openOutbox(station.websocket, bell);
    this.monitors = station.monitors.map((end) => openOutbox(end, bell));
    this.indexers = station.indexers.map((end) => openOutbox(end, bell));
    const [router] = station.routers;
    this.router = router === undefined ? null : openOutbox(router, bell);
    this.recentIds = new RecentIds(station.recentIds);
    this.changes = new Changes(station.changes);
    this.removers = new HandledRemovers(station.removers);
    this.ingesterCount = station.inbound.length - station.routers.length;
    this.upstreamRunning = station.inbound.length;
    const options = storeOptions();
    this.db = openForWriting(options);
    this.reader = new EventReader(this.db);
    const version = new ControlVersion(station.control);
    this.control = new RelayControl(this.db, this.reader, version, this.websocket);
    const { events } = this.control;
    const control = () => this.control.state;
    this.groups = GroupDesk.open(this.db, this.reader, events, control, station.groups);
    const parts = this.groups === null ? [this.control] : [this.control, this.groups];
    this.rules = new JointRules(events, parts);
    const keyFilter = new KeyFilter(station.keyFilter);
    this.store = new EventWriter(this.db, options, keyFilter, this.rules);
    this.refusals = new Refusals(this.store);
    this.bannedEvents = new BannedEvents(this.control.changes, this.reader, this.store);
    this.tailIds = new TailIds(this.db);
    this.selectDataVersion = this.db.prepare("PRAGMA data_version");
    this.dataVersion = this.readDataVersion(); // first: a commit in between is then seen as new
    this.lastSeq = this.store.lastSeq();
    this.feeds = this.monitors.map((outbox) => new MonitorFeed(outbox, this.lastSeq));
  }

  readonly visit = (ring: RingConsumer): void => {
    switch (ring.type) {
      case MAIL.event:
        this.batch.push(readEvent(ring));
        break;
      case MAIL.managementCall:
        this.control.add(readManagementCall(ring));
        break;
      case MAIL.refused:
        this.refusals.add(readRefusal(ring));
        break;
      case MAIL.stop:
        this.upstreamRunning -= 1;
        break;
      default:
        throw new Error(`assert: writer got mail of type ${ring.type}`);
    }
  };

  turn(count: number): number {
    const sizeMax = setting("store.batch_events_max");
    for (let done = 0; done < this.batch.length; done += sizeMax) {
      this.write(this.batch.slice(done, done + sizeMax));
    }
    this.batch = [];
    this.control.serve(this.writeNothing, () => this.eraseBanned());
    this.cron();
    const isUnfinished = this.catchUp();
    const isSumming = this.keepSums(count === 0);
    const hasUpkeep =
      this.maintain() ||
      this.removeBanned() ||
      this.keepGroups() ||
      (count === 0 && this.learnIds());
    this.isStopped = this.upstreamRunning === 0 && !this.isBehind();
    return isUnfinished || hasUpkeep || isSumming ? 0 : FOREIGN_POLL_MS;
  }

  /** Some of the index's upkeep; true when there is more to be done at once. */
  private maintain(): boolean {
    if (performance.now() < this.nextUpkeepAt) return false;
    try {
      const isMore = this.store.maintain();
      const isOld = this.removeOld();
      this.forgetErased();
      return isMore || isOld;
    } catch (error) {
      log("error", "writer", `the index was not kept up: ${describeError(error)}`);
      this.nextUpkeepAt = performance.now() + UPKEEP_RETRY_MS;
      return false;
    }
  }

  /** Some of the sums that syncs go by; true when there is more to be done at once. */
  private keepSums(isIdle: boolean): boolean {
    if (performance.now() < this.nextSumsAt) return false;
    try {
      return this.store.sums.keep(isIdle);
    } catch (error) {
      log("error", "writer", `the sums for syncs were not kept up: ${describeError(error)}`);
      this.nextSumsAt = performance.now() + UPKEEP_RETRY_MS;
      return false;
    }
  }

  /** Some of what is older than the relay keeps it; true when there may be more. */
  private removeOld(): boolean {
    const now = performance.now();
    if (this.retentionPass === null && now >= this.nextRetentionAt) {
      this.nextRetentionAt = now + RETENTION_EVERY_MS;
      this.retentionPass = new RetentionPass(this.reader, retention(), nowSeconds());
    }
    if (this.old.length === 0 && this.retentionPass !== null) {
      this.old = this.retentionPass.step();
      if (this.retentionPass.isDone) this.retentionPass = null;
    }
    if (this.old.length > 0) {
      const { ids, left } = this.store.removeSome(this.old, "expired", "retention");
      this.old = left;
      for (const id of ids) this.recentIds.remove(id);
      log("debug", "cron", `removed ${ids.length} events older than they are kept`);
    }
    return this.old.length > 0 || this.retentionPass !== null;
  }

  private forgetErased(): void {
    for (const id of this.store.takeErasedIds()) this.recentIds.remove(id);
  }

  stop(): void {
    for (const monitor of this.monitors) sendStop(monitor);
    for (const indexer of this.indexers) sendStop(indexer);
    try {
      closeForWriting(this.db);
    } catch (error) {
      // A full disk, say. Nothing is lost: what is committed stays in the log, for the next start.
      log("warn", "writer", `write-ahead log not moved into the database: ${describeError(error)}`);
    }
    sendStopped(this.websocket);
  }

  /** For what the relay itself has to do within a transaction. */
  private readonly writeNothing = (): boolean => this.write([]);

  /** False when nothing has been written, which has been answered. */
  private write(batch: readonly EventMail[]): boolean {
    let result: WriteResult;
    try {
      result = this.store.write(batch);
    } catch (error) {
      log(
        "error",
        "writer",
        `batch of ${batch.length} events not written: ${describeError(error)}`,
      );
      this.noteRemovers(batch);
      for (const mail of batch) this.answerFailure(mail);
      this.websocket.ring();
      return false;
    }
    this.control.committed(); // before anybody hears of it
    this.groups?.committed();
    const { verdicts, headBefore, headAfter } = result;
    for (const id of result.removedIds) this.recentIds.remove(id);
    this.forgetErased();
    if (headBefore > this.lastSeq) this.recentIds.clear(); // others write, and may have deleted
    for (let i = 0; i < batch.length; i++) {
      const mail = batch[i] as EventMail;
      const verdict = verdicts[i] as Verdict;
      // One that expires has its time looked at whenever it comes again.
      if (verdict.seq > 0 && mail.expires === 0) this.recentIds.add(mail.id);
      if (!verdict.accepted) this.refusals.add({ id: mail.id, detail: verdict.reason });
      this.answer(mail, verdict);
    }
    this.noteRemovers(batch);
    this.websocket.ring(); // once for all answers
    if (headAfter > headBefore) this.changes.raise();
    for (let i = 0; i < batch.length; i++) {
      const seq = verdicts[i]?.seq ?? 0;
      if (seq === 0) continue;
      for (const feed of this.feeds) feed.offer(batch[i] as EventMail, seq);
    }
    for (const { candidate, seq } of this.rules.takePublished()) {
      for (const feed of this.feeds) feed.offer(candidate, seq);
    }
    this.lastSeq = headAfter;
    return true;
  }

  /** What a management call may have banned: most of it is gone before the answer. */
  private eraseBanned(): void {
    for (let i = 0; i < BANNED_AT_ONCE && this.removeBanned(); i++);
    this.store.eraseNow();
    this.forgetErased();
  }

  /** A banned event; true when there may be more. */
  private removeBanned(): boolean {
    if (performance.now() < this.nextUpkeepAt) return false;
    try {
      const ids = this.bannedEvents.removeNext(this.control.tablesVersion);
      for (const id of ids ?? []) this.recentIds.remove(id);
      return ids !== null;
    } catch (error) {
      log("error", "writer", `a banned event was not removed: ${describeError(error)}`);
      this.nextUpkeepAt = performance.now() + UPKEEP_RETRY_MS;
      return false;
    }
  }

  /** Publishes what has waited, and removes some of what is gone; true when there is more. */
  private keepGroups(): boolean {
    if (this.groups === null || performance.now() < this.nextUpkeepAt) return false;
    try {
      if (this.groups.isDue && !this.write([]))
        this.nextUpkeepAt = performance.now() + UPKEEP_RETRY_MS;
      const ids = this.groups.removeGone(this.store);
      for (const id of ids ?? []) this.recentIds.remove(id);
      return ids !== null;
    } catch (error) {
      log("error", "writer", `what is left of groups was not removed: ${describeError(error)}`);
      this.nextUpkeepAt = performance.now() + UPKEEP_RETRY_MS;
      return false;
    }
  }

  /** Some of what was stored before this start; true when there is more. */
  private learnIds(): boolean {
    const ids = this.tailIds?.next(TAIL_IDS_BATCH) ?? [];
    for (const id of ids) this.recentIds.add(id);
    if (ids.length === 0) this.tailIds = null;
    return this.tailIds !== null;
  }

  private noteRemovers(batch: readonly EventMail[]): void {
    for (const mail of batch) {
      const isOfClient = mail.connId !== ROUTER_CONN;
      if (isOfClient && mayRemove(mail)) this.removers.add(mail.connId % this.ingesterCount);
    }
  }

  private answerFailure(mail: EventMail): void {
    const reason = "error: the event could not be stored, please try again later";
    this.answer(mail, { accepted: false, reason, seq: 0 });
  }

  private answer(mail: EventMail, verdict: Verdict): void {
    if (mail.connId === ROUTER_CONN && this.router !== null) {
      sendFate(this.router, mail.id, verdict);
      return;
    }
    const frame = verdict.accepted
      ? encodeOk(mail.id, true, verdict.reason)
      : encodeOk(mail.id, false, verdict.reason);
    const ref = { connId: mail.connId, slot: NO_SLOT, gen: 0 };
    sendFrameQuietly(this.websocket, ref, FRAMES.reply, frame, mail.messageBytes);
  }

  private cron(): void {
    const now = performance.now();
    if (now >= this.nextPollAt) {
      this.nextPollAt = now + FOREIGN_POLL_MS;
      this.pollForeign();
    }
    this.control.publishSelf(now, this.writeNothing);
    this.refusals.flushIfDue(now);
    if (now >= this.nextExpireAt) {
      const more = this.expire();
      this.nextExpireAt = more ? 0 : now + setting("store.expire_interval_s") * 1000;
    }
  }

  private pollForeign(): void {
    const version = this.readDataVersion();
    if (version === this.dataVersion) return;
    this.dataVersion = version;
    this.recentIds.clear(); // it may have deleted, too
    this.control.poll();
    this.groups?.poll();
    this.lastSeq = Math.max(this.lastSeq, this.store.lastSeq());
  }

  /** Sends the monitors what they still miss. True when another turn would get further. */
  private catchUp(): boolean {
    if (!this.isBehind()) return false;
    this.changes.raise();
    let hasSent = false;
    for (const feed of this.feeds) {
      if (feed.isBehind(this.lastSeq) && feed.catchUp(this.reader, this.lastSeq)) hasSent = true;
    }
    return hasSent && this.isBehind();
  }

  private isBehind(): boolean {
    return this.feeds.some((feed) => feed.isBehind(this.lastSeq));
  }

  /** True when there may be more to remove at once. */
  private expire(): boolean {
    try {
      const ids = this.store.removeExpired(nowSeconds(), EXPIRE_BATCH);
      for (const id of ids) this.recentIds.remove(id);
      if (ids.length > 0) log("debug", "cron", `removed ${ids.length} expired events`);
      return ids.length > 0;
    } catch (error) {
      log("error", "cron", `expired events not removed: ${describeError(error)}`);
      return false;
    }
  }

  private readDataVersion(): number {
    return (this.selectDataVersion.values()[0] as [number])[0];
  }
}
