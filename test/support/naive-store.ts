// What the store must hold after a list of events, in the fewest words: one list, searched from end
// to end. Shares no code with src/store (NIP-01 kinds, NIP-09 deletions, NIP-40 expirations).

import type { NostrEvent } from "../../src/protocol/event.ts";

export interface NaiveVerdict {
  readonly accepted: boolean;
  readonly reason: string;
}

/** One that is stored; `arrival` counts all events that were ever applied. */
export interface NaiveEntry {
  readonly event: NostrEvent;
  readonly arrival: number;
}

export class NaiveStore {
  entries: NaiveEntry[] = [];
  arrivals = 0;

  apply(event: NostrEvent): NaiveVerdict {
    const arrival = this.arrivals++;
    const stored = this.entries.map((entry) => entry.event);
    if (stored.some(({ id }) => id === event.id)) {
      return { accepted: true, reason: "duplicate: already have this event" };
    }
    if (stored.some((deletion) => naiveDeletes(deletion, event))) {
      return { accepted: false, reason: "blocked: this event was deleted by its author" };
    }
    const address = naiveAddress(event);
    if (address !== null) {
      const versions = stored.filter((other) => naiveAddress(other) === address);
      if (versions.some((other) => !isOlder(other, event))) {
        return { accepted: false, reason: "duplicate: a newer version of this event is stored" };
      }
      this.entries = this.entries.filter((entry) => !versions.includes(entry.event));
    }
    this.entries = this.entries.filter((entry) => !naiveDeletes(event, entry.event));
    this.entries.push({ event, arrival });
    return { accepted: true, reason: "" };
  }

  /** Returns the ids of those that were removed. */
  expire(now: number): string[] {
    const gone = this.entries.filter(({ event }) => isExpired(event, now));
    this.entries = this.entries.filter((entry) => !gone.includes(entry));
    return gone.map(({ event }) => event.id);
  }
}

export function naiveAddress({ kind, pubkey, tags }: NostrEvent): string | null {
  if (kind === 0 || kind === 3 || (kind >= 10_000 && kind <= 19_999)) return `${kind}:${pubkey}:`;
  if (kind < 30_000 || kind > 39_999) return null;
  return `${kind}:${pubkey}:${tags.find(([name]) => name === "d")?.[1] ?? ""}`;
}

export function isExpired({ tags }: NostrEvent, now: number): boolean {
  const value = tags.find(([name]) => name === "expiration")?.[1];
  return value !== undefined && /^\d{1,15}$/.test(value) && Number(value) <= now;
}

function naiveDeletes(deletion: NostrEvent, event: NostrEvent): boolean {
  if (deletion.kind !== 5 || event.kind === 5 || deletion.pubkey !== event.pubkey) return false;
  const names = (name: string, value: string | null) =>
    deletion.tags.some((tag) => tag[0] === name && tag[1] === value);
  if (names("e", event.id)) return true;
  return event.created_at <= deletion.created_at && names("a", naiveAddress(event));
}

function isOlder(a: NostrEvent, b: NostrEvent): boolean {
  return a.created_at === b.created_at ? a.id > b.id : a.created_at < b.created_at;
}
