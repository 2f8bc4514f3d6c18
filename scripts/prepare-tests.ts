// Loaded before the first test (bunfig.toml): `bun test` in a fresh clone installs what is missing,
// as `npm test` does. Takes a tenth of a second when everything is there.
//
// Bun has looked for node_modules already and would not look again, so after an installation the
// same command runs anew in a process of its own.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const output = { stdin: "ignore", stdout: "inherit", stderr: "inherit" } as const;
const modules = join(import.meta.dir, "../node_modules");
const isFresh = !existsSync(modules);

const setup = Bun.spawnSync([process.execPath, join(import.meta.dir, "setup.mjs")], output);
if (setup.exitCode !== 0) process.exit(setup.exitCode);
if (isFresh) {
  const [, ...args] = readFileSync("/proc/self/cmdline", "utf8").split("\0").slice(0, -1);
  process.exit(Bun.spawnSync([process.execPath, ...args], output).exitCode);
}
