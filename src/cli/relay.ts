// `nandu relay`: starts the threads, listens, and stops on signals.
//
//   SIGTERM, SIGINT  stop listening, deal with what is queued, answer it, close with 1001, exit 0
//   SIGUSR1          stop listening, serve those connected until the last has gone, then the same

import { setting } from "../config/current.ts";
import { log } from "../config/log.ts";
import { searchKinds } from "../config/search-kinds.ts";
import { openSignatureBackend } from "../crypto/open-backend.ts";
import { openRelayKey } from "../crypto/relay-key.ts";
import { loadRouterFile } from "../mesh/router.ts";
import { openForWriting, storeOptions } from "../store/schema.ts";
import { deleteSearch } from "../store/search-schema.ts";
import { VERSION } from "../version.ts";
import { startPool } from "../workers/pool.ts";
import { WebsocketThread } from "../workers/websocket.ts";
import { type Command, configure, EXIT_OK, parseFlags, UsageError } from "./command.ts";

const EXIT_DEADLINE = 75;
/** After the close frames, so long may sockets take to flush. */
const FLUSH_MS = 100;

const usage = `Usage: nandu relay [options]

Runs the relay until it gets a signal: SIGTERM or SIGINT stops it, SIGUSR1 lets it serve the
clients it has and stop when the last has gone, while a new process takes over the port.

Every option of the configuration is a flag too, for instance:
  --data-dir DIR        the database folder (default ./data)
  --relay-host ADDRESS  where to listen (default 127.0.0.1)
  --relay-port PORT     (default 7777)
  --config FILE         the configuration file
See \`nandu config --default\` for all of them.
`;

async function run(args: readonly string[]): Promise<number> {
  const config = configure(args);
  const { positionals } = parseFlags(config.rest, [], []);
  if (positionals.length > 0) throw new UsageError(`unexpected argument ${positionals[0]}`);
  const from = config.file === null ? "defaults" : config.file;
  log("info", "relay", `nandu ${VERSION}, configuration from ${from}`);
  const { backend, warning } = openSignatureBackend();
  if (warning === null) log("info", "crypto", `signatures: ${backend.name} (${backend.detail})`);
  else log("warn", "crypto", warning);
  const isShared = isPortShared();
  // If any of these can't be opened, a line says why. Threads find the database made and migrated.
  if (setting("router.file") !== "") loadRouterFile(setting("router.file"));
  const db = openForWriting(storeOptions());
  openRelayKey();
  // Nobody would take out of it what is deleted from now on.
  if (searchKinds(config.settings).size === 0) deleteSearch(setting("data_dir"));
  const pool = await startPool(config.settings);
  db.close();
  const websocket = new WebsocketThread(pool);
  if (isShared) log("warn", "relay", `${websocket.url} is in use already: this process shares it`);
  const exitCode = serveUntilSignal(websocket); // who reads the next line may send a signal at once
  log("info", "relay", `listening on ${websocket.url}, database in ${setting("data_dir")}`);
  if (setting("relay.urls").length === 0 && !isLoopback(setting("relay.host"))) {
    log("warn", "relay", "relay.urls is not set: clients elsewhere can't sign in (NIP-42)");
  }
  return exitCode;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

/** The port is shared on purpose (SO_REUSEPORT), so nobody else would say so. */
function isPortShared(): boolean {
  const [hostname, port] = [setting("relay.host"), setting("relay.port")];
  if (port === 0) return false;
  try {
    Bun.listen({ hostname, port, socket: { data() {} } }).stop(true); // fails where it is shared
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
  }
  return false;
}

function serveUntilSignal(websocket: WebsocketThread): Promise<number> {
  return new Promise((resolve) => {
    let isStopping = false;
    let isDraining = false;
    const stop = (why: string): void => {
      if (isStopping) return;
      isStopping = true;
      log("info", "relay", `${why}: finishing what is queued`);
      void shutDown(websocket).then(resolve);
    };
    const drain = (): void => {
      if (isDraining || isStopping) return;
      isDraining = true;
      websocket.stopListening();
      const seconds = setting("relay.drain_deadline_s");
      const count = websocket.connectionCount;
      log("info", "relay", `SIGUSR1: serving ${count} connections for ${seconds} s at most`);
      setTimeout(() => stop("drain deadline"), seconds * 1000).unref();
      void websocket.whenAllGone().then(() => stop("the last connection has gone"));
    };
    process.on("SIGTERM", () => stop("SIGTERM"));
    process.on("SIGINT", () => stop("SIGINT"));
    process.on("SIGUSR1", drain);
  });
}

async function shutDown(websocket: WebsocketThread): Promise<number> {
  const seconds = setting("relay.shutdown_deadline_s");
  const deadline = setTimeout(() => {
    log("error", "relay", `not finished after ${seconds} s: stopping all the same`);
    process.exit(EXIT_DEADLINE);
  }, seconds * 1000);
  await websocket.finishWork();
  if (websocket.connectionCount > 0) {
    websocket.closeAll();
    await Bun.sleep(FLUSH_MS);
  }
  clearTimeout(deadline);
  log("info", "relay", "stopped");
  return EXIT_OK;
}

export const relayCommand: Command = { usage, run };
