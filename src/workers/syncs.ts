// The syncs (NIP-77) that are open on a thread, by connection and id, and how many items they hold:
// memory that clients can make the relay keep, so it is bounded for each connection and in all.
//
// A sync that goes by running sums counts for the events that are its client's alone; what it has
// read lately is bounded by itself, and counts for all of them together.

import type { Responder } from "../negentropy/responder.ts";
import type { ItemVector, ItemVectorBuilder } from "../negentropy/item-vector.ts";
import type { Filter } from "../protocol/filter.ts";
import type { ItemScan } from "../store/item-scan.ts";
import type { Sight } from "../store/sight.ts";
import type { SumStorage } from "../store/sum-storage.ts";
import type { Queued } from "./query-queue.ts";

export class Sync implements Queued {
  isEnded = false;
  readonly connId: number;
  readonly id: string;
  /** Null when it matches nothing. */
  readonly filter: Filter | null;
  /** As it was when the sync was opened. */
  readonly sight: Sight;
  /** Where there are running sums of what it asks for; undefined until that is known. */
  sums: SumStorage | null | undefined = undefined;
  /** While its items are being read. */
  scan: ItemScan | null = null;
  builder: ItemVectorBuilder | null = null;
  /** Once all are, or the sums are ready: what answers its messages. */
  storage: SumStorage | ItemVector | null = null;
  /** So many items are in the sums of `Syncs`, for its connection and for all. */
  itemCount = 0;
  heldCount = 0;
  /** The client's last message, and how long it was as text: 0 once it is answered. */
  message: Buffer;
  messageBytes: number;
  responder: Responder | null = null;
  answeredAt = 0;

  constructor(
    connId: number,
    { id, filter, sight }: { id: string; filter: Filter | null; sight: Sight },
    message: Buffer,
    messageBytes: number,
  ) {
    this.connId = connId;
    this.id = id;
    this.filter = filter;
    this.sight = sight;
    this.message = message;
    this.messageBytes = messageBytes;
  }
}

/** Only a connection with syncs has an entry. */
interface Connection {
  readonly byId: Map<string, Sync>;
  itemCount: number;
}

export class Syncs {
  heldCount = 0;
  private readonly connections = new Map<number, Connection>();
  /** Those that wait for their clients, the one that has waited longest first. */
  private readonly waiting = new Set<Sync>();

  get isEmpty(): boolean {
    return this.connections.size === 0;
  }

  get(connId: number, id: string): Sync | undefined {
    return this.connections.get(connId)?.byId.get(id);
  }

  *all(): Iterable<Sync> {
    for (const { byId } of this.connections.values()) yield* byId.values();
  }

  of(connId: number): Sync[] {
    return [...(this.connections.get(connId)?.byId.values() ?? [])];
  }

  count(connId: number): number {
    return this.connections.get(connId)?.byId.size ?? 0;
  }

  /** Of all syncs of the connection. */
  itemCountOf(connId: number): number {
    return this.connections.get(connId)?.itemCount ?? 0;
  }

  add(sync: Sync): void {
    let connection = this.connections.get(sync.connId);
    if (connection === undefined) {
      connection = { byId: new Map(), itemCount: 0 };
      this.connections.set(sync.connId, connection);
    }
    connection.byId.set(sync.id, sync);
  }

  remove(sync: Sync): void {
    const connection = this.connections.get(sync.connId);
    if (connection?.byId.get(sync.id) !== sync) return;
    this.setCounts(sync, 0, 0);
    this.waiting.delete(sync);
    connection.byId.delete(sync.id);
    if (connection.byId.size === 0) this.connections.delete(sync.connId);
  }

  /** `heldCount`: with those that count only for all syncs together. */
  setCounts(sync: Sync, itemCount: number, heldCount = itemCount): void {
    const more = itemCount - sync.itemCount;
    sync.itemCount = itemCount;
    this.heldCount += heldCount - sync.heldCount;
    sync.heldCount = heldCount;
    const connection = this.connections.get(sync.connId);
    if (connection !== undefined) connection.itemCount += more;
  }

  /** It has been answered: from now on its client is waited for. */
  wait(sync: Sync, nowMs: number): void {
    sync.answeredAt = nowMs;
    this.waiting.add(sync);
  }

  stopWaiting(sync: Sync): void {
    this.waiting.delete(sync);
  }

  /** Those whose clients have been waited for since that time, or longer. */
  *waitingSince(timeMs: number): Iterable<Sync> {
    for (const sync of this.waiting) {
      if (sync.answeredAt > timeMs) return;
      yield sync;
    }
  }
}
