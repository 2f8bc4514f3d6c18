// The ingester: client text → checked events, queries and refusals, each sent where it belongs. A
// connection always has the same one. Events are dealt with here, queries in client-queries.ts.
//
// Messages are taken as they come, but for those of who forges signatures (suspects.ts).
//
// Checks come cheapest first: ids stored already are answered before anything is hashed, bounds
// and times before the id, the id before the signature. The only thing it asks of the database is
// about ids that are likely there: a look-up costs a quarter of a signature.

import { nowSeconds } from "../config/clock.ts";
import { setting } from "../config/current.ts";
import { derived } from "../config/derived.ts";
import { log } from "../config/log.ts";
import { searchKinds } from "../config/search-kinds.ts";
import { Admission, admissionRules } from "../crypto/admission.ts";
import { openSignatureBackend } from "../crypto/open-backend.ts";
import { ControlVersion } from "../policy/control.ts";
import { Gate } from "../policy/gate.ts";
import { ThreadGroups } from "../policy/groups/thread-groups.ts";
import { checkPublisher } from "../policy/publisher.ts";
import type { NostrEvent } from "../protocol/event.ts";
import { isHex64 } from "../protocol/hex.ts";
import { classifyKind, isMembershipRequest } from "../protocol/kind.ts";
import { kindSet } from "../protocol/kind-set.ts";
import { encodeOk, type MessageLimits, parseClientMessage } from "../protocol/message.ts";
import type { Reason } from "../protocol/reason.ts";
import type { Doorbell } from "../ring/doorbell.ts";
import type { Outbox } from "../ring/outbox.ts";
import type { RingConsumer } from "../ring/ring.ts";
import type { Database } from "bun:sqlite";
import { makeCandidate } from "../store/candidate.ts";
import { openForReading, storeOptions } from "../store/schema.ts";
import { Answers } from "./answers.ts";
import { Changes } from "./changes.ts";
import { ClientQueries } from "./client-queries.ts";
import { ClientSyncs } from "./client-syncs.ts";
import {
  clockMs,
  MAIL,
  readClientText,
  readConnId,
  readRef,
  sendStop,
  sendStopped,
} from "./mail.ts";
import { sendEvent, trySendEvent } from "./mail-event.ts";
import { readManagement } from "./mail-management.ts";
import { ManagementDoor } from "./management-door.ts";
import { RefusalLog } from "./refusals.ts";
import { HandledRemovers, mayRemove, SentRemovers } from "./removers.ts";
import { StoredIds } from "./stored-ids.ts";
import { Suspects, type Waiting } from "./suspects.ts";
import { openOutbox, type Role, type Station } from "./thread.ts";

const IDLE_SLEEP_MS = 1000;
/** Messages of suspects dealt with before others' are looked for: about a millisecond's work. */
const SUSPECTS_PER_TURN = 24;
const LOOKUP_CACHE_BYTES = 2 * 1024 * 1024;

export class Ingester implements Role {
  isStopped = false;
  private readonly websocket: Outbox;
  private readonly writer: Outbox;
  private readonly readers: readonly Outbox[];
  private readonly monitors: readonly Outbox[];
  private readonly negentropies: readonly Outbox[];
  private readonly storedIds: StoredIds;
  private readonly changes: Changes;
  private readonly removers: SentRemovers;
  private readonly db: Database;
  private readonly gate: Gate;
  private readonly management: ManagementDoor;
  private readonly groups: ThreadGroups;
  private readonly admission = new Admission(openSignatureBackend().backend);
  private readonly answers: Answers;
  private readonly queries: ClientQueries;
  private readonly syncs: ClientSyncs;
  private readonly refusalLog: RefusalLog;
  private readonly suspects = new Suspects();

  constructor(station: Station, bell: Doorbell) {
    if (station.writer === null) throw new Error("assert: an ingester without a writer");
    this.websocket = openOutbox(station.websocket, bell);
    this.writer = openOutbox(station.writer, bell);
    this.readers = station.readers.map((end) => openOutbox(end, bell));
    this.monitors = station.monitors.map((end) => openOutbox(end, bell));
    this.negentropies = station.negentropies.map((end) => openOutbox(end, bell));
    this.changes = new Changes(station.changes);
    this.removers = new SentRemovers(new HandledRemovers(station.removers), station.index);
    this.db = openForReading({ ...storeOptions(), cacheBytes: LOOKUP_CACHE_BYTES, mmapBytes: 0 });
    this.storedIds = new StoredIds(station, this.db);
    this.gate = new Gate(this.db, new ControlVersion(station.control));
    this.management = new ManagementDoor(this.websocket, this.writer, this.admission);
    this.groups = new ThreadGroups(this.db, station.groups);
    this.answers = new Answers(this.websocket);
    const { websocket, readers, changes, gate, admission, answers } = this;
    const parts = { websocket, readers, changes, gate, admission, answers };
    this.queries = new ClientQueries(station, parts);
    this.syncs = new ClientSyncs(this.negentropies, gate);
    this.refusalLog = new RefusalLog(this.writer);
  }

