// What becomes of each event of a batch: NIP-01 (duplicates, replaceables), NIP-09 (deletions) and
// NIP-62 (requests to vanish). Events of one batch see each other as if they had come one by one.
// Owned by the one writing thread of a process, used within its transactions.
//
// Whatever the order in which events, deletions and requests to vanish come, what is stored in the
// end is the same; gone.ts says what has to be remembered for that.

import { addressOf, type NostrEvent } from "../protocol/event.ts";
import { KIND_DELETION, KIND_GIFT_WRAP, KIND_VANISH } from "../protocol/kind.ts";
import type { IsThisRelay } from "../protocol/relay-url.ts";
import { type Candidate, decodeText, textPubkey } from "./candidate.ts";
import type { Companion } from "./companion.ts";
import { type Gone, type GoneRow, isLater } from "./gone.ts";
import type { Removal } from "./history.ts";
import { parsed, Pending, type PendingEvent } from "./pending.ts";
import type { EventHead, Hit, Hits, StoredEvents } from "./stored.ts";
import { addressKey, deletedIdKey, deletionTargets, idKey, ownersOf, vanishedKey } from "./term.ts";
import {
  DELETED,
  DUPLICATE,
  REMOVED,
  REPLACED,
  SUPERSEDED,
  VANISHED,
  type Verdict,
} from "./verdict.ts";

/** In `gone`, the time of a deletion by others than the author: the author's own are later. */
const BY_OTHERS = 0;

const TAKEN: Verdict = { accepted: true, reason: "", seq: 0 };

export class Judge {
  readonly pending = new Pending();
  /** Requests to vanish that this batch has taken, in order. */
  readonly vanishes: NostrEvent[] = [];
  private readonly stored: StoredEvents;
  private readonly gone: Gone;
  private readonly isThisRelay: IsThisRelay;
  private readonly hits: Hits;
  private readonly companion: Companion | null;

  /** Made for one batch. `gone` has its keys loaded. `companion` has a say in what is new. */
  constructor(
    stored: StoredEvents,
    gone: Gone,
    isThisRelay: IsThisRelay,
    batch: readonly Candidate[],
    companion: Companion | null = null,
  ) {
    this.stored = stored;
    this.gone = gone;
    this.isThisRelay = isThisRelay;
    this.companion = companion;
    this.hits = stored.find(batch.flatMap(storedKeys));
  }

  /** More events of the batch; the relay's own, of which none is in `gone`. */
  extend(batch: readonly Candidate[]): void {
    if (batch.length === 0) return;
    for (const [key, hits] of this.stored.find(batch.flatMap(storedKeys))) this.hits.set(key, hits);
  }

  /** An accepted one has no `seq` yet. */
  admit(candidate: Candidate, index: number): Verdict {
    return this.take(candidate, index, this.companion);
  }

  /** The same for what the relay itself publishes. */
  admitOwn(candidate: Candidate, index: number): Verdict {
    return this.take(candidate, index, null);
  }

  private take(candidate: Candidate, index: number, companion: Companion | null): Verdict {
    const { pending } = this;
    const { kind, keys } = candidate;
    if (pending.byId.has(candidate.id) || this.isStored(candidate)) return DUPLICATE;
    const isOfNote = keys.address !== 0 || kind === KIND_DELETION || kind === KIND_VANISH;
    const event = isOfNote ? decodeText(candidate.text) : null;
    if (this.isVanished(candidate, event)) {
      if (event?.kind === KIND_DELETION) {
        this.gone.remember(event);
        this.applyDeletion(event);
      }
      return VANISHED;
    }
    const address = event === null ? null : addressOf(event);
    if (this.isDeletable(kind) && this.isDeleted(candidate)) {
      if (event !== null && address !== null) this.supersede(event, address);
      return this.isDeletedByOthers(candidate) ? REMOVED : DELETED;
    }
    const refusal = companion?.check(candidate) ?? null;
    if (refusal !== null) return { accepted: false, reason: refusal, seq: 0 };
    if (event !== null && address !== null) {
      if (this.isSuperseded(event, keys.address)) return SUPERSEDED;
      if (!this.replace(event, address)) return REPLACED;
    }
    pending.add({ candidate, index, event, address, isDropped: false });
    if (event?.kind === KIND_DELETION) this.applyDeletion(event);
    if (event?.kind === KIND_VANISH && isMeant(event, this.isThisRelay)) this.applyVanish(event);
    return TAKEN;
  }

  /** Takes an event of this batch back. */
  private drop(entry: PendingEvent, what: Removal, detail: string): void {
    this.pending.drop(entry);
    this.stored.note(entry.candidate.id, what, detail);
  }

  private isStored(candidate: Candidate): boolean {
    const found = this.hits.get(candidate.keys.id);
    if (found === undefined) return false;
    const id = Buffer.from(candidate.id, "hex");
    return found.some(({ seq }) => this.stored.hasId(seq, id));
  }

  // By others than their authors

