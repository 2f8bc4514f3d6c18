// What a process costs, from /proc: the CPU time of all its threads, and its memory. Wall time
// alone says little on a machine whose cores the load generator shares.

import { readFileSync } from "node:fs";

/** Linux counts CPU time in ticks of 10 ms, on every machine Bun runs on. */
const TICK_MS = 10;

/** User + system CPU of the whole process, in ms. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // the name may hold spaces
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Resident memory that no file backs, in bytes. */
export function anonymousBytes(pid: number): number {
  const match = /^RssAnon:\s+([0-9]+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(match?.[1] ?? Number.NaN) * 1024;
}

/** The value below which `share` of the sorted ones lie. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** `12.3`, `1,234`: three digits or more. */
export function figure(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}
