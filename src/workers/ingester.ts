// The ingester: client text → checked events, queries and refusals, each sent where it belongs. A
// connection always has the same one, which numbers its subscriptions.
//
// Checks come cheapest first: ids stored already are answered before anything is hashed, bounds
// and times before the id, the id before the signature. The only thing it asks of the database is
// about ids that are likely there: a look-up costs a quarter of a signature.

import { current, setting } from "../config/current.ts";
import { describeError, log } from "../config/log.ts";
import { Admission, admissionRules } from "../crypto/admission.ts";
import { openSignatureBackend } from "../crypto/open-backend.ts";
import { type Filter, filterCost } from "../protocol/filter.ts";
import { isHex64 } from "../protocol/hex.ts";
import { classifyKind } from "../protocol/kind.ts";
import {
  encodeClosed,
  encodeOk,
  type MessageLimits,
  parseClientMessage,
} from "../protocol/message.ts";
import type { Reason } from "../protocol/reason.ts";
import type { Doorbell } from "../ring/doorbell.ts";
import type { Outbox } from "../ring/outbox.ts";
import type { RingConsumer } from "../ring/ring.ts";
import type { Database } from "bun:sqlite";
import { makeCandidate } from "../store/candidate.ts";
import { IdLookup } from "../store/id-lookup.ts";
import { KeyFilter } from "../store/key-filter.ts";
import { openForReading, storeOptions } from "../store/schema.ts";
import { searchKinds } from "../store/search-kinds.ts";
import { idKey } from "../store/term.ts";
import { Changes } from "./changes.ts";
import {
  type Done,
  encodeQuery,
  MAIL,
  NO_SLOT,
  type QueryMail,
  readClientText,
  readConnId,
  readRef,
  sendClose,
  sendDone,
  sendGate,
  sendGone,
  sendQuery,
  sendStop,
  sendStopped,
  type SubscriptionRef,
} from "./mail.ts";
import { sendEvent, trySendEvent } from "./mail-event.ts";
import { FRAMES, sendFrameQuietly } from "./mail-frames.ts";
import { RecentIds } from "./recent-ids.ts";
import { HandledRemovers, mayRemove, SentRemovers } from "./removers.ts";
import { openOutbox, type Role, type Station } from "./thread.ts";

interface Subscription {
  readonly slot: number;
  readonly gen: number;
  readonly values: number;
}

/** What an ingester keeps of a connection: only one that has subscribed has an entry. */
interface Connection {
  readonly subscriptions: Map<string, Subscription>;
  readonly freeSlots: number[];
  slotCount: number;
  values: number;
}

const IDLE_SLEEP_MS = 1000;
/** Answers that go to the main thread together: a millisecond's work. */
const UNHEARD_MAX = 16;
const LOOKUP_CACHE_BYTES = 2 * 1024 * 1024;
const TOO_LONG: Reason = "invalid: the filters are too long";

export class Ingester implements Role {
  isStopped = false;
  private readonly websocket: Outbox;
  private readonly writer: Outbox;
  private readonly readers: readonly Outbox[];
  private readonly monitors: readonly Outbox[];
  private readonly recentIds: RecentIds;
  private readonly changes: Changes;
  private readonly removers: SentRemovers;
  private readonly keyFilter: KeyFilter;
  private readonly db: Database;
  private readonly lookup: IdLookup;
  private readonly searchKinds = searchKinds(current.settings);
  private readonly admission = new Admission(openSignatureBackend().backend);
  private readonly connections = new Map<number, Connection>();
  /** This ingester's share of `relay.total_filter_values_max`, and how much of it is in use. */
  private readonly valuesMax: number;
  private values = 0;
  private gen = 0;
  /** Answers that the main thread hasn't been woken for. */
  private unheard = 0;
  private done: { connId: number; messages: number; bytes: number } | null = null;

  constructor(station: Station, bell: Doorbell) {
    if (station.writer === null) throw new Error("assert: an ingester without a writer");
    this.websocket = openOutbox(station.websocket, bell);
    this.writer = openOutbox(station.writer, bell);
    this.readers = station.readers.map((end) => openOutbox(end, bell));
    this.monitors = station.monitors.map((end) => openOutbox(end, bell));
    this.recentIds = new RecentIds(station.recentIds);
    this.changes = new Changes(station.changes);
    this.removers = new SentRemovers(new HandledRemovers(station.removers), station.index);
    this.keyFilter = new KeyFilter(station.keyFilter);
    this.db = openForReading({ ...storeOptions(), cacheBytes: LOOKUP_CACHE_BYTES, mmapBytes: 0 });
    this.lookup = new IdLookup(this.db);
    this.valuesMax = setting("relay.total_filter_values_max") / station.roleCount;
  }

