// Reads, when a sync is opened, what it may see of classes that its running sums can't go by
// (sum-view.ts), event by event: private events by the index entries of its client's own keys, and
// of groups what some of their kinds are about, in the hours that have any. Owned by one thread;
// within a snapshot each.

import type { Filter } from "../protocol/filter.ts";
import type { EventReader } from "./read.ts";
import { Scan } from "./scan.ts";
import type { Sight } from "./sight.ts";
import type { SumChanges } from "./sum-changes.ts";
import { groupsOf, HOUR_S, HOURS, MONTH_HOURS, MONTHS } from "./sum-tables.ts";
import type { SumView } from "./sum-view.ts";

const BUCKET_END = Number.MAX_SAFE_INTEGER;
/** Some milliseconds' work, at most. */
const EVENTS_PER_STEP = 64;

interface Job {
  readonly filter: Filter;
  /** Events with a higher one have been seen by whoever knows what the sums lack. */
  readonly seqMax: number;
}

export class OwnScan {
  private readonly reader: EventReader;
  private readonly sight: Sight;
  private readonly view: SumView;
  private readonly changes: SumChanges;
  private readonly nowSeconds: () => number;
  private readonly jobs: Iterator<Job | null>;
  private job: Job | null = null;
  private scan: Scan | null = null;

  constructor(
    reader: EventReader,
    filter: Filter,
    changes: SumChanges,
    how: { sight: Sight; view: SumView; nowSeconds: () => number },
  ) {
    this.reader = reader;
    this.sight = how.sight;
    this.view = how.view;
    this.changes = changes;
    this.nowSeconds = how.nowSeconds;
    this.jobs = this.plan(filter);
  }

  /** A bounded piece of work; true when nothing is left to do. */
  step(): boolean {
    if (this.scan === null) {
      const next = this.jobs.next();
      if (next.done === true) return true;
      if (next.value === null) return false;
      this.job = next.value;
      this.scan = new Scan(this.reader, [this.job.filter], this.scanOptions(), this.sight);
    }
    const { seqMax } = this.job as Job;
    for (let i = 0; i < EVENTS_PER_STEP; i++) {
      const found = this.scan.next();
      if (found === "working") return false;
      if (found === "done") {
        this.scan = null;
        return false;
      }
      const { kind, text } = found.stored;
      const isOwn = this.view.seen(kind, groupsOf(text)) === "some";
      if (isOwn && found.seq <= seqMax) this.changes.addOwn(found.stored);
    }
    return false;
  }

  /** To be called when the next step may be long in coming. */
  rest(): void {
    this.scan?.rest();
  }

  private scanOptions() {
    const limit = Number.MAX_SAFE_INTEGER;
    return { limitDefault: limit, limitMax: limit, tiesMax: 0, nowSeconds: this.nowSeconds };
  }

  /** Null after each piece of the planning. */
  private *plan(filter: Filter): Generator<Job | null> {
    const { viewer, privateKinds, guardedKinds } = this.sight;
    const among = (kinds: ReadonlySet<number>): Filter | null => {
      const both = filter.kinds?.intersection(kinds) ?? kinds;
      return both.size === 0 ? null : { ...filter, kinds: both };
    };
    const own = viewer.size === 0 ? null : among(privateKinds);
    if (own !== null) yield { filter: own, seqMax: Infinity };
    const guarded = among(guardedKinds.difference(privateKinds));
    if (guarded !== null) yield { filter: guarded, seqMax: Infinity };
    const done = privateKinds.union(guardedKinds);
    const seqMax = this.changes.openedUpTo;
    const months = yield* this.kindsBy(MONTHS, 0, BUCKET_END, done);
    for (const month of months.keys()) {
      const from = month * MONTH_HOURS;
      const hours = yield* this.kindsBy(HOURS, from, from + MONTH_HOURS, done);
      for (const [hour, kinds] of hours) {
        const since = Math.max(filter.since, hour * HOUR_S);
        const until = Math.min(filter.until, (hour + 1) * HOUR_S - 1);
        if (since <= until) yield { filter: { ...filter, kinds, since, until }, seqMax };
      }
    }
  }

  /** By bucket, the kinds that have events to be looked at. */
  private *kindsBy(
    level: number,
    from: number,
    to: number,
    done: ReadonlySet<number>,
  ): Generator<null, Map<number, Set<number>>> {
    const found = new Map<number, Set<number>>();
    for (const place of this.view.doubtful(level, from, to)) {
      if (place === null) {
        yield null;
        continue;
      }
      const [bucket, kind] = place;
      if (!done.has(kind)) found.set(bucket, (found.get(bucket) ?? new Set()).add(kind));
    }
    return found;
  }
}
