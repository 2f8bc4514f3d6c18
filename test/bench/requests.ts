// What it costs to answer: the mix of REQs at 1, 4 and 16 connections, each kind of it alone, heavy
// filters, counts. One relay a round, on a prepared database that nothing is written to.

import type { RelayProcess } from "../support/relay-process.ts";
import type { Dataset } from "./dataset-file.ts";
import { closeAll, concat, connectMany, requestAll, requestTape, type Results } from "./load.ts";
import {
  type Bench,
  costFigures,
  expectCount,
  type Figures,
  latencyFigures,
  measure,
  memoryFigures,
  type Row,
  type Scenario,
  withRelay,
} from "./scenario.ts";
import {
  type Filter,
  filtersOf,
  HEAVY,
  LARGE_COUNTS,
  MIX,
  mixedFilters,
  SMALL_COUNTS,
  unknownIds,
} from "./queries.ts";

const CONNECTIONS = [1, 4, 16] as const;
const WARM_UP_SEED = 1;
/** So many times what is measured: by then the engine has compiled what is run often. */
const WARM_UPS = 3;
const MEASURED_SEED = 2;

/** Each connection asks its share of the filters, one REQ (or COUNT) at a time. */
export async function measureRequests(
  relay: RelayProcess,
  filters: readonly Filter[],
  connections: number,
  verb: "REQ" | "COUNT" = "REQ",
): Promise<{ figures: Figures; events: number }> {
  const tapes = Array.from({ length: connections }, (_, c) => {
    const own = filters.filter((_filter, i) => i % connections === c);
    return requestTape(
      own.map((filter) => [filter]),
      verb,
    );
  });
  const sockets = await connectMany(relay.port, connections);
  let results: Results[] = [];
  const framesEach = verb === "REQ" ? 2 : 1;
  const cost = await measure(relay, async () => {
    results = await Promise.all(
      sockets.map((socket, c) => requestAll(socket, tapes[c]!, framesEach)),
    );
  });
  closeAll(sockets);
  expectCount("refused requests", sum(results, "refused"), 0);
  const events = sum(results, "events");
  const figures: Figures = {
    ...costFigures(cost, filters.length),
    ...latencyFigures(concat(results.map(({ timesMs }) => timesMs))),
  };
  if (verb === "REQ") {
    figures["eventsPerReq"] = events / filters.length;
  }
  if (events > 0) {
    figures["eventsPerSecond"] = (events / cost.wallMs) * 1000;
    figures["cpuUsPerEvent"] = cost.cpuUs / events;
  }
  return { figures, events };
}

function sum(results: readonly Results[], field: "events" | "refused"): number {
  return results.reduce((total, result) => total + result[field], 0);
}

/** On the prepared database itself: nothing is published. */
function withPrepared(
  bench: Bench,
  dataset: Dataset,
  body: (relay: RelayProcess) => Promise<Row[]>,
): Promise<Row[]> {
  return bench.target.prepared(dataset).then((folder) => withRelay(bench, folder, body));
}

/** `, 1 M` in the names of rows that are not about the usual set. */
function suffix(bench: Bench): string {
  return bench.dataset.count === bench.sizes.events ? "" : `, ${bench.dataset.label}`;
}

async function warmUp(relay: RelayProcess, bench: Bench): Promise<void> {
  const count = WARM_UPS * bench.sizes.requests;
  await measureRequests(relay, mixedFilters(bench.dataset, count, WARM_UP_SEED), 4);
}

function requestMix(bench: Bench): Promise<Row[]> {
  const { dataset, sizes } = bench;
  return withPrepared(bench, dataset, async (relay) => {
    await warmUp(relay, bench);
    const rows: Row[] = [];
    for (const connections of CONNECTIONS) {
      const filters = mixedFilters(dataset, sizes.requests, MEASURED_SEED + connections);
      const { figures, events } = await measureRequests(relay, filters, connections);
      if (events === 0) throw new Error("the mix of REQs has found nothing");
      const name = `REQ mix, ${connections} connection${connections === 1 ? "" : "s"}`;
      const all = { ...figures, ...memoryFigures(relay) };
      rows.push({ name: `${name}${suffix(bench)}`, unit: "REQ", figures: all });
    }
    return rows;
  });
}

function requestKinds(bench: Bench): Promise<Row[]> {
  const { dataset, sizes } = bench;
  return withPrepared(bench, dataset, async (relay) => {
    await warmUp(relay, bench);
    const rows: Row[] = [];
    for (const [kind, make] of Object.entries(MIX)) {
      const filters = filtersOf(make, dataset, sizes.requestsOfKind, MEASURED_SEED);
      const { figures } = await measureRequests(relay, filters, 1);
      rows.push({ name: `REQ ${kind}${suffix(bench)}`, unit: "REQ", figures });
    }
    return rows;
  });
}

function requestEmpty(bench: Bench): Promise<Row[]> {
  const { dataset, sizes } = bench;
  return withPrepared(bench, dataset, async (relay) => {
    await measureRequests(relay, unknownIds(WARM_UPS * sizes.requests, WARM_UP_SEED), 1);
    const filters = unknownIds(sizes.requests, MEASURED_SEED);
    const { figures, events } = await measureRequests(relay, filters, 1);
    expectCount("events of unknown ids", events, 0);
    return [{ name: `empty answer${suffix(bench)}`, unit: "REQ", figures }];
  });
}

function requestHeavy(bench: Bench): Promise<Row[]> {
  const { dataset, sizes } = bench;
  return withPrepared(bench, dataset, async (relay) => {
    await warmUp(relay, bench);
    const rows: Row[] = [];
    for (const [kind, make] of Object.entries(HEAVY)) {
      await measureRequests(relay, filtersOf(make, dataset, 5, WARM_UP_SEED), 1);
      const filters = filtersOf(make, dataset, sizes.heavy, MEASURED_SEED);
      const { figures } = await measureRequests(relay, filters, 1);
      rows.push({ name: `heavy: ${kind}${suffix(bench)}`, unit: "REQ", figures });
    }
    return rows;
  });
}

function counts(bench: Bench): Promise<Row[]> {
  const { dataset, sizes } = bench;
  return withPrepared(bench, dataset, async (relay) => {
    const rows: Row[] = [];
    for (const [kind, make] of Object.entries({ ...SMALL_COUNTS, ...LARGE_COUNTS })) {
      await measureRequests(relay, filtersOf(make, dataset, 5, WARM_UP_SEED), 1, "COUNT");
      const count = kind in SMALL_COUNTS ? sizes.counts : sizes.heavy;
      const filters = filtersOf(make, dataset, count, MEASURED_SEED);
      const { figures } = await measureRequests(relay, filters, 1, "COUNT");
      rows.push({ name: `COUNT ${kind}${suffix(bench)}`, unit: "COUNT", figures });
    }
    return rows;
  });
}

export const requestScenarios: readonly Scenario[] = [
  { name: "req", about: "the mix of REQs at 1, 4 and 16 connections", run: requestMix },
  { name: "kinds", about: "each kind of REQ of the mix alone", run: requestKinds },
  { name: "empty", about: "a REQ that finds nothing", run: requestEmpty },
  { name: "heavy", about: "many authors, since only, rare and common tags", run: requestHeavy },
  { name: "count", about: "COUNT, of few and of many", run: counts },
];
