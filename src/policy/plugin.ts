// An event-sifter plugin, in strfry's protocol: a process of the operator's that gets a line of
// JSON for each event and answers with one, what is to become of the event. It gets one event at a
// time, in order; the others wait, each with its asker, who bounds them. Belongs to the thread that
// asks.
//
//   → {"type":"new","event":{…},"receivedAt":…,"sourceType":"Stream","sourceInfo":"wss://…"}
//   ← {"id":"…","action":"accept" | "reject" | "shadowReject","msg":"blocked: …"}
//
// What doesn't answer in time, or wrongly, or dies, is ended and started again, after a while that
// doubles, and asked the same once more: no event is lost for want of an answer. Lines that are no
// JSON are logged and passed over, but not without end. Whatever it does, it holds up those who
// asked it, nobody else; and nothing that it has started outlives it.

import { statSync } from "node:fs";
import { nowSeconds } from "../config/clock.ts";
import { describeError, log } from "../config/log.ts";

export type PluginAction = "accept" | "reject" | "shadowReject";

export interface PluginQuestion {
  readonly id: string;
  /** The event. */
  readonly json: string;
  readonly sourceType: "IP4" | "IP6" | "Import" | "Stream" | "Sync" | "Stored";
  /** An address, or a relay's URL. */
  readonly sourceInfo: string;
  /** The key that its client has signed in with (NIP-42). */
  readonly authed: string | null;
}

export interface PluginVerdict {
  readonly action: PluginAction;
  /** As the plugin says it; may be empty. */
  readonly message: string;
}

export interface PluginOptions {
  readonly timeoutMs: number;
  /** Before it is started again; doubles up to the longest. */
  readonly restartFirstMs: number;
  readonly restartLongestMs: number;
  /** For what doesn't end by SIGTERM. */
  readonly killMs: number;
}

/** strfry's time-out. */
export const PLUGIN_OPTIONS: PluginOptions = {
  timeoutMs: 10_000,
  restartFirstMs: 250,
  restartLongestMs: 30_000,
  killMs: 2000,
};

/** As much as strfry reads of a line. */
const LINE_BYTES_MAX = 8192;
/** Lines that are no answer, of one process. */
const NOISE_LOGGED_MAX = 20;
const NOISE_SHOWN_LENGTH = 200;
/** Without an answer between them: what writes so much would keep the thread busy. */
const NOISE_LINES_MAX = 1000;
/** How often to look whether all of its processes have ended. */
const LOOK_MS = 10;
const NEWLINE = 0x0a;
/** Words without a meaning of their own to the shell. */
const PLAIN_COMMAND = /^[\w@%+:,./-]+(?: +[\w@%+=:,./-]+)*$/;

/** Nobody will answer: it has been closed. */
export class PluginClosed extends Error {
  override readonly name = "PluginClosed";
}

export class Plugin {
  readonly command: string;
  private readonly options: PluginOptions;
  private process: PluginProcess | null = null;
  private last: Promise<unknown> = Promise.resolve();
  private failures = 0;
  private isClosed = false;
  /** Runs that are being ended. */
  private readonly ending = new Set<Promise<void>>();
  private endPause: () => void = () => {};

  /** A command of /bin/sh. Without a space it is a file, and started again when that changes. */
  constructor(command: string, options: PluginOptions = PLUGIN_OPTIONS) {
    this.command = command;
    this.options = options;
  }

  /** Rejects only when the plugin is closed. */
  ask(question: PluginQuestion): Promise<PluginVerdict> {
    const answer = this.last.then(() => this.askUntilAnswered(question));
    this.last = answer.catch(() => {});
    return answer;
  }

  /** Resolves when none of its processes is left. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.process?.fail("closed"); // whose asker tries again, and sees that it is closed
    this.process = null;
    this.endPause();
    await Promise.all(this.ending);
  }

  private async askUntilAnswered(question: PluginQuestion): Promise<PluginVerdict> {
    for (;;) {
      if (this.isClosed) throw new PluginClosed(`the plugin ${this.command} was closed`);
      try {
        const { timeoutMs } = this.options;
        const verdict = await this.open().ask(encode(question), question.id, timeoutMs);
        this.failures = 0;
        return verdict;
      } catch (error) {
        if (!this.isClosed) await this.recover(describeError(error));
      }
    }
  }

  private async recover(why: string): Promise<void> {
    this.process?.fail(why);
    this.process = null;
    const { restartFirstMs, restartLongestMs } = this.options;
    const delayMs = Math.min(restartLongestMs, restartFirstMs * 2 ** Math.min(this.failures, 30));
    this.failures += 1;
    const seconds = (delayMs / 1000).toFixed(1);
    log("error", "plugin", `${this.command}: ${why}: started again in ${seconds} s`);
    let timer: Timer | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, delayMs);
      this.endPause = resolve;
    });
    clearTimeout(timer);
  }

  private open(): PluginProcess {
    const changedAt = this.command.includes(" ") ? 0 : modifiedMs(this.command);
    if (this.process !== null && this.process.changedAt !== changedAt) {
      log("info", "plugin", `${this.command} has changed: started again`);
      this.process.fail("changed");
      this.process = null;
    }
    this.process ??= this.start(changedAt);
    return this.process;
  }

  private start(changedAt: number): PluginProcess {
    return new PluginProcess(this.command, changedAt, (child) => {
      const ended = endGroup(child.pid, this.options.killMs).then(() => {
        this.ending.delete(ended);
      });
      this.ending.add(ended);
    });
  }
}

function encode({ json, sourceType, sourceInfo, authed }: PluginQuestion): string {
  const receivedAt = nowSeconds();
  const about = JSON.stringify({ receivedAt, sourceType, sourceInfo, ...(authed && { authed }) });
  return `{"type":"new","event":${json},${about.slice(1)}\n`;
}

/** 0 where there is no such file: then starting it says so. */
function modifiedMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** All that a process has started, in the group that it leads. Resolves when nothing is left. */
async function endGroup(pid: number, killMs: number): Promise<void> {
  const until = performance.now() + killMs;
  let isAlive = signalGroup(pid, "SIGTERM");
  while (isAlive && performance.now() < until) {
    await Bun.sleep(LOOK_MS);
    isAlive = signalGroup(pid, 0);
  }
  if (isAlive) signalGroup(pid, "SIGKILL");
}

/** False when all of it has ended; the number may be another's some day, so don't ask again. */
function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, signal);
  } catch {
    return false;
  }
}

