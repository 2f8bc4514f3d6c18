// What an ingester does with sign-ins (NIP-42) and queries: who has signed in on each connection,
// which subscriptions it has open, whether a REQ or COUNT is taken, and its way to the reader. A
// connection always has the same ingester, which numbers its subscriptions.

import { nowSeconds } from "../config/clock.ts";
import { setting } from "../config/current.ts";
import { log } from "../config/log.ts";
import { visibility } from "../config/read-rules.ts";
import { isThisRelay } from "../config/this-relay.ts";
import { type Admission, admissionRules } from "../crypto/admission.ts";
import type { Gate } from "../policy/gate.ts";
import { checkAuthEvent } from "../protocol/auth.ts";
import { encodeEvent } from "../protocol/event.ts";
import { type Filter, filterCost } from "../protocol/filter.ts";
import { encodeClosed, encodeEventPrefix, encodeOk } from "../protocol/message.ts";
import type { Reason } from "../protocol/reason.ts";
import type { Viewer } from "../protocol/visibility.ts";
import type { Outbox } from "../ring/outbox.ts";
import type { Answers } from "./answers.ts";
import { challengeOf } from "./challenge.ts";
import type { Changes } from "./changes.ts";
import {
  clockMs,
  encodeFilters,
  encodeQuery,
  NO_SLOT,
  type QueryMail,
  sendClose,
  sendGate,
  sendGone,
  sendQuery,
  type SubscriptionRef,
} from "./mail.ts";
import { FRAMES, sendFrameQuietly } from "./mail-frames.ts";
import { Sessions } from "./sessions.ts";
import { Subscriptions } from "./subscriptions.ts";
import type { Station } from "./thread.ts";

const TOO_LONG: Reason = "invalid: the filters are too long";

/** The ingester's own, which it shares. */
export interface IngesterParts {
  readonly websocket: Outbox;
  readonly readers: readonly Outbox[];
  readonly changes: Changes;
  readonly gate: Gate;
  readonly admission: Admission;
  readonly answers: Answers;
}

export class ClientQueries {
  private readonly websocket: Outbox;
  private readonly readers: readonly Outbox[];
  private readonly changes: Changes;
  private readonly gate: Gate;
  private readonly admission: Admission;
  private readonly answers: Answers;
  private readonly sessions = new Sessions();
  private readonly subscriptions: Subscriptions;
  private readonly challengeSecret: string;

  constructor(station: Station, parts: IngesterParts) {
    this.websocket = parts.websocket;
    this.readers = parts.readers;
    this.changes = parts.changes;
    this.gate = parts.gate;
    this.admission = parts.admission;
    this.answers = parts.answers;
    this.challengeSecret = station.challengeSecret;
    const valuesMax = setting("relay.total_filter_values_max") / station.roleCount;
    this.subscriptions = new Subscriptions(valuesMax);
  }

  viewer(connId: number): Viewer {
    return this.sessions.viewer(connId);
  }

  // Signing in

  onAuth(connId: number, id: string, value: unknown, messageBytes: number): void {
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
        : checkAuthEvent(auth, challenge, isThisRelay(), nowSeconds()),
    );
    if (typeof event === "string") return event;
    if (before.has(event.pubkey)) return null;
    const viewer = this.sessions.add(connId, event.pubkey);
    log("debug", "ingester", `connection ${connId} signed in as ${event.pubkey}`);
    for (const { id, slot, gen, filters } of this.subscriptions.of(connId)) {
      if (filters === null) continue;
      const ref = { connId, slot, gen };
      const body = encodeQuery(this.readerOf(connId), id, filters, viewer, before);
      if (body === null) {
        this.close(connId, id);
        this.answers.reply(connId, encodeClosed(id, TOO_LONG));
      } else this.query({ ...ref, isCount: false, isReplacement: false, messageBytes: 0 }, body);
    }
    return null;
  }

  // Subscriptions

  onReq(connId: number, id: string, filters: readonly Filter[]): void {
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
      this.close(connId, id);
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
  onControlChanged(): void {
    for (const connId of this.subscriptions.connIds()) {
      const reason = this.gate.refuseQuery(this.sessions.viewer(connId));
      if (reason === null) continue;
      for (const { id } of [...this.subscriptions.of(connId)]) {
        this.close(connId, id);
        this.answers.reply(connId, encodeClosed(id, reason));
      }
    }
  }

  /** A COUNT is under way until the reader answers it, so that a client can't pile them up. */
  onCount(connId: number, id: string, filters: readonly Filter[], messageBytes: number): void {
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

  close(connId: number, id: string): void {
    const closed = this.subscriptions.close(connId, id);
    if (closed === null) return;
    const ref = { connId, ...closed };
    sendGate(this.websocket, ref);
    sendClose(this.readerOf(connId), ref);
  }

  /** The relay itself has ended a subscription, with a CLOSED. */
  onEnded({ connId, slot, gen }: SubscriptionRef): void {
    for (const old of this.subscriptions.of(connId)) {
      if (old.slot !== slot || old.gen !== gen) continue;
      this.close(connId, old.id);
      return;
    }
  }

  onGone(connId: number): void {
    sendGone(this.readerOf(connId), connId); // COUNTs leave no entry here
    this.subscriptions.forget(connId);
    this.sessions.forget(connId);
  }

  private readerOf(connId: number): Outbox {
    return this.readers[connId % this.readers.length] as Outbox;
  }
}
