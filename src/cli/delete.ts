// `nandu delete`: removes events for good, by filter and by age. The events may come back by import
// or from a client; what their authors delete (NIP-09) doesn't.

import { nowSeconds } from "../config/clock.ts";
import { setting } from "../config/current.ts";
import type { Filter } from "../protocol/filter.ts";
import { MATCH_ALL } from "../protocol/filter.ts";
import { EventReader } from "../store/read.ts";
import {
  closeForWriting,
  openForReading,
  openForWriting,
  requireDatabase,
  storeOptions,
} from "../store/schema.ts";
import { EventWriter } from "../store/write.ts";
import { type Command, configure, EXIT_OK, parseAge, parseFlags, UsageError } from "./command.ts";
import { parseFilterArgument } from "./filter-argument.ts";
import { openScan } from "./scan.ts";

const usage = `Usage: nandu delete [--age AGE] [--filter FILTER] [--dry-run]

Removes the stored events that match the filter, or are older than AGE (seconds, or 12h, 7d, 1y),
or both where both are given. At least one must be. Safe while the relay runs.

  --dry-run  only say how many there are
`;

const BATCH = 500;

function run(args: readonly string[]): number {
  const { rest } = configure(args);
  const { flags, values, positionals } = parseFlags(rest, ["--dry-run"], ["--age", "--filter"]);
  if (positionals.length > 0) throw new UsageError(`unexpected argument ${positionals[0]}`);
  const filters = chooseFilters(values.get("--age"), values.get("--filter"));
  requireDatabase(setting("data_dir"));
  const count = flags.has("--dry-run") ? countMatches(filters) : removeMatches(filters);
  process.stdout.write(`${flags.has("--dry-run") ? "would delete" : "deleted"} ${count} events\n`);
  return EXIT_OK;
}

function countMatches(filters: Filter[]): number {
  const db = openForReading(storeOptions());
  try {
    let count = 0;
    for (const _ of openScan(new EventReader(db), filters)) count += 1;
    return count;
  } finally {
    db.close();
  }
}

function removeMatches(filters: Filter[]): number {
  const db = openForWriting(storeOptions());
  try {
    const writer = new EventWriter(db, storeOptions());
    let count = 0;
    let seqs: number[] = [];
    for (const { seq } of openScan(new EventReader(db), filters)) {
      seqs.push(seq);
      if (seqs.length < BATCH) continue;
      count += writer.remove(seqs).length;
      seqs = [];
    }
    return count + writer.remove(seqs).length;
  } finally {
    closeForWriting(db);
  }
}

function chooseFilters(age: string | undefined, filter: string | undefined): Filter[] {
  if (age === undefined && filter === undefined)
    throw new UsageError("--age or --filter is missing");
  const filters = filter === undefined ? [MATCH_ALL] : parseFilterArgument(filter);
  if (age === undefined) return filters;
  const before = nowSeconds() - parseAge("--age", age) - 1; // older, not as old
  const older = filters.map((one) => ({ ...one, until: Math.min(one.until, before) }));
  return older.filter((one) => one.since <= one.until);
}

export const deleteCommand: Command = { usage, run };