  /** Deletes an event because of another one, and keeps it away. */
  deleteFor(cause: Candidate, id: string): void {
    const { pending, stored, gone } = this;
    const entry = pending.byId.get(id);
    let event: NostrEvent | null = null;
    if (entry !== undefined) {
      event = parsed(entry);
      this.drop(entry, "deleted", cause.id);
    } else {
      const idBytes = Buffer.from(id, "hex");
      const hits = stored.find([idKey(id)]).get(idKey(id)) ?? [];
      const hit = hits.find(({ seq }) => stored.hasId(seq, idBytes));
      if (hit !== undefined) event = stored.remove(hit.seq, "deleted", cause.id);
    }
    if (event === null) return;
    for (const pubkey of ownersOf(event)) {
      gone.add(deletedIdKey(id, pubkey), { pubkey, createdAt: BY_OTHERS, id: cause.id });
    }
  }

  /** Of one that is deleted: not by its author? */
  private isDeletedByOthers({ text, keys }: Candidate): boolean {
    const [byAuthor] = keys.deletedIds;
    const row = byAuthor === undefined ? null : this.gone.find(byAuthor, textPubkey(text));
    return row?.createdAt === BY_OTHERS;
  }

  // NIP-62

  /** Has its author, or a recipient of a gift wrap, asked to vanish at that time or later? */
  private isVanished(candidate: Candidate, event: NostrEvent | null): boolean {
    if (this.gone.isEmpty) return false;
    const owners = ownersOfCandidate(candidate);
    return candidate.keys.vanished.some((key, i) => {
      const row = this.gone.find(key, owners()[i] as string);
      if (row === null || row.createdAt < candidate.created_at) return false;
      // Of two requests of the same second, the one that stays is that of the lower id.
      const isRequest = event?.kind === KIND_VANISH && isMeant(event, this.isThisRelay);
      return !isRequest || !isLater({ createdAt: event.created_at, id: event.id }, row);
    });
  }

  private applyVanish(vanish: NostrEvent): void {
    const { pubkey, created_at, id } = vanish;
    const key = vanishedKey(pubkey);
    this.gone.add(key, { pubkey, createdAt: created_at, id });
    this.vanishes.push(vanish);
    for (const entry of this.pending.list) {
      const { candidate } = entry;
      if (entry.isDropped || candidate.id === id || candidate.created_at > created_at) continue;
      if (!candidate.keys.vanished.includes(key)) continue; // parsing gift wraps takes long
      if (!ownersOfCandidate(candidate)().includes(pubkey)) continue;
      if (candidate.kind === KIND_DELETION) this.gone.remember(parsed(entry));
      this.drop(entry, "vanished", id);
    }
  }

  // NIP-09

  /**
   * For an event that comes after its deletion. The key says what is deleted; that it is an owner's
   * deletion says the rest, so that a long one needn't be parsed each time.
   */
  private isDeleted(candidate: Candidate): boolean {
    const { hits, pending, stored } = this;
    const { deletedIds, deletedAddress } = candidate.keys;
    const owners = ownersOfCandidate(candidate);
    const isBy = (hit: Hit, pubkey: string): boolean => {
      const head = stored.headOf(hit.seq);
      return head !== null && head.kind === KIND_DELETION && head.pubkey === pubkey;
    };
    const isById = deletedIds.some((key, i) => {
      const byId = hits.get(key);
      const inBatch = pending.deletions.get(key);
      if (byId === undefined && inBatch === undefined && this.gone.isEmpty) return false;
      const owner = owners()[i] as string;
      if (this.gone.find(key, owner) !== null) return true;
      if (inBatch?.some((deletion) => deletion.pubkey === owner)) return true;
      return byId?.some((hit) => isBy(hit, owner)) ?? false;
    });
    if (isById) return true;
    const byAddress = hits.get(deletedAddress) ?? [];
    const addressInBatch = pending.deletions.get(deletedAddress) ?? [];
    if (byAddress.length + addressInBatch.length === 0) return false;
    const author = textPubkey(candidate.text);
    const isLate = (createdAt: number): boolean => createdAt >= candidate.created_at;
    return (
      addressInBatch.some((one) => one.pubkey === author && isLate(one.created_at)) ||
      byAddress.some((hit) => isLate(hit.createdAt) && isBy(hit, author))
    );
  }

  /** NIP-09: "against a deletion request has no effect"; NIP-62: nor against one to vanish. */
  private isDeletable(kind: number): boolean {
    if (kind === KIND_DELETION || kind === KIND_VANISH) return false;
    return this.companion === null || !this.companion.keeps(kind);
  }

