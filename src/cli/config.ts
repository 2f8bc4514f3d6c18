// `nandu config`: the configuration in force and where each value comes from.

import { renderDefault, renderEffective } from "../config/render.ts";
import { type Command, configure, EXIT_OK, parseFlags, UsageError } from "./command.ts";

const usage = `Usage: nandu config [--default]

Prints the configuration in force as TOML, with the origin of each value.

  --default  a commented configuration file with all defaults, to start from
`;

function run(args: readonly string[]): number {
  const config = configure(args);
  const { flags, positionals } = parseFlags(config.rest, ["--default"], []);
  if (positionals.length > 0) throw new UsageError(`unexpected argument ${positionals[0]}`);
  process.stdout.write(flags.has("--default") ? renderDefault() : renderEffective(config));
  return EXIT_OK;
}

export const configCommand: Command = { usage, run };
