// The router's file: which streams there are, and with whom. strfry's files are read as they are;
// `keyFile`, `catchUp` and `catchUpInterval` are ours. A key that isn't known is an error, for a
// misspelt filter would pass on everything. Text → StreamConfig. Pure.

import { ConfigError } from "../config/config-error.ts";
import { didYouMean } from "../config/names.ts";
import { type Filter, parseFilter } from "../protocol/filter.ts";
import type { FilterJson } from "./paging.ts";
import { parseTaoConfig, type TaoMember, type TaoObject, toJson } from "./tao-config.ts";
import { withoutSecrets } from "./without-secrets.ts";

export interface StreamConfig {
  readonly name: string;
  readonly isDown: boolean;
  readonly isUp: boolean;
  /** None twice. */
  readonly urls: readonly string[];
  readonly filter: Filter;
  /** The same as it is sent. */
  readonly filterJson: FilterJson;
  /** Shell commands. */
  readonly pluginDown: string | null;
  readonly pluginUp: string | null;
  /** Whom to sign in as (NIP-42). */
  readonly keyFile: string | null;
  /** Whether what was missed is fetched and sent when a connection is made. */
  readonly isCatchingUp: boolean;
  /** How often everything is compared while a connection holds; null for never. */
  readonly catchUpIntervalMs: number | null;
}

export interface RouterConfig {
  /** Of a connection that is made, and of a peer that owes an answer. */
  readonly timeoutMs: number;
  readonly isVerbose: boolean;
  readonly streams: readonly StreamConfig[];
}

const TIMEOUT_S_DEFAULT = 20;
const TIMEOUT_S_MAX = 3600;
const CATCH_UP_INTERVAL_S_DEFAULT = 3600;
const CATCH_UP_INTERVAL_S_MIN = 10;
const CATCH_UP_INTERVAL_S_MAX = 30 * 86_400;
/** Each is a connection with memory of its own. */
const PEERS_MAX = 1000;
const FILE_KEYS = ["connectionTimeout", "verbose", "streams"];
const STREAM_KEYS = [
  "dir",
  "urls",
  "filter",
  "pluginDown",
  "pluginUp",
  "keyFile",
  "catchUp",
  "catchUpInterval",
];

/** `path` is for messages only. Throws ConfigError "path:line: …". */
export function parseRouterFile(text: string, path: string): RouterConfig {
  const file = new Section(parseTaoConfig(text, path), path, 1, "the file");
  file.refuseOthers(FILE_KEYS);
  const streams = file.object("streams");
  if (streams === null) throw file.fault("there is no streams { … }");
  const config = {
    timeoutMs: 1000 * (file.integer("connectionTimeout", 1, TIMEOUT_S_MAX) ?? TIMEOUT_S_DEFAULT),
    isVerbose: file.boolean("verbose") ?? true,
    streams: streams.names.map((name) => parseStream(name, streams)),
  };
  const peers = config.streams.reduce((sum, { urls }) => sum + urls.length, 0);
  if (peers > PEERS_MAX) throw streams.fault(`more than ${PEERS_MAX} relays`);
  return config;
}

function parseStream(name: string, streams: Section): StreamConfig {
  const stream = streams.object(name) as Section;
  stream.refuseOthers(STREAM_KEYS);
  const dir = stream.text("dir");
  if (dir === null) throw stream.fault("it has no dir");
  if (dir !== "up" && dir !== "down" && dir !== "both") {
    throw stream.fault(`dir is none of up, down, both`, "dir");
  }
  const interval = stream.integer("catchUpInterval", 0, CATCH_UP_INTERVAL_S_MAX);
  if (interval !== null && interval > 0 && interval < CATCH_UP_INTERVAL_S_MIN) {
    const text = `it must be 0, for never, or at least ${CATCH_UP_INTERVAL_S_MIN} seconds`;
    throw stream.fault(text, "catchUpInterval");
  }
  const intervalS = interval ?? CATCH_UP_INTERVAL_S_DEFAULT;
  return {
    name,
    isDown: dir !== "up",
    isUp: dir !== "down",
    urls: parseUrls(stream),
    ...parseStreamFilter(stream),
    pluginDown: stream.text("pluginDown") || null,
    pluginUp: stream.text("pluginUp") || null,
    keyFile: stream.text("keyFile") || null,
    isCatchingUp: stream.boolean("catchUp") ?? true,
    catchUpIntervalMs: intervalS === 0 ? null : 1000 * intervalS,
  };
}

