// Loaded before the first test (bunfig.toml): `bun test` in a fresh clone installs what is missing,
// as `npm test` does. Takes a tenth of a second when everything is there.

import { join } from "node:path";

const { exitCode } = Bun.spawnSync([process.execPath, join(import.meta.dir, "setup.mjs")], {
  stdin: "ignore",
  stdout: "inherit",
  stderr: "inherit",
});
if (exitCode !== 0) process.exit(exitCode);
