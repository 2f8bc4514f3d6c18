// What a query costs: scanned as a reader scans it, alone and with a client that reads at once, by
// readers that count. Owned by the command that asks; reads only.

import type { Database } from "bun:sqlite";
import type { Filter } from "../protocol/filter.ts";
import { CountingReader, type ReadCounts } from "./counting-reader.ts";
import type { FilterStream, Found } from "./filter-stream.ts";
import type { Plan, Way } from "./plan.ts";
import { EventReader } from "./read.ts";
import { Scan, type ScanOptions } from "./scan.ts";

export type Hint = "finish" | "more" | null;

export interface Cost {
  readonly events: number;
  readonly hint: Hint;
  readonly wallMs: number;
  /** Of the process, user and system. */
  readonly cpuMs: number;
}

export interface FilterCost {
  /** Null when nothing is read: the limit is 0. */
  readonly plan: Plan | null;
  /** Where it went on, when the plan would have looked at too many entries. */
  readonly instead: Way | null;
  readonly reads: Readonly<ReadCounts>;
  /** Of the events fetched. */
  readonly passedOver: Readonly<FilterStream["passedOver"]>;
  readonly matched: number;
  /** Of those that match, what a client gets. */
  readonly events: number;
  readonly hint: Hint;
}

/** Runs the whole query, in slices as a reader does, each a read transaction. */
export function measureQuery(
  db: Database,
  filters: readonly Filter[],
  options: ScanOptions,
  sliceMs: number,
): Cost {
  const reader = new EventReader(db);
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const scan = new Scan(reader, filters, options);
  let events = 0;
  scanBySlices(reader, scan, sliceMs, () => {
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
  options: ScanOptions,
  sliceMs: number,
  visit: (found: Found) => void = () => {},
): FilterCost {
  const reader = new CountingReader(db);
  const scan = new Scan(reader, [filter], options);
  const stream = scan.streams[0] as FilterStream;
  reader.inSnapshot(() => scan.next()); // the first step chooses the plan, and finds nothing yet
  const { plan } = stream;
  let events = 0;
  scanBySlices(reader, scan, sliceMs, (found) => {
    events += 1;
    visit(found);
  });
  const { passedOver } = stream;
  const matched = reader.counts.events - passedOver.expired - passedOver.unmatched;
  const instead = stream.plan === plan ? null : stream.plan;
  const reads = reader.counts;
  return { plan, instead, reads, passedOver, matched, events, hint: scan.hint() };
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
