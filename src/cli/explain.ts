// `nandu explain`: how the relay would answer a REQ, and what that costs: the way its planner takes
// into the index, what is read there, what of it is served, and what the live part would cost.

import type { Database } from "bun:sqlite";
import { current, setting } from "../config/current.ts";
import { visibility } from "../config/read-rules.ts";
import { searchKinds } from "../config/search-kinds.ts";
import { countValues, type Filter, filterCost } from "../protocol/filter.ts";
import { isHex64 } from "../protocol/hex.ts";
import { parseClientMessage } from "../protocol/message.ts";
import { guardGroups } from "../policy/groups/thread-groups.ts";
import type { Viewer } from "../protocol/visibility.ts";
import { type Cost, countFilter, type FilterCost, measureQuery } from "../store/explain.ts";
import { type Estimate, monitorWay, type Plan, type Way } from "../store/plan.ts";
import { limitOf, type ScanOptions } from "../store/scan.ts";
import { openForReading, storeOptions } from "../store/schema.ts";
import { Sight } from "../store/sight.ts";
import { reqOptions } from "../workers/reader.ts";
import { type Command, configure, EXIT_OK, parseFlags, UsageError } from "./command.ts";
import { type FilterArgument, parseFilterArguments } from "./filter-argument.ts";
import { counted, excerpt, printTable, type Row } from "./table.ts";

const usage = `Usage: nandu explain [--viewer PUBKEY]… [--json] FILTER…

Prints how the relay would answer a REQ with these filters (JSON of NIP-01, an array of several as
well), and what that costs. For each filter: the way into the index that the planner takes and those
it compares, index entries read, events fetched, and how many of them match; under which keys a
subscription would be kept for live events. For all of them together: what they count for, and the
time that a first run takes, a second one, and the best of some more. Safe while the relay runs.

  --viewer  who asks, as signed in with this key (NIP-42); may be given several times. Without it,
            nobody in particular, who sees no private events
  --json    the same, as one line of JSON

Example: nandu explain '{"kinds":[1],"#t":["nostr"],"limit":20}'
`;

/** A thread that has long run has its code compiled: some runs come near to that. */
const WARM_MS = 100;
const WARM_RUNS_MAX = 50;

interface Query {
  readonly filters: readonly Filter[];
  readonly viewer: Viewer;
  /** What the relay would answer instead of looking. */
  readonly refusal: string | null;
}

interface Run {
  readonly name: string;
  readonly cost: Cost;
}

interface Explained extends FilterArgument {
  /** Null when the filter can match nothing, so that nobody looks. */
  readonly cost: FilterCost | null;
}

function run(args: readonly string[]): number {
  const { rest } = configure(args);
  const { flags, lists, positionals } = parseFlags(rest, ["--json"], [], ["--viewer"]);
  const viewer = viewerOf(lists.get("--viewer") ?? []);
  const filters = positionals.flatMap(parseFilterArguments);
  if (filters.length === 0) throw new UsageError("a filter is missing");
  const db = openForReading(storeOptions());
  try {
    guardGroups(db, null);
    explain(db, filters, viewer, flags.has("--json"));
  } finally {
    db.close();
  }
  return EXIT_OK;
}

function viewerOf(pubkeys: readonly string[]): Viewer {
  for (const pubkey of pubkeys) {
    if (isHex64(pubkey)) continue;
    throw new UsageError(`--viewer: ${excerpt(pubkey)} is not 64 lower-case hex digits`);
  }
  return new Set(pubkeys);
}

