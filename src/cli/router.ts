// `nandu router`: streams with other relays, as a file says, until a signal. Beside a running relay
// or without one; `router.file` has the relay itself do the same.

import type { Database } from "bun:sqlite";
import { setting } from "../config/current.ts";
import { describeError, log } from "../config/log.ts";
import { openSignatureBackend } from "../crypto/open-backend.ts";
import { loadRouterFile, Router } from "../mesh/router.ts";
import { type Fate, IntakeFault, type RouterIntake } from "../mesh/router-intake.ts";
import type { NostrEvent } from "../protocol/event.ts";
import { withoutSecrets } from "../mesh/without-secrets.ts";
import { openForReading, storeOptions } from "../store/schema.ts";
import { type Command, configure, EXIT_OK, parseFlags, UsageError } from "./command.ts";
import { Intake } from "./intake.ts";

/** What has come is written so much later at most: each commit waits for the disk. */
const FLUSH_MS = 20;

const usage = `Usage: nandu router [--check] FILE

Keeps this relay in step with others, as FILE says, until it gets a signal: what is new passes down,
up or both ways as it comes, and whatever was missed while a connection was down is found and moved
when it is back. strfry's router files can be used as they are. The file is read again when it
changes; streams that stay the same are not interrupted. Safe beside a running relay.

  --check   only read the file and the keys that it names

  streams {
      cluster {
          dir = "both"                         # or down, up
          urls = [ "wss://relay.example" ]
          filter = { "kinds": [0, 1, 3] }      # everything without one
          pluginDown = "/path/to/plugin"       # asked about each event, as pluginUp
          keyFile = "/path/to/key"             # signs in (NIP-42)
          catchUp = true                       # false: only what is new
          catchUpInterval = 3600               # seconds; 0: only when a connection is made
      }
  }
  connectionTimeout = 20                       # seconds
  verbose = true                               # false: only log what goes wrong

SIGUSR1 prints counters; so does each minute in which anything moves, if verbose. SIGINT and SIGTERM
end it with exit code 0. Exit code 2: the file has a fault, which is named with its line.
`;

async function run(args: readonly string[]): Promise<number> {
  const { rest } = configure(args);
  const { flags, positionals } = parseFlags(rest, ["--check"], []);
  const [file, extra] = positionals;
  if (file === undefined) throw new UsageError("the router's file is missing");
  if (extra !== undefined) throw new UsageError(`unexpected argument ${extra}`);
  const { config } = loadRouterFile(file);
  if (flags.has("--check")) {
    for (const { name, isDown, isUp, urls } of config.streams) {
      const direction = isDown && isUp ? "both" : isDown ? "down" : "up";
      process.stdout.write(`${name}: ${direction}, ${urls.map(withoutSecrets).join(" ")}\n`);
    }
    return EXIT_OK;
  }
  const { warning } = openSignatureBackend();
  if (warning !== null) log("warn", "crypto", warning);
  const intake = new CommandIntake(new Intake());
  const db = openForReading(storeOptions());
  try {
    await runUntilSignal(file, intake, db);
  } finally {
    db.close();
    intake.close();
  }
  return EXIT_OK;
}

async function runUntilSignal(file: string, intake: RouterIntake, db: Database): Promise<void> {
  const ended = Promise.withResolvers<void>();
  const router = new Router({
    file,
    dataDir: setting("data_dir"),
    db,
    intake,
    onFatal: (error) => ended.reject(error),
  });
  const stop = (): void => ended.resolve();
  const summarize = (): void => router.logSummary();
  process.on("SIGINT", stop); // each time: npm and timeout(1) pass on what the terminal has sent
  process.on("SIGTERM", stop);
  process.on("SIGUSR1", summarize);
  try {
    await ended.promise;
  } finally {
    process.off("SIGUSR1", summarize);
    router.logSummary();
    await router.stop();
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
}

interface Waiting {
  readonly resolve: (fate: Fate) => void;
  readonly reject: (error: IntakeFault) => void;
}

/** The command's own writing connection, which many streams share. */
class CommandIntake implements RouterIntake {
  private readonly intake: Intake;
  private readonly waiting = new Set<Waiting>();
  private timer: Timer | null = null;

  constructor(intake: Intake) {
    this.intake = intake;
  }

  take(event: NostrEvent): Promise<Fate> {
    return new Promise((resolve, reject) => {
      const waiting = { resolve, reject };
      this.waiting.add(waiting);
      this.attempt(() =>
        this.intake.take(event, (fate) => {
          this.waiting.delete(waiting);
          resolve(fate);
        }),
      );
      if (this.waiting.size > 0) this.timer ??= setTimeout(() => this.flush(), FLUSH_MS);
    });
  }

  close(): void {
    this.flush();
    this.intake.close();
  }

  private flush(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.attempt(() => this.intake.flush());
  }

  /** A batch that can't be written fails for all who wait for it: they ask for it again. */
  private attempt(write: () => void): void {
    try {
      write();
    } catch (cause) {
      const fault = new IntakeFault(`not stored: ${describeError(cause)}`, { cause });
      for (const { reject } of this.waiting) reject(fault);
      this.waiting.clear();
    }
  }
}

export const routerCommand: Command = { usage, run };
