// The thread that syncs (NIP-77). Where running sums are kept of what a sync's filter matches, it
// answers the client's messages by these (sum-storage.ts), whatever their number. Of others it
// reads once what the filter matches, keeps time and id of each event, and answers by them. Works
// in time slices, new syncs and new messages first, as a reader does; only putting items in order
// is one piece, half a second's work for a million.
//
// What a sync has is what was stored, and what its client might see, when it was opened; what
// happens meanwhile is for the next sync, but for running sums, by which it may be told already. It
// ends by NEG-CLOSE, by a NEG-ERR, with its connection, when another of its id is opened, or when
// its client hasn't said anything for too long.
//
// A client sends its next message when it has been answered. So no sync has more than one under
// way, and the memory of all is that of their items.

import type { Database } from "bun:sqlite";
import { nowSeconds } from "../config/clock.ts";
import { setting } from "../config/current.ts";
import { describeError, log } from "../config/log.ts";
import { visibility } from "../config/read-rules.ts";
import { findFlaw } from "../negentropy/range-reader.ts";
import { FRAME_BYTES_MIN } from "../negentropy/describe.ts";
import type { ItemStorage } from "../negentropy/item-storage.ts";
import { ItemVectorBuilder } from "../negentropy/item-vector.ts";
import { Responder } from "../negentropy/responder.ts";
import { guardGroups } from "../policy/groups/thread-groups.ts";
import { encodeNegErr, encodeNegMsg } from "../protocol/message.ts";
import type { SyncReason } from "../protocol/reason.ts";
import type { Doorbell } from "../ring/doorbell.ts";
import type { Outbox } from "../ring/outbox.ts";
import type { RingConsumer } from "../ring/ring.ts";
import { ItemReader, openItemScan } from "../store/item-scan.ts";
import { openForReading, storeOptions } from "../store/schema.ts";
import { Sight } from "../store/sight.ts";
import { SumStorage } from "../store/sum-storage.ts";
import { SumsGone } from "../store/sum-view.ts";
import { MAIL, NO_SLOT, parseQueryBody, readConnId, sendDone, sendStopped } from "./mail.ts";
import { FRAMES, sendFrame } from "./mail-frames.ts";
import { readSync, type SyncMail } from "./mail-sync.ts";
import { QueryQueue } from "./query-queue.ts";
import { Sync, Syncs } from "./syncs.ts";
import { openOutbox, type Role, type Station } from "./thread.ts";

const IDLE_SLEEP_MS = 1000;
/** It reads each page once, or a few times. */
const CACHE_BYTES = 4 * 1024 * 1024;
/** After so long without work, what isn't needed any more is let go of. */
const QUIET_MS = 900;
/** Items that are needed no more: half a megabyte. Collecting takes 10 ms. */
const GARBAGE_ITEMS_MIN = 10_000;
/** Of a set with running sums, by the index: 40 ms; and what share of all. */
const DEAR_EVENTS_MIN = 10_000;
const DEAR_SHARE = 0.25;
const NOTHING = Buffer.alloc(0);
/** Of an answer, like strfry's. */
const ANSWER_BYTES_MAX = 500_000;
/** `["NEG-MSG","<id>",""]`, an id of 64 characters escaped, and the record's headers. */
const FRAME_OVERHEAD_BYTES = 512;

export class Negentropy implements Role {
  isStopped = false;
  private readonly websocket: Outbox;
  private readonly db: Database;
  /** Opened when it is needed: it keeps the index's tail in memory. */
  private store: ItemReader | null = null;
  private readonly syncs = new Syncs();
  private readonly queue = new QueryQueue<Sync>();
  private upstreamRunning: number;
  /** The most items of one sync, and of all that are open here. */
  private readonly itemsMax: number;
  private readonly totalItemsMax: number;
  private readonly answerBytesMax: number;
  private workedAt = 0;
  private garbageItems = 0;

  constructor(station: Station, bell: Doorbell) {
    this.websocket = openOutbox(station.websocket, bell);
    this.upstreamRunning = station.inbound.length;
    // Nothing is mapped: a large sync would have most of the file in the process's RSS.
    this.db = openForReading({ ...storeOptions(), cacheBytes: CACHE_BYTES, mmapBytes: 0 });
    guardGroups(this.db, station.groups);
    this.totalItemsMax = Math.ceil(setting("negentropy.total_items_max") / station.roleCount);
    this.itemsMax = Math.min(setting("negentropy.items_max"), this.totalItemsMax);
    const frameBytesMax = Math.min(
      setting("relay.message_bytes_max"),
      setting("relay.outbound_bytes_max"),
      this.websocket.recordBytesMax,
    );
    const hexBytesMax = Math.floor((frameBytesMax - FRAME_OVERHEAD_BYTES) / 2);
    this.answerBytesMax = Math.max(FRAME_BYTES_MIN, Math.min(ANSWER_BYTES_MAX, hexBytesMax));
  }