function explain(
  db: Database,
  args: readonly FilterArgument[],
  viewer: Viewer,
  isJson: boolean,
): void {
  const sight = new Sight(visibility(), viewer);
  const asked = { options: reqOptions(), sight, sliceMs: setting("relay.query_slice_ms") };
  const filters = args.flatMap(({ filter }) => filter ?? []);
  const runs = runQuery(() => measureQuery(db, filters, asked)); // before all is cached
  const explained = args.map((one) => ({
    ...one,
    cost: one.filter === null ? null : countFilter(db, one.filter, asked),
  }));
  const query = { filters, viewer, refusal: refusalOf(args, filters, viewer) };
  if (isJson) {
    const json = {
      filters: explained.map((one) => jsonOfFilter(one, asked.options)),
      query: jsonOfQuery(query),
      runs: runs.map(jsonOfRun),
    };
    process.stdout.write(`${JSON.stringify(json)}\n`);
    return;
  }
  const rows = explained.flatMap((one, i): Row[] => {
    const name = explained.length === 1 ? "filter" : `filter ${i + 1}`;
    return [[name, excerpt(one.json)], ...rowsOfFilter(one, asked.options), ["", ""]];
  });
  printTable([...rows, ...rowsOfQuery(query), ...rowsOfRuns(runs)]);
}

/** Once, once more, and the best of so many that little changes any more. */
function runQuery(measure: () => Cost): Run[] {
  const deadline = performance.now() + WARM_MS;
  const runs = [
    { name: "first run", cost: measure() },
    { name: "second run", cost: measure() },
  ];
  let best: Cost | null = null;
  for (let i = 0; i < WARM_RUNS_MAX && performance.now() < deadline; i++) {
    const cost = measure();
    if (best === null || cost.wallMs < best.wallMs) best = cost;
  }
  return best === null ? runs : [...runs, { name: "best of more", cost: best }];
}

function refusalOf(
  args: readonly FilterArgument[],
  filters: readonly Filter[],
  viewer: Viewer,
): string | null {
  const text = `["REQ","explain",${args.map(({ json }) => json).join()}]`;
  const limits = {
    filtersMax: setting("relay.filters_max"),
    filterValuesMax: setting("relay.filter_values_max"),
    searchKinds: searchKinds(current.settings),
    hasSyncs: false,
  };
  const message = parseClientMessage(text, limits);
  if (message.type === "refused") return String((JSON.parse(message.frame) as unknown[])[2]);
  return visibility().checkRead(viewer, filters);
}

/** Without what a key costs by itself. */
function entriesOf({ way, size }: Estimate): number {
  return Math.round(size - way.keys.length);
}

// For people

function rowsOfFilter({ filter, cost }: Explained, options: ScanOptions): Row[] {
  if (filter === null || cost === null) return [["way", "none: it can match nothing"]];
  const limit: Row = ["limit", counted(limitOf(filter, options), "event")];
  const live: Row = ["live", `${wayText(monitorWay(filter))}, counts for ${filterCost(filter)}`];
  if (cost.isHidden) return [["way", "none: all of it is hidden from who asks"], limit, live];
  if (cost.plan === null) return [["way", "none: nothing is asked for"], limit, live];
  return [
    ["way", planText(cost.plan, cost.instead)],
    ...cost.plan.compared.map((one, i): Row => [i === 0 ? "compared" : "", estimateText(one)]),
    limit,
    ["index", indexText(cost.reads)],
    ["fetched", fetchedText(cost)],
    ["answer", answerText(cost)],
    live,
  ];
}

function wayText({ name, keys }: Way): string {
  return `${name}, ${counted(keys.length, "key")}`;
}

function planText(plan: Plan, instead: Way | null): string {
  const way = wayText(plan);
  if (plan.isSparse) return `${way}, read together`;
  if (plan.next === null) return way;
  if (instead === null) return `${way}, newest first; not needed: ${wayText(plan.next())}`;
  return `${way}, newest first; then ${wayText(instead)}, by spans of time`;
}

function estimateText(one: Estimate): string {
  const about = one.isCutOff ? "more than" : "about";
  return `${wayText(one.way)}: ${about} ${counted(entriesOf(one), "entry", "entries")}`;
}

function indexText(reads: FilterCost["reads"]): string {
  const read = counted(reads.entries, "entry", "entries");
  const parts = [
    `${read} in ${counted(reads.entryReads, "read")}, ${reads.tailEntries} of the tail`,
  ];
  if (reads.spansCut > 0) parts.push(`${counted(reads.spansCut, "span")} too full, cut down`);
  if (reads.entriesCounted > 0) parts.push(`${reads.entriesCounted} counted to compare`);
  return parts.join("; ");
}

