// The router: streams between this relay and others, as a file says, for as long as it runs. The
// file is read again whenever it changes; streams that it says the same of stay as they are, and a
// file with a fault changes nothing. Belongs to one thread: a command's, or the relay's router's.

import type { Database } from "bun:sqlite";
import { readFileSync, statSync } from "node:fs";
import { ConfigError } from "../config/config-error.ts";
import { describeError, log } from "../config/log.ts";
import { type RelayKey, readKeyFile } from "../crypto/relay-key.ts";
import { ItemReader } from "../store/item-scan.ts";
import { configuredProxy } from "./configured-client.ts";
import { NewEvents } from "./new-events.ts";
import { CompareSlots } from "./peer-catch-up.ts";
import { describeCounters, type PeerStatus } from "./peer-counters.ts";
import { RouterCursors } from "./router-cursors.ts";
import { parseRouterFile, type RouterConfig, type StreamConfig } from "./router-file.ts";
import type { RouterIntake } from "./router-intake.ts";
import { RouterPeer } from "./router-peer.ts";
import { StreamPlugins } from "./stream-plugins.ts";
import { withoutSecrets } from "./without-secrets.ts";

export interface RouterOptions {
  /** Its path. */
  readonly file: string;
  readonly dataDir: string;
  /** For reading. */
  readonly db: Database;
  readonly intake: RouterIntake;
  /** What no stream can go on after. */
  readonly onFatal: (error: unknown) => void;
}

export interface LoadedFile {
  readonly config: RouterConfig;
  /** By the paths of their files. */
  readonly keys: ReadonlyMap<string, RelayKey>;
}

const TICK_MS = 500;
const SUMMARY_TICKS = 120;
const FILE_BYTES_MAX = 4 << 20;

/** Of each file that was read, and what it was like just before: a change is then seen as one. */
type FileStates = Map<string, string>;

/** Reads the file and the keys that it names. Throws ConfigError. */
export function loadRouterFile(path: string, states: FileStates = new Map()): LoadedFile {
  states.set(path, stateOf(path));
  let text: string;
  try {
    if (statSync(path).size > FILE_BYTES_MAX) throw new Error("it is too large");
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new ConfigError(`${path}: can't be read: ${describeError(cause)}`, { cause });
  }
  const config = parseRouterFile(text, path);
  for (const { name, urls } of config.streams) {
    const fault = urls.map(configuredProxy).find((proxy) => typeof proxy === "string");
    if (fault !== undefined) throw new ConfigError(`${path}: ${name}: ${fault}`);
  }
  const keys = new Map<string, RelayKey>();
  for (const { name, keyFile } of config.streams) {
    if (keyFile === null || keys.has(keyFile)) continue;
    states.set(keyFile, stateOf(keyFile));
    try {
      keys.set(keyFile, readKeyFile(keyFile));
    } catch (cause) {
      throw new ConfigError(`${path}: ${name}: keyFile: ${describeError(cause)}`, { cause });
    }
  }
  return { config, keys };
}

interface RunningPeer {
  readonly peer: RouterPeer;
  readonly ended: Promise<void>;
}

interface RunningStream {
  config: StreamConfig;
  identity: string;
  readonly plugins: StreamPlugins;
  readonly peers: Map<string, RunningPeer>;
}

export class Router {
  private readonly options: RouterOptions;
  private readonly cursors: RouterCursors;
  private readonly reader: ItemReader;
  private readonly newEvents: NewEvents;
  private readonly slots = new CompareSlots();
  private readonly streams = new Map<string, RunningStream>();
  /** Peers and plugins that have been stopped, until they have ended. */
  private readonly ending = new Set<Promise<void>>();
  private loaded: LoadedFile;
  private states: FileStates = new Map();
  private readonly timer: Timer;
  private ticks = 0;
  private summarized = "";
  private isStopped = false;

