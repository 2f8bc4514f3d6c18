// Writing: a batch of events in one transaction, each with a verdict of its own. Owned by the one
// writing thread of a process; other processes may write the same file, one transaction at a time.
//
// Within a batch, events see each other as if they had come one by one. Survivors are inserted at
// the end, in order of arrival; their index rows go to the tail (tail.ts), from where `maintain`
// moves them into `term`, many at a time.

import type { Database, SQLQueryBindings, Statement } from "bun:sqlite";
import { addressOf, type NostrEvent } from "../protocol/event.ts";
import { KIND_DELETION } from "../protocol/kind.ts";
import { type Candidate, decodeText, textPubkey } from "./candidate.ts";
import type { Companion } from "./companion.ts";
import { Merger, type WriterOptions } from "./merge.ts";
import { PAYLOAD_START_BYTES, payloadStart, payloadText } from "./payload.ts";
import { parsed, Pending } from "./pending.ts";
import { KeyFilter } from "./key-filter.ts";
import { KnownKeys } from "./known-keys.ts";
import { type EventHead, isNewer, isTarget } from "./precedence.ts";
import { FirstEntries, RowInserter } from "./rows.ts";
import { Run } from "./run.ts";
import { encodeSeqs, type Head, Tail } from "./tail.ts";
import {
  addressKey,
  deletionTargets,
  eventKeys,
  EXPIRING_KEY,
  idKey,
  type TermRow,
  termRows,
} from "./term.ts";
import { DELETED, DUPLICATE, REPLACED, type Verdict, type WriteResult } from "./verdict.ts";

export type { Verdict, WriteResult };

/**
 * Under a strong key all rows mean the same thing, but for collisions by chance; of deletions the
 * newest come first, and one that covers the event is enough. So a few are as good as all, however
 * many an author has piled up.
 */
const HITS_MAX = 4;

interface Hit {
  readonly key: number;
  readonly createdAt: number;
  readonly seq: number;
}

type Hits = Map<number, Hit[]>;

interface Stored {
  readonly event: NostrEvent;
  readonly expires: number;
}

export class EventWriter {
  private readonly db: Database;
  private readonly companion: Companion | null;
  private readonly events: RowInserter;
  private readonly lookup: FirstEntries;
  private readonly tail: Tail;
  private readonly known: KnownKeys;
  private readonly merger: Merger;
  private readonly selectHead: Statement;
  private readonly updateHead: Statement;
  private readonly insertPart: Statement;
  private readonly selectEvent: Statement;
  private readonly selectIsId: Statement;
  private readonly selectEventHead: Statement;
  private readonly deleteEvent: Statement;
  private readonly deleteTerm: Statement;
  private readonly selectExpired: Statement;
  private readonly selectIsExpired: Statement;
  private rowsWritten = 0;
  private removedIds: string[] = [];
  /** Of these, the seqs of events whose rows are still in the tail. */
  private removedFromTail: number[] = [];
  /** As of the transaction under way. */
  private head: Head = { seq: 0, part: 0, merged: 0, merging: 0 };

