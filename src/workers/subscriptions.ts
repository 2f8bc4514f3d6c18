// What an ingester keeps of the subscriptions that are open: which slot and gen each has (mail.ts),
// and what all of them cost, so that neither a connection nor all together get more than their due.

import { setting } from "../config/current.ts";
import type { Reason } from "../protocol/reason.ts";

export interface Subscription {
  readonly id: string;
  readonly slot: number;
  readonly gen: number;
  /** What it costs (filter.ts, filterCost). */
  readonly values: number;
  /**
   * Its filters as they travel, when a sign-in may let it see more; else null. Most are null: a
   * subscription that is idle should keep next to nothing here.
   */
  readonly filters: string | null;
}

/** Of one connection, with so many or fewer: most have few, and a map takes the memory of three. */
const CHAIN_MAX = 16;

/** A subscription, and the one of its connection that was opened after it. */
interface Link extends Subscription {
  next: Link | null;
}

/** Only a connection that has subscribed has an entry. */
class Connection {
  count = 0;
  values = 0;
  /** In the order in which they were opened: a chain, or, once they were many, a map. */
  private first: Link | null = null;
  private byId: Map<string, Subscription> | null = null;
  private slotCount = 0;
  private freeSlots: number[] | null = null;

  *all(): Iterable<Subscription> {
    if (this.byId !== null) yield* this.byId.values();
    else for (let one = this.first; one !== null; one = one.next) yield one;
  }

  get(id: string): Subscription | undefined {
    if (this.byId !== null) return this.byId.get(id);
    let one = this.first;
    while (one !== null && one.id !== id) one = one.next;
    return one ?? undefined;
  }

  /** Adds it, in the place of `old`, if there is one. */
  set(link: Link, old: Subscription | undefined): void {
    this.values += link.values - (old?.values ?? 0);
    if (old === undefined) this.count += 1;
    if (this.byId === null && this.count > CHAIN_MAX) {
      this.byId = new Map(Array.from(this.all(), (one) => [one.id, one]));
      this.first = null;
    }
    if (this.byId !== null) this.byId.set(link.id, link);
    else this.replace(old, link);
  }

  delete(old: Subscription): void {
    this.count -= 1;
    this.values -= old.values;
    (this.freeSlots ??= []).push(old.slot);
    if (this.byId !== null) this.byId.delete(old.id);
    else this.replace(old, null);
  }

  /** In the chain: `link` comes where `old` is, at the end when there is no `old`. */
  private replace(old: Subscription | undefined, link: Link | null): void {
    let before: Link | null = null;
    let one = this.first;
    for (; one !== null && one !== old; one = one.next) before = one;
    const after = one?.next ?? null;
    if (link !== null) link.next = after;
    if (before === null) this.first = link ?? after;
    else before.next = link ?? after;
  }

  takeSlot(): number {
    return this.freeSlots?.pop() ?? this.slotCount++;
  }
}

export class Subscriptions {
  private readonly connections = new Map<number, Connection>();
  /** This ingester's share of `relay.total_filter_values_max`, and how much of it is in use. */
  private readonly valuesMax: number;
  private values = 0;
  private gen = 0;

  constructor(valuesMax: number) {
    this.valuesMax = valuesMax;
  }

  get(connId: number, id: string): Subscription | undefined {
    return this.connections.get(connId)?.get(id);
  }

  /** Of connections that have subscribed. */
  connIds(): Iterable<number> {
    return this.connections.keys();
  }

  of(connId: number): Iterable<Subscription> {
    return this.connections.get(connId)?.all() ?? [];
  }

  /** Why there is no room for another, or for one in the place of `old`; null when there is. */
  checkRoom(connId: number, old: Subscription | undefined, values: number): Reason | null {
    const connection = this.connections.get(connId);
    const subscriptionsMax = setting("relay.subscriptions_max");
    if (old === undefined && (connection?.count ?? 0) >= subscriptionsMax) {
      return `rate-limited: more than ${subscriptionsMax} subscriptions on this connection`;
    }
    const more = values - (old?.values ?? 0);
    const valuesMax = setting("relay.connection_filter_values_max");
    if ((connection?.values ?? 0) + more > valuesMax) {
      return `rate-limited: more than ${valuesMax} filter values on this connection`;
    }
    return this.values + more > this.valuesMax
      ? "rate-limited: the relay has too many subscriptions open"
      : null;
  }

  /** Opens one, in the place of an old one of that id. */
  open(connId: number, id: string, values: number, filters: string | null): Subscription {
    let connection = this.connections.get(connId);
    if (connection === undefined) {
      connection = new Connection();
      this.connections.set(connId, connection);
    }
    const old = connection.get(id);
    const slot = old?.slot ?? connection.takeSlot();
    const link: Link = { id, slot, gen: this.nextGen(), values, filters, next: null };
    connection.set(link, old);
    this.values += values - (old?.values ?? 0);
    return link;
  }

  /** Forgets it, and returns the gen that ends it; null when there is none of that id. */
  close(connId: number, id: string): { readonly slot: number; readonly gen: number } | null {
    const connection = this.connections.get(connId);
    const old = connection?.get(id);
    if (connection === undefined || old === undefined) return null;
    connection.delete(old);
    this.values -= old.values;
    return { slot: old.slot, gen: this.nextGen() };
  }

  forget(connId: number): void {
    this.values -= this.connections.get(connId)?.values ?? 0;
    this.connections.delete(connId);
  }

  private nextGen(): number {
    this.gen += 1;
    return this.gen;
  }
}
