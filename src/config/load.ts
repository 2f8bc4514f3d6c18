// Reads the configuration: defaults, then the file, the environment and the flags, each laid over
// the one before. Runs on the main thread when a command starts and when a reload is asked for.
// Pure given its inputs: it reads no file, variable or argument but through them.
// Whatever is wrong is a ConfigError, and nothing of that configuration is used.

import { resolve } from "node:path";
import { kindSet } from "../protocol/kind-set.ts";
import { ConfigError } from "./config-error.ts";
import { readEnvironment } from "./environment.ts";
import type { Environment } from "./environment.ts";
import { readConfigFile } from "./file.ts";
import { readFlags } from "./flags.ts";
import { defaultSettings, OPTION_NAMES, OPTIONS } from "./options.ts";
import type { OptionName, Settings } from "./options.ts";
import { SEARCH_KINDS_MAX } from "./search-kinds.ts";
import type { WrittenValues } from "./written.ts";

export interface ConfigSources {
  /** The arguments after the subcommand. */
  readonly argv: readonly string[];
  readonly env: Environment;
  /** What relative paths of configuration files start from. */
  readonly cwd: string;
  /** The text of the file at an absolute path, null if there is none; throws on other faults. */
  readonly readText: (path: string) => string | null;
}

export interface Config {
  readonly settings: Settings;
  /** "default", "file /etc/nandu.toml", "env NANDU_RELAY_PORT" or "flag --relay-port". */
  readonly origins: Readonly<Record<OptionName, string>>;
  /** The file that was read, spelled as it was looked for; null if there was none. */
  readonly file: string | null;
  /** The arguments that are not options of the table, "--" and what follows it included. */
  readonly rest: string[];
}

/** Where the file is looked for when nobody names it. */
export const CONFIG_PATHS = ["nandu.toml", "/etc/nandu.toml"] as const;

/** Throws ConfigError; its message is one line, for people. */
export function loadConfig(sources: ConfigSources): Config {
  const flags = readFlags(sources.argv, OPTIONS);
  const environment = readEnvironment(sources.env, OPTIONS);
  const file = findFile(sources, flags.configPath);
  const layers: WrittenValues[] = [environment, flags.values];
  if (file !== null) layers.unshift(readConfigFile(file.text, file.path, OPTIONS));

  const settings: Record<string, unknown> = { ...defaultSettings() };
  const origins: Record<string, string> = {};
  for (const name of OPTION_NAMES) origins[name] = "default";
  for (const layer of layers) {
    for (const [name, { value, origin }] of layer) {
      settings[name] = value;
      origins[name] = origin;
    }
  }
  // The readers only let through names of the table, each with a value of that option's type.
  const config = {
    settings: Object.freeze(settings) as Settings,
    origins: Object.freeze(origins) as Config["origins"],
    file: file === null ? null : file.path,
    rest: flags.rest,
  };
  checkTogether(config);
  return config;
}

interface ConfigFile {
  readonly path: string;
  readonly text: string;
}

function findFile(sources: ConfigSources, flagPath: string | null): ConfigFile | null {
  // An empty variable counts as unset, as compose files can't leave one out.
  const envPath = sources.env["NANDU_CONFIG"] || null;
  const path = flagPath ?? envPath;
  if (path !== null) {
    const text = readTextAt(sources, path);
    if (text !== null) return { path, text };
    const place = flagPath === null ? "NANDU_CONFIG" : "--config";
    throw new ConfigError(`${place}: there is no file ${path}`);
  }
  for (const candidate of CONFIG_PATHS) {
    const text = readTextAt(sources, candidate);
    if (text !== null) return { path: candidate, text };
  }
  return null;
}

function readTextAt(sources: ConfigSources, path: string): string | null {
  try {
    return sources.readText(resolve(sources.cwd, path));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`${path}: can't be read: ${reason}`, { cause });
  }
}

type IntegerName = {
  [N in OptionName]: Settings[N] extends number ? N : never;
}[OptionName];

/** The first must not be more than the second. */
const ORDERED: readonly (readonly [IntegerName, IntegerName])[] = [
  // An event arrives in one message.
  ["events.bytes_max", "relay.message_bytes_max"],
  ["relay.limit_default", "relay.limit_max"],
  // One whole message has to fit in what a connection may leave unread, or unanswered.
  ["relay.message_bytes_max", "relay.outbound_bytes_max"],
  ["relay.message_bytes_max", "relay.inflight_bytes_max"],
];

function checkTogether({ settings, origins }: Config): void {
  for (const [lower, upper] of ORDERED) {
    if (settings[lower] <= settings[upper]) continue;
    const [first, second] = [lower, upper].map(
      (name) => `${name}: ${settings[name]} (${origins[name]})`,
    );
    throw new ConfigError(`${first} is more than ${second}`);
  }
  if (kindSet(settings["search.kinds"]).size > SEARCH_KINDS_MAX) {
    const place = `search.kinds (${origins["search.kinds"]})`;
    throw new ConfigError(`${place} has more than ${SEARCH_KINDS_MAX} kinds`);
  }
}
