// The reader: the stored part of REQ and COUNT. Scans run in time slices, new ones first, so that a
// heavy query delays a light one by a slice at most. Each client has a window of bytes under way: a
// client that doesn't read pauses its own scans and nobody else's.
//
// A finished REQ is answered EOSE and moves to its monitor together with the last commit its scan
// has seen. CLOSE and disconnects take the same road, so they can't overtake.
//
// When a client signs in (NIP-42), an open subscription of its comes by again, to be sent what it
// may see now and couldn't before; it moves on to the monitor in the same way, without an EOSE.

import type { Database } from "bun:sqlite";
import { nowSeconds } from "../config/clock.ts";
import { setting } from "../config/current.ts";
import { visibility } from "../config/read-rules.ts";
import { describeError, log } from "../config/log.ts";
import { guardGroups } from "../policy/groups/thread-groups.ts";
import { encodeClosed, encodeCount, encodeEose, encodeEventPrefix } from "../protocol/message.ts";
import { type Filter, matchesAny } from "../protocol/filter.ts";
import type { Viewer } from "../protocol/visibility.ts";
import type { Doorbell } from "../ring/doorbell.ts";
import type { Outbox } from "../ring/outbox.ts";
import type { RingConsumer } from "../ring/ring.ts";
import { decodeText } from "../store/candidate.ts";
import { Count } from "../store/count.ts";
import { EventReader } from "../store/read.ts";
import { Scan, type ScanOptions } from "../store/scan.ts";
import { openForReading, storeOptions } from "../store/schema.ts";
import { SearchReader } from "../store/search-reader.ts";
import { Sight } from "../store/sight.ts";
import { Changes } from "./changes.ts";
import {
  MAIL,
  type QueryMail,
  readConnId,
  readCredit,
  readQuery,
  readRef,
  sendClose,
  sendGone,
  sendStop,
  sendStopped,
  sendSubscribe,
  type SubscriptionRef,
} from "./mail.ts";
import type { Bytes } from "../store/stored-event.ts";
import { eventFramesBytes, FRAMES, sendEventFrames, sendFrame } from "./mail-frames.ts";
import { type Queued, QueryQueue } from "./query-queue.ts";
import { openOutbox, type Role, type Station } from "./thread.ts";

const IDLE_SLEEP_MS = 1000;
/** Stored events are sent in pieces of at most this many bytes, or of one event. */
const PIECE_BYTES = 65536;
/** With more commits than this since its scan began, a REQ reads them too before it goes live. */
const LATE_COMMITS_MAX = 1000;

interface Query extends Queued {
  readonly mail: QueryMail;
  readonly prefix: Buffer;
  readonly sight: Sight;
  /** The same subscription, to be widened once this is done. */
  next: QueryMail | null;
  /** Opened by the query's first slice: the one of a REQ, the other of a COUNT. */
  scan: Scan | null;
  count: Count | null;
  /** Set once the scan is done: what was committed after this is still to be read. */
  lateSeq: number | null;
}

/** A client with queries. Forgotten when it has none left and nothing under way. */
interface Client {
  readonly connId: number;
  readonly queries: Set<Query>;
  bytesUnderWay: number;
}

export class Reader implements Role {
  isStopped = false;
  private readonly websocket: Outbox;
  private readonly monitors: readonly Outbox[];
  private readonly db: Database;
  private readonly store: EventReader;
  private readonly search = new SearchReader(setting("data_dir"));
  private readonly clients = new Map<number, Client>();
  private readonly queue = new QueryQueue<Query>();
  private upstreamRunning: number;
  private readonly bell: Doorbell;
  private readonly changes: Changes;
  private texts: Bytes[] = [];
  private textBytes = 0;

  constructor(station: Station, bell: Doorbell) {
    this.bell = bell;
    this.changes = new Changes(station.changes);
    this.websocket = openOutbox(station.websocket, bell);
    this.monitors = station.monitors.map((end) => openOutbox(end, bell));
    this.upstreamRunning = station.inbound.length - 1; // the main thread's ring sends no stop
    this.db = openForReading(storeOptions());
    this.store = new EventReader(this.db);
    guardGroups(this.db, station.groups);
  }

  readonly visit = (ring: RingConsumer): void => {
    switch (ring.type) {
      case MAIL.query:
        this.onQuery(readQuery(ring));
        break;
      case MAIL.close:
        this.onClose(readRef(ring));
        break;
      case MAIL.gone:
        this.onGone(readConnId(ring));
        break;
      case MAIL.credit:
        this.onCredit(readCredit(ring));
        break;
      case MAIL.stop:
        this.upstreamRunning -= 1;
        break;
      default:
        throw new Error(`assert: reader got mail of type ${ring.type}`);
    }
    ring.release();
  };

