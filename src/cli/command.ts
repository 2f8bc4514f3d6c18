// What the commands share: how one looks, how its arguments are read, and the errors that end one
// with a line and an exit code instead of a stack.

import { readFileSync } from "node:fs";
import { ConfigError } from "../config/config-error.ts";
import { install } from "../config/current.ts";
import { type Config, loadConfig } from "../config/load.ts";
import { describeError } from "../config/log.ts";
import { didYouMean } from "../config/names.ts";

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

export interface Command {
  /** The whole help text. */
  readonly usage: string;
  /** Returns the exit code. */
  run(args: readonly string[]): Promise<number> | number;
}

/** A command in the list of them. */
export interface ListedCommand {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  load(): Promise<Command>;
}

/** The operator's fault: one line, exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Loads the configuration, puts it in force, and returns it with what is left of the arguments. */
export function configure(args: readonly string[]): Config {
  const config = loadConfig({ argv: args, env: process.env, cwd: process.cwd(), readText });
  install(config.settings);
  return config;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

export interface Parsed {
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, string>;
  readonly lists: ReadonlyMap<string, readonly string[]>;
  readonly positionals: readonly string[];
}

/**
 * Reads a command's own flags: `--name` of `flags`; `--name V` or `--name=V` of `values`, of which
 * the last counts, and of `lists`, of which all do.
 */
export function parseFlags(
  args: readonly string[],
  flags: readonly string[],
  values: readonly string[],
  lists: readonly string[] = [],
): Parsed {
  const found = new Set<string>();
  const given = new Map<string, string>();
  const listed = new Map<string, string[]>();
  const positionals: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    if (arg === "--") {
      positionals.push(...args.slice(i + 1));
      break;
    }
    if (!arg.startsWith("--")) {
      positionals.push(arg);
      continue;
    }
    const equals = arg.indexOf("=");
    const name = equals < 0 ? arg : arg.slice(0, equals);
    const isList = lists.includes(name);
    if (isList || values.includes(name)) {
      const value = equals < 0 ? args[++i] : arg.slice(equals + 1);
      if (value === undefined) throw new UsageError(`${name} needs a value`);
      if (isList) listed.set(name, [...(listed.get(name) ?? []), value]);
      else given.set(name, value);
    } else if (flags.includes(name) && equals < 0) {
      found.add(name);
    } else {
      throw new UsageError(
        `unknown flag ${name}${didYouMean(name, [...flags, ...values, ...lists])}`,
      );
    }
  }
  return { flags: found, values: given, lists: listed, positionals };
}

/** Unix seconds, or an age before now: 30s, 15m, 12h, 7d, 4w, 1y. */
export function parseTime(name: string, text: string, now: number): number {
  return /^[0-9]+$/.test(text) ? Number(text) : now - parseAge(name, text);
}

const SECONDS: Readonly<Record<string, number>> = {
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
  w: 604_800,
  y: 31_536_000,
};

/** Seconds: a number of them, or one with a unit. */
export function parseAge(name: string, text: string): number {
  const match = /^([0-9]{1,12})([smhdwy]?)$/.exec(text);
  if (match === null) throw new UsageError(`${name}: ${text} is not an age like 30s, 12h or 7d`);
  return Number(match[1]) * (SECONDS[match[2] || "s"] as number);
}

/** Runs a command and turns what it throws into a line and an exit code. */
export async function runCommand(
  { name, load }: ListedCommand,
  args: readonly string[],
): Promise<number> {
  const command = await load();
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(command.usage);
    return EXIT_OK;
  }
  try {
    return await command.run(args);
  } catch (error) {
    const isUsage = error instanceof UsageError || error instanceof ConfigError;
    const topic = name === "help" ? "" : ` ${name}`;
    const hint = error instanceof UsageError ? ` (nandu help${topic})` : "";
    process.stderr.write(`nandu: ${describeError(error)}${hint}\n`);
    return isUsage ? EXIT_USAGE : EXIT_FAILED;
  }
}
