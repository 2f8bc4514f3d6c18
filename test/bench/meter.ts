// What a process costs, from /proc: CPU time as a whole and by thread, memory, and bytes written.
// Wall time alone says little on a machine whose cores the load shares. Linux only.

import {
  closeSync,
  fdatasyncSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

/** Linux counts CPU time in ticks of 10 ms, on every machine Bun runs on. */
const TICK_US = 10_000;

/** Relays that name no threads start their workers in this order, so thread ids tell them apart. */
const WORKERS_BY_AGE = ["writer", "monitor", "reader", "ingester"] as const;
/** The last of them, by how many there are: revisions differ. */
const WORKERS_ADDED: Readonly<Record<number, readonly string[]>> = {
  4: [],
  5: ["indexer"],
  6: ["negentropy", "indexer"],
};
const RUNTIME = "runtime";

/** CPU µs by role, since the process began: `main`, the workers, and the runtime's own threads. */
export interface CpuReading {
  readonly totalUs: number;
  readonly byThread: ReadonlyMap<string, number>;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // a thread, or the process, that has just ended
  }
}

/** User + system CPU of the whole process, threads that have ended included, in steps of 10 ms. */
function ticksUs(pid: number): number {
  const stat = readText(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // the name may hold spaces
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

function roleOf(name: string, worker: number, workerCount: number): string {
  const role = /^(writer|monitor|reader|ingester|negentropy|policy)/.exec(name)?.[1];
  if (role !== undefined) return role;
  const added = WORKERS_ADDED[workerCount];
  if (name !== "Worker" || added === undefined) return RUNTIME;
  return [...WORKERS_BY_AGE, ...added][worker] as string;
}

/** The kernel's sums per thread have nanoseconds; unless a thread ended, they are all there is. */
export function readCpu(pid: number): CpuReading {
  const names = new Map<number, string>();
  for (const name of readdirSync(`/proc/${pid}/task`)) {
    const tid = Number(name);
    names.set(tid, readText(`/proc/${pid}/task/${tid}/comm`).trim());
  }
  const workers = [...names].filter(([, name]) => name === "Worker").map(([tid]) => tid);
  const byThread = new Map<string, number>();
  let sumUs = 0;
  for (const [tid, name] of names) {
    const us = Number(readText(`/proc/${pid}/task/${tid}/schedstat`).split(" ")[0]) / 1000;
    const isMain = tid === pid;
    const role = isMain ? "main" : roleOf(name, workers.indexOf(tid), workers.length);
    byThread.set(role, (byThread.get(role) ?? 0) + us);
    sumUs += us;
  }
  const ended = ticksUs(pid) - sumUs;
  // Beyond what rounding explains, threads have ended, with their time.
  const totalUs = ended > 2 * TICK_US ? sumUs + ended : sumUs;
  return { totalUs, byThread };
}

/** What `after` has more than `before`. */
export function cpuBetween(before: CpuReading, after: CpuReading): CpuReading {
  const byThread = new Map<string, number>();
  for (const [role, us] of after.byThread)
    byThread.set(role, us - (before.byThread.get(role) ?? 0));
  return { totalUs: after.totalUs - before.totalUs, byThread };
}

export interface MemoryReading {
  /** Everything resident, files mapped into it included. */
  readonly rssBytes: number;
  /** What no file backs. */
  readonly rssAnonBytes: number;
  /** The most there ever was. */
  readonly rssBytesMax: number;
}

export function readMemory(pid: number): MemoryReading {
  const status = readText(`/proc/${pid}/status`);
  const bytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+([0-9]+) kB$`, "m").exec(status)?.[1] ?? 0) * 1024;
  return {
    rssBytes: bytes("VmRSS"),
    rssAnonBytes: bytes("RssAnon"),
    rssBytesMax: bytes("VmHWM"),
  };
}

/** From now on `rssBytesMax` is the most there is from now on (proc_pid_clear_refs(5)). */
export function resetMemoryMax(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

/** Bytes the process had the kernel write to disk, so far. */
export function readWrittenBytes(pid: number): number {
  return Number(/^write_bytes: ([0-9]+)$/m.exec(readText(`/proc/${pid}/io`))?.[1]);
}

/** How long the disk takes to keep 4 KB for good: the median of appends, each synced, in ms. */
export function measureSyncMs(folder: string, appends: number): number {
  const path = join(folder, "sync-probe");
  const block = Buffer.alloc(4096, 1);
  const fd = openSync(path, "w");
  const times = new Float64Array(appends);
  for (let i = 0; i < appends; i++) {
    const startedAt = performance.now();
    writeSync(fd, block);
    fdatasyncSync(fd);
    times[i] = performance.now() - startedAt;
  }
  closeSync(fd);
  rmSync(path);
  return percentile(times, 0.5);
}

/** The value below which `share` of them lie. */
export function percentile(values: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
