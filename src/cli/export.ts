// `nandu export`: all events as JSONL, oldest first, ties by lowest id; or newest first.

import type { Database } from "bun:sqlite";
import { nowSeconds } from "../config/clock.ts";
import { setting } from "../config/current.ts";
import { ExportRows } from "../store/export-rows.ts";
import type { EventReader, TermEntry } from "../store/read.ts";
import type { StoredEvent } from "../store/stored-event.ts";
import { ALL_KEY } from "../store/term.ts";
import { type Command, configure, EXIT_OK, parseFlags, parseTime, UsageError } from "./command.ts";
import type { Output } from "./output.ts";
import { printFromStore } from "./print.ts";

const usage = `Usage: nandu export [--since TIME] [--until TIME] [--reverse]

Prints the stored events as JSON, one a line, in ascending order of created_at, ties by id. TIME is
in unix seconds, or an age such as 12h, 7d or 1y before now; both ends are included.

  --reverse  newest first
`;

/** Index entries read at once. */
const ENTRIES = 512;
/** Events fetched at once, and how many bytes they may have if all were as long as any can be. */
const FETCH_MIN = 16;
const FETCH_MAX = 512;
const FETCH_BYTES = 64 << 20;
const OLDEST_FIRST_START = Number.MAX_SAFE_INTEGER;

type VisitSeq = (seq: number) => void;

/** Visits events from the oldest on, each second's in the order of ids. */
function oldestFirst(reader: EventReader, since: number, until: number, visit: VisitSeq): void {
  let second: number[] = []; // entries come with descending ids, and leave ascending
  let at: TermEntry = [-since, OLDEST_FIRST_START, OLDEST_FIRST_START, 0];
  for (;;) {
    const entries = reader.entriesBefore(ALL_KEY, at[0], at[1], at[2], ENTRIES);
    for (const entry of entries) {
      if (entry[0] !== at[0]) {
        for (const seq of second.reverse()) visit(seq);
        second = [];
      }
      if (entry[0] < -until) return;
      second.push(entry[2]);
      at = entry;
    }
    if (entries.length < ENTRIES) break;
  }
  for (const seq of second.reverse()) visit(seq);
}

function newestFirst(reader: EventReader, since: number, until: number, visit: VisitSeq): void {
  let at: TermEntry = [-until, -1, -1, 0];
  for (;;) {
    const entries = reader.entries(ALL_KEY, at[0], at[1], at[2], ENTRIES);
    for (const entry of entries) {
      if (entry[0] > -since) return;
      visit(entry[2]);
    }
    if (entries.length < ENTRIES) return;
    at = entries.at(-1) as TermEntry;
  }
}

/** Prints the events whose seqs it is given, but for those deleted meanwhile, and expired ones. */
class Printer {
  private readonly rows: ExportRows;
  private readonly output: Output;
  private readonly fetchMax: number;
  private seqs: number[] = [];
  private now = 0;

  constructor(db: Database, output: Output) {
    this.rows = new ExportRows(db);
    this.output = output;
    const affordable = Math.floor(FETCH_BYTES / setting("events.bytes_max"));
    this.fetchMax = Math.max(FETCH_MIN, Math.min(affordable, FETCH_MAX));
  }

  readonly add = (seq: number): void => {
    this.seqs.push(seq);
    if (this.seqs.length >= this.fetchMax) this.print();
  };

  print(): void {
    this.now = Date.now() / 1000;
    this.rows.each(this.seqs, this.printOne);
    this.seqs = [];
  }

  private readonly printOne = (event: StoredEvent): void => {
    if (event.expires === 0 || event.expires > this.now) this.output.line(event);
  };
}

function run(args: readonly string[]): number {
  const { rest } = configure(args);
  const { flags, values, positionals } = parseFlags(rest, ["--reverse"], ["--since", "--until"]);
  if (positionals.length > 0) throw new UsageError(`unexpected argument ${positionals[0]}`);
  const now = nowSeconds();
  const since = parseTime("--since", values.get("--since") ?? "0", now);
  const until = parseTime("--until", values.get("--until") ?? String(2 ** 48), now);
  const each = flags.has("--reverse") ? newestFirst : oldestFirst;
  printFromStore((reader, output, db) => {
    const printer = new Printer(db, output);
    each(reader, since, until, printer.add);
    printer.print();
  });
  return EXIT_OK;
}

export const exportCommand: Command = { usage, run };