  turn(): number {
    if (this.upstreamRunning === 0) {
      this.isStopped = true;
      return 0;
    }
    const query = this.queue.next();
    if (query !== null) this.runSlice(query);
    this.bell.setEager(this.queue.hasPaused); // for their clients' credit
    return this.queue.isEmpty ? IDLE_SLEEP_MS : 0;
  }

  /** Queries under way are answered, though not with what they asked for. */
  stop(): void {
    for (const client of this.clients.values()) {
      for (const { mail } of client.queries) {
        this.sendClosed(mail, encodeClosed(mail.id, "error: the relay stops"));
      }
    }
    for (const monitor of this.monitors) sendStop(monitor);
    this.search.close();
    this.db.close();
    sendStopped(this.websocket);
  }

  private onQuery(mail: QueryMail): void {
    const client = this.clientOf(mail.connId);
    if (mail.isReplacement) this.onClose(mail); // the old one ends before the new one begins
    if (client.queries.size >= 2 * setting("relay.subscriptions_max")) {
      const reason = "rate-limited: too many queries under way on this connection";
      this.sendClosed(mail, encodeClosed(mail.id, reason));
      return;
    }
    if (mail.before === null || !waitsForOther(client, mail)) this.start(client, mail);
  }

  private start(client: Client, mail: QueryMail): void {
    const prefix = Buffer.from(encodeEventPrefix(mail.id));
    const sight = new Sight(visibility(), mail.viewer, mail.before);
    const state = { next: null, scan: null, count: null, lateSeq: null };
    const query = { connId: mail.connId, mail, prefix, sight, ...state };
    client.queries.add(query);
    this.queue.add(query);
  }

  private onClose(ref: SubscriptionRef): void {
    for (const query of this.clients.get(ref.connId)?.queries ?? []) {
      if (!query.mail.isCount && query.mail.slot === ref.slot) this.drop(query);
    }
    sendClose(this.monitorOf(ref.connId), ref);
  }

  private onGone(connId: number): void {
    const client = this.clients.get(connId);
    for (const query of client?.queries ?? []) this.drop(query);
    this.clients.delete(connId);
    sendGone(this.monitorOf(connId), connId);
  }

  private onCredit({ connId, bytes }: { connId: number; bytes: number }): void {
    const client = this.clients.get(connId);
    if (client === undefined) return;
    client.bytesUnderWay -= bytes;
    if (!this.hasWindow(client)) return;
    for (const query of client.queries) this.queue.resume(query);
    this.forgetIdle(client);
  }

  /** Runs the query for one slice: then it is done, waits for its client, or for its next turn. */
  private runSlice(query: Query): void {
    const client = this.clientOf(query.mail.connId);
    try {
      const deadline = performance.now() + setting("relay.query_slice_ms");
      const isDone = this.store.inSnapshot(() =>
        query.mail.isCount
          ? this.advanceCount(query, deadline)
          : this.advance(query, client, deadline),
      );
      this.flush(query, client);
      if (isDone) {
        this.finish(query, client);
        return;
      }
      query.scan?.rest();
      query.count?.rest();
      if (this.hasWindow(client)) this.queue.again(query);
      else this.queue.pause(query);
    } catch (error) {
      log("error", "reader", `query of connection ${client.connId}: ${describeError(error)}`);
      this.texts = [];
      this.textBytes = 0;
      this.drop(query);
      const reason = "error: the query failed, please try again later";
      this.sendClosed(query.mail, encodeClosed(query.mail.id, reason));
    }
  }

  /** True when the query has nothing more to read. */
  private advance(query: Query, client: Client, deadline: number): boolean {
    query.scan ??= this.openScan(query);
    const { scan } = query;
    while (query.lateSeq === null) {
      const found = scan.next();
      if (found === "done") query.lateSeq = scan.headSeq;
      else if (found !== "working") this.take(query, client, found.stored);
      if (this.mustYield(client, deadline)) return false;
    }
    return this.readLate(query, client, deadline);
  }

  private advanceCount(query: Query, deadline: number): boolean {
    query.count ??= this.openCount(query);
    while (!query.count.step()) if (performance.now() >= deadline) return false;
    return true;
  }

  private openCount({ mail, sight }: Query): Count {
    const filters = mail.filters.flatMap((filter) => sight.narrow(filter) ?? []);
    const options = { ...countOptions(), mixedKinds: sight.mixedKinds };
    const openScan = (how: ScanOptions): Scan =>
      new Scan(this.store, filters, how, sight, this.search);
    return new Count(this.store, filters, options, openScan);
  }

  private openScan({ mail, sight }: Query): Scan {
    const { filters, viewer, before } = mail;
    const widened = (filter: Filter, old: Viewer) => visibility().widen(filter, old, viewer);
    const asked = before === null ? filters : filters.flatMap((one) => widened(one, before));
    return new Scan(this.store, asked, reqOptions(), sight, this.search);
  }

