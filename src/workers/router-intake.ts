// What the router's relays give, on its way to the writer: the router is the ingester of these
// events, and the same is asked of them, as if each one's author had signed in and published it.
// The writer answers each, in order. The router never waits for a ring, so what finds the writer's
// full waits here; how much that can be, the router's streams bound. Belongs to its thread.

import type { Database } from "bun:sqlite";
import { nowSeconds } from "../config/clock.ts";
import { Admission, admissionRules } from "../crypto/admission.ts";
import { openSignatureBackend } from "../crypto/open-backend.ts";
import { type Fate, fateOf, IntakeFault, KNOWN, type RouterIntake } from "../mesh/router-intake.ts";
import { ControlVersion } from "../policy/control.ts";
import { Gate } from "../policy/gate.ts";
import { checkForeign } from "../policy/publisher.ts";
import type { NostrEvent } from "../protocol/event.ts";
import type { Reason } from "../protocol/reason.ts";
import type { Outbox } from "../ring/outbox.ts";
import { type Candidate, makeCandidate } from "../store/candidate.ts";
import { trySendEvent } from "./mail-event.ts";
import { type FateMail, ROUTER_CONN } from "./mail-router.ts";
import { RefusalLog } from "./refusals.ts";
import { StoredIds } from "./stored-ids.ts";
import type { Station } from "./thread.ts";

/** Events that the writer has: their answers fit in its ring to the router, whatever they say. */
const UNDER_WAY_MAX = 1000;
const FAILED = "error";

interface Waiting {
  readonly candidate: Candidate;
  readonly resolve: (fate: Fate) => void;
  readonly reject: (error: IntakeFault) => void;
}

export class RelayIntake implements RouterIntake {
  private readonly writer: Outbox;
  private readonly storedIds: StoredIds;
  private readonly gate: Gate;
  private readonly refusalLog: RefusalLog;
  private readonly admission = new Admission(openSignatureBackend().backend);
  /** In the order of `take`; so are those under way, which were taken before. */
  private queue: Waiting[] = [];
  private underWay: Waiting[] = [];

  constructor(station: Station, writer: Outbox, db: Database) {
    this.writer = writer;
    this.storedIds = new StoredIds(station, db);
    this.gate = new Gate(db, new ControlVersion(station.control));
    this.refusalLog = new RefusalLog(writer);
  }

  /** Of all that was taken, nothing is left to be answered. */
  get isIdle(): boolean {
    return this.queue.length + this.underWay.length === 0;
  }

  take(event: NostrEvent): Promise<Fate> {
    if (this.storedIds.has(event.id)) return Promise.resolve(KNOWN);
    const candidate = this.check(event);
    if (typeof candidate === "string") {
      this.refusalLog.send(event.id, candidate);
      return Promise.resolve({ kind: "refused", reason: candidate });
    }
    return new Promise((resolve, reject) => {
      this.queue.push({ candidate, resolve, reject });
      this.sendQueued();
    });
  }

  /** Whenever there may be room. */
  sendQueued(): void {
    let count = 0;
    for (const waiting of this.queue) {
      if (this.underWay.length >= UNDER_WAY_MAX) break;
      if (!trySendEvent(this.writer, waiting.candidate, 0, ROUTER_CONN, 0)) break;
      this.underWay.push(waiting);
      count += 1;
    }
    if (count > 0) this.queue = this.queue.slice(count);
  }

  /** What came from the writer in one go. */
  settle(fates: readonly FateMail[]): void {
    const settled = this.underWay.slice(0, fates.length);
    this.underWay = this.underWay.slice(fates.length);
    for (const [i, fate] of fates.entries()) {
      const waiting = settled[i];
      if (waiting?.candidate.id !== fate.id) throw new Error("assert: another event's fate");
      const { isStored, isAccepted, reason } = fate;
      if (!isAccepted && reason.startsWith(FAILED)) waiting.reject(new IntakeFault(reason));
      else waiting.resolve(fateOf(isStored, isAccepted, reason));
    }
    this.sendQueued();
  }

  private check(event: NostrEvent): Candidate | Reason {
    const refusal = this.gate.refuseEvent(event, new Set([event.pubkey]));
    if (refusal !== null) return refusal;
    const now = nowSeconds();
    const admitted = this.admission.admit(event, admissionRules(), now, checkForeign);
    if (typeof admitted === "string") return admitted;
    return makeCandidate(admitted.event, admitted.json, admitted.expires);
  }
}
