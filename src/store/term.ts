// The keys of the one inverted index. A term is something an event can be found by; its key is a
// 48-bit hash of (what, value), exact as a JavaScript number. Two terms may share a key: whoever
// reads by key checks the event itself. The same keys find live subscriptions in the monitor.
//
// Two kinds of keys, told apart by the highest bit. What the writer looks up for every event (ids,
// addresses, deletions) has strong keys, cut from SHA-256: nobody can make thousands of events that
// share one, to have the writer load them all. The rest has quick keys: who crafts collisions there
// gains no more than by tagging the same value.
//
// Keys are stored, so this file may only change together with a migration.

import { sha256 } from "../crypto/sha256.ts";
import type { NostrEvent } from "../protocol/event.ts";
import { addressOf, isIndexedTag, parseAddress } from "../protocol/event.ts";
import type { Values } from "../protocol/filter.ts";
import { HexSet } from "../protocol/hex-set.ts";
import { hexNumber } from "../protocol/hex.ts";
import { KIND_DELETION, KIND_GIFT_WRAP } from "../protocol/kind.ts";
import { AuthorMarks } from "./hyperloglog.ts";
import { authorInfo, eventInfo } from "./info.ts";

/** What a term says of an event. Tags are told apart by their letter. */
const WHAT = {
  all: 1,
  id: 2,
  author: 3,
  kind: 4,
  authorKind: 5,
  address: 6,
  /** Kind 5 only: id and author of an event it deletes. */
  deletedId: 7,
  /** Kind 5 only: an address it deletes. */
  deletedAddress: 8,
  /** Ordered by expiry instead of created_at. */
  expiring: 9,
  /** An author who has asked to vanish (gone.ts). */
  vanished: 10,
  /** A tag of a special event. */
  special: 11,
} as const;

/** Beyond an author's kinds. */
const HEX_TAG = 0x1000000;
const TWO_32 = 0x100000000;
/** All strong keys are from here on. */
export const STRONG_KEYS = 2 ** 47;

/**
 * 47 bits of a hash of UTF-16 code units: two 32-bit lanes with different odd multipliers, finished
 * as MurmurHash3 finishes, each lane mixed with the other.
 */
function quickKey(what: number, text: string): number {
  // Multiplied at once: left as it is, the first unit could undo it, and #t:abc would be #s:fbc.
  let low = Math.imul(0xdeadbeef ^ what, 0x9e3779b1);
  let high = Math.imul(0x41c6ce57 ^ what, 0x5f356495);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    low = Math.imul(low ^ unit, 0x9e3779b1);
    high = Math.imul(high ^ unit, 0x5f356495);
  }
  return finish(low, high);
}

