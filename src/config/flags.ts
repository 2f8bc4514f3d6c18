// Options from command line flags: --relay-port 7777 or --relay-port=7777 is relay.port. Pure;
// belongs to no thread. Commands have flags of their own, so what isn't in the table is handed
// back for the command to judge.

import { ConfigError } from "./config-error.ts";
import { didYouMean, flagName, groupOf } from "./names.ts";
import type { Option, OptionTable } from "./option.ts";
import { parseTextAt } from "./written.ts";
import type { Written, WrittenValues } from "./written.ts";

export interface WrittenFlags {
  /** Of a flag that is repeated, the last counts. */
  readonly values: WrittenValues;
  /** What --config says, null if it isn't there. */
  readonly configPath: string | null;
  /** Everything that is not a flag of the table, in order; "--" and what follows it included. */
  readonly rest: string[];
}

/** A flag of the table: `--no-x` is the negative of the boolean `--x`. */
interface Flag {
  readonly name: string;
  readonly option: Option;
  readonly negative: boolean;
}

export function readFlags(argv: readonly string[], options: OptionTable): WrittenFlags {
  const known = flagsOf(options);
  const prefixes = new Set(Object.keys(options).map((name) => flagName(groupOf(name) || name)));
  const values = new Map<string, Written>();
  const rest: string[] = [];
  let configPath: string | null = null;
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index] ?? "";
    if (argument === "--") {
      rest.push(...argv.slice(index));
      break;
    }
    const equals = argument.indexOf("=");
    const spelled = equals === -1 ? argument : argument.slice(0, equals);
    const attached = equals === -1 ? null : argument.slice(equals + 1);
    const flag = known.get(spelled);
    if (flag === undefined && spelled !== "--config") {
      refuseMisspelt(spelled, prefixes, known);
      rest.push(argument);
      continue;
    }
    if (flag?.option.type === "boolean") {
      values.set(flag.name, readSwitch(spelled, flag, attached));
      continue;
    }
    const text = attached ?? followingText(spelled, argv[++index]);
    if (flag === undefined) {
      if (text === "") throw new ConfigError(`${spelled}: needs a value`);
      configPath = text;
    } else {
      const value = parseTextAt(spelled, flag.option, text);
      values.set(flag.name, { value, origin: `flag ${spelled}` });
    }
  }
  return { values, configPath, rest };
}

function flagsOf(options: OptionTable): ReadonlyMap<string, Flag> {
  const flags = new Map<string, Flag>();
  for (const [name, option] of Object.entries(options)) {
    const flag = flagName(name);
    flags.set(flag, { name, option, negative: false });
    if (option.type !== "boolean") continue;
    flags.set(flag.replace("--", "--no-"), { name, option, negative: true });
  }
  return flags;
}

/** Unknown flags are the command's, except those that can only be meant for the table. */
function refuseMisspelt(
  spelled: string,
  prefixes: ReadonlySet<string>,
  known: ReadonlyMap<string, Flag>,
): void {
  const positive = spelled.replace(/^--no-/, "--");
  for (const prefix of prefixes) {
    if (!positive.startsWith(`${prefix}-`)) continue;
    throw new ConfigError(`${spelled}: unknown option${didYouMean(spelled, known.keys())}`);
  }
}

function readSwitch(spelled: string, flag: Flag, attached: string | null): Written {
  const origin = `flag ${spelled}`;
  if (attached === null) return { value: !flag.negative, origin };
  if (flag.negative) throw new ConfigError(`${spelled}: takes no value`);
  return { value: parseTextAt(spelled, flag.option, attached), origin };
}

/** The argument after a flag. One that looks like a flag itself has to be attached with "=". */
function followingText(spelled: string, next: string | undefined): string {
  if (next === undefined || next.startsWith("--")) {
    throw new ConfigError(`${spelled}: needs a value`);
  }
  return next;
}
