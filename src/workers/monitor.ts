// The monitor: live delivery. Open subscriptions are found by the keys of their filters in an
// inverted index, so an event is checked only against filters that may match it.
//
// Exactly once around EOSE: a subscription arrives with the last commit its reader has seen, which
// has answered EOSE. The monitor sends the commits after that one which it has already handled
// itself (from memory, else from the database), and from then on each event as it comes.
//
// Its client may sign in later (NIP-42). Then the reader sends what that makes visible of what is
// stored, and the subscription comes by again: from here on it is matched by the new keys as well.

import type { Database } from "bun:sqlite";
import { visibility } from "../config/read-rules.ts";
import { guardGroups } from "../policy/groups/thread-groups.ts";
import type { NostrEvent } from "../protocol/event.ts";
import { type Filter, matchesAny } from "../protocol/filter.ts";
import { NOBODY } from "../protocol/visibility.ts";
import type { Doorbell } from "../ring/doorbell.ts";
import type { Outbox } from "../ring/outbox.ts";
import type { RingConsumer } from "../ring/ring.ts";
import { decodeText } from "../store/candidate.ts";
import { monitorKeys } from "../store/plan.ts";
import { EventReader } from "../store/read.ts";
import { openForReading, storeOptions } from "../store/schema.ts";
import { LiveIndex } from "./live-index.ts";
import { LiveSubscription, LiveSubscriptions } from "./live-subscription.ts";
import {
  MAIL,
  readConnId,
  readRef,
  isWidening,
  parseSubscribe,
  sendStopped,
  type SubscribeMail,
  type SubscriptionRef,
} from "./mail.ts";
import { type EventMail, readEvent, readEventSeq } from "./mail-event.ts";
import { FANOUT_HEADER_BYTES, recipientBytes, sendFanout } from "./mail-frames.ts";
import { RecentEphemerals } from "./recent-ephemerals.ts";
import { RecentEvents } from "./recent-events.ts";
import { openOutbox, type Role, type Station } from "./thread.ts";

const IDLE_SLEEP_MS = 1000;
/** Ephemeral events are sent once although clients publish them by several roads. */
const EPHEMERAL_IDS_MAX = 4096;
/** Recipients of one fanout record take at most this much of it, whatever the event's size. */
const RECIPIENTS_BYTES_MAX = 65536;
/** The longest recipient: a subscription id of 64 escaped characters. */
const RECIPIENTS_BYTES_MIN = 1024;

export class Monitor implements Role {
  isStopped = false;
  private readonly websocket: Outbox;
  private readonly db: Database;
  private readonly store: EventReader;
  private readonly index = new LiveIndex();
  private readonly subscriptions = new LiveSubscriptions();
  private readonly recent = new RecentEvents();
  private readonly recentEphemerals = new RecentEphemerals();
  private readonly ephemeralIds = new Set<string>();
  /** Subscriptions of this turn, by connection and slot, as they came. */
  private readonly arrived = new Map<string, { ref: SubscriptionRef; record: Buffer }>();
  private upstreamRunning: number;
  /** The last event handled. What the writer sends is all that came after this thread's start. */
  private lastSeq = 0;
  private marks = 0;

  constructor(station: Station, bell: Doorbell) {
    this.websocket = openOutbox(station.websocket, bell);
    this.upstreamRunning = station.inbound.length;
    this.db = openForReading({ ...storeOptions(), mmapBytes: 0 });
    this.store = new EventReader(this.db);
    guardGroups(this.db, station.groups);
  }

  readonly visit = (ring: RingConsumer): void => {
    switch (ring.type) {
      case MAIL.event:
        this.installArrived();
        if (!this.index.isEmpty || readEventSeq(ring) <= 0) this.onEvent(readEvent(ring));
        else this.passOver(readEventSeq(ring));
        break;
      case MAIL.subscribe:
        this.onSubscribe(ring);
        break;
      case MAIL.close:
        this.onClose(readRef(ring));
        break;
      case MAIL.gone:
        this.onGone(readConnId(ring));
        break;
      case MAIL.stop:
        this.upstreamRunning -= 1;
        break;
      default:
        throw new Error(`assert: monitor got mail of type ${ring.type}`);
    }
    ring.release();
  };

  turn(): number {
    this.installArrived();
    this.isStopped = this.upstreamRunning === 0;
    return IDLE_SLEEP_MS;
  }

  stop(): void {
    this.db.close();
    sendStopped(this.websocket);
  }

  /** Most subscriptions are closed once they have been answered: those are never looked at. */
  private onSubscribe(ring: RingConsumer): void {
    const ref = readRef(ring);
    const record = Buffer.from(ring.bytes.subarray(ring.offset, ring.offset + ring.length));
    if (isWidening(record)) {
      this.installArrived();
      this.widen(parseSubscribe(record));
    } else {
      this.arrived.set(keyOf(ref), { ref, record });
    }
  }

  /** Before an event is matched, and at the end of a turn. */
  private installArrived(): void {
    if (this.arrived.size === 0) return;
    for (const { record } of this.arrived.values()) this.install(parseSubscribe(record));
    this.arrived.clear();
  }

  private onEvent(mail: EventMail): void {
    if (mail.seq <= 0) {
      if (this.isRepeated(mail.id)) return;
      this.recentEphemerals.add(-mail.seq, mail.text);
    } else {
      this.lastSeq = Math.max(this.lastSeq, mail.seq);
      this.recent.add(mail.seq, mail.expires, mail.text);
    }
    const recipients = this.match(mail);
    if (recipients.length > 0) this.send(recipients, mail.text);
  }

