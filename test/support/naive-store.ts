// What the store must hold after a list of events, in the fewest words: one list, searched from end
// to end. Shares no code with src/store (NIP-01 kinds, NIP-09 deletions, NIP-40 expirations, NIP-62
// requests to vanish from the relay wss://here.example).

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
  /** Versions that were deleted by id, deletions that vanished, and all requests to vanish. */
  private readonly superseding: NostrEvent[] = [];
  private readonly vanishedDeletions: NostrEvent[] = [];
  private readonly vanishes: NostrEvent[] = [];

  apply(event: NostrEvent): NaiveVerdict {
    const arrival = this.arrivals++;
    const stored = this.entries.map((entry) => entry.event);
    if (stored.some(({ id }) => id === event.id)) {
      return { accepted: true, reason: "duplicate: already have this event" };
    }
    if (this.vanishes.some((vanish) => naiveVanishes(vanish, event))) {
      if (event.kind === 5) this.vanishedDeletions.push(event);
      this.removeDeleted(event);
      return { accepted: false, reason: "blocked: its author has asked to vanish from this relay" };
    }
    const address = naiveAddress(event);
    const deletions = stored.filter((other) => naiveDeletes(other, event));
    deletions.push(...this.vanishedDeletions.filter((other) => naiveDeletesById(other, event)));
    if (deletions.length > 0) {
      if (address !== null) this.supersede(event, address);
      return { accepted: false, reason: "blocked: this event was deleted by its author" };
    }
    if (address !== null) {
      const others = this.superseding.filter((other) => naiveAddress(other) === address);
      if (others.some((other) => !isOlder(other, event))) {
        const reason = "blocked: a newer version of this event was deleted by its author";
        return { accepted: false, reason };
      }
      const versions = stored.filter((other) => naiveAddress(other) === address);
      if (versions.some((other) => !isOlder(other, event))) {
        return { accepted: false, reason: "duplicate: a newer version of this event is stored" };
      }
      this.entries = this.entries.filter((entry) => !versions.includes(entry.event));
    }
    this.removeDeleted(event);
    const vanished = stored.filter((other) => naiveVanishes(event, other));
    this.vanishedDeletions.push(...vanished.filter((other) => other.kind === 5));
    if (naiveIsVanish(event)) this.vanishes.push(event);
    this.entries = this.entries.filter((entry) => !vanished.includes(entry.event));
    this.entries.push({ event, arrival });
    return { accepted: true, reason: "" };
  }

  private removeDeleted(deletion: NostrEvent): void {
    const stored = this.entries.map(({ event }) => event);
    const byId = stored.filter((other) => naiveDeletesById(deletion, other));
    this.superseding.push(...byId.filter((other) => naiveAddress(other) !== null));
    this.entries = this.entries.filter((entry) => !naiveDeletes(deletion, entry.event));
  }

  /** Knows no more than what it holds, as a store of a version that remembered nothing else. */
  forget(): void {
    for (const list of [this.superseding, this.vanishedDeletions, this.vanishes]) list.length = 0;
  }

  /** A version that comes deleted. */
  private supersede(event: NostrEvent, address: string): void {
    const versions = this.entries.filter((entry) => naiveAddress(entry.event) === address);
    if (!versions.every((entry) => isOlder(entry.event, event))) return;
    this.entries = this.entries.filter((entry) => !versions.includes(entry));
    this.superseding.push(event);
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
  if (naiveDeletesById(deletion, event)) return true;
  if (deletion.kind !== 5 || deletion.pubkey !== event.pubkey) return false;
  const address = naiveAddress(event);
  const names = deletion.tags.some(([name, value]) => name === "a" && value === address);
  return names && event.created_at <= deletion.created_at;
}

function naiveDeletesById(deletion: NostrEvent, event: NostrEvent): boolean {
  if (deletion.kind !== 5 || event.kind === 5 || event.kind === 62) return false;
  if (!naiveOwns(deletion.pubkey, event)) return false;
  return deletion.tags.some(([name, value]) => name === "e" && value === event.id);
}

function naiveOwns(pubkey: string, event: NostrEvent): boolean {
  if (event.pubkey === pubkey) return true;
  return (
    event.kind === 1059 && event.tags.some(([name, value]) => name === "p" && value === pubkey)
  );
}

export function naiveIsVanish(event: NostrEvent): boolean {
  const mine = ["ALL_RELAYS", "wss://here.example"];
  const names = ([name, value]: readonly string[]) =>
    name === "relay" && mine.includes(value ?? "");
  return event.kind === 62 && event.tags.some(names);
}

function naiveVanishes(vanish: NostrEvent, event: NostrEvent): boolean {
  if (!naiveIsVanish(vanish) || vanish.id === event.id) return false;
  if (event.created_at > vanish.created_at || !naiveOwns(vanish.pubkey, event)) return false;
  const isRival = naiveIsVanish(event) && event.pubkey === vanish.pubkey;
  return !isRival || event.created_at < vanish.created_at || event.id > vanish.id;
}

function isOlder(a: NostrEvent, b: NostrEvent): boolean {
  return a.created_at === b.created_at ? a.id > b.id : a.created_at < b.created_at;
}