  readonly visit = (ring: RingConsumer): void => {
    switch (ring.type) {
      case MAIL.clientText:
        this.onClientText(ring);
        break;
      case MAIL.clientGone:
        this.onClientGone(readConnId(ring));
        break;
      case MAIL.subscriptionEnded:
        this.onSubscriptionEnded(readRef(ring));
        break;
      case MAIL.stop:
        this.isStopped = true;
        break;
      default:
        throw new Error(`assert: ingester got mail of type ${ring.type}`);
    }
    ring.release(); // the main thread may have paused sockets for want of room
  };

  turn(): number {
    this.flushDone();
    this.ringWebsocket();
    return IDLE_SLEEP_MS;
  }

  stop(): void {
    sendStop(this.writer);
    for (const reader of this.readers) sendStop(reader);
    for (const monitor of this.monitors) sendStop(monitor);
    this.db.close();
    sendStopped(this.websocket);
  }

  private onClientText(ring: RingConsumer): void {
    const { connId, text } = readClientText(ring);
    const messageBytes = Math.max(1, ring.length - 4);
    const message = parseClientMessage(text, messageLimits(this.searchKinds));
    switch (message.type) {
      case "EVENT":
        this.onEvent(connId, message.id, message.event, messageBytes);
        return;
      case "REQ":
        this.onReq(connId, message.subscriptionId, message.filters);
        break;
      case "COUNT":
        this.onCount(connId, message.queryId, message.filters, messageBytes);
        return;
      case "CLOSE":
        this.closeSubscription(connId, message.subscriptionId);
        break;
      case "refused":
        if (message.closes !== null) this.closeSubscription(connId, message.closes);
        this.reply(connId, message.frame);
        break;
    }
    this.addDone({ connId, messages: 1, bytes: messageBytes });
  }

  // Events

  private onEvent(connId: number, id: string, value: unknown, messageBytes: number): void {
    if (isHex64(id) && !this.removers.has(connId) && this.isStored(id)) {
      this.answer(connId, encodeOk(id, true, "duplicate: already have this event"), messageBytes);
      return;
    }
    const refusal = this.takeEvent(connId, value, messageBytes);
    if (refusal === null) return;
    log("debug", "ingester", `refused event ${id} of connection ${connId}: ${refusal}`);
    this.answer(connId, encodeOk(id, false, refusal), messageBytes);
  }

  private isStored(id: string): boolean {
    if (this.recentIds.has(id)) return true;
    if (!this.keyFilter.mayHave(idKey(id))) return false;
    try {
      return this.lookup.has(id);
    } catch (error) {
      log("error", "ingester", `look-up of an id: ${describeError(error)}`);
      return false; // the writer will look, too
    }
  }

  /** Sends a good event on its way, which answers it; returns the reason against any other. */
  private takeEvent(connId: number, value: unknown, messageBytes: number): Reason | null {
    const now = Math.floor(Date.now() / 1000);
    const admitted = this.admission.admit(value, admissionRules(), now);
    if (typeof admitted === "string") return admitted;
    const { id, kind } = admitted.event;
    const candidate = makeCandidate(admitted.event, admitted.json, admitted.expires);
    if (classifyKind(kind) !== "ephemeral") {
      if (mayRemove(candidate)) this.removers.add(connId);
      sendEvent(this.writer, candidate, connId, messageBytes);
      return null;
    }
    const takenAtMs = clockMs(); // before the change is seen: whose REQ knows of it came later
    this.changes.raise();
    const isSent = this.monitors.map((monitor) =>
      trySendEvent(monitor, candidate, -takenAtMs, 0, 0),
    );
    // Nothing keeps an ephemeral event until there is room, and waiting would keep all others.
    if (isSent.includes(false)) return "rate-limited: too busy for ephemeral events, try again";
    this.answer(connId, encodeOk(id, true, ""), messageBytes);
    return null;
  }

  // Subscriptions

  private onReq(connId: number, id: string, filters: readonly Filter[]): void {
    const connection = this.connections.get(connId) ?? this.openConnection(connId);
    const old = connection.subscriptions.get(id);
    let values = 0;
    for (const filter of filters) values += filterCost(filter);
    const reader = this.readerOf(connId);
    const body = encodeQuery(reader, id, filters);
    const reason = body === null ? TOO_LONG : this.checkRoom(connection, old, values);
    if (body === null || reason !== null) {
      this.closeSubscription(connId, id);
      this.reply(connId, encodeClosed(id, reason ?? TOO_LONG));
      return;
    }
    const slot = old?.slot ?? connection.freeSlots.pop() ?? connection.slotCount++;
    const ref = this.nextRef(connId, slot);
    connection.subscriptions.set(id, { slot, gen: ref.gen, values });
    this.addValues(connection, values - (old?.values ?? 0));
    sendGate(this.websocket, ref);
    const isReplacement = old !== undefined;
    this.query(reader, { ...ref, isCount: false, isReplacement, messageBytes: 0 }, body);
  }