function parseUrls(stream: Section): string[] {
  const found = stream.find("urls");
  if (found === null) throw stream.fault("it has no urls");
  const { value } = found;
  if (value.type !== "array") throw stream.fault("urls is no list [ … ]", "urls");
  if (value.items.length === 0) throw stream.fault("urls is empty", "urls");
  const urls = value.items.map((item) => {
    const text = item.type === "string" ? item.text : null;
    const isAddress = text !== null && /^wss?:\/\/[^#]+$/i.test(text) && URL.canParse(text);
    if (isAddress) return text;
    const shown = withoutSecrets(text ?? JSON.stringify(toJson(item)));
    throw stream.faultAt(`${shown} is no address of a relay, such as wss://relay.example`, item);
  });
  return [...new Set(urls)];
}

/** strfry heeds no `limit` here, so neither do we. */
function parseStreamFilter(stream: Section): Pick<StreamConfig, "filter" | "filterJson"> {
  const found = stream.find("filter");
  const json = found === null ? {} : toJson(found.value);
  const { limit, ...others } = (typeof json === "object" ? json : {}) as Record<string, unknown>;
  if ("search" in others) throw stream.fault("a filter can't search here", "filter");
  const filter = parseFilter(json);
  if (typeof filter === "string") throw stream.fault(`the filter is ${filter}`, "filter");
  if (filter === null) throw stream.fault("the filter can match nothing", "filter");
  return { filter: { ...filter, limit: null }, filterJson: others };
}

/** An object of the file, as its keys are asked for. */
class Section {
  private readonly members: TaoObject;
  private readonly path: string;
  private readonly line: number;
  private readonly what: string;

  constructor(members: TaoObject, path: string, line: number, what: string) {
    this.members = members;
    this.path = path;
    this.line = line;
    this.what = what;
  }

  get names(): readonly string[] {
    return [...this.members.keys()];
  }

  refuseOthers(known: readonly string[]): void {
    for (const name of this.names) {
      if (known.includes(name)) continue;
      throw this.fault(`unknown key ${name}${didYouMean(name, known)}`, name);
    }
  }

  find(name: string): TaoMember | null {
    return this.members.get(name) ?? null;
  }

  object(name: string): Section | null {
    const found = this.find(name);
    if (found === null) return null;
    const { line, value } = found;
    if (value.type !== "object") throw this.fault(`${name} is no section { … }`, name);
    return new Section(value.members, this.path, line, name);
  }

  text(name: string): string | null {
    const found = this.find(name);
    if (found === null) return null;
    if (found.value.type === "string") return found.value.text;
    throw this.fault(`${name} is no text in quotes`, name);
  }

  boolean(name: string): boolean | null {
    const found = this.find(name);
    if (found === null) return null;
    const { value } = found;
    if (value.type === "literal" && value.literal !== null) return value.literal;
    throw this.fault(`${name} is not true or false`, name);
  }

  integer(name: string, min: number, max: number): number | null {
    const found = this.find(name);
    if (found === null) return null;
    const { value } = found;
    const isInRange = value.type === "number" && value.number >= min && value.number <= max;
    if (isInRange && Number.isInteger(value.number)) return value.number;
    throw this.fault(`${name} is no whole number from ${min} to ${max}`, name);
  }

  /** At the line of that key, else at the section's own. */
  fault(text: string, key: string | null = null): ConfigError {
    const line = (key === null ? null : this.find(key)?.line) ?? this.line;
    return this.faultAt(text, { line });
  }

  faultAt(text: string, { line }: { readonly line: number }): ConfigError {
    return new ConfigError(`${this.path}:${line}: ${this.what}: ${text}`);
  }
}
