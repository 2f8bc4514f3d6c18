// The order in which a thread runs its queries: new ones first, then those already begun, both by
// turns of their connections, so that nobody waits longer for how much another asks. Every so many
// slices one that has begun goes before the new ones, so that a stream of those can't starve it. A
// query that waits for its client is in neither line.

export interface Queued {
  readonly connId: number;
}

const BEGUN_EVERY = 8;

/** Connections take turns, of one query each; the queries of a connection keep their order. */
class Line<T extends Queued> {
  private readonly connections = new Map<number, Set<T>>();

  get isEmpty(): boolean {
    return this.connections.size === 0;
  }

  add(query: T): void {
    const own = this.connections.get(query.connId);
    if (own === undefined) this.connections.set(query.connId, new Set([query]));
    else own.add(query);
  }

  remove(query: T): void {
    const own = this.connections.get(query.connId);
    if (own?.delete(query) === true && own.size === 0) this.connections.delete(query.connId);
  }

  take(): T | null {
    for (const [connId, own] of this.connections) {
      this.connections.delete(connId);
      const [query] = own;
      own.delete(query as T);
      if (own.size > 0) this.connections.set(connId, own);
      return query as T;
    }
    return null;
  }
}

export class QueryQueue<T extends Queued> {
  private readonly fresh = new Line<T>();
  private readonly begun = new Line<T>();
  private readonly paused = new Set<T>();
  private turns = 0;

  get isEmpty(): boolean {
    return this.fresh.isEmpty && this.begun.isEmpty;
  }

  get hasPaused(): boolean {
    return this.paused.size > 0;
  }

  add(query: T): void {
    this.fresh.add(query);
  }

  /** The query whose turn it is; it is in no line until `again` or `pause`. */
  next(): T | null {
    this.turns += 1;
    const begun = this.turns % BEGUN_EVERY === 0 ? this.begun.take() : null;
    return begun ?? this.fresh.take() ?? this.begun.take();
  }

  /** It has had its turn and wants another. */
  again(query: T): void {
    this.begun.add(query);
  }

  pause(query: T): void {
    this.paused.add(query);
  }

  /** Ends a pause, if it is paused. */
  resume(query: T): void {
    if (this.paused.delete(query)) this.begun.add(query);
  }

  drop(query: T): void {
    this.fresh.remove(query);
    this.begun.remove(query);
    this.paused.delete(query);
  }
}
