// Figures as text: a table of rows, one of the goals, one of threads, and one that puts two
// revisions side by side.

import { type Goal, judge } from "./goals.ts";
import { median } from "./meter.ts";
import type { RowSummary, Summary } from "./summary.ts";

/** What stands in the columns of the table; the rest follows by name. */
const COLUMNS = ["perSecond", "cpuUs", "p50Ms", "p95Ms", "p99Ms", "rssAnonBytes"] as const;

const ROLES = ["main", "ingester", "writer", "reader", "monitor", "runtime"] as const;

/** Named in the last column of the table, in this order. */
const MORE: Readonly<Record<string, string>> = {
  cpuUsPerEvent: "CPU an event",
  eventsPerReq: "events a REQ",
  eventsPerSecond: "events/s",
  syncP50Ms: "disk's sync p50",
  p50AboveSyncMs: "p50 above it",
  diskBytesPerEvent: "disk an event",
  writtenBytes: "written each",
  honestP50Ms: "honest client p50",
  honestP99Ms: "p99",
  attackedP50Ms: "under attack p50",
  attackedP99Ms: "p99",
  startMs: "to listening",
  rssBytes: "RSS",
  anonBytesPerConnection: "RssAnon a connection",
  idleCpuShare: "CPU while idle",
  ok_p50Ms: "OK p50",
  ok_p99Ms: "p99",
  req_p50Ms: "REQ p50",
  req_p99Ms: "p99",
  live_p50Ms: "delivery p50",
  live_p99Ms: "p99",
  cpuShare: "CPU of one core",
  syncMs: "time",
  commandCpuMs: "the command's CPU",
  commandRssBytes: "its RSS",
  sentBytes: "sent",
  receivedBytes: "received",
  roundTrips: "round trips",
  rssBeforeBytes: "the relay's RSS before",
  rssPeakBytes: "at most",
  rssAfterBytes: "after",
  anonBeforeBytes: "its RssAnon before",
  anonPeakBytes: "at most",
};

/** `12.3`, `1,234`: three digits or more. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return "n/a";
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en");
  return Math.abs(value) < 0.001 ? value.toFixed(3) : value.toPrecision(3);
}

/** With the unit that the figure's name ends in. */
export function formatFigure(figure: string, value: number): string {
  if (/Ms$/.test(figure)) return `${digits(value)} ms`;
  if (/Us(PerEvent)?$/.test(figure)) return `${digits(value)} µs`;
  if (/Share$/.test(figure)) return `${digits(value * 100)} %`;
  if (/PerSecond$|^perSecond$/.test(figure)) return `${digits(value)}/s`;
  if (!/[bB]ytes/.test(figure)) return digits(value);
  if (Math.abs(value) >= 1e6) return `${digits(value / 1e6)} MB`;
  return Math.abs(value) >= 10_000 ? `${digits(value / 1e3)} KB` : `${digits(value)} B`;
}

function range(values: readonly number[], show: (value: number) => string): string {
  return values.length < 2 ? "" : ` (${show(Math.min(...values))}–${show(Math.max(...values))})`;
}