  /** For events that came before their deletion. Deletions are never deleted. */
  private applyDeletion(deletion: NostrEvent): void {
    const { ids, addresses } = deletionTargets(deletion);
    const targets = new Map<number, string[]>(); // ids may be made up to share a key
    const add = (key: number, target: string): void => {
      const list = targets.get(key);
      if (list === undefined) targets.set(key, [target]);
      else list.push(target);
    };
    for (const id of ids) add(idKey(id), id);
    for (const address of addresses) add(addressKey(address), address);
    for (const [key, hits] of this.stored.find([...targets.keys()])) {
      for (const { seq } of hits) {
        const target = targets.get(key)?.find((one) => this.isTarget(deletion, seq, one));
        if (target !== undefined) this.removeDeleted(deletion, seq, target);
      }
    }
    for (const id of ids) {
      const entry = this.pending.byId.get(id);
      if (entry !== undefined) this.dropDeleted(deletion, entry);
    }
    for (const address of addresses) {
      const entry = this.pending.byAddress.get(address);
      const isOlder = (entry?.candidate.created_at ?? Infinity) <= deletion.created_at;
      if (entry !== undefined && isOlder) this.drop(entry, "deleted", deletion.id);
    }
  }

  private removeDeleted(deletion: NostrEvent, seq: number, target: string): void {
    const event = this.stored.remove(seq, "deleted", deletion.id);
    if (event !== null && event.id === target) this.noteSuperseding(event);
  }

  private dropDeleted(deletion: NostrEvent, entry: PendingEvent): void {
    const { id, kind, keys } = entry.candidate;
    if (!this.isDeletable(kind)) return;
    if (!keys.deletedIds.includes(deletedIdKey(id, deletion.pubkey))) return; // as in applyVanish
    if (!ownersOfCandidate(entry.candidate)().includes(deletion.pubkey)) return;
    this.drop(entry, "deleted", deletion.id);
    if (entry.event !== null) this.noteSuperseding(entry.event);
  }

  /** By id, or by an address whose key has led here, up to the request's time. */
  private isTarget(deletion: NostrEvent, seq: number, target: string): boolean {
    const head = this.stored.headOf(seq);
    if (
      head === null ||
      !this.isDeletable(head.kind) ||
      !this.isOwner(deletion.pubkey, head, seq)
    ) {
      return false;
    }
    if (target === head.id) return true;
    const isOwn = head.pubkey === deletion.pubkey;
    return isOwn && head.created_at <= deletion.created_at && target.startsWith(`${head.kind}:`);
  }

  private isOwner(pubkey: string, head: EventHead, seq: number): boolean {
    if (head.pubkey === pubkey) return true;
    return head.kind === KIND_GIFT_WRAP && this.stored.isTo(seq, head, pubkey);
  }

  // NIP-01

  /** Newest wins, lowest id on ties. False when the stored version stays. */
  private replace(event: NostrEvent, address: string): boolean {
    const rival = this.pending.byAddress.get(address);
    if (rival !== undefined) {
      if (!isNewer(event, parsed(rival))) return false;
      this.drop(rival, "replaced", event.id);
      return true;
    }
    for (const { seq } of this.hits.get(addressKey(address)) ?? []) {
      const current = this.stored.headOf(seq);
      if (current === null || current.kind !== event.kind) continue;
      if (current.pubkey !== event.pubkey) continue;
      if (!isNewer(event, current)) return false;
      this.stored.remove(seq, "replaced", event.id);
    }
    return true;
  }

  /** A version that comes deleted takes older ones along, as it would have done had it lived. */
  private supersede(event: NostrEvent, address: string): void {
    if (this.replace(event, address)) this.noteSuperseding(event);
  }

  /** Of a version that its author has deleted by id: older ones must not come back for that. */
  private noteSuperseding(event: NostrEvent): void {
    const address = addressOf(event);
    if (address === null) return;
    const row = { pubkey: event.pubkey, createdAt: event.created_at, id: event.id };
    this.gone.add(addressKey(address), row);
  }

  private isSuperseded(event: NostrEvent, key: number): boolean {
    const row: GoneRow | null = this.gone.find(key, event.pubkey);
    return row !== null && !isLater({ createdAt: event.created_at, id: event.id }, row);
  }
}

/** NIP-62: "the tag list MUST include at least one relay value", this relay's or all. */
export function isMeant(vanish: NostrEvent, isThisRelay: IsThisRelay): boolean {
  return vanish.tags.some(
    ([name, value = ""]) => name === "relay" && (value === "ALL_RELAYS" || isThisRelay(value)),
  );
}

/** The keys that are looked up in the index. */
function storedKeys({ keys }: Candidate): number[] {
  const own = [keys.id, ...keys.deletedIds];
  return keys.address === 0 ? own : [...own, keys.address, keys.deletedAddress];
}

/** The keys that are looked up in `gone`. */
export function goneKeys({ keys }: Candidate): number[] {
  const own = [...keys.vanished, ...keys.deletedIds];
  return keys.address === 0 ? own : [...own, keys.address];
}

/** In the order of the keys; parsed only for gift wraps, and only once. */
function ownersOfCandidate({ kind, text }: Candidate): () => readonly string[] {
  let owners: readonly string[] | null = null;
  return () => {
    owners ??= kind === KIND_GIFT_WRAP ? ownersOf(decodeText(text)) : [textPubkey(text)];
    return owners;
  };
}

/** NIP-01: the later one, and of the same second the one with the lowest id. */
function isNewer(event: EventHead, current: EventHead): boolean {
  if (event.created_at !== current.created_at) return event.created_at > current.created_at;
  return event.id < current.id;
}
