// The ingester: client text → checked events, queries and refusals, each sent where it belongs. A
// connection always has the same one, which numbers its subscriptions and knows who has signed in.
//
// Checks come cheapest first: ids stored already are answered before anything is hashed, bounds
// and times before the id, the id before the signature. The only thing it asks of the database is
// about ids that are likely there: a look-up costs a quarter of a signature.

import { setting } from "../config/current.ts";
import { derived } from "../config/derived.ts";
import { describeError, log } from "../config/log.ts";
import { visibility } from "../config/read-rules.ts";
import { isThisRelay } from "../config/this-relay.ts";
import { Admission, admissionRules } from "../crypto/admission.ts";
import { openSignatureBackend } from "../crypto/open-backend.ts";
import { ControlVersion } from "../policy/control.ts";
import { Gate } from "../policy/gate.ts";
import { ThreadGroups } from "../policy/groups/thread-groups.ts";
import { checkPublisher } from "../policy/publisher.ts";
import { checkAuthEvent } from "../protocol/auth.ts";
import { encodeEvent, type NostrEvent } from "../protocol/event.ts";
import { type Filter, filterCost } from "../protocol/filter.ts";
import { isHex64 } from "../protocol/hex.ts";
import { classifyKind, isMembershipRequest } from "../protocol/kind.ts";
import { kindSet } from "../protocol/kind-set.ts";
import {
  encodeClosed,
  encodeEventPrefix,
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
import { idKey } from "../store/term.ts";
import { Answers } from "./answers.ts";
import { challengeOf } from "./challenge.ts";
import { Changes } from "./changes.ts";
import {
  encodeFilters,
  encodeQuery,
  MAIL,
  NO_SLOT,
  type QueryMail,
  readClientText,
  readConnId,
  readRef,
  sendClose,
  sendGate,
  sendGone,
  sendQuery,
  sendStop,
  sendStopped,
  type SubscriptionRef,
} from "./mail.ts";
import { sendEvent, trySendEvent } from "./mail-event.ts";
import { FRAMES, sendFrameQuietly } from "./mail-frames.ts";
import { readManagement } from "./mail-management.ts";
import { ManagementDoor } from "./management-door.ts";
import { RecentIds } from "./recent-ids.ts";
import { RefusalLog } from "./refusals.ts";
import { HandledRemovers, mayRemove, SentRemovers } from "./removers.ts";
import { Sessions } from "./sessions.ts";
import { Subscriptions } from "./subscriptions.ts";
import { openOutbox, type Role, type Station } from "./thread.ts";

const IDLE_SLEEP_MS = 1000;
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
  private readonly gate: Gate;
  private readonly management: ManagementDoor;
  private readonly groups: ThreadGroups;
  private readonly admission = new Admission(openSignatureBackend().backend);
  private readonly subscriptions: Subscriptions;
  private readonly sessions = new Sessions();
  private readonly challengeSecret: string;
  private readonly answers: Answers;
  private readonly refusalLog: RefusalLog;

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
    this.gate = new Gate(this.db, new ControlVersion(station.control));
    this.management = new ManagementDoor(this.websocket, this.writer, this.admission);
    this.groups = new ThreadGroups(this.db, station.groups);
    const valuesMax = setting("relay.total_filter_values_max") / station.roleCount;
    this.subscriptions = new Subscriptions(valuesMax);
    this.challengeSecret = station.challengeSecret;
    this.answers = new Answers(this.websocket);
    this.refusalLog = new RefusalLog(this.writer);
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
      case MAIL.controlChanged:
        this.onControlChanged();
        break;
      case MAIL.management:
        this.management.onRequest(readManagement(ring));
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
    this.answers.flush();
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
    const message = parseClientMessage(text, messageLimits());
    switch (message.type) {
      case "EVENT":
        this.onEvent(connId, message.id, message.event, messageBytes);
        return;
      case "AUTH":
        this.onAuth(connId, message.id, message.event, messageBytes);
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
        this.answers.reply(connId, message.frame);
        break;
    }
    this.answers.addDone({ connId, messages: 1, bytes: messageBytes });
  }

  // Events

  private onEvent(connId: number, id: string, value: unknown, messageBytes: number): void {
    if (isHex64(id) && !this.removers.has(connId) && this.isStored(id)) {
      this.answers.answer(
        connId,
        encodeOk(id, true, "duplicate: already have this event"),
        messageBytes,
      );
      return;
    }
    const refusal = this.takeEvent(connId, value, messageBytes);
    if (refusal === null) return;
    log("debug", "ingester", `refused event ${id} of connection ${connId}: ${refusal}`);
    this.refusalLog.send(id, refusal);
    this.answers.answer(connId, encodeOk(id, false, refusal), messageBytes);
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
    const viewer = this.sessions.viewer(connId);
    const refusal = this.gate.refuseEvent(value, viewer);
    if (refusal !== null) return refusal;
    const check = (event: NostrEvent) =>
      checkPublisher(event, viewer, publisherRules()) ?? this.groups.checkPassing(event, now);
    const admitted = this.admission.admit(value, admissionRules(), now, check);
    if (typeof admitted === "string") return admitted;
    const { id, kind } = admitted.event;
    const candidate = makeCandidate(admitted.event, admitted.json, admitted.expires);
    if (classifyKind(kind) !== "ephemeral" || isMembershipRequest(kind)) {
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
    this.answers.answer(connId, encodeOk(id, true, ""), messageBytes);
    return null;
  }

  // Signing in

  private onAuth(connId: number, id: string, value: unknown, messageBytes: number): void {
    const refusal = this.signIn(connId, value);
    const frame = refusal === null ? encodeOk(id, true, "") : encodeOk(id, false, refusal);
    this.answers.answer(connId, frame, messageBytes);
  }

  /** NIP-42. What has become visible by it is sent to the subscriptions that are open. */
  private signIn(connId: number, value: unknown): Reason | null {
    const before = this.sessions.viewer(connId);
    const keysMax = setting("auth.keys_max");
    const challenge = challengeOf(this.challengeSecret, connId);
    const event = this.admission.verify(value, admissionRules(), (auth) =>
      before.size >= keysMax && !before.has(auth.pubkey)
        ? `restricted: more than ${keysMax} keys on this connection`
        : checkAuthEvent(auth, challenge, isThisRelay(), Math.floor(Date.now() / 1000)),
    );
    if (typeof event === "string") return event;
    if (before.has(event.pubkey)) return null;
    const viewer = this.sessions.add(connId, event.pubkey);
    log("debug", "ingester", `connection ${connId} signed in as ${event.pubkey}`);
    for (const { id, slot, gen, filters } of this.subscriptions.of(connId)) {
      if (filters === null) continue;
      const ref = { connId, slot, gen };
      const body = encodeQuery(this.readerOf(connId), id, filters, viewer, before);
      if (body === null) throw new Error("assert: what was not too long is too long with a key");
      this.query({ ...ref, isCount: false, isReplacement: false, messageBytes: 0 }, body);
    }
    return null;
  }

  // Subscriptions

  private onReq(connId: number, id: string, filters: readonly Filter[]): void {
    const old = this.subscriptions.get(connId, id);
    let values = 0;
    for (const filter of filters) values += filterCost(filter);
    const viewer = this.sessions.viewer(connId);
    const encoded = encodeFilters(filters);
    const body = encodeQuery(this.readerOf(connId), id, encoded, viewer);
    const reason =
      body === null
        ? TOO_LONG
        : (this.gate.refuseQuery(viewer) ??
          visibility().checkRead(viewer, filters) ??
          this.subscriptions.checkRoom(connId, old, values));
    if (body === null || reason !== null) {
      this.closeSubscription(connId, id);
      this.answers.reply(connId, encodeClosed(id, reason ?? TOO_LONG));
      return;
    }
    const kept = filters.some((filter) => visibility().mayMatchHidden(filter)) ? encoded : null;
    const { slot, gen } = this.subscriptions.open(connId, id, values, kept);
    const ref = { connId, slot, gen };
    sendGate(this.websocket, ref);
    this.sendInvite(ref, id, filters);
    const isReplacement = old !== undefined;
    this.query({ ...ref, isCount: false, isReplacement, messageBytes: 0 }, body);
  }

  /** Before the query is sent, so that it comes before EOSE. */
  private sendInvite(ref: SubscriptionRef, id: string, filters: readonly Filter[]): void {
    const invite = this.gate.inviteFor(filters, this.sessions.viewer(ref.connId));
    if (invite === null) return;
    const frame = `${encodeEventPrefix(id)}${encodeEvent(invite).json}]`;
    sendFrameQuietly(this.websocket, ref, FRAMES.live, frame, 0);
  }

  /** Those who may no longer read are no longer sent anything. */
  private onControlChanged(): void {
    for (const connId of this.subscriptions.connIds()) {
      const reason = this.gate.refuseQuery(this.sessions.viewer(connId));
      if (reason === null) continue;
      for (const { id } of [...this.subscriptions.of(connId)]) {
        this.closeSubscription(connId, id);
        this.answers.reply(connId, encodeClosed(id, reason));
      }
    }
  }

  /** A COUNT is under way until the reader answers it, so that a client can't pile them up. */
  private onCount(
    connId: number,
    id: string,
    filters: readonly Filter[],
    messageBytes: number,
  ): void {
    const viewer = this.sessions.viewer(connId);
    const body = encodeQuery(this.readerOf(connId), id, encodeFilters(filters), viewer);
    const reason =
      setting("relay.count_max") > 0
        ? (this.gate.refuseQuery(viewer) ?? visibility().checkRead(viewer, filters))
        : "unsupported: this relay does not count (NIP-45)";
    if (body === null || reason !== null) {
      this.answers.answer(connId, encodeClosed(id, reason ?? TOO_LONG), messageBytes);
      return;
    }
    const ref = { connId, slot: NO_SLOT, gen: 0 };
    this.query({ ...ref, isCount: true, isReplacement: false, messageBytes }, body);
  }

  private query(
    query: SubscriptionRef & Pick<QueryMail, "isCount" | "isReplacement" | "messageBytes">,
    body: Buffer,
  ): void {
    const changes = this.changes.count();
    const mail = { ...query, takenAtMs: clockMs(), changes };
    sendQuery(this.readerOf(query.connId), mail, body);
  }

  private closeSubscription(connId: number, id: string): void {
    const closed = this.subscriptions.close(connId, id);
    if (closed === null) return;
    const ref = { connId, ...closed };
    sendGate(this.websocket, ref);
    sendClose(this.readerOf(connId), ref);
  }

  /** The relay itself has ended a subscription, with a CLOSED. */
  private onSubscriptionEnded({ connId, slot, gen }: SubscriptionRef): void {
    for (const old of this.subscriptions.of(connId)) {
      if (old.slot !== slot || old.gen !== gen) continue;
      this.closeSubscription(connId, old.id);
      return;
    }
  }

  private onClientGone(connId: number): void {
    sendGone(this.readerOf(connId), connId); // COUNTs leave no entry here
    this.subscriptions.forget(connId);
    this.sessions.forget(connId);
  }

  private readerOf(connId: number): Outbox {
    return this.readers[connId % this.readers.length] as Outbox;
  }
}

export const publisherRules = derived((settings) => ({
  mustSignIn: settings["auth.write"],
  signedInKinds: kindSet(settings["auth.write_kinds"]),
}));

function messageLimits(): MessageLimits {
  return {
    filtersMax: setting("relay.filters_max"),
    filterValuesMax: setting("relay.filter_values_max"),
  };
}

/** Finer than Date.now: an ephemeral event and a REQ taken after it must not have the same time. */
function clockMs(): number {
  return performance.timeOrigin + performance.now();
}