  private take(query: Query, client: Client, text: Bytes): void {
    if (eventFramesBytes(query.prefix, [text]) > this.websocket.recordBytesMax) return;
    const bytes = text.length + query.prefix.length + 1;
    if (this.textBytes + bytes > PIECE_BYTES) this.flush(query, client);
    this.texts.push(text);
    this.textBytes += bytes;
  }

  /** A scan may take long: what was committed meanwhile is read here, not left to the monitor. */
  private readLate(query: Query, client: Client, deadline: number): boolean {
    const nowSeconds = Date.now() / 1000;
    for (;;) {
      const head = this.store.head();
      const from = query.lateSeq as number;
      if (head - from <= LATE_COMMITS_MAX) return true;
      const upTo = from + LATE_COMMITS_MAX;
      for (const stored of this.store.textsAfter(from, upTo, LATE_COMMITS_MAX)) {
        const { expires, text } = stored;
        if (expires !== 0 && expires <= nowSeconds) continue;
        if (!matchesAny(query.mail.filters, decodeText(text))) continue;
        if (query.sight.sees(text)) this.take(query, client, stored);
      }
      query.lateSeq = upTo;
      if (this.mustYield(client, deadline)) return false;
    }
  }

  private mustYield(client: Client, deadline: number): boolean {
    return performance.now() >= deadline || !this.hasWindow(client, this.textBytes);
  }

  private flush(query: Query, client: Client): void {
    if (this.texts.length === 0) return;
    sendEventFrames(this.websocket, query.mail, query.prefix, this.texts);
    client.bytesUnderWay += this.textBytes;
    this.texts = [];
    this.textBytes = 0;
  }

  private finish(query: Query, client: Client): void {
    const { mail, count } = query;
    this.drop(query);
    if (count !== null) {
      const { count: events, isApproximate, hll } = count.result();
      const frame = encodeCount(mail.id, events, isApproximate, hll);
      sendFrame(this.websocket, mail, FRAMES.reply, frame, mail.messageBytes);
    } else {
      if (mail.before === null) {
        const hint = setting("relay.eose_hints") ? query.scan?.hint() : null;
        const frame = encodeEose(mail.id, hint ?? null);
        sendFrame(this.websocket, mail, FRAMES.live, frame, 0);
      }
      this.handOver(mail, query.lateSeq as number);
    }
    if (query.next !== null) this.start(client, query.next);
    this.forgetIdle(client);
  }

  /** The monitor sees it before the next event; what has come since is why it would be woken. */
  private handOver(mail: QueryMail, headSeq: number): void {
    const { connId, slot, gen, takenAtMs, changes, body } = mail;
    const monitor = this.monitorOf(connId);
    const isWidening = mail.before !== null;
    sendSubscribe(monitor, { connId, slot, gen, headSeq, takenAtMs, isWidening }, body);
    if (this.changes.count() !== changes) monitor.ring();
  }

  private drop(query: Query): void {
    this.clients.get(query.mail.connId)?.queries.delete(query);
    this.queue.drop(query);
  }

  private sendClosed(mail: QueryMail, frame: string): void {
    sendFrame(this.websocket, mail, FRAMES.closed, frame, mail.messageBytes);
  }

  private hasWindow(client: Client, moreBytes = 0): boolean {
    return client.bytesUnderWay + moreBytes < setting("relay.scan_bytes_max");
  }

  private clientOf(connId: number): Client {
    let client = this.clients.get(connId);
    if (client === undefined) {
      client = { connId, queries: new Set(), bytesUnderWay: 0 };
      this.clients.set(connId, client);
    }
    return client;
  }

  private forgetIdle(client: Client): void {
    if (client.queries.size === 0 && client.bytesUnderWay <= 0) this.clients.delete(client.connId);
  }

  private monitorOf(connId: number): Outbox {
    return this.monitors[connId % this.monitors.length] as Outbox;
  }
}

/** What widens a subscription comes after what is still under way for it; two such become one. */
function waitsForOther(client: Client, mail: QueryMail): boolean {
  for (const query of client.queries) {
    if (query.mail.isCount || query.mail.slot !== mail.slot || query.mail.gen !== mail.gen)
      continue;
    const { before, takenAtMs, changes } = query.next ?? mail;
    query.next = { ...mail, before, takenAtMs, changes };
    return true;
  }
  return false;
}

/** How a REQ is scanned, by the options in force. */
export function reqOptions() {
  return {
    limitDefault: setting("relay.limit_default"),
    limitMax: setting("relay.limit_max"),
    tiesMax: setting("relay.limit_ties_max"),
    nowSeconds,
  };
}

/** A filter's own `limit` counts no further. */
function countOptions() {
  return { countMax: setting("relay.count_max"), nowSeconds };
}
