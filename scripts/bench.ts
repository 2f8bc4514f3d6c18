/**
 * Measures what the relay costs: builds dist/nandu, runs the scenarios of test/bench against it,
 * and prints a table, with the goals beside the figures that have one.
 * Usage: npm run bench -- [--only NAME[,NAME…]] [--rounds N] [--threads] [--million] [--json FILE]
 *                         [--against REV] [--executable FILE] [--list] [--growth [--out DIR]]
 * --against measures another revision too, round by round in turn, and prints both with ratios.
 * --million adds what a database of a million events changes. --executable measures that file
 * instead of building one. --growth measures how cost grows instead, up to a million events, and
 * draws it into docs/performance.
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Dataset, openDataset } from "../test/bench/dataset-file.ts";
import { type Chart, grow, GROWING, GROWTHS } from "../test/bench/growth.ts";
import { describeMachine, isInMemory } from "../test/bench/machine.ts";
import { drawChart } from "../test/bench/plot.ts";
import {
  digits,
  formatComparison,
  formatGoals,
  formatRows,
  formatThreads,
} from "../test/bench/report.ts";
import { buildRevision } from "../test/bench/revision.ts";
import {
  type Failure,
  runTask,
  SCENARIOS,
  SCENARIOS_BY_SIZE,
  type Task,
} from "../test/bench/run.ts";
import { MEASURING } from "../test/bench/scenario.ts";
import type { Summary } from "../test/bench/summary.ts";
import { Target } from "../test/bench/target.ts";

const projectDir = join(import.meta.dir, "..");
/** Data, databases and other revisions: ignored by git, on the same disk as the project. */
const workDir = join(projectDir, ".bench");
const MILLION = 1_000_000;
const ROUNDS = 3;

const { values: flags } = parseArgs({
  options: {
    only: { type: "string" },
    rounds: { type: "string", default: String(ROUNDS) },
    threads: { type: "boolean", default: false },
    million: { type: "boolean", default: false },
    json: { type: "string" },
    against: { type: "string" },
    executable: { type: "string" },
    list: { type: "boolean", default: false },
    growth: { type: "boolean", default: false },
    out: { type: "string", default: join(projectDir, "docs/performance") },
  },
});

function fail(message: string): never {
  console.error(`bench: ${message}`);
  process.exit(2);
}

function build(): string {
  const command = [process.execPath, join(projectDir, "scripts/build.ts")];
  const { exitCode } = Bun.spawnSync(command, { stdout: "inherit", stderr: "inherit" });
  if (exitCode !== 0) fail("the build has failed");
  return join(projectDir, "dist/nandu");
}

/** Those that `--only` names, or all. */
function choose<T extends { readonly name: string }>(what: string, all: readonly T[]): T[] {
  const known = all.map(({ name }) => name);
  const names = flags.only?.split(",") ?? known;
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined)
    fail(`no ${what} is called "${unknown}": there are ${known.join(" ")}`);
  return all.filter(({ name }) => names.includes(name));
}

function chooseTasks(datasets: readonly Dataset[]): Task[] {
  return choose("scenario", SCENARIOS).flatMap((scenario) =>
    datasets
      .filter((_, i) => i === 0 || SCENARIOS_BY_SIZE.includes(scenario.name))
      .map((dataset) => ({ scenario, dataset })),
  );
}

function makeTargets(): Target[] {
  const executable = flags.executable === undefined ? build() : resolve(flags.executable);
  const targets = [new Target("this", executable, workDir)];
  if (flags.against !== undefined) {
    const built = buildRevision(projectDir, join(workDir, "trees"), flags.against);
    targets.push(new Target(flags.against, built, workDir));
  }
  return targets;
}

function openDatasets(): Dataset[] {
  const counts = flags.million ? [MEASURING.events, MILLION] : [MEASURING.events];
  return counts.map((count) => {
    const dataset = openDataset(join(workDir, "data"), count);
    const bytes = dataset.bytesPerEvent.toFixed(0);
    const tags = dataset.tagsPerEvent.toFixed(1);
    console.log(
      `${dataset.label} events, ${bytes} bytes and ${tags} tags each: ${dataset.fingerprint}`,
    );
    return dataset;
  });
}

