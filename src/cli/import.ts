// `nandu import`: events from JSONL into the database, a batch a transaction. Other threads read,
// parse and check (src/workers/import-pool.ts); this one only writes, in the order of the input, so
// that the outcome is that of one event after another. Safe beside a running relay: SQLite lets one
// writer in at a time, and the relay's subscribers see what comes.

import { openSync } from "node:fs";
import { setting } from "../config/current.ts";
import { printable } from "../config/log.ts";
import { openSignatureBackend } from "../crypto/open-backend.ts";
import type { RingConsumer } from "../ring/ring.ts";
import { Bans } from "../policy/bans.ts";
import type { Candidate } from "../store/candidate.ts";
import { KeyFilter } from "../store/key-filter.ts";
import { closeForWriting, openForWriting, storeOptions } from "../store/schema.ts";
import { EventWriter } from "../store/write.ts";
import {
  checkerCount,
  IMPORT_ENTRY,
  ImportPool,
  ImportThreadFailed,
} from "../workers/import-pool.ts";
import { MAIL } from "../workers/mail.ts";
import { type EventMail, readEvent } from "../workers/mail-event.ts";
import {
  IMPORT_MAIL,
  readLinesDone,
  readReadFailed,
  readRefused,
  type Refused,
} from "../workers/mail-import.ts";
import { EXIT_WORKER_FAILED } from "../workers/pool.ts";
import { type Command, configure, EXIT_OK, parseFlags } from "./command.ts";

const usage = `Usage: nandu import [--no-verify] [--no-bans] [--show-rejected] [FILE…]

Reads events as JSON, one a line, from the files or from standard input, and stores them. A line
that is no event is reported with its number and skipped. Safe while the relay runs.

  --no-verify      don't check ids and signatures: only for events that were checked before
  --no-bans        store also what is banned, by key, id or kind (NIP-86)
  --show-rejected  a line for each event that is not stored, duplicates included
`;

const PROGRESS_MS = 1000;
/** Beyond so many, bad lines are only counted, unless --show-rejected. */
const BAD_LINES_SHOWN = 20;
/** A batch ends before its texts grow beyond this, or the longest event if that is longer. */
const BATCH_BYTES_MAX = 8 << 20;
/**
 * Moving the tail of the index into its table passes over all of that, so with a large database it
 * is done once for so many events. More would save little, and each costs a kilobyte of memory.
 */
const TAIL_EVENTS_MAX = 49_152;
/** Left to itself, the engine collects garbage when there are hundreds of megabytes of it. */
const EVENTS_PER_COLLECTION = 4096;
const STDIN = 0;

class Import {
  private readonly writer: EventWriter;
  /** Of the inputs. */
  private readonly names: readonly string[];
  private readonly showAll: boolean;
  private readonly batchMax = setting("store.batch_events_max");
  private readonly texts = Buffer.allocUnsafe(
    Math.max(BATCH_BYTES_MAX, 2 * setting("events.bytes_max")),
  );
  private textBytes = 0;
  private batch: Candidate[] = [];
  private lines: number[] = [];
  private readonly rejected = new Map<string, number>();
  private readonly startedAt = performance.now();
  private progressAt = PROGRESS_MS;
  private fileIndex = 0;
  /** Lines of this file before the block at hand. */
  private linesBefore = 0;
  private seen = 0;
  private collectAt = EVENTS_PER_COLLECTION;
  private stored = 0;
  private bad = 0;

  constructor(writer: EventWriter, names: readonly string[], showAll: boolean) {
    this.writer = writer;
    this.names = names;
    this.showAll = showAll;
  }

  readonly visit = (ring: RingConsumer): void => {
    switch (ring.type) {
      case MAIL.event:
        this.take(readEvent(ring));
        break;
      case IMPORT_MAIL.refused:
        this.refuse(readRefused(ring));
        break;
      case IMPORT_MAIL.linesDone:
        this.linesBefore += readLinesDone(ring);
        this.reportProgress();
        break;
      case IMPORT_MAIL.fileEnd:
        this.write(); // line numbers belong to this file
        this.fileIndex += 1;
        this.linesBefore = 0;
        break;
      case IMPORT_MAIL.readFailed:
        this.write();
        throw new Error(`can't read ${this.name}: ${readReadFailed(ring)}`);
      default:
        throw new Error(`assert: import got mail of type ${ring.type}`);
    }
  };

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

