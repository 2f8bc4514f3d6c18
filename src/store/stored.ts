// The stored events as the writer needs them: found by strong key, looked at, removed, each within
// the writer's transactions. Owned by the one writing thread of a process.

import type { Database, Statement } from "bun:sqlite";
import type { NostrEvent } from "../protocol/event.ts";
import { decodeText } from "./candidate.ts";
import type { History, Removal } from "./history.ts";
import type { KnownKeys } from "./known-keys.ts";
import { PAYLOAD_START_BYTES, payloadPubkey, payloadText } from "./payload.ts";
import { FirstEntries } from "./rows.ts";
import type { Head, Tail } from "./tail.ts";
import type { Tallies } from "./tallies.ts";
import { takenKey } from "./tally.ts";
import { eventKeys, idOrder, tagKey, type TermRow, termRows } from "./term.ts";

/**
 * Under a strong key all rows mean the same thing, but for collisions by chance; of deletions the
 * newest come first, and one that covers the event is enough. So a few are as good as all, however
 * many an author has piled up.
 */
const HITS_MAX = 4;

/**
 * What one transaction removes, as others wait for its end: a tag's row and its part in a tally
 * take 40 µs, the rest of an event as long as some tags. One with thousands goes by itself.
 */
const REMOVED_TAGS_MAX = 1024;
const EVENT_TAGS = 8;

export interface Hit {
  readonly key: number;
  readonly createdAt: number;
  readonly seq: number;
}

export type Hits = Map<number, Hit[]>;

export type EventHead = Pick<NostrEvent, "id" | "pubkey" | "created_at" | "kind">;

interface Stored {
  readonly event: NostrEvent;
  readonly expires: number;
}

export class StoredEvents {
  private readonly lookup: FirstEntries;
  private readonly tail: Tail;
  private readonly tallies: Tallies;
  private readonly known: KnownKeys;
  private readonly history: History;
  private readonly selectEvent: Statement;
  private readonly selectIsId: Statement;
  private readonly selectHead: Statement;
  private readonly selectIsTerm: Statement;
  private readonly deleteEvent: Statement;
  private readonly deleteTerm: Statement;
  private head: Head = { seq: 0, part: 0, merged: 0, merging: 0, turn: 0 };
  /** By the transaction under way. */
  removedIds: string[] = [];
  /** Of these, the seqs of events whose rows are still in the tail. */
  removedFromTail: number[] = [];
  /** How many tags these had, about. */
  private removedTags = 0;
  /** Rows of those that tallies count; null when they are taken away at once. */
  takenRows: TermRow[] | null = null;

  constructor(db: Database, tail: Tail, tallies: Tallies, known: KnownKeys, history: History) {
    this.tail = tail;
    this.tallies = tallies;
    this.known = known;
    this.history = history;
    this.lookup = new FirstEntries(db, HITS_MAX, 0);
    this.selectEvent = db.prepare("SELECT expires, id, payload FROM event WHERE seq = ?");
    this.selectIsId = db.prepare("SELECT 1 FROM event WHERE seq = ? AND id = ?");
    this.selectHead = db.prepare(
      `SELECT id, created_at, kind, substr(payload, 1, ${PAYLOAD_START_BYTES}) FROM event
       WHERE seq = ?`,
    );
    this.selectIsTerm = db.prepare(
      "SELECT 1 FROM term WHERE key = ? AND age = ? AND ord = ? AND seq = ?",
    );
    this.deleteEvent = db.prepare("DELETE FROM event WHERE seq = ?");
    this.deleteTerm = db.prepare(
      "DELETE FROM term WHERE key = ? AND age = ? AND ord = ? AND seq = ?",
    );
  }

  /** At the start of a transaction, whose head this is. `isHasty`: others wait for its commit. */
  begin(head: Head, isHasty: boolean): void {
    this.head = head;
    this.takenRows = isHasty ? [] : null;
    this.removedIds = [];
    this.removedFromTail = [];
    this.removedTags = 0;
  }

