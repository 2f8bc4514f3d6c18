// `bun test test/bench` measures dist/nandu, as `npm run bench` does, and prints what it found. As
// part of the whole suite the same scenarios run with sizes too small to say anything about speed,
// to show that they still work: a scenario fails unless everything it asked for has happened.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Dataset, openDataset } from "./dataset-file.ts";
import { grow, GROWING_SMOKE, GROWTHS } from "./growth.ts";
import { drawChart } from "./plot.ts";
import { formatGoals, formatRows, formatThreads } from "./report.ts";
import { runTask, SCENARIOS } from "./run.ts";
import { MEASURING, SMOKE } from "./scenario.ts";
import type { Summary } from "./summary.ts";
import { Target } from "./target.ts";

const isMeasuring =
  process.env["NANDU_BENCH"] === "1" ||
  readFileSync("/proc/self/cmdline", "utf8").includes("test/bench");
const sizes = isMeasuring ? MEASURING : SMOKE;
const rounds = isMeasuring ? 3 : 1;
const TIMEOUT_MS = 600_000;
const projectDir = join(import.meta.dir, "../..");

const summary: Summary = new Map();
let workDir = "";
let target: Target;
let dataset: Dataset;

beforeAll(() => {
  workDir = isMeasuring ? join(projectDir, ".bench") : mkdtempSync(join(tmpdir(), "nandu-bench-"));
  if (isMeasuring) {
    const command = [process.execPath, join(projectDir, "scripts/build.ts")];
    const { exitCode } = Bun.spawnSync(command, { stdout: "inherit", stderr: "inherit" });
    expect(exitCode).toBe(0);
  }
  const executable = isMeasuring ? join(projectDir, "dist/nandu") : null;
  target = new Target("this", executable, workDir);
  dataset = openDataset(join(workDir, "data"), sizes.events);
}, TIMEOUT_MS);

afterAll(() => {
  target.dispose();
  if (!isMeasuring) {
    rmSync(workDir, { recursive: true, force: true });
    return;
  }
  const rows = [...summary.values()];
  console.log(`\n${formatRows(rows)}\n\n${formatThreads(rows)}\n\n${formatGoals(summary)}`);
});

for (const scenario of SCENARIOS) {
  test(
    `the benchmark of ${scenario.about} does all it asks for`,
    async () => {
      const options = { targets: [target], sizes, rounds, onRound: () => {} };
      const failures = await runTask({ scenario, dataset }, options, [summary]);
      expect(failures).toEqual([]);
    },
    TIMEOUT_MS,
  );
}

test.skipIf(isMeasuring)(
  "how cost grows is measured and drawn",
  async () => {
    const options = {
      target,
      sizes,
      steps: GROWING_SMOKE,
      rounds,
      openDataset: (count: number) => openDataset(join(workDir, "data"), count),
      onStep: () => {},
    };
    for (const growth of GROWTHS) {
      const chart = await grow(growth, options);
      expect(chart.lines.length).toBeGreaterThan(0);
      for (const { points } of chart.lines) expect(points.length).toBe(1);
      expect(drawChart(chart)).toEndWith("</svg>\n");
    }
  },
  TIMEOUT_MS,
);
