// argv → command, nothing else.

import { runCommand } from "./cli/command.ts";
import { findCommand } from "./cli/commands.ts";

const [name, ...args] = process.argv.slice(2);
process.exit(await runCommand(...findCommand(name, args)));