  /** Throws ConfigError when the file has a fault. */
  constructor(options: RouterOptions) {
    this.options = options;
    this.loaded = loadRouterFile(options.file, this.states);
    this.cursors = new RouterCursors(options.dataDir, options.file);
    this.reader = new ItemReader(options.db);
    this.newEvents = new NewEvents(this.reader);
    this.apply();
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  get statuses(): PeerStatus[] {
    const running = [...this.streams.values()];
    return running.flatMap(({ peers }) => [...peers.values()].map(({ peer }) => peer.status));
  }

  /** Resolves when each event that has come is settled, and how far all have come is on disk. */
  async stop(): Promise<void> {
    if (this.isStopped) return;
    this.isStopped = true;
    clearInterval(this.timer);
    for (const stream of [...this.streams.values()]) this.remove(stream);
    await Promise.all(this.ending);
    this.newEvents.stop();
    this.cursors.save();
  }

  /** A line for each relay. */
  logSummary(): void {
    for (const { stream, url, state, counters } of this.statuses) {
      const name = `${stream} ${withoutSecrets(url)}`;
      log("info", "router", `${name}: ${state}; ${describeCounters(counters)}`);
    }
  }

  private tick(): void {
    for (const { peers } of this.streams.values()) {
      for (const { peer } of peers.values()) peer.tick();
    }
    this.cursors.saveIfDue();
    this.reloadIfChanged();
    this.ticks += 1;
    if (this.ticks % SUMMARY_TICKS === 0 && this.loaded.config.isVerbose) this.summarize();
  }

  /** Unless nothing has moved since the last time. */
  private summarize(): void {
    const text = this.statuses.map(({ counters }) => describeCounters(counters)).join("\n");
    if (text === this.summarized) return;
    this.summarized = text;
    this.logSummary();
  }

  /** Reads the files again if one of them isn't the one that was read last. */
  reloadIfChanged(): void {
    const changed = [...this.states].find(([path, state]) => stateOf(path) !== state)?.[0];
    if (changed === undefined) return;
    this.states = new Map();
    try {
      this.loaded = loadRouterFile(this.options.file, this.states);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      log("error", "router", `${error.message}: the streams stay as they are`);
      return;
    }
    log("info", "router", `${changed} has changed`);
    this.apply();
  }

  /** Makes the streams what the file says, by the least that has to change. */
  private apply(): void {
    const { streams } = this.loaded.config;
    const names = new Set(streams.map(({ name }) => name));
    for (const [name, stream] of [...this.streams]) if (!names.has(name)) this.remove(stream);
    for (const config of streams) this.configure(config);
  }

  private configure(config: StreamConfig): void {
    const { name, keyFile } = config;
    const key = keyFile === null ? null : (this.loaded.keys.get(keyFile) ?? null);
    const identity = identityOf(config, key);
    const stream = this.streams.get(name) ?? {
      config,
      identity,
      plugins: new StreamPlugins(),
      peers: new Map<string, RunningPeer>(),
    };
    this.streams.set(name, stream);
    const isSame = stream.identity === identity;
    stream.config = config;
    stream.identity = identity;
    stream.plugins.configure(config.pluginDown, config.pluginUp);
    for (const url of [...stream.peers.keys()]) {
      if (!config.urls.includes(url)) this.removePeer(stream, url);
    }
    for (const url of config.urls) {
      if (isSame && stream.peers.has(url)) continue;
      const before = this.removePeer(stream, url);
      stream.peers.set(url, this.startPeer(stream, url, key, before));
    }
  }

  private startPeer(
    stream: RunningStream,
    url: string,
    key: RelayKey | null,
    before: Promise<void>,
  ): RunningPeer {
    const { config, plugins } = stream;
    const { db, intake, onFatal } = this.options;
    const peer = new RouterPeer({
      config,
      url,
      key,
      timeoutMs: () => this.loaded.config.timeoutMs,
      isVerbose: () => this.loaded.config.isVerbose,
      db,
      reader: this.reader,
      newEvents: this.newEvents,
      intake,
      plugins,
      slots: this.slots,
      cursor: this.cursors.open(config.name, url, JSON.stringify(config.filterJson)),
    });
    return { peer, ended: before.then(() => peer.run()).catch(onFatal) };
  }

  private remove(stream: RunningStream): void {
    for (const url of [...stream.peers.keys()]) this.removePeer(stream, url);
    const ended = stream.plugins.close(); // last: who is stopped takes it for no fault
    this.ending.add(ended);
    void ended.then(() => this.ending.delete(ended));
    this.streams.delete(stream.config.name);
  }

  /** Resolves when it has ended; at once when there is none. */
  private removePeer(stream: RunningStream, url: string): Promise<void> {
    const running = stream.peers.get(url);
    if (running === undefined) return Promise.resolve();
    stream.peers.delete(url);
    running.peer.stop();
    const ended = running.ended.finally(() => this.ending.delete(ended));
    this.ending.add(ended);
    if (!this.isStopped) this.cursors.close(running.peer.parts.cursor);
    return ended;
  }
}

/** All but the plugins and the relays: what a connection can't survive a change of. */
function identityOf(config: StreamConfig, key: RelayKey | null): string {
  const { isDown, isUp, filterJson, isCatchingUp, catchUpIntervalMs } = config;
  const signsInAs = key?.pubkey ?? null;
  return JSON.stringify([isDown, isUp, filterJson, signsInAs, isCatchingUp, catchUpIntervalMs]);
}

/** Changes whenever the file does, or another takes its place. */
function stateOf(path: string): string {
  try {
    const { ino, size, mtimeNs } = statSync(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch (error) {
    return describeError(error); // who reads it will say so
  }
}
