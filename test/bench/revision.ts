// Another revision's executable, built in a folder of its own and kept there. The folder has the
// revision's files and nothing of git, so that no trace of it stays in the clone.

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { dropOldest } from "./target.ts";

const KEPT = 4;
const LIBRARY = "vendor/libsecp256k1.so.1";

function run(command: readonly string[], cwd: string, env: Record<string, string> = {}): string {
  const child = Bun.spawnSync([...command], { cwd, env: { ...process.env, ...env } });
  if (child.exitCode === 0) return child.stdout.toString().trim();
  throw new Error(`${command.join(" ")}: ${child.stderr.toString()}`);
}

/** The path of the executable of `revision`, whatever git understands by that name. */
export function buildRevision(projectDir: string, treesDir: string, revision: string): string {
  const commit = run(["git", "rev-parse", "--verify", `${revision}^{commit}`], projectDir);
  const tree = join(treesDir, commit.slice(0, 12));
  const executable = join(tree, "dist/nandu");
  if (!existsSync(executable)) {
    mkdirSync(tree, { recursive: true });
    dropOldest(treesDir, "", KEPT);
    run(["sh", "-c", `git archive ${commit} | tar -x -C '${tree}'`], projectDir);
    provideModules(projectDir, tree);
    const bun = join(tree, "node_modules/.bin/bun");
    // Or it would take the commit of the clone around it for its own.
    run([bun, "scripts/build.ts"], tree, { GIT_CEILING_DIRECTORIES: treesDir });
  }
  utimesSync(tree, new Date(), new Date());
  return executable;
}

/** The clone's own modules when they are those that the revision wants. */
function provideModules(projectDir: string, tree: string): void {
  const lock = (folder: string): string => readFileSync(join(folder, "package-lock.json"), "utf8");
  if (lock(projectDir) === lock(tree)) {
    symlinkSync(join(projectDir, "node_modules"), join(tree, "node_modules"));
  } else {
    run(["node", "scripts/setup.mjs"], tree);
  }
  if (!existsSync(join(projectDir, LIBRARY)) || existsSync(join(tree, LIBRARY))) return;
  mkdirSync(dirname(join(tree, LIBRARY)), { recursive: true });
  copyFileSync(join(projectDir, LIBRARY), join(tree, LIBRARY));
}
