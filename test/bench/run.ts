// Runs scenarios round by round. With two targets the rounds alternate, so that whatever else the
// machine does falls on both; a scenario that one target can't do is left out of its summary.

import type { Dataset } from "./dataset-file.ts";
import { commandScenarios } from "./commands.ts";
import { idleScenarios } from "./idle.ts";
import { ingestScenarios } from "./ingest.ts";
import { liveScenarios } from "./live.ts";
import { mixedScenarios } from "./mixed.ts";
import { requestScenarios } from "./requests.ts";
import type { Row, Scenario, Sizes } from "./scenario.ts";
import { addRound, type Summary } from "./summary.ts";
import { syncScenarios } from "./sync.ts";
import type { Target } from "./target.ts";

export const SCENARIOS: readonly Scenario[] = [
  ...ingestScenarios,
  ...requestScenarios,
  ...liveScenarios,
  ...mixedScenarios,
  ...idleScenarios,
  ...commandScenarios,
  ...syncScenarios,
];

/** Those that say something about a larger database too. */
export const SCENARIOS_BY_SIZE = [
  "req",
  "kinds",
  "empty",
  "heavy",
  "count",
  "export",
  "start",
  "sync",
];

export interface Task {
  readonly scenario: Scenario;
  readonly dataset: Dataset;
}

export interface Failure {
  readonly scenario: string;
  readonly target: string;
  readonly reason: string;
}

export interface RunOptions {
  readonly targets: readonly Target[];
  readonly sizes: Sizes;
  readonly rounds: number;
  /** Told after each round of each target. */
  readonly onRound: (task: Task, round: number, target: Target, rows: readonly Row[]) => void;
}

/** One task, all rounds. Adds to the summaries, one per target, and returns what failed. */
export async function runTask(
  task: Task,
  options: RunOptions,
  summaries: readonly Summary[],
): Promise<Failure[]> {
  const { targets, sizes, rounds, onRound } = options;
  const failures: Failure[] = [];
  for (let round = 0; round < rounds; round++) {
    const order = targets.map((_, i) => (i + round) % targets.length);
    for (const i of order) {
      const target = targets[i] as Target;
      const hasFailed = failures.some((failure) => failure.target === target.name);
      if (hasFailed) continue;
      try {
        const rows = await task.scenario.run({ target, sizes, dataset: task.dataset });
        addRound(summaries[i] as Summary, rows);
        onRound(task, round, target, rows);
      } catch (error) {
        const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
        failures.push({ scenario: task.scenario.name, target: target.name, reason });
      } finally {
        target.cleanUp();
      }
    }
  }
  return failures;
}
