// The writer's part of the control state (src/policy): it refuses what that bans, answers join and
// leave requests (NIP-43) and management calls (NIP-86), and has the relay publish what follows
// from them. All of it within the writer's transactions: what a batch causes is committed with it
// or not at all.
//
// The version of the tables is read within each transaction, so that a ban by another process holds
// from the next event on. After the commit all threads are told, and only then who asked for it.

import type { Database, Statement } from "bun:sqlite";
import { nowSeconds } from "../config/clock.ts";
import { current, setting } from "../config/current.ts";
import { log } from "../config/log.ts";
import { openRelayKey } from "../crypto/relay-key.ts";
import { describeSelf } from "../http/self-description.ts";
import { isMembershipRequest, KIND_JOIN } from "../protocol/kind.ts";
import { ControlChanges, ListFull } from "../policy/control-changes.ts";
import {
  type Control,
  type ControlVersion,
  readControl,
  readPublicControl,
  refuseBanned,
} from "../policy/control.ts";
import { callMethod, isChange, type Outcome } from "../policy/management.ts";
import { Membership } from "../policy/membership.ts";
import { hasMembers } from "../policy/rights.ts";
import type { Outbox } from "../ring/outbox.ts";
import { type Candidate, decodeText, textPubkey } from "../store/candidate.ts";
import { NoRules } from "../store/companion.ts";
import type { EventReader } from "../store/read.ts";
import { RelayEvents } from "../store/relay-events.ts";
import type { Verdict } from "../store/verdict.ts";
import { UNAUTHORIZED } from "./management-door.ts";
import { type ManagementCallMail, sendControl, sendManagementAnswer } from "./mail-management.ts";

const OK = 200;
const FAILED = 500;
/** After a failure, on a full disk for instance. */
const PUBLISH_RETRY_MS = 60_000;
/** The whole of them is in the log of changes. */
const LOGGED_PARAMS_LENGTH_MAX = 500;
const NO_MEMBERS: Verdict = {
  accepted: false,
  reason: "unsupported: this relay is open to anyone (NIP-43)",
  seq: 0,
};

export class RelayControl extends NoRules {
  readonly events: RelayEvents;
  readonly changes: ControlChanges;
  private readonly db: Database;
  private readonly reader: EventReader;
  private readonly version: ControlVersion;
  private readonly websocket: Outbox;
  private readonly membership: Membership;
  private readonly selectVersion: Statement;
  private control: Control;
  /** Of the tables: what all threads have been told. */
  private announced: number;
  /** The image may be that of a transaction which came to nothing. */
  private isUncommitted = false;
  private calls: ManagementCallMail[] = [];
  /** What the next transaction begins with. */
  private task: (() => void) | null = null;
  private publishAt = 0;

  constructor(db: Database, reader: EventReader, version: ControlVersion, websocket: Outbox) {
    super();
    this.db = db;
    this.reader = reader;
    this.version = version;
    this.websocket = websocket;
    this.events = new RelayEvents(openRelayKey(), reader);
    this.changes = new ControlChanges(db);
    this.membership = new Membership(this.changes, this.events);
    this.selectVersion = db.prepare("SELECT version FROM control_version");
    this.control = readControl(db);
    this.announced = this.control.version;
    this.tellMain();
  }

  /** As of the transaction under way, or the last one. */
  get state(): Control {
    return this.control;
  }

  // Within a transaction

  override begin(): void {
    this.membership.forget();
    this.refresh(this.isUncommitted);
    this.isUncommitted = true;
    this.task?.();
  }

  override judge(candidate: Candidate): Verdict | null {
    const { id, kind } = candidate;
    if (this.control.hasRules) {
      const reason = refuseBanned(this.control, id, textPubkey(candidate.text), kind);
      if (reason !== null) return { accepted: false, reason, seq: 0 };
    }
    return isMembershipRequest(kind) ? this.handleRequest(candidate) : null;
  }

