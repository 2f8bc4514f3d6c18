// `nandu audit`: who has changed what of the relay's control state, and when: by the management API
// (NIP-86), by commands, by invites.

import { nowSeconds } from "../config/clock.ts";
import { setting } from "../config/current.ts";
import { requireDatabase } from "../store/schema.ts";
import { readChanges } from "./change-control.ts";
import { type Command, configure, EXIT_OK, parseFlags, parseTime, UsageError } from "./command.ts";
import { Output, OutputClosed } from "./output.ts";

const usage = `Usage: nandu audit [--since TIME] [--json]

Prints the log of changes of who and what is banned, allowed, blocked or a member, oldest first: a
line for each, with time, who (a public key, or "operator" for commands), what, with which
parameters, and what came of it, separated by tabs.

  --since TIME  from then on: unix seconds, or an age such as 12h or 7d
  --json        a JSON object a line
`;

function run(args: readonly string[]): number {
  const { rest } = configure(args);
  const { flags, values, positionals } = parseFlags(rest, ["--json"], ["--since"]);
  if (positionals.length > 0) throw new UsageError(`unexpected argument ${positionals[0]}`);
  const now = nowSeconds();
  const since = parseTime("--since", values.get("--since") ?? "0", now);
  requireDatabase(setting("data_dir"));
  try {
    const output = new Output();
    readChanges((changes) => {
      for (const entry of changes.audit(since)) {
        const { at, actor, method, params, result } = entry;
        const time = new Date(at * 1000).toISOString();
        const line = flags.has("--json")
          ? JSON.stringify(entry)
          : [time, actor, method, params, result].join("\t");
        output.line(Buffer.from(line));
      }
    });
    output.flush();
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error;
  }
  return EXIT_OK;
}

export const auditCommand: Command = { usage, run };
