// What a query costs: scanned as a reader scans it, alone and with a client that reads at once, by
// readers that count. Owned by the command that asks; reads only.

import type { Database } from "bun:sqlite";
import type { Filter } from "../protocol/filter.ts";
import { CountingReader, type ReadCounts } from "./counting-reader.ts";
import type { FilterStream, Found } from "./filter-stream.ts";
import type { Plan, Way } from "./plan.ts";
import { EventReader } from "./read.ts";
import { Scan, type ScanOptions } from "./scan.ts";
import type { Sight } from "./sight.ts";

export type Hint = "finish" | "more" | null;

export interface Cost {
  readonly events: number;
  readonly hint: Hint;
  readonly wallMs: number;
  /** Of the process, user and system. */
  readonly cpuMs: number;
}

/** How it is asked: by the options in force, by whom, and for how long a slice. */
export interface Asked {
  readonly options: ScanOptions;
  readonly sight: Sight;
  readonly sliceMs: number;
}

export interface FilterCost {
  /** Nothing of what the filter asks for may be seen by who asks, so nothing is read. */
  readonly isHidden: boolean;
  /** Null when nothing is read: as above, or because the limit is 0. */
  readonly plan: Plan | null;
  /** Where it went on, when the plan would have looked at too many entries. */
  readonly instead: Way | null;
  readonly reads: Readonly<ReadCounts>;
  /** Of the events fetched; and `removed` are those gone between their entry and them. */
  readonly passedOver: Readonly<FilterStream["passedOver"]>;
  readonly matched: number;
  /** Of those that match, what a client gets. */
  readonly events: number;
  readonly hint: Hint;
}

/** Runs the whole query, in slices as a reader does, each a read transaction. */
export function measureQuery(db: Database, filters: readonly Filter[], asked: Asked): Cost {
  const reader = new EventReader(db);
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const scan = new Scan(reader, filters, asked.options, asked.sight);
  let events = 0;
  scanBySlices(reader, scan, asked.sliceMs, () => {
    events += 1;
  });
  const wallMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { events, hint: scan.hint(), wallMs, cpuMs: (user + system) / 1000 };
}

/** What is read for one filter. */
export function countFilter(
  db: Database,
  filter: Filter,
  asked: Asked,
  visit: (found: Found) => void = () => {},
): FilterCost {
  const reader = new CountingReader(db);
  const scan = new Scan(reader, [filter], asked.options, asked.sight);
  const stream = scan.streams[0] ?? null;
  reader.inSnapshot(() => scan.next()); // the first step chooses the plan, and finds nothing yet
  const plan = stream?.plan ?? null;
  let events = 0;
  scanBySlices(reader, scan, asked.sliceMs, (found) => {
    events += 1;
    visit(found);
  });
  const last = stream?.plan ?? null;
  const passedOver = stream?.passedOver ?? { removed: 0, expired: 0, hidden: 0, unmatched: 0 };
  const { expired, hidden, unmatched } = passedOver;
  return {
    isHidden: stream === null,
    plan,
    instead: last === plan ? null : last,
    reads: reader.counts,
    passedOver,
    matched: reader.counts.events - expired - hidden - unmatched,
    events,
    hint: scan.hint(),
  };
}

function scanBySlices(
  reader: EventReader,
  scan: Scan,
  sliceMs: number,
  visit: (found: Found) => void,
): void {
  const slice = (): boolean => {
    const deadline = performance.now() + sliceMs;
    while (performance.now() < deadline) {
      const found = scan.next();
      if (found === "done") return true;
      if (found !== "working") visit(found);
    }
    return false;
  };
  while (!reader.inSnapshot(slice));
}