interface Waiting {
  readonly id: string;
  readonly result: PromiseWithResolvers<PluginVerdict>;
}

/** One run of it. */
class PluginProcess {
  /** Of its file, when it was started. */
  readonly changedAt: number;
  private readonly command: string;
  private readonly child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  private waiting: Waiting | null = null;
  private failure: Error | null = null;
  private rest = Buffer.alloc(0);
  private noiseCount = 0;
  private noiseSinceAnswer = 0;
  private readonly onFailed: (child: Bun.Subprocess) => void;

  /** `onFailed`, once: it is of no more use, and is to be ended. */
  constructor(command: string, changedAt: number, onFailed: (child: Bun.Subprocess) => void) {
    this.command = command;
    this.changedAt = changedAt;
    this.onFailed = onFailed;
    // In a group of its own, so that what the shell has started ends with it. Of a plain command
    // there is no shell left: what that leaves behind, process 1 of many containers never buries.
    const line = PLAIN_COMMAND.test(command) ? `exec ${command}` : command;
    this.child = Bun.spawn(["/bin/sh", "-c", line], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
      detached: true,
    });
    void this.read();
  }

  async ask(line: string, id: string, timeoutMs: number): Promise<PluginVerdict> {
    if (this.failure !== null) throw this.failure;
    const result = Promise.withResolvers<PluginVerdict>();
    this.waiting = { id, result };
    const timer = setTimeout(() => {
      this.fail(`no answer for ${timeoutMs / 1000} s`);
    }, timeoutMs);
    try {
      this.child.stdin.write(line);
      const flushed = this.child.stdin.flush();
      if (flushed instanceof Promise) flushed.catch((error) => this.fail(describeError(error)));
      return await result.promise;
    } finally {
      clearTimeout(timer);
      this.waiting = null;
    }
  }

  fail(why: string): void {
    if (this.failure !== null) return;
    this.failure = new Error(why);
    this.waiting?.result.reject(this.failure);
    this.onFailed(this.child);
  }

  private async read(): Promise<void> {
    try {
      for await (const chunk of this.child.stdout) {
        this.take(Buffer.from(chunk));
        if (this.failure !== null) return;
      }
      const code = await this.child.exited;
      this.fail(`it has ended (exit code ${code})`);
    } catch (error) {
      this.fail(describeError(error));
    }
  }

  private take(chunk: Buffer): void {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      if (this.failure !== null) return;
      this.onLine(Buffer.concat([this.rest, chunk.subarray(from, at)]));
      this.rest = Buffer.alloc(0);
      from = at + 1;
    }
    this.rest = Buffer.concat([this.rest, chunk.subarray(from)]);
    if (this.rest.length <= LINE_BYTES_MAX) return;
    this.rest = Buffer.alloc(0);
    this.fail(`a line longer than ${LINE_BYTES_MAX} bytes`);
  }

  private onLine(line: Buffer): void {
    const answer = parseAnswer(line);
    if (answer === null) this.noteNoise(line.toString("utf8"));
    else if (this.waiting === null) this.fail("an answer that nobody has asked for");
    else if (answer.id !== this.waiting.id) this.fail("an answer for another event");
    else if (answer.verdict === null) this.fail("an answer without a known action");
    else {
      this.noiseSinceAnswer = 0;
      this.waiting.result.resolve(answer.verdict);
    }
  }

  private noteNoise(text: string): void {
    this.noiseCount += 1;
    this.noiseSinceAnswer += 1;
    if (this.noiseSinceAnswer > NOISE_LINES_MAX) {
      this.fail(`more than ${NOISE_LINES_MAX} lines that are no answer`);
    }
    if (this.noiseCount > NOISE_LOGGED_MAX || text.trim() === "") return;
    const shown = text.slice(0, NOISE_SHOWN_LENGTH);
    log("warn", "plugin", `${this.command}: what is no answer: ${shown}`);
  }
}

interface ParsedAnswer {
  readonly id: unknown;
  /** Null where the action is none. */
  readonly verdict: PluginVerdict | null;
}

/** Null for what is no JSON object. */
function parseAnswer(line: Buffer): ParsedAnswer | null {
  let value: unknown;
  try {
    value = JSON.parse(line.toString("utf8"));
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { id, action, msg } = value as Record<string, unknown>;
  const isAction = action === "accept" || action === "reject" || action === "shadowReject";
  const message = typeof msg === "string" ? msg : "";
  return { id, verdict: isAction ? { action, message } : null };
}
