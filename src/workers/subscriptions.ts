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

/** Only a connection that has subscribed has an entry. */
interface Connection {
  readonly byId: Map<string, Subscription>;
  readonly freeSlots: number[];
  slotCount: number;
  values: number;
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
    return this.connections.get(connId)?.byId.get(id);
  }

  /** Of connections that have subscribed. */
  connIds(): Iterable<number> {
    return this.connections.keys();
  }

  of(connId: number): Iterable<Subscription> {
    return this.connections.get(connId)?.byId.values() ?? [];
  }

  /** Why there is no room for another, or for one in the place of `old`; null when there is. */
  checkRoom(connId: number, old: Subscription | undefined, values: number): Reason | null {
    const connection = this.connections.get(connId);
    const subscriptionsMax = setting("relay.subscriptions_max");
    if (old === undefined && (connection?.byId.size ?? 0) >= subscriptionsMax) {
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
    const connection = this.connections.get(connId) ?? this.openConnection(connId);
    const old = connection.byId.get(id);
    const slot = old?.slot ?? connection.freeSlots.pop() ?? connection.slotCount++;
    const subscription = { id, slot, gen: this.nextGen(), values, filters };
    connection.byId.set(id, subscription);
    this.addValues(connection, values - (old?.values ?? 0));
    return subscription;
  }

  /** Forgets it, and returns the gen that ends it; null when there is none of that id. */
  close(connId: number, id: string): { readonly slot: number; readonly gen: number } | null {
    const connection = this.connections.get(connId);
    const old = connection?.byId.get(id);
    if (connection === undefined || old === undefined) return null;
    connection.byId.delete(id);
    connection.freeSlots.push(old.slot);
    this.addValues(connection, -old.values);
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

  private addValues(connection: Connection, values: number): void {
    connection.values += values;
    this.values += values;
  }

  private openConnection(connId: number): Connection {
    const connection = { byId: new Map(), freeSlots: [], slotCount: 0, values: 0 };
    this.connections.set(connId, connection);
    return connection;
  }
}