  /** `filter`: shared with who wants to know what is stored. */
  constructor(
    db: Database,
    options: WriterOptions,
    filter = new KeyFilter(),
    companion: Companion | null = null,
  ) {
    this.db = db;
    this.companion = companion;
    this.events = new RowInserter(db, "INSERT INTO event", 6);
    this.lookup = new FirstEntries(db, HITS_MAX, 0);
    this.known = new KnownKeys(db, filter);
    this.tail = new Tail(db, this.known);
    this.merger = new Merger(db, this.tail, options);
    this.selectHead = db.prepare("SELECT seq FROM head");
    this.updateHead = db.prepare("UPDATE head SET seq = ?, part = ?, turn = turn + 1");
    this.insertPart = db.prepare("INSERT INTO tail VALUES (?, ?, ?, ?)");
    this.selectEvent = db.prepare("SELECT expires, payload FROM event WHERE seq = ?");
    this.selectIsId = db.prepare("SELECT 1 FROM event WHERE seq = ? AND id = ?");
    this.selectEventHead = db.prepare(
      `SELECT id, created_at, kind, substr(payload, 1, ${PAYLOAD_START_BYTES}) FROM event
       WHERE seq = ?`,
    );
    this.deleteEvent = db.prepare("DELETE FROM event WHERE seq = ?");
    this.deleteTerm = db.prepare(
      "DELETE FROM term WHERE key = ? AND age = ? AND ord = ? AND seq = ?",
    );
    this.selectExpired = db.prepare(
      `SELECT seq FROM term JOIN event USING (seq)
       WHERE key = ?1 AND age BETWEEN 1 AND ?2 AND expires BETWEEN 1 AND ?2 LIMIT ?3`,
    );
    this.selectIsExpired = db.prepare(
      "SELECT 1 FROM event WHERE seq = ?1 AND expires BETWEEN 1 AND ?2",
    );
  }

  /** The last `seq` given out by anybody. */
  lastSeq(): number {
    return (this.selectHead.values()[0] as [number])[0];
  }

  /**
   * A bounded piece of the store's upkeep, to be called after each batch, and again at once while
   * it returns true. Commits nothing that must be durable at once, so it doesn't wait for the disk.
   */
  maintain(): boolean {
    const isMoving = this.merger.step(2 * this.rowsWritten); // so that it gains on what comes
    return this.known.learn() || isMoving;
  }

  /** Moves all of the index into its table: for who ends, having written much. */
  moveTail(): void {
    this.merger.moveAll();
  }

  /** Writes and commits the batch. Throws with nothing written when the database does. */
  write(batch: readonly Candidate[]): WriteResult {
    return this.inTransaction(() => {
      const headBefore = this.head.seq;
      this.companion?.begin();
      const pending = new Pending();
      const verdicts = this.admitAll(batch, pending);
      const rows = this.insert(pending, verdicts);
      this.companion?.published(verdicts.splice(batch.length));
      const headAfter = this.head.seq;
      return [{ verdicts, removedIds: this.removedIds, headBefore, headAfter }, rows];
    });
  }

  /** Removes stored events by `seq`; those already gone are passed over. Returns their ids. */
  remove(seqs: readonly number[]): readonly string[] {
    return this.inTransaction(() => {
      for (const seq of seqs) this.removeOne(seq);
      return [this.removedIds, []];
    });
  }

  /** NIP-40: removes up to `countMax` events that expired at or before `now`. Returns their ids. */
  removeExpired(now: number, countMax: number): readonly string[] {
    this.tail.refresh();
    const seqs: number[] = [];
    for (const [age, , seq] of this.tail.entries(EXPIRING_KEY, 0, -1, -1, countMax)) {
      if (age <= now && this.selectIsExpired.values(seq, now).length > 0) seqs.push(seq);
    }
    if (seqs.length < countMax) {
      const rows = this.selectExpired.values(EXPIRING_KEY, now, countMax) as [number][];
      for (const [seq] of rows) if (!seqs.includes(seq)) seqs.push(seq);
    }
    return seqs.length === 0 ? [] : this.remove(seqs.slice(0, countMax));
  }

  /** `body` returns its result, and the rows that the index gets. */
  private inTransaction<T>(body: () => readonly [T, TermRow[]]): T {
    this.removedIds = [];
    this.removedFromTail = [];
    this.db.run("BEGIN IMMEDIATE");
    try {
      this.head = this.tail.refresh();
      const before = this.head;
      const [result, rows] = body();
      const run = Run.of(rows);
      const { seq } = this.head;
      let { part } = before;
      if (rows.length > 0 || this.removedFromTail.length > 0) {
        part += 1;
        this.insertPart.run(part, seq, run.encode(), encodeSeqs(this.removedFromTail));
        this.updateHead.run(seq, part);
      }
      this.db.run("COMMIT");
      if (part > before.part) this.tail.add(part, run, this.removedFromTail);
      this.rowsWritten = rows.length;
      return result;
    } catch (error) {
      if (this.db.inTransaction) this.db.run("ROLLBACK"); // a full disk has rolled back by itself
      throw error;
    }
  }