async function runAll(tasks: readonly Task[], targets: readonly Target[], rounds: number) {
  const summaries: Summary[] = targets.map(() => new Map());
  const failures: Failure[] = [];
  for (const task of tasks) {
    const startedAt = performance.now();
    const before = new Set(summaries[0]?.keys());
    const onRound = (_task: Task, round: number, target: Target): void => {
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
      const what = `${task.scenario.name}, ${task.dataset.label}`;
      console.error(`  ${what}: round ${round + 1} of ${rounds}, ${target.name}, ${seconds} s`);
    };
    const failed = await runTask(task, { targets, sizes: MEASURING, rounds, onRound }, summaries);
    failures.push(...failed);
    for (const { target, reason } of failed) console.error(`  n/a with ${target}: ${reason}`);
    const rows = [...(summaries[0]?.values() ?? [])].filter(({ name }) => !before.has(name));
    if (rows.length > 0) console.log(`\n${formatRows(rows)}`);
  }
  return { summaries, failures };
}

function print(summaries: readonly Summary[], targets: readonly Target[]): void {
  const [own, other] = summaries;
  if (own === undefined) return;
  if (flags.threads) console.log(`\n${formatThreads(own.values())}`);
  if (other !== undefined) {
    const names = [targets[0]?.name ?? "", targets[1]?.name ?? ""] as const;
    console.log(`\n${formatComparison(names, [own, other])}`);
  }
  const goals = formatGoals(own);
  if (goals !== "") console.log(`\n${goals}`);
}

/** Charts and their numbers, into the folder of `--out`; those not measured now stay. */
async function runGrowth(target: Target, rounds: number, machine: object): Promise<void> {
  mkdirSync(flags.out, { recursive: true });
  const path = join(flags.out, "growth.json");
  const before = existsSync(path)
    ? (JSON.parse(readFileSync(path, "utf8")) as { charts: Chart[] }).charts
    : [];
  const charts = new Map(before.map((chart) => [chart.name, chart]));
  const options = {
    target,
    sizes: MEASURING,
    steps: GROWING,
    rounds,
    openDataset: (count: number) => openDataset(join(workDir, "data"), count),
    onStep: (chart: string, step: number) => console.error(`  ${chart}: ${step}`),
  };
  for (const growth of choose("chart", GROWTHS)) {
    const chart = await grow(growth, options);
    charts.set(chart.name, chart);
    writeFileSync(join(flags.out, `${chart.name}.svg`), drawChart(chart));
    const report = { at: new Date().toISOString(), machine, rounds, charts: [...charts.values()] };
    writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`);
    console.log(`\n${chart.title}`);
    for (const { name, points } of chart.lines) {
      const shown = points.map(([x, y]) => `${x.toLocaleString("en")}: ${digits(y)}`);
      console.log(`  ${name} (${chart.yLabel}): ${shown.join(", ")}`);
    }
  }
}

async function main(): Promise<number> {
  if (flags.list) {
    for (const { name, about } of SCENARIOS) console.log(`${name.padEnd(20)}${about}`);
    for (const { name, title } of GROWTHS) console.log(`--growth: ${name.padEnd(20)}${title}`);
    return 0;
  }
  const rounds = Number(flags.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) fail("--rounds takes a number from 1");
  mkdirSync(workDir, { recursive: true });
  if (isInMemory(workDir))
    console.error(`bench: ${workDir} is in memory: nothing is durable there`);
  const machine = describeMachine(projectDir);
  const { revision, cpu, cores, kernel, bun } = machine;
  console.log(`${revision} on ${cores} cores of ${cpu}, Linux ${kernel}, Bun ${bun}`);
  if (flags.growth) {
    const [target] = makeTargets() as [Target];
    await runGrowth(target, rounds, machine);
    target.dispose();
    return 0;
  }
  const datasets = openDatasets();
  const tasks = chooseTasks(datasets);
  const targets = makeTargets();
  const { summaries, failures } = await runAll(tasks, targets, rounds);
  for (const target of targets) target.dispose();
  print(summaries, targets);
  if (flags.json !== undefined) {
    const data = datasets.map(({ count, fingerprint }) => ({ count, fingerprint }));
    const results = summaries.map((summary, i) => ({
      target: targets[i]?.name,
      rows: [...summary.values()],
    }));
    const report = { at: new Date().toISOString(), machine, data, rounds, results, failures };
    writeFileSync(flags.json, `${JSON.stringify(report, null, 2)}\n`);
  }
  return failures.some(({ target }) => target === "this") ? 1 : 0;
}

process.exitCode = await main();
