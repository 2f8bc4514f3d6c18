// `nandu import`: events from JSONL into the database, a batch a transaction. Safe beside a running
// relay: SQLite lets one writer in at a time, and the relay's subscribers see what comes.

import { closeSync, openSync, readSync } from "node:fs";
import { setting } from "../config/current.ts";
import { printable } from "../config/log.ts";
import { Admission, admissionRules } from "../crypto/admission.ts";
import { openSignatureBackend } from "../crypto/open-backend.ts";
import { classifyKind } from "../protocol/kind.ts";
import type { Reason } from "../protocol/reason.ts";
import { type Candidate, makeCandidate } from "../store/candidate.ts";
import { closeForWriting, openForWriting, storeOptions } from "../store/schema.ts";
import { EventWriter } from "../store/write.ts";
import { type Command, configure, EXIT_OK, parseFlags } from "./command.ts";
import { type Line, LineReader } from "./lines.ts";

const usage = `Usage: nandu import [--no-verify] [--show-rejected] [FILE…]

Reads events as JSON, one a line, from the files or from standard input, and stores them. A line
that is no event is reported with its number and skipped. Safe while the relay runs.

  --no-verify      don't check ids and signatures: only for events that were checked before
  --show-rejected  a line for each event that is not stored, duplicates included
`;

const READ_BYTES = 1 << 18;
const PROGRESS_MS = 1000;
/** Beyond so many, bad lines are only counted, unless --show-rejected. */
const BAD_LINES_SHOWN = 20;
const STDIN = 0;

class Import {
  private readonly writer: EventWriter;
  private readonly admission: Admission;
  private readonly rules = admissionRules();
  private readonly showAll: boolean;
  private readonly batchMax = setting("store.batch_events_max");
  private batch: Candidate[] = [];
  private lines: number[] = [];
  private readonly rejected = new Map<string, number>();
  private readonly startedAt = performance.now();
  private progressAt = PROGRESS_MS;
  private seen = 0;
  private stored = 0;
  private bad = 0;

  constructor(writer: EventWriter, admission: Admission, showAll: boolean) {
    this.writer = writer;
    this.admission = admission;
    this.showAll = showAll;
  }

  read(fd: number, name: string): void {
    const reader = new LineReader(2 * this.rules.bytesMax + 4096);
    const chunk = Buffer.allocUnsafe(READ_BYTES);
    for (;;) {
      const length = readSome(fd, chunk);
      if (length === 0) break;
      for (const line of reader.push(chunk.subarray(0, length))) this.take(line, name);
    }
    for (const line of reader.end()) this.take(line, name);
    this.write(name); // line numbers belong to this file
  }

  summary(): string {
    const seconds = (performance.now() - this.startedAt) / 1000;
    const rate = Math.round(this.seen / Math.max(seconds, 0.001));
    const parts = [
      `${this.seen} lines in ${seconds.toFixed(1)} s (${rate}/s)`,
      `${this.stored} stored`,
    ];
    if (this.bad > 0) parts.push(`${this.bad} bad lines skipped`);
    for (const [reason, count] of this.rejected) parts.push(`${count} ${reason}`);
    return `${parts.join("\n  ")}\n`;
  }

  private take(line: Line, name: string): void {
    this.seen += 1;
    const value = line.text === null ? undefined : parseJson(line.text);
    if (value === undefined) {
      this.reportBad(line, name, line.problem ?? "not JSON");
      return;
    }
    const now = Math.floor(Date.now() / 1000);
    const admitted = this.admission.admit(value, this.rules, now);
    if (typeof admitted === "string") {
      if (isEvent(value)) this.reject(line.number, name, admitted);
      else this.reportBad(line, name, admitted);
      return;
    }
    if (classifyKind(admitted.event.kind) === "ephemeral") {
      this.reject(line.number, name, "invalid: ephemeral events are not stored");
      return;
    }
    this.batch.push(makeCandidate(admitted.event, admitted.json, admitted.expires));
    this.lines.push(line.number);
    if (this.batch.length >= this.batchMax) this.write(name);
  }

  private write(name: string): void {
    const { batch, lines } = this;
    this.batch = [];
    this.lines = [];
    if (batch.length === 0) return;
    const { verdicts } = this.writer.write(batch);
    verdicts.forEach((verdict, i) => {
      if (verdict.seq > 0) this.stored += 1;
      else this.reject(lines[i] as number, name, verdict.reason || "duplicate: replaced at once");
    });
    this.reportProgress();
  }

  private reject(lineNumber: number, name: string, reason: Reason): void {
    this.rejected.set(reason, (this.rejected.get(reason) ?? 0) + 1);
    if (this.showAll) process.stderr.write(`${name}:${lineNumber}: ${reason}\n`);
  }

  private reportBad(line: Line, name: string, problem: string): void {
    this.bad += 1;
    if (!this.showAll && this.bad > BAD_LINES_SHOWN) return;
    const start = printable((line.text ?? "").slice(0, 60));
    process.stderr.write(`${name}:${line.number}: ${problem}${start && `: ${start}`}\n`);
    if (!this.showAll && this.bad === BAD_LINES_SHOWN) {
      process.stderr.write("further bad lines are only counted (--show-rejected shows all)\n");
    }
  }

  private reportProgress(): void {
    const elapsed = performance.now() - this.startedAt;
    if (elapsed < this.progressAt) return;
    this.progressAt = elapsed + PROGRESS_MS;
    const rate = Math.round((this.seen / elapsed) * 1000);
    process.stderr.write(`${this.seen} lines, ${this.stored} stored, ${rate}/s\n`);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** True for what means to be an event: then its reason is counted, not its line called bad. */
function isEvent(value: unknown): boolean {
  return typeof value === "object" && value !== null && "id" in value && "sig" in value;
}

/** 0 at the end. A pipe that does not block may have nothing yet. */
function readSome(fd: number, chunk: Buffer): number {
  for (;;) {
    try {
      return readSync(fd, chunk, 0, chunk.length, null);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : null;
      if (code === "EOF") return 0;
      if (code !== "EAGAIN") throw error;
      Bun.sleepSync(1);
    }
  }
}

function openInput(path: string): number {
  try {
    return openSync(path, "r");
  } catch (cause) {
    throw new Error(`can't read ${path}`, { cause });
  }
}

function run(args: readonly string[]): number {
  const { rest } = configure(args);
  const { flags, positionals } = parseFlags(rest, ["--no-verify", "--show-rejected"], []);
  const { backend, warning } = openSignatureBackend();
  const isVerifying = !flags.has("--no-verify");
  if (warning !== null && isVerifying) process.stderr.write(`${warning}\n`);
  const paths = positionals.length === 0 ? ["-"] : positionals;
  // All files first: a misspelt name should be heard of before anything is stored.
  const inputs = paths.map((path) => (path === "-" ? STDIN : openInput(path)));
  const db = openForWriting(storeOptions());
  try {
    const admission = new Admission(isVerifying ? backend : null);
    const task = new Import(
      new EventWriter(db, storeOptions()),
      admission,
      flags.has("--show-rejected"),
    );
    inputs.forEach((fd, i) => task.read(fd, fd === STDIN ? "stdin" : (paths[i] as string)));
    process.stderr.write(task.summary());
  } finally {
    closeForWriting(db);
    for (const fd of inputs) if (fd !== STDIN) closeSync(fd);
  }
  return EXIT_OK;
}

export const importCommand: Command = {
  name: "import",
  summary: "store events from JSONL files or standard input",
  usage,
  run,
};