  override end(): void {
    this.membership.publishList();
  }

  private handleRequest(candidate: Candidate): Verdict {
    if (!hasMembers(current.settings)) return NO_MEMBERS;
    const request = decodeText(candidate.text);
    const { membership } = this;
    try {
      const answer =
        request.kind === KIND_JOIN
          ? membership.join(request, nowSeconds())
          : membership.leave(request, nowSeconds());
      this.refresh(false);
      return { ...answer, seq: 0 };
    } catch (error) {
      if (!(error instanceof ListFull)) throw error;
      return { accepted: false, reason: `error: ${error.message}`, seq: 0 };
    }
  }

  // After a commit

  /** Tells all threads what has changed. */
  committed(): void {
    this.isUncommitted = false;
    this.announce();
  }

  /** Another process has written. */
  poll(): void {
    this.refresh(this.isUncommitted);
    this.isUncommitted = false;
    this.announce();
  }

  private refresh(isForced: boolean): void {
    const [version] = this.selectVersion.values()[0] as [number];
    if (!isForced && version === this.control.version) return;
    this.control = readControl(this.db);
  }

  private announce(): void {
    if (this.control.version === this.announced) return;
    this.announced = this.control.version;
    this.version.raise();
    this.tellMain();
  }

  private tellMain(): void {
    const { pubkey } = this.events.key;
    sendControl(this.websocket, { ...readPublicControl(this.db), self: pubkey });
  }

  /** Of the tables, outside a transaction: what was committed. */
  get tablesVersion(): number {
    if (this.isUncommitted) this.poll();
    return this.control.version;
  }

  // Management

  add(call: ManagementCallMail): void {
    this.calls.push(call);
  }

  /** `write` makes one transaction of nothing; false when it has failed. */
  serve(write: () => boolean, purge: () => void): void {
    const { calls } = this;
    this.calls = [];
    for (const call of calls) {
      const made = this.within(() => this.make(call), write);
      if (made !== null) purge(); // of what has just been banned, before the answer
      const [status, answer] = made ?? [FAILED, { error: "it could not be stored, try again" }];
      sendManagementAnswer(this.websocket, call.requestId, status, answer);
    }
  }

  /** What `task` returns when it has been committed, else null. */
  private within<T>(task: () => T, write: () => boolean): T | null {
    let result: T | null = null;
    this.task = () => {
      result = task();
      this.refresh(false);
    };
    const isWritten = write();
    this.task = null;
    return isWritten ? result : null;
  }

  private make(call: ManagementCallMail): [status: number, answer: Outcome] {
    const { db, reader, changes, membership } = this;
    const now = nowSeconds();
    if (!changes.useAuth(call.auth.id, call.auth.until, now)) {
      return [UNAUTHORIZED, { error: "this event of the Authorization header was used before" }];
    }
    const tools = { db, reader, changes, membership, self: this.events.key.pubkey };
    const outcome = callMethod(tools, call, now);
    const level = isChange(call.method) ? "info" : "debug";
    const params = JSON.stringify(call.params).slice(0, LOGGED_PARAMS_LENGTH_MAX);
    log(level, "management", `${call.caller}: ${call.method} ${params}`);
    return [OK, outcome];
  }

  /** NIP-66, when it is time. */
  publishSelf(now: number, write: () => boolean): void {
    const intervalS = setting("monitor.publish_interval_s");
    if (intervalS === 0 || now < this.publishAt) return;
    this.publishAt = now + intervalS * 1000;
    const { texts } = readPublicControl(this.db);
    const { pubkey } = this.events.key;
    const events = describeSelf(current.settings, texts, pubkey, this.control);
    const publish = (): true => {
      for (const event of events) this.events.publish(event);
      return true;
    };
    const isDone = this.within(publish, write) !== null;
    if (!isDone) this.publishAt = now + Math.min(intervalS * 1000, PUBLISH_RETRY_MS);
  }
}
