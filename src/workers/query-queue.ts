// The order in which a reader runs its queries: new ones first, then those already begun, by turns.
// Every so many slices one that has begun goes before the new ones, so that a stream of those can't
// starve it. A query that waits for its client is in neither line.

export interface Queued {
  /** Set by the queue: it is skipped, wherever it still stands. */
  isDropped: boolean;
}

const BEGUN_EVERY = 8;
/** Of dropped queries in the line of new ones, before they are looked for. */
const DROPPED_MIN = 64;

export class QueryQueue<T extends Queued> {
  /** The newest is the last. */
  private fresh: T[] = [];
  /** How many times a query was dropped since `fresh` was last swept: most may stand there. */
  private dropped = 0;
  /** In the order of their turns. */
  private readonly begun = new Set<T>();
  private readonly paused = new Set<T>();
  private turns = 0;

  get isEmpty(): boolean {
    return this.fresh.length === 0 && this.begun.size === 0;
  }

  /** How many it holds on to, the dropped ones included. */
  get size(): number {
    return this.fresh.length + this.begun.size + this.paused.size;
  }

  get hasPaused(): boolean {
    return this.paused.size > 0;
  }

  add(query: T): void {
    this.fresh.push(query);
  }

  /** The query whose turn it is; it is in no line until `again` or `pause`. */
  next(): T | null {
    this.turns += 1;
    const begun = this.turns % BEGUN_EVERY === 0 ? this.takeBegun() : null;
    return begun ?? this.takeFresh() ?? this.takeBegun();
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
    query.isDropped = true;
    this.begun.delete(query);
    this.paused.delete(query);
    this.dropped += 1;
    this.sweep();
  }

  /** The oldest stand where nobody comes by while there are newer ones. Costs little a drop. */
  private sweep(): void {
    if (this.dropped < Math.max(DROPPED_MIN, this.fresh.length / 2)) return;
    this.fresh = this.fresh.filter(({ isDropped }) => !isDropped);
    this.dropped = 0;
  }

  private takeFresh(): T | null {
    for (;;) {
      const query = this.fresh.pop();
      if (query === undefined) return null;
      if (!query.isDropped) return query;
    }
  }

  private takeBegun(): T | null {
    const [query] = this.begun;
    if (query === undefined) return null;
    this.begun.delete(query);
    return query;
  }
}