  /** One lookup for the batch: which ids, addresses and deletions does the store know? */
  private find(batch: readonly Candidate[]): Hits {
    const keys: number[] = [];
    for (const { keys: own } of batch) {
      keys.push(own.id, own.deletedId);
      if (own.address !== 0) keys.push(own.address, own.deletedAddress);
    }
    return this.findKeys(keys);
  }

  private findKeys(keys: readonly number[]): Hits {
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

  /** The verdict of each, and then those of what the relay publishes because of them. */
  private admitAll(batch: readonly Candidate[], pending: Pending): Verdict[] {
    const { companion } = this;
    const hits = this.find(batch);
    const verdicts = batch.map((candidate, i) => {
      const judged = companion?.judge(candidate) ?? null;
      if (judged !== null) return judged;
      const verdict = this.admit(candidate, i, hits, pending);
      if (verdict.accepted && verdict !== DUPLICATE) companion?.accepted(candidate);
      return verdict;
    });
    const own = companion?.takeOwn() ?? [];
    const ownHits = this.find(own);
    for (const candidate of own) {
      verdicts.push(this.admit(candidate, verdicts.length, ownHits, pending));
    }
    return verdicts;
  }

  private admit(candidate: Candidate, index: number, hits: Hits, pending: Pending): Verdict {
    if (pending.byId.has(candidate.id) || this.isStored(candidate, hits)) return DUPLICATE;
    const isReplaceable = candidate.keys.address !== 0;
    const isDeletion = candidate.kind === KIND_DELETION;
    const event = isReplaceable || isDeletion ? decodeText(candidate.text) : null;
    const address = event === null ? null : addressOf(event);
    if (!isDeletion && this.isDeleted(candidate, hits, pending)) return DELETED;
    if (event !== null && address !== null) {
      if (!this.replace(event, address, hits, pending)) return REPLACED;
    }
    pending.add({ candidate, index, event, address, isDropped: false });
    if (event !== null && isDeletion) this.applyDeletion(event, pending);
    return { accepted: true, reason: "", seq: 0 };
  }

  private isStored(candidate: Candidate, hits: Hits): boolean {
    const found = hits.get(candidate.keys.id);
    if (found === undefined) return false;
    const id = Buffer.from(candidate.id, "hex");
    return found.some(({ seq }) => this.selectIsId.values(seq, id).length > 0);
  }

  /**
   * NIP-09, for an event that comes after its deletion. The key says what is deleted; that it is
   * the author's own deletion says the rest, so that a long one needn't be parsed each time.
   */
  private isDeleted(candidate: Candidate, hits: Hits, pending: Pending): boolean {
    const { deletedId, deletedAddress } = candidate.keys;
    const byId = hits.get(deletedId) ?? [];
    const byAddress = hits.get(deletedAddress) ?? [];
    const idInBatch = pending.deletions.get(deletedId) ?? [];
    const addressInBatch = pending.deletions.get(deletedAddress) ?? [];
    if (byId.length + byAddress.length + idInBatch.length + addressInBatch.length === 0) {
      return false;
    }
    const pubkey = textPubkey(candidate.text);
    const isOwn = ({ seq }: Hit): boolean => {
      const head = this.headOf(seq);
      return head !== null && head.kind === KIND_DELETION && head.pubkey === pubkey;
    };
    if (idInBatch.some((deletion) => deletion.pubkey === pubkey) || byId.some(isOwn)) return true;
    const isLater = (createdAt: number): boolean => createdAt >= candidate.created_at;
    return (
      addressInBatch.some((one) => one.pubkey === pubkey && isLater(one.created_at)) ||
      byAddress.some((hit) => isLater(hit.createdAt) && isOwn(hit))
    );
  }

  /** Newest wins, lowest id on ties. False when the stored version stays. */
  private replace(event: NostrEvent, address: string, hits: Hits, pending: Pending): boolean {
    const rival = pending.byAddress.get(address);
    if (rival !== undefined) {
      if (!isNewer(event, parsed(rival))) return false;
      pending.drop(rival);
      return true;
    }
    for (const { seq } of hits.get(addressKey(address)) ?? []) {
      const current = this.headOf(seq);
      if (current === null || current.kind !== event.kind) continue;
      if (current.pubkey !== event.pubkey) continue;
      if (!isNewer(event, current)) return false;
      this.removeOne(seq);
    }
    return true;
  }

  /** NIP-09, for events that came before their deletion. Deletions are never deleted. */
  private applyDeletion(deletion: NostrEvent, pending: Pending): void {
    const { ids, addresses } = deletionTargets(deletion);
    const targets = new Map<number, string[]>(); // ids may be made up to share a key
    const add = (key: number, target: string): void => {
      const list = targets.get(key);
      if (list === undefined) targets.set(key, [target]);
      else list.push(target);
    };
    for (const id of ids) add(idKey(id), id);
    for (const address of addresses) add(addressKey(address), address);
    for (const [key, hits] of this.findKeys([...targets.keys()])) {
      for (const { seq } of hits) {
        const head = this.headOf(seq);
        const isMeant = (target: string) => head !== null && isTarget(deletion, head, target);
        if (targets.get(key)?.some(isMeant)) this.removeOne(seq);
      }
    }
    for (const id of ids) {
      const entry = pending.byId.get(id);
      if (entry !== undefined && isTarget(deletion, parsed(entry), id)) pending.drop(entry);
    }
    for (const address of addresses) {
      const entry = pending.byAddress.get(address);
      if (entry !== undefined && entry.candidate.created_at <= deletion.created_at) {
        pending.drop(entry);
      }
    }
  }

  /** What can be known of a stored event without parsing it, however long it is. */
  private headOf(seq: number): EventHead | null {
    const row = this.selectEventHead.values(seq)[0] as
      [Uint8Array, number, number, Uint8Array] | undefined;
    if (row === undefined) return null;
    const [id, created_at, kind, start] = row;
    const pubkey = textPubkey(payloadStart(start));
    return { id: Buffer.from(id).toString("hex"), pubkey, created_at, kind };
  }

  private load(seq: number): Stored | null {
    const row = this.selectEvent.values(seq)[0] as [number, Uint8Array] | undefined;
    if (row === undefined) return null;
    return { expires: row[0], event: decodeText(payloadText(row[1])) };
  }

  private removeOne(seq: number): void {
    const stored = this.load(seq);
    if (stored === null) return;
    const { event, expires } = stored;
    if (seq <= this.head.merging) {
      const fields = { id: event.id, created_at: event.created_at, kind: event.kind, expires };
      for (const row of termRows(fields, eventKeys(event), seq)) {
        this.deleteTerm.run(row.key, row.age, row.order, row.seq);
      }
    }
    if (seq > this.head.merged) this.removedFromTail.push(seq);
    this.deleteEvent.run(seq);
    this.removedIds.push(event.id);
  }

  /** Returns the rows that the events have in the index. */
  private insert(pending: Pending, verdicts: Verdict[]): TermRow[] {
    let { seq } = this.head;
    const events: SQLQueryBindings[] = [];
    const rows: TermRow[] = [];
    for (const { candidate, index, isDropped } of pending.list) {
      if (isDropped) continue;
      seq += 1;
      verdicts[index] = { accepted: true, reason: "", seq };
      const { id, created_at, kind, expires } = candidate;
      const idBytes = Buffer.from(id, "hex");
      events.push(seq, idBytes, created_at, kind, expires, candidate.payload);
      for (const row of termRows(candidate, candidate.keys, seq)) rows.push(row);
    }
    this.events.insert(events);
    this.head = { ...this.head, seq };
    return rows;
  }
}