  /** Whether the transaction under way has removed as much as it should. */
  get hasRemovedMuch(): boolean {
    return this.removedTags >= REMOVED_TAGS_MAX;
  }

  /** What the store has under these strong keys, the first few of each. */
  find(keys: readonly number[]): Hits {
    const hits: Hits = new Map();
    const add = (key: number, age: number, seq: number): void => {
      const hit = { key, createdAt: -age, seq };
      const list = hits.get(key);
      if (list === undefined) hits.set(key, [hit]);
      else list.push(hit);
    };
    const likely = [...new Set(keys)].filter((key) => this.known.mayHave(key));
    for (const key of likely) {
      if (!this.tail.mayHave(key)) continue;
      const entries = this.tail.entries(key, Number.NEGATIVE_INFINITY, 0, 0, HITS_MAX);
      for (const [age, , seq] of entries) add(key, age, seq);
    }
    this.lookup.each(likely, (row) => {
      const [key, age, seq] = row as [number, number, number];
      add(key, age, seq);
    });
    return hits;
  }

  hasId(seq: number, id: Buffer): boolean {
    return this.selectIsId.values(seq, id).length > 0;
  }

  /** What can be known of a stored event without parsing it, however long it is. */
  headOf(seq: number): EventHead | null {
    const row = this.selectHead.values(seq)[0] as
      [Uint8Array, number, number, Uint8Array] | undefined;
    if (row === undefined) return null;
    const [id, created_at, kind, start] = row;
    const pubkey = payloadPubkey(start);
    return { id: Buffer.from(id).toString("hex"), pubkey, created_at, kind };
  }

  /**
   * Whether it has a `p` tag of that key. Hardly anything is read of one that hasn't, for a single
   * deletion may name thousands of events that have thousands of tags.
   */
  isTo(seq: number, { id, created_at }: EventHead, pubkey: string): boolean {
    const place = [tagKey("p", pubkey), -created_at, idOrder(id)] as const;
    const [inTail] = this.tail.entries(...place, seq - 1, 1);
    if (inTail?.[2] !== seq && this.selectIsTerm.values(...place, seq).length === 0) return false;
    const tags = this.load(seq)?.tags ?? []; // another key may share the index's
    return tags.some(([name, value]) => name === "p" && value === pubkey);
  }

  load(seq: number): NostrEvent | null {
    return this.loadStored(seq)?.event ?? null;
  }

  /** Removes one; null when it is gone already. `detail`: see `HistoryEntry`. */
  remove(seq: number, what: Removal, detail: string): NostrEvent | null {
    const stored = this.loadStored(seq);
    if (stored === null) return null;
    const { event, expires } = stored;
    if (seq <= this.head.merging) {
      const fields = { id: event.id, created_at: event.created_at, kind: event.kind, expires };
      const rows = termRows(fields, eventKeys(event), seq);
      for (const row of rows) this.deleteTerm.run(row.key, row.age, row.order, row.seq);
      this.takeFromTallies(this.tallies.counted(rows, seq));
    }
    if (seq > this.head.merged) this.removedFromTail.push(seq);
    this.deleteEvent.run(seq);
    this.removedIds.push(event.id);
    this.removedTags += EVENT_TAGS + event.tags.length;
    this.history.add({ id: event.id, seq, what, detail });
    return event;
  }

  private takeFromTallies(rows: readonly TermRow[]): void {
    if (this.takenRows === null) this.tallies.remove(rows);
    else for (const row of rows) this.takenRows.push({ ...row, key: takenKey(row.key) });
  }

  /** Of an event that is not stored in the end, though it was accepted. */
  note(id: string, what: Removal, detail: string): void {
    this.history.add({ id, seq: 0, what, detail });
  }

  private loadStored(seq: number): Stored | null {
    const row = this.selectEvent.values(seq)[0] as [number, Uint8Array, Uint8Array] | undefined;
    if (row === undefined) return null;
    const [expires, id, payload] = row;
    return { expires, event: decodeText(payloadText(id, payload)) };
  }
}