  readonly visit = (ring: RingConsumer): void => {
    switch (ring.type) {
      case MAIL.syncOpen:
        this.onOpen(readSync(ring));
        break;
      case MAIL.syncMessage:
        this.onMessage(readSync(ring));
        break;
      case MAIL.syncRefused:
        this.onRefused(readSync(ring));
        break;
      case MAIL.syncClose: {
        const { connId, head } = readSync(ring);
        this.end(this.syncs.get(connId, head.toString()), null);
        break;
      }
      case MAIL.gone:
        for (const sync of this.syncs.of(readConnId(ring))) this.end(sync, null);
        break;
      case MAIL.stop:
        this.upstreamRunning -= 1;
        break;
      default:
        throw new Error(`assert: negentropy got mail of type ${ring.type}`);
    }
    ring.release();
  };

  turn(): number {
    if (this.upstreamRunning === 0) {
      this.isStopped = true;
      return 0;
    }
    const sync = this.queue.next();
    if (sync !== null) this.runSlice(sync);
    this.endOverdue();
    if (!this.queue.isEmpty) return 0;
    this.letGo();
    return IDLE_SLEEP_MS;
  }

  /** Messages under way are answered, though not with what they asked for. */
  stop(): void {
    for (const sync of [...this.syncs.all()]) this.end(sync, "error: the relay stops");
    this.db.close();
    sendStopped(this.websocket);
  }

  private onOpen({ connId, messageBytes, head, rest }: SyncMail): void {
    const { id, filters, viewer } = parseQueryBody(head.toString("utf8"));
    this.end(this.syncs.get(connId, id), null);
    const sight = new Sight(visibility(), viewer);
    const sync = new Sync(connId, { id, filter: filters[0] ?? null, sight }, rest, messageBytes);
    const sessionsMax = setting("negentropy.sessions_max");
    if (this.syncs.count(connId) >= sessionsMax) {
      this.end(sync, `rate-limited: more than ${sessionsMax} syncs open on this connection`);
      return;
    }
    const flaw = findFlaw(rest);
    if (flaw !== null && flaw !== "the protocol version is unknown") {
      this.end(sync, `invalid: ${flaw}`); // before anything is read for it
      return;
    }
    this.syncs.add(sync);
    this.queue.add(sync);
  }

  private onMessage({ connId, messageBytes, head, rest }: SyncMail): void {
    const id = head.toString();
    const sync = this.syncs.get(connId, id);
    if (sync === undefined) {
      const frame = encodeNegErr(id, "closed: no sync of this id is open");
      this.answer(connId, frame, messageBytes);
    } else if (sync.messageBytes > 0) {
      this.end(sync, "invalid: a message before the answer to the last one");
      this.answer(connId, null, messageBytes);
    } else {
      this.syncs.stopWaiting(sync);
      sync.message = rest;
      sync.messageBytes = messageBytes;
      this.queue.add(sync);
    }
  }

  private onRefused({ connId, messageBytes, head, rest }: SyncMail): void {
    const id = head.toString();
    this.end(this.syncs.get(connId, id), null);
    this.answer(connId, encodeNegErr(id, rest.toString() as SyncReason), messageBytes);
  }

  /** Runs the sync for one slice: then its client is answered, or it waits for its next turn. */
  private runSlice(sync: Sync): void {
    try {
      const deadline = performance.now() + setting("relay.query_slice_ms");
      const frame = this.advance(sync, deadline);
      this.workedAt = performance.now();
      if (sync.isEnded) return;
      if (frame === null) {
        sync.scan?.rest();
        sync.sums?.rest();
        this.queue.again(sync);
        return;
      }
      const { connId, messageBytes } = sync;
      sync.messageBytes = 0;
      sync.message = NOTHING;
      this.syncs.wait(sync, this.workedAt);
      this.answer(connId, frame, messageBytes);
    } catch (error) {
      if (error instanceof SumsGone) {
        this.end(sync, `closed: ${error.message}, please open the sync anew`);
        return;
      }
      log("error", "negentropy", `sync of connection ${sync.connId}: ${describeError(error)}`);
      this.end(sync, "error: the sync failed, please try again later");
    }
  }

  /** The answer, or null when there is more to do, or when the sync has ended. */
  private advance(sync: Sync, deadline: number): string | null {
    this.store ??= new ItemReader(this.db);
    const { store } = this;
    if (sync.storage === null) {
      if (!store.inSnapshot(() => this.prepare(sync, store, deadline))) return null;
      if (sync.builder !== null) this.garbageItems += sync.itemCount; // the builder's
      sync.storage = sync.sums ?? (sync.builder as ItemVectorBuilder).seal();
      sync.builder = null;
      sync.scan = null;
    }
    const { storage } = sync;
    if (!(storage instanceof SumStorage)) return this.respond(sync, storage, deadline);
    const frame = store.inSnapshot(() => {
      if (!storage.refresh()) return null;
      if (sync.responder !== null || !this.isDear(sync, storage)) {
        return this.respond(sync, storage, deadline);
      }
      sync.storage = sync.sums = null; // from here on as without sums
      log("debug", "negentropy", `connection ${sync.connId} differs in much: all is read`);
      return null;
    });
    if (sync.storage === null) return null;
    if (sync.isEnded) return null;
    this.syncs.setCounts(sync, storage.ownCount, storage.heldCount);
    return this.endTooLarge(sync) ? null : frame;
  }

