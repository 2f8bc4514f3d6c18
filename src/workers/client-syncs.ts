// What an ingester does with syncs (NIP-77): whether one is taken, by the rules of a REQ, and its
// way to its thread, which a connection always has the same of. That thread answers all of it,
// refusals too, so that no answer of a sync comes after a NEG-ERR that ends it.

import { visibility } from "../config/read-rules.ts";
import type { Gate } from "../policy/gate.ts";
import type { SyncMessage } from "../protocol/message.ts";
import type { Reason, SyncReason } from "../protocol/reason.ts";
import type { Viewer } from "../protocol/visibility.ts";
import type { Outbox } from "../ring/outbox.ts";
import { encodeFilters, encodeQuery, MAIL, sendGone } from "./mail.ts";
import { sendSync, type SyncMail, type SyncMailType } from "./mail-sync.ts";

const TOO_LONG: Reason = "invalid: the message is too long";
const NOTHING = Buffer.alloc(0);

type NegOpen = Extract<SyncMessage, { type: "NEG-OPEN" }>;

export class ClientSyncs {
  private readonly threads: readonly Outbox[];
  private readonly gate: Gate;
  /** Connections that have opened any, whose end their thread is to hear of. */
  private readonly connIds = new Set<number>();

  constructor(threads: readonly Outbox[], gate: Gate) {
    this.threads = threads;
    this.gate = gate;
  }

  /** `messageBytes`: the length of the client's message, which the thread reports as dealt with. */
  onMessage(connId: number, viewer: Viewer, message: SyncMessage, messageBytes: number): void {
    const { syncId } = message;
    const mail = { connId, messageBytes, head: Buffer.from(syncId), rest: NOTHING };
    switch (message.type) {
      case "NEG-OPEN":
        this.open(mail, viewer, message);
        break;
      case "NEG-MSG":
        this.send(MAIL.syncMessage, { ...mail, rest: message.message }, mail.head);
        break;
      case "NEG-CLOSE":
        this.send(MAIL.syncClose, mail, mail.head);
        break;
      case "NEG-ERR":
        this.refuse(mail, message.reason);
        break;
    }
  }

  onGone(connId: number): void {
    if (this.connIds.delete(connId)) sendGone(this.threadOf(connId), connId);
  }

  private open(mail: SyncMail, viewer: Viewer, { syncId, filter, message }: NegOpen): void {
    this.connIds.add(mail.connId);
    const filters = filter === null ? [] : [filter];
    const refusal = this.gate.refuseQuery(viewer) ?? visibility().checkRead(viewer, filters);
    const query = encodeQuery(this.threadOf(mail.connId), syncId, encodeFilters(filters), viewer);
    if (refusal !== null || query === null) this.refuse(mail, refusal ?? TOO_LONG);
    else this.send(MAIL.syncOpen, { ...mail, head: query, rest: message }, mail.head);
  }

  private send(type: SyncMailType, mail: SyncMail, syncId: Buffer): void {
    if (sendSync(this.threadOf(mail.connId), type, mail)) return;
    this.refuse({ ...mail, head: syncId }, TOO_LONG);
  }

  private refuse(mail: SyncMail, reason: SyncReason): void {
    const rest = Buffer.from(reason);
    sendSync(this.threadOf(mail.connId), MAIL.syncRefused, { ...mail, rest });
  }

  private threadOf(connId: number): Outbox {
    return this.threads[connId % this.threads.length] as Outbox;
  }
}
