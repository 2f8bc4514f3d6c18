// What a batch has taken in so far, so that its events see each other as if they had come one by
// one: the writer's, for as long as it writes that batch.

import type { NostrEvent } from "../protocol/event.ts";
import { KIND_DELETION } from "../protocol/kind.ts";
import { type Candidate, decodeText } from "./candidate.ts";

export class Pending {
  readonly byId = new Map<string, PendingEvent>();
  readonly byAddress = new Map<string, PendingEvent>();
  /** By the key under which an event finds its own deletion. */
  readonly deletions = new Map<number, NostrEvent[]>();
  readonly list: PendingEvent[] = [];

  add(entry: PendingEvent): void {
    this.list.push(entry);
    this.byId.set(entry.candidate.id, entry);
    if (entry.address !== null) this.byAddress.set(entry.address, entry);
    if (entry.candidate.kind === KIND_DELETION) this.addDeletion(parsed(entry), entry.candidate);
  }

  private addDeletion(event: NostrEvent, candidate: Candidate): void {
    const { id, terms } = candidate.keys;
    for (const key of [id, ...terms]) {
      const list = this.deletions.get(key);
      if (list === undefined) this.deletions.set(key, [event]);
      else list.push(event);
    }
  }

  drop(entry: PendingEvent): void {
    entry.isDropped = true;
    this.byId.delete(entry.candidate.id);
    if (entry.address !== null) this.byAddress.delete(entry.address);
  }
}

export interface PendingEvent {
  readonly candidate: Candidate;
  readonly index: number;
  /** Parsed only for replaceables and deletions. */
  event: NostrEvent | null;
  readonly address: string | null;
  isDropped: boolean;
}

export function parsed(entry: PendingEvent): NostrEvent {
  entry.event ??= decodeText(entry.candidate.text);
  return entry.event;
}
