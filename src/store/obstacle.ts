// What in the store would keep an event out, told without writing: what the writer would find, by
// the same keys and in the same order (write.ts). For whoever asks about single events.

import type { NostrEvent } from "../protocol/event.ts";
import { UNTIL_MAX } from "../protocol/filter.ts";
import { KIND_DELETION } from "../protocol/kind.ts";
import { decodeText } from "./candidate.ts";
import type { EventReader, StoredText } from "./read.ts";
import { eventKeys, idKey } from "./term.ts";
import { DELETED, DUPLICATE, REPLACED, type Verdict } from "./verdict.ts";

export interface Obstacle {
  readonly reason: Verdict["reason"];
  /** The id of the event that is in the way. */
  readonly by: string;
}

export interface StoredEvent extends StoredText {
  readonly event: NostrEvent;
}

/** Looked at under one key. Of deletions the newest come first: those cover the most. */
const EVENTS_MAX = 64;

/** Null when nothing is in its way. Says nothing of its id, signature or times. */
export function findObstacle(reader: EventReader, event: NostrEvent): Obstacle | null {
  if (findEvent(reader, event.id) !== null) return { reason: DUPLICATE.reason, by: event.id };
  const keys = eventKeys(event);
  if (event.kind !== KIND_DELETION) {
    const deletions = [
      ...eventsUnder(reader, keys.deletedId),
      ...eventsUnder(reader, keys.deletedAddress).filter(
        ({ event: one }) => one.created_at >= event.created_at,
      ),
    ];
    const own = deletions.find(
      ({ event: one }) => one.kind === KIND_DELETION && one.pubkey === event.pubkey,
    );
    if (own !== undefined) return { reason: DELETED.reason, by: own.event.id };
  }
  const versions = eventsUnder(reader, keys.address).filter(
    ({ event: one }) => one.kind === event.kind && one.pubkey === event.pubkey,
  );
  const newer = versions.find(({ event: one }) => !isNewer(event, one));
  return newer === undefined ? null : { reason: REPLACED.reason, by: newer.event.id };
}

export function findEvent(reader: EventReader, id: string): StoredEvent | null {
  return eventsUnder(reader, idKey(id)).find(({ event }) => event.id === id) ?? null;
}

/** The first in the order of the index; 0 is no key. */
function eventsUnder(reader: EventReader, key: number): StoredEvent[] {
  if (key === 0) return [];
  const entries = reader.entries(key, -UNTIL_MAX, -1, -1, EVENTS_MAX);
  const seqs = entries.map(([, , seq]) => seq);
  const found = reader.texts(seqs).map((one) => ({ ...one, event: decodeText(one.text) }));
  return found.sort((a, b) => seqs.indexOf(a.seq) - seqs.indexOf(b.seq));
}

/** NIP-01: the later one, and of the same second the one with the lowest id. */
function isNewer(event: NostrEvent, current: NostrEvent): boolean {
  if (event.created_at !== current.created_at) return event.created_at > current.created_at;
  return event.id < current.id;
}
