// What checks of group events ask of the stored events (NIP-29): the event that is to be deleted,
// and what timeline references point to. Within the writer's transactions; events of the batch
// under way count as stored.

import type { NostrEvent } from "../../protocol/event.ts";
import { decodeText, textId } from "../../store/candidate.ts";
import type { EventReader } from "../../store/read.ts";
import { ALL_KEY, idKey, tagKey } from "../../store/term.ts";

/**
 * How far back timeline references may reach: NIP-29 has clients pick them from the last 50 events
 * they have seen. Of the group's own events, then of all.
 */
const RECENT_ENTRIES_MAX = 500;
/** Most references are to the newest. */
const RECENT_ENTRIES_FIRST = 50;
/** Ids that share a key are found by chance only, or made up on purpose, at great cost. */
const SAME_KEY_MAX = 4;
/** An index entry has the first 48 bits of the id, a reference 32. */
const ORDER_BITS_MORE = 2 ** 16;
const FIRST = [Number.NEGATIVE_INFINITY, 0, 0] as const;

export class GroupLookup {
  private readonly reader: EventReader;
  /** Events of groups that the transaction under way stores, by id. */
  private readonly pending = new Map<string, NostrEvent>();
  private isFresh = false;

  constructor(reader: EventReader) {
    this.reader = reader;
  }

  /** At the start of a transaction. */
  begin(): void {
    this.pending.clear();
    this.isFresh = false;
  }

  add(event: NostrEvent): void {
    this.pending.set(event.id, event);
  }

  remove(id: string): void {
    this.pending.delete(id);
  }

  findEvent(id: string): NostrEvent | null {
    const pending = this.pending.get(id);
    if (pending !== undefined) return pending;
    this.refresh();
    const entries = this.reader.entries(idKey(id), ...FIRST, SAME_KEY_MAX);
    for (const { text } of this.reader.texts(entries.map(([, , seq]) => seq))) {
      if (textId(text) === id) return decodeText(text);
    }
    return null;
  }

  /** `start`: 8 hex digits. */
  hasRecent(groupId: string, start: string): boolean {
    for (const id of this.pending.keys()) if (id.startsWith(start)) return true;
    this.refresh();
    const wanted = Number.parseInt(start, 16);
    return [tagKey("h", groupId), ALL_KEY].some((key) => this.hasUnder(key, wanted));
  }

  private hasUnder(key: number, wanted: number): boolean {
    for (const limit of [RECENT_ENTRIES_FIRST, RECENT_ENTRIES_MAX]) {
      const entries = this.reader.entries(key, ...FIRST, limit);
      const isIt = ([, order]: readonly number[]): boolean =>
        Math.floor((order as number) / ORDER_BITS_MORE) === wanted;
      if (entries.some(isIt)) return true;
      if (entries.length < limit) return false;
    }
    return false;
  }

  private refresh(): void {
    if (!this.isFresh) this.reader.head();
    this.isFresh = true;
  }
}