function finish(first: number, second: number): number {
  const low =
    Math.imul(first ^ (first >>> 16), 0x85ebca6b) ^ Math.imul(second ^ (second >>> 13), 0xc2b2ae35);
  const high =
    Math.imul(second ^ (second >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35);
  return (high & 0x7fff) * TWO_32 + (low >>> 0);
}

/**
 * The same of 64 hex digits, of which the first 16 say enough: a long list of authors is mostly
 * hashing.
 */
function hexKey(what: number, hex: string): number {
  return wordsKey(what, hexNumber(hex, 0, 8), hexNumber(hex, 8, 8));
}

/** The same, of what the first and the second eight digits say. */
function wordsKey(what: number, low: number, high: number): number {
  return finish(
    Math.imul(low ^ Math.imul(0xdeadbeef ^ what, 0x9e3779b1), 0x9e3779b1),
    Math.imul(high ^ Math.imul(0x41c6ce57 ^ what, 0x5f356495), 0x5f356495),
  );
}

/** Of each of them, in their order. */
function hexKeys(what: number, values: Values): number[] {
  if (!(values instanceof HexSet)) return Array.from(values, (hex) => hexKey(what, hex));
  return Array.from({ length: values.size }, (_, at) =>
    wordsKey(what, values.number(at, 0), values.number(at, 1)),
  );
}

const digest = Buffer.alloc(32);

/** 47 bits of SHA-256, with the highest of the 48 set. */
function strongKey(what: number, text: string): number {
  sha256(`${what}:${text}`, digest);
  return (0x8000 + (digest.readUInt16LE(4) & 0x7fff)) * TWO_32 + digest.readUInt32LE(0);
}

export const ALL_KEY = quickKey(WHAT.all, "");
export const EXPIRING_KEY = quickKey(WHAT.expiring, "");

/** Cut from the id, which is SHA-256 itself; not of the digits that `idOrder` has. */
export function idKey(id: string): number {
  return STRONG_KEYS + (hexNumber(id, 24, 4) & 0x7fff) * TWO_32 + hexNumber(id, 16, 8);
}

export function authorKey(pubkey: string): number {
  return hexKey(WHAT.author, pubkey);
}

export function authorKeys(pubkeys: Values): number[] {
  return hexKeys(WHAT.author, pubkeys);
}

export function kindKey(kind: number): number {
  return quickKey(WHAT.kind, String(kind));
}

export function authorKindKey(pubkey: string, kind: number): number {
  return hexKey(WHAT.authorKind + (kind << 8), pubkey);
}

export function authorKindKeys(pubkeys: Values, kind: number): number[] {
  return hexKeys(WHAT.authorKind + (kind << 8), pubkeys);
}

export function tagKey(letter: string, value: string): number {
  const code = letter.charCodeAt(0);
  if (letter === "e" || letter === "p") return hexKey(HEX_TAG + code, value);
  return quickKey(0x100 + code, value);
}

/**
 * Where the special events among those under a tag's key are found by themselves. Quick as well:
 * whatever is under it is looked at.
 */
export function specialKey(tagKey: number): number {
  return quickKey(WHAT.special, String(tagKey));
}

export function addressKey(address: string): number {
  return strongKey(WHAT.address, address);
}

/** Found by the arriving event: is there a deletion of this id by this author? */
export function deletedIdKey(id: string, pubkey: string): number {
  return strongKey(WHAT.deletedId, `${id}:${pubkey}`);
}

export function deletedAddressKey(address: string): number {
  return strongKey(WHAT.deletedAddress, address);
}

/** Authors come again, and a hash costs a microsecond. */
const VANISHED_KEYS_KEPT = 4096;
const vanishedKeys = new Map<string, number>();

/** Where it would be found that this key's owner has asked to vanish (NIP-62). */
export function vanishedKey(pubkey: string): number {
  const known = vanishedKeys.get(pubkey);
  if (known !== undefined) return known;
  if (vanishedKeys.size >= VANISHED_KEYS_KEPT) vanishedKeys.clear();
  const key = strongKey(WHAT.vanished, pubkey);
  vanishedKeys.set(pubkey, key);
  return key;
}

/** The first 48 bits of an id: orders events of the same second as NIP-01 wants, lowest first. */
export function idOrder(id: string): number {
  return hexNumber(id, 0, 4) * TWO_32 + hexNumber(id, 4, 8);
}

/** All keys of one event. 0 stands for none; no term has that key in practice or by chance. */
export interface EventKeys {
  readonly id: number;
  /** The first of the terms. */
  readonly author: number;
  /** For replaceables: where the current version is found. */
  readonly address: number;
  /**
   * Where a deletion of this very event would be found, by each of its owners, and where their
   * requests to vanish would. Looked up, not stored.
   */
  readonly deletedIds: readonly number[];
  readonly vanished: readonly number[];
  readonly deletedAddress: number;
  /** The rest of what is stored: author, kind, tags…, each key once. */
  readonly terms: readonly number[];
  /** For each of the terms, the author's mark (hyperloglog.ts) if it is a tag's, else 0. */
  readonly marks: readonly number[];
  /** Whether it has to be looked at before it is counted. */
  readonly isSpecial: boolean;
}

export function eventKeys(event: NostrEvent): EventKeys {
  const { id, pubkey, kind } = event;
  const author = authorKey(pubkey);
  const isSpecial = isSpecialEvent(event);
  const terms = new Terms();
  for (const key of [author, kindKey(kind), authorKindKey(pubkey, kind), ALL_KEY])
    terms.add(key, 0);
  const marks = new AuthorMarks(pubkey);
  for (const [name, value] of event.tags) {
    if (!isIndexedTag(name, value)) continue;
    const key = tagKey(name as string, value as string);
    const isHex = name === "e" || name === "p";
    terms.add(key, isHex ? marks.ofHex(value as string) : marks.of(value as string));
    if (isSpecial) terms.add(specialKey(key), 0);
  }
  if (kind === KIND_DELETION) addDeletions(event, terms);
  const address = addressOf(event);
  const owners = ownersOf(event);
  return {
    id: idKey(id),
    author,
    address: address === null ? 0 : addressKey(address),
    deletedIds: owners.map((owner) => deletedIdKey(id, owner)),
    vanished: owners.map(vanishedKey),
    deletedAddress: address === null ? 0 : deletedAddressKey(address),
    terms: terms.keys,
    marks: terms.marks,
    isSpecial,
  };
}

/** Each key once: a tag can be crafted to share a quick key of its own event. */
class Terms {
  readonly keys: number[] = [];
  readonly marks: number[] = [];
  private readonly known = new Set<number>();

  add(key: number, mark: number): void {
    this.known.add(key);
    if (this.known.size === this.keys.length) return;
    this.keys.push(key);
    this.marks.push(mark);
  }
}

/**
 * Its tags tell that it may be there and yet not be visible: it expires (NIP-40), or belongs to a
 * group, which may show it to its members only (NIP-29).
 */
function isSpecialEvent({ tags }: NostrEvent): boolean {
  for (const [name] of tags) if (name === "expiration" || name === "h") return true;
  return false;
}

/**
 * Who may have an event deleted: its author, and of a gift wrap, whose author is nobody, the
 * recipients (NIP-59). The author comes first.
 */
export function ownersOf({ kind, pubkey, tags }: NostrEvent): readonly string[] {
  if (kind !== KIND_GIFT_WRAP) return [pubkey];
  const owners = new Set([pubkey]);
  for (const [name, value] of tags)
    if (name === "p" && isIndexedTag(name, value)) owners.add(value!);
  return [...owners];
}

/** NIP-09: only the author's own events can be meant, so the author is part of the key. */
function addDeletions(event: NostrEvent, terms: Terms): void {
  const { ids, addresses } = deletionTargets(event);
  for (const id of ids) terms.add(deletedIdKey(id, event.pubkey), 0);
  for (const address of addresses) terms.add(deletedAddressKey(address), 0);
}

/** What a kind 5 asks to delete: its author's own ids (unchecked) and addresses (checked). */
export function deletionTargets(event: NostrEvent): {
  ids: Set<string>;
  addresses: Set<string>;
} {
  const ids = new Set<string>();
  const addresses = new Set<string>();
  for (const [name, value] of event.tags) {
    if (value === undefined) continue;
    if (name === "e" && isIndexedTag(name, value)) ids.add(value);
    if (name === "a" && parseAddress(value)?.pubkey === event.pubkey) addresses.add(value);
  }
  return { ids, addresses };
}

/** An entry under a key. Ascending is newest first, ties by lowest id. */
export type TermEntry = [age: number, order: number, seq: number, info: number];

/** Where entries are read from: after this one, which need not be there. */
export type Place = Readonly<TermEntry>;

/** One row of the index. */
export interface TermRow {
  readonly key: number;
  /** −created_at, so that ascending order is newest first. */
  readonly age: number;
  readonly order: number;
  readonly seq: number;
  /** What a filter may ask besides: see info.ts. */
  readonly info: number;
}

/** What a row says besides its key. */
export interface RowFields {
  readonly id: string;
  readonly created_at: number;
  readonly kind: number;
  /** Unix seconds, 0 = never. */
  readonly expires: number;
}

/** Every row that an event has in the index: what an insert writes and a removal takes away. */
export function termRows(fields: RowFields, keys: EventKeys, seq: number): TermRow[] {
  const { kind } = fields;
  const age = -fields.created_at;
  const order = idOrder(fields.id);
  const rows: TermRow[] = [{ key: keys.id, age, order, seq, info: kind }];
  const ofKind = kindKey(kind);
  const { terms, marks, isSpecial } = keys;
  for (let i = 0; i < terms.length; i++) {
    const key = terms[i] as number;
    const info =
      key === ofKind
        ? authorInfo(keys.author, isSpecial)
        : eventInfo(kind, marks[i] as number, isSpecial);
    rows.push({ key, age, order, seq, info });
  }
  if (keys.address !== 0 && keys.address !== keys.id) {
    rows.push({ key: keys.address, age, order, seq, info: kind });
  }
  if (fields.expires !== 0) {
    rows.push({ key: EXPIRING_KEY, age: fields.expires, order, seq, info: kind });
  }
  return rows;
}
