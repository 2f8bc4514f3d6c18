// What a scenario is, and what it measures with. One call of `run` is one round; the same rows come
// from each round, and report.ts makes medians of them. Every figure's name ends in its unit.

import type { RelayProcess } from "../support/relay-process.ts";
import type { Dataset } from "./dataset-file.ts";
import { cpuBetween, percentile, readCpu, readMemory, readWrittenBytes } from "./meter.ts";
import type { Target } from "./target.ts";

export type Figures = Record<string, number>;

export interface Row {
  /** Stays the same from round to round, and is the name in the list of targets. */
  readonly name: string;
  /** What is counted: event, REQ, delivery… */
  readonly unit: string;
  readonly figures: Figures;
}

export interface Scenario {
  /** For `--only`. */
  readonly name: string;
  readonly about: string;
  run(bench: Bench): Promise<Row[]>;
}

/** How much of everything. */
export interface Sizes {
  readonly events: number;
  /** With 256 in flight on one connection; with one in flight. */
  readonly pipelined: number;
  readonly single: number;
  readonly churn: number;
  readonly badEvents: number;
  /** Of the mix; and of each kind of query on its own. */
  readonly requests: number;
  readonly requestsOfKind: number;
  readonly heavy: number;
  readonly counts: number;
  readonly subscribers: readonly number[];
  /** Live deliveries at full rate. */
  readonly deliveries: number;
  /** How long scenarios with a fixed rate run. */
  readonly slowLiveS: number;
  readonly liveS: number;
  readonly mixedS: number;
  readonly attackS: number;
  readonly idle: number;
  readonly idleS: number;
  readonly starts: number;
  readonly syncs: number;
  /** That both sides of `nandu sync` have. */
  readonly syncEvents: number;
  /** How long memory is given to settle before it is read. */
  readonly settleS: number;
  /** By when threads that are idle have collected their garbage (src/workers/thread.ts). */
  readonly collectS: number;
}

export const MEASURING: Sizes = {
  events: 50_000,
  pipelined: 20_000,
  single: 1000,
  churn: 20_000,
  badEvents: 40_000,
  requests: 3300,
  requestsOfKind: 300,
  heavy: 40,
  counts: 300,
  subscribers: [300, 2000],
  deliveries: 300_000,
  slowLiveS: 5,
  liveS: 3,
  mixedS: 6,
  attackS: 2,
  idle: 5000,
  idleS: 3,
  starts: 5,
  syncs: 200,
  syncEvents: 100_000,
  settleS: 3,
  collectS: 12,
};

/** Too small to say anything about speed; enough to show that everything asked for happens. */
export const SMOKE: Sizes = {
  events: 400,
  pipelined: 60,
  single: 10,
  churn: 40,
  badEvents: 40,
  requests: 44,
  requestsOfKind: 4,
  heavy: 2,
  counts: 4,
  subscribers: [10],
  deliveries: 200,
  slowLiveS: 0.1,
  liveS: 0.1,
  mixedS: 0.2,
  attackS: 0.1,
  idle: 30,
  idleS: 0.01,
  starts: 1,
  syncs: 5,
  syncEvents: 400,
  settleS: 0.01,
  collectS: 0.01,
};

export interface Bench {
  readonly target: Target;
  readonly sizes: Sizes;
  readonly dataset: Dataset;
}

export interface Cost {
  readonly wallMs: number;
  readonly cpuUs: number;
  readonly cpuUsByThread: ReadonlyMap<string, number>;
  readonly writtenBytes: number;
  /** The CPU of this process, which shares the machine. */
  readonly loadCpuUs: number;
}

/** What the relay spends while `body` runs. */
export async function measure(relay: RelayProcess, body: () => Promise<unknown>): Promise<Cost> {
  const { pid } = relay.process;
  const written = readWrittenBytes(pid);
  const own = process.cpuUsage();
  const before = readCpu(pid);
  const startedAt = performance.now();
  await body();
  const wallMs = performance.now() - startedAt;
  const { totalUs, byThread } = cpuBetween(before, readCpu(pid));
  const { user, system } = process.cpuUsage(own);
  return {
    wallMs,
    cpuUs: totalUs,
    cpuUsByThread: byThread,
    writtenBytes: readWrittenBytes(pid) - written,
    loadCpuUs: user + system,
  };
}

/** The figures of a cost that `count` units share. */
export function costFigures(cost: Cost, count: number): Figures {
  const figures: Figures = {
    perSecond: (count / cost.wallMs) * 1000,
    cpuUs: cost.cpuUs / count,
    loadCpuUs: cost.loadCpuUs / count,
    writtenBytes: cost.writtenBytes / count,
  };
  for (const [role, us] of cost.cpuUsByThread) figures[`${role}CpuUs`] = us / count;
  return figures;
}

export function latencyFigures(timesMs: ArrayLike<number>): Figures {
  return {
    p50Ms: percentile(timesMs, 0.5),
    p95Ms: percentile(timesMs, 0.95),
    p99Ms: percentile(timesMs, 0.99),
  };
}

export function memoryFigures(relay: RelayProcess): Figures {
  const { rssBytes, rssAnonBytes } = readMemory(relay.process.pid);
  return { rssBytes, rssAnonBytes };
}

/** Throws unless everything that was asked for has happened. */
export function expectCount(what: string, actual: number, expected: number): void {
  if (actual !== expected) throw new Error(`${what}: ${actual}, expected ${expected}`);
}

/** A relay for as long as `body` takes; killed when that fails. */
export async function withRelay<T>(
  bench: Bench,
  dataDir: string,
  body: (relay: RelayProcess) => Promise<T>,
  flags: readonly string[] = [],
): Promise<T> {
  const relay = await bench.target.startRelay(dataDir, flags);
  let result: T;
  try {
    result = await body(relay);
  } catch (error) {
    await relay.kill();
    throw error;
  }
  const code = await relay.stop();
  if (code !== 0) throw new Error(`the relay has ended with ${code}:\n${relay.log.join("\n")}`);
  return result;
}
