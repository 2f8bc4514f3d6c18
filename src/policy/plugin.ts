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
// JSON are logged and passed over. Whatever it does, it holds up those who asked it, nobody else.

import { statSync } from "node:fs";
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
}

/** strfry's time-out. */
export const PLUGIN_OPTIONS: PluginOptions = {
  timeoutMs: 10_000,
  restartFirstMs: 250,
  restartLongestMs: 30_000,
};

/** As much as strfry reads of a line. */
const LINE_BYTES_MAX = 8192;
/** Lines that are no answer, of one process. */
const NOISE_LOGGED_MAX = 20;
const NOISE_SHOWN_LENGTH = 200;
/** What doesn't end by SIGTERM. */
const KILL_MS = 2000;
const NEWLINE = 0x0a;

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

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.process?.end(); // whose asker tries again, and sees that it is closed
    this.process = null;
    this.endPause();
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
    this.process?.end();
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
      this.process.end();
      this.process = null;
    }
    this.process ??= new PluginProcess(this.command, changedAt);
    return this.process;
  }
}

function encode({ json, sourceType, sourceInfo, authed }: PluginQuestion): string {
  const receivedAt = Math.floor(Date.now() / 1000);
  const about = JSON.stringify({ receivedAt, sourceType, sourceInfo, ...(authed && { authed }) });
  return `{"type":"new","event":${json},${about.slice(1)}\n`;
}

/** 0 where there is no such file: then starting it says so. */
function modifiedMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
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

  constructor(command: string, changedAt: number) {
    this.command = command;
    this.changedAt = changedAt;
    // In a group of its own, so that what the shell has started ends with it.
    this.child = Bun.spawn(["/bin/sh", "-c", command], {
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

  end(): void {
    this.fail("ended");
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), KILL_MS);
    timer.unref();
    void this.child.exited.then(() => clearTimeout(timer));
  }

  private signal(signal: "SIGTERM" | "SIGKILL"): void {
    try {
      process.kill(-this.child.pid, signal);
    } catch {
      // all of the group has ended
    }
  }

  private fail(why: string): void {
    this.failure ??= new Error(why);
    this.waiting?.result.reject(this.failure);
  }

  private async read(): Promise<void> {
    try {
      for await (const chunk of this.child.stdout) this.take(Buffer.from(chunk));
      const code = await this.child.exited;
      this.fail(`it has ended (exit code ${code})`);
    } catch (error) {
      this.fail(describeError(error));
    }
  }

  private take(chunk: Buffer): void {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
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
    else this.waiting.result.resolve(answer.verdict);
  }

  private noteNoise(text: string): void {
    this.noiseCount += 1;
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