  /**
   * What differs in many hours is read by the index, several times what it costs to read all of it
   * at once. So that is done, if there is room for it, once it is seen that much is read.
   */
  private isDear({ connId }: Sync, storage: SumStorage): boolean {
    const { readCount } = storage;
    if (readCount < DEAR_EVENTS_MIN) return false;
    const count = storage.count();
    const { syncs, itemsMax, totalItemsMax } = this;
    const isRoom =
      syncs.itemCountOf(connId) + count <= itemsMax && syncs.heldCount + count <= totalItemsMax / 2;
    return isRoom && readCount > DEAR_SHARE * count;
  }

  private respond(sync: Sync, storage: ItemStorage, deadline: number): string | null {
    sync.responder ??= new Responder(storage, sync.message, this.answerBytesMax);
    do {
      const answer = sync.responder.step();
      if (answer === null) continue;
      sync.responder = null;
      if (answer.kind === "message") return encodeNegMsg(sync.id, answer.message);
      this.end(sync, `invalid: ${answer.flaw}`);
      return null;
    } while (performance.now() < deadline);
    return null;
  }

  /** What comes before the first answer; true when that is done. */
  private prepare(sync: Sync, store: ItemReader, deadline: number): boolean {
    const { filter, sight } = sync;
    if (sync.sums === undefined) {
      sync.sums = filter && SumStorage.open(this.db, store, filter, sight, nowSeconds);
    }
    const { sums } = sync;
    if (sums === null) return this.read(sync, store, deadline);
    for (;;) {
      const isDone = sums.prepare();
      this.syncs.setCounts(sync, sums.ownCount, sums.heldCount);
      if (this.endTooLarge(sync)) return false;
      if (isDone || performance.now() >= deadline) return isDone;
    }
  }

  /** Reads items; true when the sync has them all. */
  private read(sync: Sync, store: ItemReader, deadline: number): boolean {
    const builder = (sync.builder ??= new ItemVectorBuilder());
    sync.scan ??= openItemScan(store, sync.filter, sync.sight, {
      itemsMax: this.itemsMax + 1,
      nowSeconds,
      onItem: (createdAt, id) => builder.add(createdAt, id),
    });
    for (;;) {
      const isDone = sync.scan.step();
      this.syncs.setCounts(sync, builder.count);
      if (this.endTooLarge(sync)) return false;
      if (isDone || performance.now() >= deadline) return isDone;
    }
  }

  /** Whether it has ended because there is no room for its items. */
  private endTooLarge(sync: Sync): boolean {
    const { itemsMax } = this;
    if (sync.itemCount > itemsMax) {
      const reason = "blocked: this query is too big";
      this.end(sync, reason, itemsMax);
    } else if (this.syncs.itemCountOf(sync.connId) > itemsMax) {
      this.end(sync, `rate-limited: more than ${itemsMax} events in the syncs of this connection`);
    } else if (this.syncs.heldCount > this.totalItemsMax) {
      this.end(sync, "rate-limited: the relay has too many syncs open, please try again later");
    }
    return sync.isEnded;
  }

  private endOverdue(): void {
    const sinceMs = performance.now() - 1000 * setting("negentropy.idle_timeout_s");
    for (const sync of this.syncs.waitingSince(sinceMs)) {
      this.end(sync, "closed: you took too long to respond");
    }
  }

  /** With a reason, NEG-ERR is sent; without, its client knows. */
  private end(
    sync: Sync | undefined,
    reason: SyncReason | null,
    itemsMax: number | null = null,
  ): void {
    if (sync === undefined) return;
    sync.isEnded = true;
    this.queue.drop(sync);
    // By sums, it was rows that it has read.
    this.garbageItems += sync.sums ? GARBAGE_ITEMS_MIN : sync.heldCount;
    this.syncs.remove(sync);
    const frame = reason === null ? null : encodeNegErr(sync.id, reason, itemsMax);
    this.answer(sync.connId, frame, sync.messageBytes);
  }

  /** `messageBytes` > 0: a client's message of that length is dealt with. */
  private answer(connId: number, frame: string | null, messageBytes: number): void {
    if (frame !== null) {
      const ref = { connId, slot: NO_SLOT, gen: 0 };
      sendFrame(this.websocket, ref, FRAMES.reply, frame, messageBytes);
    } else if (messageBytes > 0) {
      sendDone(this.websocket, { connId, messages: 1, bytes: messageBytes });
    }
  }

  /** Left to itself, the engine keeps the memory of large syncs for long. */
  private letGo(): void {
    if (performance.now() - this.workedAt < QUIET_MS) return;
    if (this.syncs.isEmpty) this.store = null;
    if (this.garbageItems < GARBAGE_ITEMS_MIN) return;
    Bun.gc(true);
    this.garbageItems = 0;
  }
}
