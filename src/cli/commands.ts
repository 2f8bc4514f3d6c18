// The list of commands, and `nandu help`.

import { didYouMean } from "../config/names.ts";
import { VERSION } from "../version.ts";
import { type Command, EXIT_OK, parseFlags, UsageError } from "./command.ts";
import { auditCommand } from "./audit.ts";
import { configCommand } from "./config.ts";
import { deleteCommand } from "./delete.ts";
import { downloadCommand } from "./download.ts";
import { explainCommand } from "./explain.ts";
import { exportCommand } from "./export.ts";
import { importCommand } from "./import.ts";
import { infoCommand } from "./info.ts";
import { inviteCommand } from "./invite.ts";
import { memberCommand } from "./member.ts";
import { negentropyCommand } from "./negentropy.ts";
import { relayCommand } from "./relay.ts";
import { scanCommand } from "./scan.ts";
import { searchCommand } from "./search.ts";
import { streamCommand } from "./stream.ts";
import { syncCommand } from "./sync.ts";
import { uploadCommand } from "./upload.ts";
import { whyCommand } from "./why.ts";

const helpCommand: Command = {
  name: "help",
  summary: "this list, or the help of one command",
  usage: "Usage: nandu help [command]\n",
  run: (args) => {
    const [name, extra] = parseFlags(args, [], []).positionals;
    if (extra !== undefined) throw new UsageError(`unexpected argument ${extra}`);
    process.stdout.write(name === undefined ? overview() : commandOf(name).usage);
    return EXIT_OK;
  },
};

const versionCommand: Command = {
  name: "version",
  summary: "print the version",
  usage: "Usage: nandu version\n",
  run: (args) => {
    const [extra] = parseFlags(args, [], []).positionals;
    if (extra !== undefined) throw new UsageError(`unexpected argument ${extra}`);
    process.stdout.write(`${VERSION}\n`);
    return EXIT_OK;
  },
};

const COMMANDS: readonly Command[] = [
  relayCommand,
  importCommand,
  exportCommand,
  syncCommand,
  downloadCommand,
  uploadCommand,
  streamCommand,
  scanCommand,
  searchCommand,
  explainCommand,
  whyCommand,
  deleteCommand,
  memberCommand,
  inviteCommand,
  negentropyCommand,
  auditCommand,
  infoCommand,
  configCommand,
  versionCommand,
  helpCommand,
];

function overview(): string {
  const width = Math.max(...COMMANDS.map((command) => command.name.length));
  const lines = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return `nandu ${VERSION}, a Nostr relay

Usage: nandu <command> [options]

${lines.join("\n")}

\`nandu help <command>\` tells more of one.
`;
}

function commandOf(name: string): Command {
  const command = COMMANDS.find((one) => one.name === name);
  if (command !== undefined) return command;
  const names = COMMANDS.map((one) => one.name);
  throw new UsageError(`unknown command ${name}${didYouMean(name, names)}`);
}

/** The command to run and its arguments; an unknown one runs as a `help` that fails. */
export function findCommand(
  name: string | undefined,
  args: readonly string[],
): [Command, readonly string[]] {
  if (name === undefined) return [helpCommand, []];
  if (name === "--version" || name === "-v") return [versionCommand, []];
  if (name === "--help" || name === "-h") return [helpCommand, []];
  const command = COMMANDS.find((one) => one.name === name);
  return command === undefined ? [helpCommand, [name]] : [command, args];
}