  /** Nobody has subscribed. Whoever does has it from the database, if not from a reader. */
  private passOver(seq: number): void {
    this.lastSeq = Math.max(this.lastSeq, seq);
    this.recent.passOver(seq);
  }

  /** The subscriptions that the event is new to and some filter of which it matches. */
  private match(mail: EventMail): LiveSubscription[] {
    this.marks += 1;
    const recipients: LiveSubscription[] = [];
    const { keys, kind, seq } = mail;
    const isHidden = visibility().mayHide(kind, mail.text);
    let event: NostrEvent | null = null;
    for (let i = -1; i < keys.terms.length; i++) {
      const found = this.index.of(i < 0 ? keys.id : (keys.terms[i] as number));
      if (found === null) continue;
      event ??= decodeText(mail.text);
      for (const subscription of found) {
        if (subscription.mark === this.marks) continue;
        subscription.mark = this.marks;
        if (seq > 0 && seq <= subscription.headSeq) continue;
        if (!matchesAny(subscription.filters, event)) continue;
        const viewer = isHidden ? subscription.viewerAt(seq) : NOBODY;
        if (isHidden && !visibility().sees(viewer, event)) continue;
        recipients.push(subscription);
      }
    }
    return recipients;
  }

  private send(recipients: readonly LiveSubscription[], text: Buffer): void {
    const room = this.websocket.recordBytesMax - FANOUT_HEADER_BYTES - text.length;
    if (room < RECIPIENTS_BYTES_MIN) return; // stored by a process with larger limits
    const listBytesMax = Math.min(room, RECIPIENTS_BYTES_MAX);
    let piece: LiveSubscription[] = [];
    let pieceBytes = 0;
    for (const recipient of recipients) {
      const bytes = recipientBytes(recipient);
      if (pieceBytes + bytes > listBytesMax && piece.length > 0) {
        sendFanout(this.websocket, piece, pieceBytes, text);
        piece = [];
        pieceBytes = 0;
      }
      piece.push(recipient);
      pieceBytes += bytes;
    }
    sendFanout(this.websocket, piece, pieceBytes, text);
  }

  private install(mail: SubscribeMail): void {
    const subscription = new LiveSubscription(mail);
    const isNew = (event: NostrEvent): boolean => visibility().sees(mail.viewer, event);
    this.replay(subscription, mail.headSeq, mail.takenAtMs, isNew);
    for (const key of keysOf(mail.filters)) this.index.add(key, subscription);
    this.subscriptions.add(subscription);
  }

  /**
   * Its client has signed in with more keys than before. The reader has sent what they make visible
   * up to `headSeq`, which may be ahead of what has reached this thread: until then, events are
   * matched for the keys it had before.
   */
  private widen({ connId, slot, gen, headSeq, takenAtMs, viewer }: SubscribeMail): void {
    const subscription = this.subscriptions.get(connId, slot);
    if (subscription === null || subscription.gen !== gen) return; // closed meanwhile
    const before = subscription.viewerAt(Infinity);
    const rules = visibility();
    this.replay(subscription, headSeq, takenAtMs, (event) => {
      return rules.sees(viewer, event) && !rules.sees(before, event);
    });
    subscription.widen(viewer, headSeq, this.lastSeq);
  }

  /**
   * Commits after the reader's last and up to the monitor's own, then the ephemeral events that
   * came meanwhile: those that match, and that it has not been sent.
   */
  private replay(
    subscription: LiveSubscription,
    headSeq: number,
    takenAtMs: number,
    isNew: (event: NostrEvent) => boolean,
  ): void {
    const offer = (text: Buffer): void => {
      const event = decodeText(text);
      if (matchesAny(subscription.filters, event) && isNew(event)) this.send([subscription], text);
    };
    const now = Date.now() / 1000;
    for (const { seq, expires, text } of this.missed(headSeq)) {
      if (seq <= this.lastSeq && (expires === 0 || expires > now)) offer(text);
    }
    for (const text of this.recentEphemerals.since(takenAtMs)) offer(text);
  }

  private missed(headSeq: number): Iterable<{ seq: number; expires: number; text: Buffer }> {
    if (headSeq >= this.lastSeq) return [];
    const recent = this.recent.after(headSeq);
    return recent ?? this.store.textsAfter(headSeq, this.lastSeq, Number.MAX_SAFE_INTEGER);
  }

  private onClose(ref: SubscriptionRef): void {
    this.arrived.delete(keyOf(ref));
    const subscription = this.subscriptions.get(ref.connId, ref.slot);
    if (subscription === null) return;
    this.uninstall(subscription);
    this.subscriptions.remove(subscription);
  }

  private onGone(connId: number): void {
    for (const [key, { ref }] of this.arrived) if (ref.connId === connId) this.arrived.delete(key);
    for (const subscription of this.subscriptions.of(connId)) this.uninstall(subscription);
    this.subscriptions.removeAll(connId);
  }

  private uninstall(subscription: LiveSubscription): void {
    for (const key of keysOf(subscription.filters)) this.index.remove(key, subscription);
  }

  private isRepeated(id: string): boolean {
    if (this.ephemeralIds.has(id)) return true;
    this.ephemeralIds.add(id);
    if (this.ephemeralIds.size > EPHEMERAL_IDS_MAX) {
      const [oldest] = this.ephemeralIds;
      this.ephemeralIds.delete(oldest as string);
    }
    return false;
  }
}

/** By which events the filters may match are found. */
function* keysOf(filters: readonly Filter[]): Iterable<number> {
  for (const filter of filters) yield* monitorKeys(filter);
}

function keyOf(ref: SubscriptionRef): string {
  return `${ref.connId} ${ref.slot}`;
}
