// A relay in a process of its own, from source or from the executable that NANDU_EXECUTABLE names,
// on a free port and an empty database folder. Every end-to-end test goes through it.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const SERVER = resolve(import.meta.dir, "../../src/server.ts");
const START_MS_MAX = 20_000;

/** The command line that starts nandu: the executable when one is named, else the source. */
export function nanduCommand(): string[] {
  const executable = process.env["NANDU_EXECUTABLE"];
  return executable === undefined ? [process.execPath, SERVER] : [resolve(executable)];
}

export function makeTempDir(): string {
  return mkdtempSync(join(tmpdir(), "nandu-test-"));
}

/** Removes a folder made by `makeTempDir`. */
export function removeTempDir(dir: string): void {
  rmSync(dir, { recursive: true, force: true });
}

/** The environment without the options of whoever runs the tests. */
function cleanEnv(extra: Record<string, string>): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && (!name.startsWith("NANDU_") || name.includes("LIBSECP"))) {
      env[name] = value;
    }
  }
  return { ...env, ...extra };
}

export interface RelayOptions {
  /** Kept after the relay stops when given; else made, and removed with `stop`. */
  dataDir?: string;
  /** Flags such as `--relay-limit-max=10`. */
  flags?: readonly string[];
  port?: number;
  env?: Record<string, string>;
  /** A command line that runs the given one, with limits for instance. */
  wrap?: (command: readonly string[]) => string[];
}

interface LineWaiter {
  readonly pattern: RegExp;
  readonly resolve: (line: string) => void;
}

export class RelayProcess {
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  readonly process: Bun.Subprocess<"ignore", "ignore", "pipe">;
  private readonly lines: string[];
  private readonly lineWaiters: Set<LineWaiter>;
  private readonly ownsDataDir: boolean;

  private constructor(
    url: string,
    dataDir: string,
    ownsDataDir: boolean,
    child: Bun.Subprocess<"ignore", "ignore", "pipe">,
    lines: string[],
    lineWaiters: Set<LineWaiter>,
  ) {
    this.url = url;
    this.port = Number(new URL(url).port);
    this.dataDir = dataDir;
    this.ownsDataDir = ownsDataDir;
    this.process = child;
    this.lines = lines;
    this.lineWaiters = lineWaiters;
  }

  /** Resolves once the relay listens. */
  static async start(options: RelayOptions = {}): Promise<RelayProcess> {
    const dataDir = options.dataDir ?? makeTempDir();
    const command = [
      ...nanduCommand(),
      "relay",
      `--data-dir=${dataDir}`,
      `--relay-port=${options.port ?? 0}`,
      ...(options.flags ?? []),
    ];
    const child = Bun.spawn(options.wrap === undefined ? command : options.wrap(command), {
      cwd: dataDir,
      env: cleanEnv(options.env ?? {}),
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    const lines: string[] = [];
    const waiters = new Set<LineWaiter>();
    const url = await new Promise<string>((found, failed) => {
      const timer = setTimeout(() => {
        failed(new Error(`no relay after ${START_MS_MAX} ms:\n${lines.join("\n")}`));
      }, START_MS_MAX);
      const onEnd = (): void => failed(new Error(`the relay has ended:\n${lines.join("\n")}`));
      void readLines(child.stderr, (line) => {
        lines.push(line);
        for (const waiter of waiters) {
          if (!waiter.pattern.test(line)) continue;
          waiters.delete(waiter);
          waiter.resolve(line);
        }
        const match = /listening on (ws:\S+),/.exec(line);
        if (match !== null) {
          clearTimeout(timer);
          found(match[1] as string);
        }
      }).then(onEnd);
    });
    return new RelayProcess(url, dataDir, options.dataDir === undefined, child, lines, waiters);
  }

  /** What it has logged so far. */
  get log(): readonly string[] {
    return this.lines;
  }

  /** Memory of its own, that is without files mapped into it. Linux only. */
  anonymousBytes(): number {
    const status = readFileSync(`/proc/${this.process.pid}/status`, "utf8");
    return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  /** The first line, logged already or not, that matches. */
  logged(pattern: RegExp): Promise<string> {
    const found = this.lines.find((line) => pattern.test(line));
    if (found !== undefined) return Promise.resolve(found);
    return new Promise((resolve) => this.lineWaiters.add({ pattern, resolve }));
  }

  /** Sends SIGTERM and returns the exit code. */
  async stop(): Promise<number> {
    this.process.kill("SIGTERM");
    const code = await this.process.exited;
    if (this.ownsDataDir) removeTempDir(this.dataDir);
    return code;
  }

  /** For `await using`: a test that fails leaves nothing behind. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    if (this.ownsDataDir) removeTempDir(this.dataDir);
  }

  /** As a power cut does: nothing is finished, nothing is closed. */
  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.process.exited;
  }
}

async function readLines(
  stream: ReadableStream<Uint8Array>,
  visit: (line: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() as string;
    for (const line of parts) visit(line);
  }
}

export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a nandu command to its end. */
export async function runNandu(
  args: readonly string[],
  options: { stdin?: string | Blob; cwd?: string; env?: Record<string, string> } = {},
): Promise<CommandResult> {
  const child = Bun.spawn([...nanduCommand(), ...args], {
    cwd: options.cwd ?? tmpdir(),
    env: cleanEnv(options.env ?? {}),
    stdin: options.stdin === undefined ? "ignore" : new Blob([options.stdin]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}