  /** A COUNT is under way until the reader answers it, so that a client can't pile them up. */
  private onCount(
    connId: number,
    id: string,
    filters: readonly Filter[],
    messageBytes: number,
  ): void {
    const reader = this.readerOf(connId);
    const isOn = setting("relay.count_max") > 0;
    const body = isOn ? encodeQuery(reader, id, filters) : null;
    if (body === null) {
      const reason = isOn ? TOO_LONG : "unsupported: this relay does not count (NIP-45)";
      this.answer(connId, encodeClosed(id, reason), messageBytes);
      return;
    }
    const ref = { connId, slot: NO_SLOT, gen: 0 };
    this.query(reader, { ...ref, isCount: true, isReplacement: false, messageBytes }, body);
  }

  private query(
    reader: Outbox,
    query: SubscriptionRef & Pick<QueryMail, "isCount" | "isReplacement" | "messageBytes">,
    body: Buffer,
  ): void {
    const changes = this.changes.count();
    sendQuery(reader, { ...query, takenAtMs: clockMs(), changes }, body);
  }

  private closeSubscription(connId: number, id: string): void {
    const connection = this.connections.get(connId);
    const old = connection?.subscriptions.get(id);
    if (connection === undefined || old === undefined) return;
    this.forget(connection, id, old);
    const ref = this.nextRef(connId, old.slot);
    sendGate(this.websocket, ref);
    sendClose(this.readerOf(connId), ref);
  }

  /** The relay itself has ended a subscription, with a CLOSED. */
  private onSubscriptionEnded(ref: SubscriptionRef): void {
    const connection = this.connections.get(ref.connId);
    for (const [id, old] of connection?.subscriptions ?? []) {
      if (old.slot !== ref.slot || old.gen !== ref.gen) continue;
      this.closeSubscription(ref.connId, id);
      return;
    }
  }

  private forget(connection: Connection, id: string, old: Subscription): void {
    connection.subscriptions.delete(id);
    connection.freeSlots.push(old.slot);
    this.addValues(connection, -old.values);
  }

  private addValues(connection: Connection, values: number): void {
    connection.values += values;
    this.values += values;
  }

  private checkRoom(
    connection: Connection,
    old: Subscription | undefined,
    values: number,
  ): Reason | null {
    const subscriptionsMax = setting("relay.subscriptions_max");
    if (old === undefined && connection.subscriptions.size >= subscriptionsMax) {
      return `rate-limited: more than ${subscriptionsMax} subscriptions on this connection`;
    }
    const more = values - (old?.values ?? 0);
    const valuesMax = setting("relay.connection_filter_values_max");
    if (connection.values + more > valuesMax) {
      return `rate-limited: more than ${valuesMax} filter values on this connection`;
    }
    return this.values + more > this.valuesMax
      ? "rate-limited: the relay has too many subscriptions open"
      : null;
  }

  private onClientGone(connId: number): void {
    sendGone(this.readerOf(connId), connId); // COUNTs leave no entry here
    this.values -= this.connections.get(connId)?.values ?? 0;
    this.connections.delete(connId);
  }

  private openConnection(connId: number): Connection {
    const connection = { subscriptions: new Map(), freeSlots: [], slotCount: 0, values: 0 };
    this.connections.set(connId, connection);
    return connection;
  }

  private nextRef(connId: number, slot: number): SubscriptionRef {
    this.gen += 1;
    return { connId, slot, gen: this.gen };
  }

  private readerOf(connId: number): Outbox {
    return this.readers[connId % this.readers.length] as Outbox;
  }

  // Answers

  private reply(connId: number, frame: string): void {
    this.answer(connId, frame, 0);
  }

  /** `doneBytes` > 0: this frame is the end of a message of that length. */
  private answer(connId: number, frame: string, doneBytes: number): void {
    const ref = { connId, slot: NO_SLOT, gen: 0 };
    sendFrameQuietly(this.websocket, ref, FRAMES.reply, frame, doneBytes);
    this.unheard += 1;
    if (this.unheard >= UNHEARD_MAX) this.ringWebsocket();
  }

  private ringWebsocket(): void {
    if (this.unheard > 0) this.websocket.ring();
    this.unheard = 0;
  }

  /** Runs of messages of one connection are reported as one. */
  private addDone(done: Done): void {
    if (this.done === null || this.done.connId !== done.connId) {
      this.flushDone();
      this.done = { ...done };
      return;
    }
    this.done.messages += done.messages;
    this.done.bytes += done.bytes;
  }

  private flushDone(): void {
    if (this.done !== null) sendDone(this.websocket, this.done);
    this.done = null;
  }
}

function messageLimits(searchKinds: ReadonlySet<number>): MessageLimits {
  return {
    searchKinds,
    filtersMax: setting("relay.filters_max"),
    filterValuesMax: setting("relay.filter_values_max"),
  };
}

/** Finer than Date.now: an ephemeral event and a REQ taken after it must not have the same time. */
function clockMs(): number {
  return performance.timeOrigin + performance.now();
}