  private get name(): string {
    return this.names[this.fileIndex] as string;
  }

  /** Copies the text, so that its checker never has to wait for the end of the batch. */
  private take(mail: EventMail): void {
    this.seen += 1;
    const { length } = mail.text;
    if (this.textBytes + length > this.texts.length) this.write();
    const start = this.textBytes;
    this.textBytes += length;
    mail.text.copy(this.texts, start);
    this.batch.push({ ...mail, text: this.texts.subarray(start, this.textBytes) });
    this.lines.push(this.linesBefore + mail.connId);
    if (this.batch.length >= this.batchMax) this.write();
  }

  private write(): void {
    const { batch, lines } = this;
    this.batch = [];
    this.lines = [];
    this.textBytes = 0;
    if (batch.length === 0) return;
    const { verdicts } = this.writer.write(batch);
    verdicts.forEach((verdict, i) => {
      if (verdict.seq > 0) this.stored += 1;
      else this.reject(lines[i] as number, verdict.reason || "duplicate: replaced at once");
    });
    let hasMoved = false;
    while (this.writer.maintain()) hasMoved = true; // all at once: nobody waits for an answer
    if (!hasMoved && this.seen < this.collectAt) return;
    this.collectAt = this.seen + EVENTS_PER_COLLECTION;
    Bun.gc(true);
  }

  private refuse({ line, reason, badText }: Refused): void {
    this.seen += 1;
    const lineNumber = this.linesBefore + line;
    if (badText === null) this.reject(lineNumber, reason);
    else this.reportBad(lineNumber, reason, printable(badText));
  }

  private reject(lineNumber: number, reason: string): void {
    this.rejected.set(reason, (this.rejected.get(reason) ?? 0) + 1);
    if (this.showAll) process.stderr.write(`${this.name}:${lineNumber}: ${reason}\n`);
  }

  private reportBad(lineNumber: number, problem: string, start: string): void {
    this.bad += 1;
    if (!this.showAll && this.bad > BAD_LINES_SHOWN) return;
    process.stderr.write(`${this.name}:${lineNumber}: ${problem}${start && `: ${start}`}\n`);
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

function openInput(path: string): number {
  try {
    return openSync(path, "r");
  } catch (cause) {
    throw new Error(`can't read ${path}`, { cause });
  }
}

/** Tests have threads of their own. */
export async function runImport(args: readonly string[], entry = IMPORT_ENTRY): Promise<number> {
  const { rest, settings } = configure(args);
  const { flags, positionals } = parseFlags(
    rest,
    ["--no-verify", "--no-bans", "--show-rejected"],
    [],
  );
  const isVerifying = !flags.has("--no-verify");
  const { warning } = openSignatureBackend();
  if (warning !== null && isVerifying) process.stderr.write(`${warning}\n`);
  const paths = positionals.length === 0 ? ["-"] : positionals;
  // All files first: a misspelt name should be heard of before anything is stored.
  const inputs = paths.map((path) => (path === "-" ? STDIN : openInput(path)));
  const names = paths.map((path) => (path === "-" ? "stdin" : path));
  const db = openForWriting(storeOptions());
  try {
    const options = { ...storeOptions(), tailEventsMax: TAIL_EVENTS_MAX };
    const bans = flags.has("--no-bans") ? null : new Bans(db);
    const writer = new EventWriter(db, options, new KeyFilter(), bans);
    const task = new Import(writer, names, flags.has("--show-rejected"));
    const checkers = checkerCount();
    const pool = new ImportPool({ settings, inputs, isVerifying, checkerCount: checkers, entry });
    await pool.run(task.visit);
    writer.moveTail();
    process.stderr.write(task.summary());
  } catch (error) {
    if (!(error instanceof ImportThreadFailed)) throw error;
    process.stderr.write(`nandu: ${error.message}\n`);
    return EXIT_WORKER_FAILED;
  } finally {
    closeForWriting(db);
  }
  return EXIT_OK;
}

export const importCommand: Command = {
  usage,
  run: (args) => runImport(args),
};