  readonly visit = (ring: RingConsumer): void => {
    switch (ring.type) {
      case MAIL.clientText:
        this.onClientText(readClientText(ring), Math.max(1, ring.length - 4));
        break;
      case MAIL.clientGone:
        this.onGone(readConnId(ring));
        break;
      case MAIL.subscriptionEnded:
        this.queries.onEnded(readRef(ring));
        break;
      case MAIL.controlChanged:
        this.queries.onControlChanged();
        break;
      case MAIL.management:
        this.management.onRequest(readManagement(ring));
        break;
      case MAIL.stop:
        while (this.suspects.hasWaiting) this.takeWaiting();
        this.isStopped = true;
        break;
      default:
        throw new Error(`assert: ingester got mail of type ${ring.type}`);
    }
    ring.release(); // the main thread may have paused sockets for want of room
  };

  turn(): number {
    for (let i = 0; i < SUSPECTS_PER_TURN && this.suspects.hasWaiting; i++) this.takeWaiting();
    this.answers.flush();
    return this.suspects.hasWaiting ? 0 : IDLE_SLEEP_MS;
  }

  stop(): void {
    sendStop(this.writer);
    for (const reader of this.readers) sendStop(reader);
    for (const monitor of this.monitors) sendStop(monitor);
    for (const negentropy of this.negentropies) sendStop(negentropy);
    this.db.close();
    sendStopped(this.websocket);
  }

  private onGone(connId: number): void {
    if (this.suspects.mustWait(connId)) this.suspects.add({ connId, text: null, bytes: 0 });
    else this.endConnection(connId);
  }

  private endConnection(connId: number): void {
    this.queries.onGone(connId);
    this.syncs.onGone(connId);
    this.suspects.forget(connId);
  }

  private onClientText({ connId, text }: { connId: number; text: string }, bytes: number): void {
    if (!this.suspects.mustWait(connId)) {
      this.takeText(connId, text, bytes);
      return;
    }
    this.suspects.add({ connId, text, bytes });
    while (this.suspects.isFull) this.takeWaiting();
  }

  private takeWaiting(): void {
    const { connId, text, bytes } = this.suspects.take() as Waiting;
    if (text === null) this.endConnection(connId);
    else this.takeText(connId, text, bytes);
  }

  private takeText(connId: number, text: string, messageBytes: number): void {
    const forgedBefore = this.admission.forgedCount;
    this.dealWith(connId, text, messageBytes);
    if (this.admission.forgedCount > forgedBefore) this.suspects.onForged(connId);
  }

  private dealWith(connId: number, text: string, messageBytes: number): void {
    const message = parseClientMessage(text, messageLimits());
    switch (message.type) {
      case "EVENT":
        this.onEvent(connId, message.id, message.event, messageBytes);
        return;
      case "AUTH":
        this.queries.onAuth(connId, message.id, message.event, messageBytes);
        return;
      case "REQ":
        this.queries.onReq(connId, message.subscriptionId, message.filters);
        break;
      case "COUNT":
        this.queries.onCount(connId, message.queryId, message.filters, messageBytes);
        return;
      case "CLOSE":
        this.queries.close(connId, message.subscriptionId);
        break;
      case "NEG-OPEN":
      case "NEG-MSG":
      case "NEG-ERR":
        this.syncs.onMessage(connId, this.queries.viewer(connId), message, messageBytes);
        return;
      case "NEG-CLOSE":
        this.syncs.onMessage(connId, this.queries.viewer(connId), message, messageBytes);
        break;
      case "refused":
        if (message.closes !== null) this.queries.close(connId, message.closes);
        this.answers.reply(connId, message.frame);
        break;
    }
    this.answers.addDone({ connId, messages: 1, bytes: messageBytes });
  }

  // Events

  private onEvent(connId: number, id: string, value: unknown, messageBytes: number): void {
    if (isHex64(id) && !this.removers.has(connId) && this.storedIds.has(id)) {
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

  /** Sends a good event on its way, which answers it; returns the reason against any other. */
  private takeEvent(connId: number, value: unknown, messageBytes: number): Reason | null {
    const now = nowSeconds();
    const viewer = this.queries.viewer(connId);
    const refusal = this.gate.refuseEvent(value, viewer);
    if (refusal !== null) return refusal;
    const check = (event: NostrEvent) =>
      checkPublisher(event, viewer, publisherRules()) ?? this.groups.checkPassing(event, now);
    const admitted = this.admission.admit(value, admissionRules(), now, check);
    if (typeof admitted === "string") return admitted;
    this.suspects.onGood(connId);
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
}

export const publisherRules = derived((settings) => ({
  mustSignIn: settings["auth.write"],
  signedInKinds: kindSet(settings["auth.write_kinds"]),
}));

const searchedKinds = derived(searchKinds);

function messageLimits(): MessageLimits {
  return {
    filtersMax: setting("relay.filters_max"),
    filterValuesMax: setting("relay.filter_values_max"),
    searchKinds: searchedKinds(),
    hasSyncs: setting("negentropy.enabled"),
  };
}
