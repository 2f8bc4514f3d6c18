// What in the store would keep an event out: the writer's own judgement (judge.ts) of a batch that
// is this event, without writing. For whoever asks about single events; reads only.

import type { Database } from "bun:sqlite";
import type { NostrEvent } from "../protocol/event.ts";
import { UNTIL_MAX } from "../protocol/filter.ts";
import { KIND_DELETION } from "../protocol/kind.ts";
import type { IsThisRelay } from "../protocol/relay-url.ts";
import { candidateOf, decodeText } from "./candidate.ts";
import { Gone } from "./gone.ts";
import { History } from "./history.ts";
import { goneKeys, Judge } from "./judge.ts";
import { KeyFilter } from "./key-filter.ts";
import { KnownKeys } from "./known-keys.ts";
import type { EventReader } from "./read.ts";
import { type EventHead, StoredEvents } from "./stored.ts";
import type { StoredText } from "./stored-event.ts";
import { Tail } from "./tail.ts";
import { Tallies, TALLY_ENTRIES } from "./tallies.ts";
import { eventKeys, idKey, ownersOf } from "./term.ts";
import {
  DELETED,
  DUPLICATE,
  REMOVED,
  REPLACED,
  SUPERSEDED,
  VANISHED,
  type Verdict,
} from "./verdict.ts";

export interface Obstacle {
  readonly reason: Verdict["reason"];
  /** The id of the event that is the cause; it need not be stored any more. */
  readonly by: string | null;
}

export interface ParsedEvent extends StoredText {
  readonly event: NostrEvent;
}

/** An id's key is all but unique. */
const ENTRIES_MAX = 64;

export function findEvent(reader: EventReader, id: string): ParsedEvent | null {
  const entries = reader.entries(idKey(id), -UNTIL_MAX, -1, -1, ENTRIES_MAX);
  const stored = reader.texts(entries.map(([, , seq]) => seq)).find((one) => one.id === id);
  if (stored === undefined) return null;
  const { seq, expires, text } = stored;
  return { seq, expires, text, event: decodeText(text) };
}

/**
 * Null when nothing is in its way. Says nothing of its id, signature and times. To be called within
 * a transaction.
 */
export function findObstacle(
  db: Database,
  event: NostrEvent,
  isThisRelay: IsThisRelay,
): Obstacle | null {
  const candidate = candidateOf(event);
  const known = new KnownKeys(db, new KeyFilter());
  const tail = new Tail(db, known);
  const tallies = new Tallies(db, TALLY_ENTRIES);
  const stored = new UntouchedEvents(db, tail, tallies, known, new History(db, 0, () => 0));
  stored.begin(tail.refresh(), true);
  const gone = new Gone(db, known);
  gone.load(goneKeys(candidate));
  const judge = new Judge(stored, gone, isThisRelay, [candidate]);
  const verdict = judge.admit(candidate, 0);
  if (verdict.reason === "") return null;
  return { reason: verdict.reason, by: causeOf(verdict, event, stored, gone) };
}

/** What a judge would remove stays. */
class UntouchedEvents extends StoredEvents {
  override remove(): null {
    return null;
  }
}

function causeOf(
  verdict: Verdict,
  event: NostrEvent,
  stored: StoredEvents,
  gone: Gone,
): string | null {
  const { id, pubkey, created_at } = event;
  const keys = eventKeys(event);
  const owners = ownersOf(event);
  switch (verdict) {
    case DUPLICATE:
      return id;
    case VANISHED: {
      const rows = keys.vanished.map((key, i) => gone.find(key, owners[i] as string));
      return rows.find((row) => row !== null && row.createdAt >= created_at)?.id ?? null;
    }
    case DELETED: {
      const byId = keys.deletedIds.map((key, i) => deletionOf(stored, gone, key, owners[i]));
      return (
        byId.find((found) => found !== null) ??
        deletionOf(stored, gone, keys.deletedAddress, pubkey)
      );
    }
    case REMOVED:
      return gone.find(keys.deletedIds[0] as number, pubkey)?.id ?? null;
    case SUPERSEDED:
      return gone.find(keys.address, pubkey)?.id ?? null;
    case REPLACED:
      return headsUnder(stored, keys.address).find((head) => head.pubkey === pubkey)?.id ?? null;
    default:
      return null;
  }
}

/** Of an address, the newest, which covers the event if any does. */
function deletionOf(
  stored: StoredEvents,
  gone: Gone,
  key: number,
  owner: string | undefined,
): string | null {
  if (owner === undefined) throw new Error("assert: a key of no owner");
  const isOwners = (head: EventHead) => head.kind === KIND_DELETION && head.pubkey === owner;
  return gone.find(key, owner)?.id ?? headsUnder(stored, key).find(isOwners)?.id ?? null;
}

function headsUnder(stored: StoredEvents, key: number): EventHead[] {
  const hits = stored.find([key]).get(key) ?? [];
  return hits.flatMap(({ seq }) => stored.headOf(seq) ?? []);
}
