// Where figures were taken: without it they say nothing.

import { statfsSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";

/** statfs(2): what databases must not lie on when durability is measured. */
const TMPFS_MAGIC = 0x01021994;

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly bun: string;
  /** Of the working tree, with `+` when it has changes that are not committed. */
  readonly revision: string;
}

function git(projectDir: string, ...args: string[]): string {
  const command = ["git", "-C", projectDir, ...args];
  const { exitCode, stdout } = Bun.spawnSync(command, { stderr: "ignore" });
  return exitCode === 0 ? stdout.toString().trim() : "";
}

export function describeMachine(projectDir: string): Machine {
  const isChanged = git(projectDir, "status", "--porcelain", "--", "src") !== "";
  const commit = git(projectDir, "rev-parse", "--short", "HEAD");
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    bun: Bun.version,
    revision: commit === "" ? "unknown" : `${commit}${isChanged ? "+" : ""}`,
  };
}

export function isInMemory(folder: string): boolean {
  return statfsSync(folder).type === TMPFS_MAGIC;
}