function fetchedText({ reads, matched, passedOver }: FilterCost): string {
  const { unmatched, expired, hidden } = passedOver;
  const events = `${counted(reads.events, "event")}, ${counted(reads.eventBytes, "byte")}`;
  return `${events}: ${matched} match, ${unmatched} don't, ${expired} expired, ${hidden} hidden`;
}

function answerText({ events, hint }: { events: number; hint: Cost["hint"] }): string {
  return `${counted(events, "event")}, ${hint ?? "no hint"}`;
}

function rowsOfQuery({ filters, viewer, refusal }: Query): Row[] {
  const { values, kept } = sumsOf(filters);
  const perQuery = setting("relay.filter_values_max");
  const perConnection = setting("relay.connection_filter_values_max");
  const inAll = setting("relay.total_filter_values_max");
  const rows: Row[] = [
    ["asked by", viewer.size === 0 ? "nobody in particular" : [...viewer].join(" ")],
    ["values", `${values} of ${perQuery} in a REQ`],
    ["kept open", `counts for ${kept} of ${perConnection} a connection, ${inAll} in all`],
  ];
  return refusal === null ? rows : [...rows, ["refused", excerpt(refusal)]];
}

function rowsOfRuns(runs: readonly Run[]): Row[] {
  return runs.map(({ name, cost }) => {
    const time = `${cost.wallMs.toFixed(2)} ms, ${cost.cpuMs.toFixed(2)} ms of CPU`;
    return [name, `${answerText(cost)}; ${time}`];
  });
}

// For machines

function jsonOfFilter({ json, filter, cost }: Explained, options: ScanOptions) {
  if (filter === null || cost === null) return { filter: JSON.parse(json) as unknown, way: null };
  const { isHidden, plan, instead, reads, passedOver, matched, events, hint } = cost;
  return {
    filter: JSON.parse(json) as unknown,
    limit: limitOf(filter, options),
    is_hidden: isHidden,
    way: plan && jsonOfWay(plan),
    fallback: plan?.next ? jsonOfWay(plan.next()) : null,
    fallback_taken: instead !== null,
    compared: (plan?.compared ?? []).map((one) => ({
      ...jsonOfWay(one.way),
      entries: entriesOf(one),
      is_cut_off: one.isCutOff,
    })),
    index: {
      entries: reads.entries,
      tail_entries: reads.tailEntries,
      reads: reads.entryReads,
      spans_cut: reads.spansCut,
      entries_counted: reads.entriesCounted,
    },
    fetched: { events: reads.events, bytes: reads.eventBytes, matched, ...passedOver },
    answer: { events, hint },
    live: { ...jsonOfWay(monitorWay(filter)), cost: filterCost(filter) },
  };
}

function jsonOfWay({ name, keys }: Way) {
  return { name, keys: keys.length };
}

function jsonOfQuery({ filters, viewer, refusal }: Query) {
  const { values, kept } = sumsOf(filters);
  return {
    viewer: [...viewer],
    values,
    values_max: setting("relay.filter_values_max"),
    cost: kept,
    connection_cost_max: setting("relay.connection_filter_values_max"),
    total_cost_max: setting("relay.total_filter_values_max"),
    refusal,
  };
}

function jsonOfRun({ name, cost }: Run) {
  return { name, events: cost.events, hint: cost.hint, wall_ms: cost.wallMs, cpu_ms: cost.cpuMs };
}

/** `kept`: what a subscription counts for while it is open. */
function sumsOf(filters: readonly Filter[]): { values: number; kept: number } {
  let values = 0;
  let kept = 0;
  for (const filter of filters) {
    values += countValues(filter);
    kept += filterCost(filter);
  }
  return { values, kept };
}

export const explainCommand: Command = { usage, run };
