// `nandu export`: all events as JSONL, oldest first, ties by lowest id; or newest first.

import type { EventReader, StoredText, TermEntry } from "../store/read.ts";
import { ALL_KEY } from "../store/term.ts";
import { type Command, configure, EXIT_OK, parseFlags, parseTime, UsageError } from "./command.ts";
import type { Output } from "./output.ts";
import { printFromStore } from "./print.ts";

const usage = `Usage: nandu export [--since TIME] [--until TIME] [--reverse]

Prints the stored events as JSON, one a line, in ascending order of created_at, ties by id. TIME is
in unix seconds, or an age such as 12h, 7d or 1y before now; both ends are included.

  --reverse  newest first
`;

const ENTRIES = 512;
const OLDEST_FIRST_START = Number.MAX_SAFE_INTEGER;

/** Index entries from the oldest on, each second's in the order of ids. */
function* oldestFirst(reader: EventReader, since: number, until: number): Generator<TermEntry> {
  let second: TermEntry[] = []; // entries come with descending ids, and leave ascending
  let at: TermEntry = [-since, OLDEST_FIRST_START, OLDEST_FIRST_START, 0];
  for (;;) {
    const entries = reader.entriesBefore(ALL_KEY, at[0], at[1], at[2], ENTRIES);
    for (const entry of entries) {
      if (entry[0] < -until) break;
      if (second.length > 0 && (second[0] as TermEntry)[0] !== entry[0]) {
        yield* second.reverse();
        second = [];
      }
      second.push(entry);
    }
    const last = entries.at(-1);
    if (last === undefined || entries.length < ENTRIES || last[0] < -until) break;
    at = last;
  }
  yield* second.reverse();
}

function* newestFirst(reader: EventReader, since: number, until: number): Generator<TermEntry> {
  let at: TermEntry = [-until, -1, -1, 0];
  for (;;) {
    const entries = reader.entries(ALL_KEY, at[0], at[1], at[2], ENTRIES);
    for (const entry of entries) {
      if (entry[0] > -since) return;
      yield entry;
    }
    if (entries.length < ENTRIES) return;
    at = entries.at(-1) as TermEntry;
  }
}

function print(reader: EventReader, seqs: readonly number[], output: Output): void {
  const now = Date.now() / 1000;
  const texts = new Map<number, StoredText>();
  for (const stored of reader.texts(seqs)) texts.set(stored.seq, stored);
  for (const seq of seqs) {
    const stored = texts.get(seq); // deleted meanwhile, or replaced
    if (stored === undefined || (stored.expires !== 0 && stored.expires <= now)) continue;
    output.line(stored.text);
  }
}

function run(args: readonly string[]): number {
  const { rest } = configure(args);
  const { flags, values, positionals } = parseFlags(rest, ["--reverse"], ["--since", "--until"]);
  if (positionals.length > 0) throw new UsageError(`unexpected argument ${positionals[0]}`);
  const now = Math.floor(Date.now() / 1000);
  const since = parseTime("--since", values.get("--since") ?? "0", now);
  const until = parseTime("--until", values.get("--until") ?? String(2 ** 48), now);
  printFromStore((reader, output) => {
    const entries = flags.has("--reverse")
      ? newestFirst(reader, since, until)
      : oldestFirst(reader, since, until);
    let seqs: number[] = [];
    for (const [, , seq] of entries) {
      seqs.push(seq);
      if (seqs.length < ENTRIES) continue;
      print(reader, seqs, output);
      seqs = [];
    }
    print(reader, seqs, output);
  });
  return EXIT_OK;
}

export const exportCommand: Command = {
  name: "export",
  summary: "print stored events as JSONL",
  usage,
  run,
};
