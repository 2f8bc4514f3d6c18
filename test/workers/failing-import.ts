// `nandu import` with threads one of which fails: see failing-import-worker.ts.

import { runCommand } from "../../src/cli/command.ts";
import { importCommand, runImport } from "../../src/cli/import.ts";

const entry = new URL("./failing-import-worker.ts", import.meta.url);
const command = { ...importCommand, run: (args: readonly string[]) => runImport(args, entry) };
const listed = { name: "import", summary: "", load: async () => command };
process.exit(await runCommand(listed, process.argv.slice(2)));
