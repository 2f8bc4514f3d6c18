// What checks of group events ask of the stored events (NIP-29): the event that is to be deleted,
// and what timeline references point to. Within the writer's transactions; events of the batch
// under way count as stored.

import type { NostrEvent } from "../../protocol/event.ts";
import { decodeText } from "../../store/candidate.ts";
import type { EventReader } from "../../store/read.ts";
import { ALL_KEY, idKey, tagKey } from "../../store/term.ts";

/**
 * How far back timeline references may reach: NIP-29 has clients pick them from the last 50 events
 * they have seen. So most are found among the first; of the rest, each transaction looks further
 * back once for each group, whatever is referred to.
 */
const NEWEST_ENTRIES = 50;
const RECENT_ENTRIES_MAX = 500;
/** Ids that share a key are found by chance only, or made up on purpose, at great cost. */
const SAME_KEY_MAX = 4;
/** An index entry has the first 48 bits of the id, a reference 32. */
const ORDER_BITS_MORE = 2 ** 16;
const FIRST = [Number.NEGATIVE_INFINITY, 0, 0] as const;

export class GroupLookup {
  private readonly reader: EventReader;
  /** Events of groups that the transaction under way stores, by id. */
  private readonly pending = new Map<string, NostrEvent>();
  /** How recent ids start, by the key they are found under and how many: of this transaction. */
  private readonly starts = new Map<string, ReadonlySet<number>>();
  private readonly pendingStarts = new Set<number>();
  private isFresh = false;

  constructor(reader: EventReader) {
    this.reader = reader;
  }

  /** At the start of a transaction. */
  begin(): void {
    this.pending.clear();
    this.starts.clear();
    this.pendingStarts.clear();
    this.isFresh = false;
  }

  add(event: NostrEvent): void {
    this.pending.set(event.id, event);
    this.pendingStarts.add(startOf(event.id));
  }

  remove(id: string): void {
    this.pending.delete(id);
  }

  findEvent(id: string): NostrEvent | null {
    const pending = this.pending.get(id);
    if (pending !== undefined) return pending;
    this.refresh();
    const entries = this.reader.entries(idKey(id), ...FIRST, SAME_KEY_MAX);
    const found = this.reader.texts(entries.map(([, , seq]) => seq)).find((one) => one.id === id);
    return found === undefined ? null : decodeText(found.text);
  }

  /** `start`: 8 hex digits. Of the newest events of the group, then of all. */
  hasRecent(groupId: string, start: string): boolean {
    const wanted = startOf(start);
    if (this.pendingStarts.has(wanted)) return true;
    const key = tagKey("h", groupId);
    if (this.startsUnder(key, NEWEST_ENTRIES).has(wanted)) return true;
    if (this.startsUnder(key, RECENT_ENTRIES_MAX).has(wanted)) return true;
    return this.startsUnder(ALL_KEY, RECENT_ENTRIES_MAX).has(wanted);
  }

  private startsUnder(key: number, limit: number): ReadonlySet<number> {
    const known = this.starts.get(`${key} ${limit}`);
    if (known !== undefined) return known;
    this.refresh();
    const entries = this.reader.entries(key, ...FIRST, limit);
    const starts = new Set(entries.map(([, order]) => Math.floor(order / ORDER_BITS_MORE)));
    this.starts.set(`${key} ${limit}`, starts);
    return starts;
  }

  private refresh(): void {
    if (!this.isFresh) this.reader.head();
    this.isFresh = true;
  }
}

/** The first 32 bits of an id, or of what an id starts with. */
function startOf(hex: string): number {
  return Number.parseInt(hex.slice(0, 8), 16);
}