/** Lines of cells, the first flush left, the others right, except the last when it `trails`. */
function layOut(lines: readonly (readonly string[])[], trails: boolean): string {
  const widths: number[] = [];
  for (const cells of lines) {
    cells.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  return lines
    .map((cells) =>
      cells
        .map((cell, i) => {
          const isLeft = i === 0 || (trails && i === widths.length - 1);
          return isLeft ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number);
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Measured with every row, and of interest with some. */
function isAside({ unit }: RowSummary, figure: string): boolean {
  if (figure === "loadCpuUs" || ROLES.some((role) => figure === `${role}CpuUs`)) return true;
  return figure === "writtenBytes" && unit !== "event";
}

function more(row: RowSummary): string {
  return Object.entries(MORE)
    .flatMap(([figure, label]) => {
      const known = row.values[figure];
      if (known === undefined || isAside(row, figure)) return [];
      return [`${label} ${formatFigure(figure, median(known))}`];
    })
    .join(", ");
}

export function formatRows(rows: Iterable<RowSummary>): string {
  const head = ["", "per second", "CPU µs each", "p50 ms", "p95 ms", "p99 ms", "RssAnon MB", ""];
  const lines = [...rows].map((row) => {
    const cells = COLUMNS.map((figure) => {
      const values = row.values[figure];
      if (values === undefined) return "";
      if (figure === "rssAnonBytes") return digits(median(values) / 1e6);
      const isLatency = figure.endsWith("Ms");
      return digits(median(values)) + (isLatency ? "" : range(values, digits));
    });
    return [row.name, ...cells, more(row)];
  });
  return layOut([head, ...lines], true);
}

/** CPU of each thread per unit, and the load's own, which is not the relay's. */
export function formatThreads(rows: Iterable<RowSummary>): string {
  const head = ["CPU µs each", "all", ...ROLES, "(load)"];
  const lines = [...rows]
    .filter(({ values }) => values["mainCpuUs"] !== undefined)
    .map(({ name, values }) => {
      const show = (figure: string): string =>
        values[figure] === undefined ? "" : digits(median(values[figure]));
      return [name, show("cpuUs"), ...ROLES.map((role) => show(`${role}CpuUs`)), show("loadCpuUs")];
    });
  return layOut([head, ...lines], false);
}

function formatGoal(goal: Goal): [string, string] {
  const { figure } = goal;
  const sign = goal.atMost === undefined ? "≥" : "≤";
  const show = (limit: number | undefined): string => {
    if (limit === undefined) return "";
    return `${sign} ${goal.comparedWith === undefined ? formatFigure(figure, limit) : `${limit}×`}`;
  };
  return [show(goal.atMost ?? goal.atLeast), show(goal.stretch)];
}

const FIGURE_NAMES: Readonly<Record<string, string>> = {
  cpuUs: "CPU each",
  cpuUsPerEvent: "CPU an event",
  perSecond: "rate",
  p50Ms: "p50",
  p99Ms: "p99",
};

export function formatGoals(summary: Summary): string {
  const lines = judge(summary).map(({ goal, value, verdict }) => {
    const { row, figure, comparedWith } = goal;
    const values = summary.get(row)?.values[figure] ?? [];
    const isRatio = comparedWith !== undefined;
    const shown = isRatio ? `${digits(value)}×` : formatFigure(figure, value);
    const spread = isRatio ? "" : range(values, (each) => formatFigure(figure, each)).trim();
    const name = FIGURE_NAMES[figure] ?? MORE[figure] ?? figure;
    const mark = { stretch: "beyond", met: "met", missed: "MISSED" }[verdict];
    return [row, `${name}${isRatio ? " to 50 k" : ""}`, shown, spread, ...formatGoal(goal), mark];
  });
  if (lines.length === 0) return "";
  return layOut([["", "", "median", "range", "goal", "stretch", ""], ...lines], true);
}

/** Every figure but those of threads, for two revisions, and the ratio of first to second. */
export function formatComparison(
  names: readonly [string, string],
  summaries: readonly [Summary, Summary],
): string {
  const [own, other] = summaries;
  const lines: string[][] = [["", "", ...names, "ratio"]];
  for (const row of own.values()) {
    for (const [figure, values] of Object.entries(row.values)) {
      if (isAside(row, figure)) continue;
      const theirs = other.get(row.name)?.values[figure];
      const show = (all: readonly number[]): string =>
        formatFigure(figure, median(all)) + range(all, (each) => formatFigure(figure, each));
      const ratio = theirs === undefined ? "" : digits(median(values) / median(theirs));
      lines.push([
        row.name,
        FIGURE_NAMES[figure] ?? MORE[figure] ?? figure,
        show(values),
        theirs === undefined ? "n/a" : show(theirs),
        ratio,
      ]);
    }
  }
  return layOut(lines, false);
}
