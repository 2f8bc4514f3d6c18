// The list of commands, and `nandu help`. Only the code of the command that runs is loaded: all of
// them would take a start half as long again.

import { didYouMean } from "../config/names.ts";
import { VERSION } from "../version.ts";
import { type Command, EXIT_OK, type ListedCommand, parseFlags, UsageError } from "./command.ts";

const helpCommand: Command = {
  usage: "Usage: nandu help [command]\n",
  run: async (args) => {
    const [name, extra] = parseFlags(args, [], []).positionals;
    if (extra !== undefined) throw new UsageError(`unexpected argument ${extra}`);
    const text = name === undefined ? overview() : (await commandOf(name).load()).usage;
    process.stdout.write(text);
    return EXIT_OK;
  },
};

const versionCommand: Command = {
  usage: "Usage: nandu version\n",
  run: (args) => {
    const [extra] = parseFlags(args, [], []).positionals;
    if (extra !== undefined) throw new UsageError(`unexpected argument ${extra}`);
    process.stdout.write(`${VERSION}\n`);
    return EXIT_OK;
  },
};

const VERSION_LISTED: ListedCommand = {
  name: "version",
  summary: "print the version",
  load: async () => versionCommand,
};

const HELP_LISTED: ListedCommand = {
  name: "help",
  summary: "this list, or the help of one command",
  load: async () => helpCommand,
};

const COMMANDS: readonly ListedCommand[] = [
  {
    name: "relay",
    summary: "run the relay",
    load: async () => (await import("./relay.ts")).relayCommand,
  },
  {
    name: "import",
    summary: "store events from JSONL files or standard input",
    load: async () => (await import("./import.ts")).importCommand,
  },
  {
    name: "export",
    summary: "print stored events as JSONL",
    load: async () => (await import("./export.ts")).exportCommand,
  },
  {
    name: "sync",
    summary: "exchange with another relay what only one of the two has",
    load: async () => (await import("./sync.ts")).syncCommand,
  },
  {
    name: "download",
    summary: "print or store what another relay has",
    load: async () => (await import("./download.ts")).downloadCommand,
  },
  {
    name: "upload",
    summary: "publish events at another relay: from input, or stored here",
    load: async () => (await import("./upload.ts")).uploadCommand,
  },
  {
    name: "stream",
    summary: "pass on what is new, from another relay or to it",
    load: async () => (await import("./stream.ts")).streamCommand,
  },
  {
    name: "router",
    summary: "keep this relay in step with others, as a file says",
    load: async () => (await import("./router.ts")).routerCommand,
  },
  {
    name: "scan",
    summary: "print or count the stored events that match a filter",
    load: async () => (await import("./scan.ts")).scanCommand,
  },
  {
    name: "search",
    summary: "print the stored events that have some words, best first",
    load: async () => (await import("./search.ts")).searchCommand,
  },
  {
    name: "explain",
    summary: "how a filter is answered, and what that costs",
    load: async () => (await import("./explain.ts")).explainCommand,
  },
  {
    name: "why",
    summary: "what became of an event, or what keeps it out",
    load: async () => (await import("./why.ts")).whyCommand,
  },
  {
    name: "delete",
    summary: "remove stored events by filter or age",
    load: async () => (await import("./delete.ts")).deleteCommand,
  },
  {
    name: "member",
    summary: "list, add or remove members of the relay",
    load: async () => (await import("./member.ts")).memberCommand,
  },
  {
    name: "invite",
    summary: "create, list or revoke invite codes",
    load: async () => (await import("./invite.ts")).inviteCommand,
  },
  {
    name: "negentropy",
    summary: "keep running sums of what is synced often",
    load: async () => (await import("./negentropy.ts")).negentropyCommand,
  },
  {
    name: "audit",
    summary: "print who has banned, allowed or changed what",
    load: async () => (await import("./audit.ts")).auditCommand,
  },
  {
    name: "info",
    summary: "versions, signature speed, what the database holds",
    load: async () => (await import("./info.ts")).infoCommand,
  },
  {
    name: "config",
    summary: "the configuration in force, or a commented default",
    load: async () => (await import("./config.ts")).configCommand,
  },
  VERSION_LISTED,
  HELP_LISTED,
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

function commandOf(name: string): ListedCommand {
  const command = COMMANDS.find((one) => one.name === name);
  if (command !== undefined) return command;
  const names = COMMANDS.map((one) => one.name);
  throw new UsageError(`unknown command ${name}${didYouMean(name, names)}`);
}

/** Before the command, where scripts made for strfry have it. */
function configured(
  flag: string,
  [name, ...args]: readonly string[],
): [ListedCommand, readonly string[]] {
  return findCommand(name, [flag, ...args]);
}

/** The command to run and its arguments; an unknown one runs as a `help` that fails. */
export function findCommand(
  name: string | undefined,
  args: readonly string[],
): [ListedCommand, readonly string[]] {
  if (name === undefined) return [HELP_LISTED, []];
  if (name === "--version" || name === "-v") return [VERSION_LISTED, []];
  if (name === "--help" || name === "-h") return [HELP_LISTED, []];
  if (name === "--config" && args.length > 1)
    return configured(`${name}=${args[0]}`, args.slice(1));
  if (name.startsWith("--config=") && args.length > 0) return configured(name, args);
  const command = COMMANDS.find((one) => one.name === name);
  return command === undefined ? [HELP_LISTED, [name]] : [command, args];
}
