// `nandu negentropy`: the sets of events that running sums are kept of, for syncs (NIP-77).

import type { Database } from "bun:sqlite";
import { setting } from "../config/current.ts";
import { ItemSum } from "../negentropy/item-sum.ts";
import type { Filter } from "../protocol/filter.ts";
import {
  closeForWriting,
  openForReading,
  openForWriting,
  requireDatabase,
  storeOptions,
} from "../store/schema.ts";
import { SumKeeper } from "../store/sum-keeper.ts";
import {
  ALL_SET_ID,
  canonicalText,
  deleteSumSet,
  findSumSet,
  insertSumSet,
  readSumSets,
  SETS_MAX,
  type SumSet,
} from "../store/sum-sets.ts";
import { MONTHS } from "../store/sum-tables.ts";
import { noMore, parseAction } from "./change-control.ts";
import { type Command, configure, EXIT_OK, parseFlags, UsageError } from "./command.ts";
import { parseFilterArguments } from "./filter-argument.ts";
import { counted } from "./table.ts";

const usage = `Usage: nandu negentropy list
       nandu negentropy add FILTER
       nandu negentropy build ID
       nandu negentropy remove ID

Syncs (NIP-77) of sets of which running sums are kept need no memory and no time to begin, however
large the set is. Set 0 is all events: it serves {} and any kinds. Other filters that are synced
often may be added. A set serves its filter with any since and until, and with fewer kinds.

list prints of each: its id (a set is a tree, in strfry's words), filter, size, and fingerprint; two
relays have the same when the fingerprints are the same. They are of what has been counted: a
running relay does that, also for a set that was added, by and by; build does it at once. FILTER has
no since, until or limit. Safe while the relay runs.

Example: nandu negentropy add '{"kinds":[30023],"#t":["nostr"]}'
`;

const PROGRESS_MS = 1000;
/**
 * After each step: a relay's writer that waits for its end looks again within that time, as steps
 * take some tens of milliseconds. Without, it would look in vain until all is built.
 */
const REST_MS = 25;

function run(args: readonly string[]): number {
  const { rest } = configure(args);
  const [text, argument, extra] = parseFlags(rest, [], []).positionals;
  const action = parseAction(text, ["list", "add", "build", "remove"]);
  noMore(action === "list" ? argument : extra);
  requireDatabase(setting("data_dir"));
  switch (action) {
    case "list":
      list();
      break;
    case "add":
      add(parseSet(argument));
      break;
    case "build":
      build(parseId(argument));
      break;
    case "remove":
      remove(parseId(argument));
      break;
  }
  return EXIT_OK;
}

function list(): void {
  const db = openForReading(storeOptions());
  try {
    const lines = db.transaction(() => readSumSets(db).map((set) => describe(db, set)))();
    process.stdout.write(lines.map((line) => `${line}\n`).join(""));
  } finally {
    db.close();
  }
}

/** Up to the fingerprint as strfry's `negentropy list`: scripts read it. */
function describe(db: Database, { id, text, upTo }: SumSet): string {
  const [rows] = db.query("SELECT count(*) FROM sums WHERE set_id = ?").values(id)[0] as [number];
  const behind = headOf(db) - upTo;
  const state = behind === 0 ? "up to date" : `${counted(behind, "event")} behind`;
  const sum = sumOf(db, id);
  const fingerprint = Buffer.from(sum.fingerprint()).toString("hex");
  return `\
tree ${id}
  filter: ${text}
  size: ${sum.count}
  fingerprint: ${fingerprint}
  state: ${state}
  sums: ${rows}`;
}

function headOf(db: Database): number {
  return (db.query("SELECT seq FROM head").values()[0] as [number])[0];
}

/** Events that were removed a moment ago may still be among them. */
function sumOf(db: Database, id: number): ItemSum {
  const total = new ItemSum();
  const sql = "SELECT count, sum FROM sums WHERE set_id = ? AND level = ?";
  for (const [count, sum] of db.query(sql).values(id, MONTHS) as [number, Uint8Array][]) {
    total.add(ItemSum.of(count, sum));
  }
  return total;
}

function add(filter: Filter): void {
  const text = canonicalText(filter);
  if (text === null) {
    throw new UsageError("sums are kept of filters without since, until and limit: any are served");
  }
  changeSets((db, sets) => {
    const known = findSumSet(sets, filter);
    if (known !== null) throw new Error(`tree ${known.id}, ${known.text}, serves that already`);
    if (sets.length >= SETS_MAX) throw new Error(`there are ${SETS_MAX} sets, which is the most`);
    const id = insertSumSet(db, text);
    process.stdout.write(
      `created tree ${id}\n  to populate it at once: nandu negentropy build ${id}\n`,
    );
  });
}

function remove(id: number): void {
  if (id === ALL_SET_ID) throw new UsageError("tree 0 is always there");
  changeSets((db, sets) => {
    const { text } = find(sets, id);
    deleteSumSet(db, id);
    process.stdout.write(`removed tree ${id}: ${text}\n`);
  });
}

function build(id: number): void {
  const db = openForWriting(storeOptions());
  try {
    find(readSumSets(db), id);
    let toldAt = performance.now();
    new SumKeeper(db, storeOptions().synchronous).keepAll((left) => {
      Bun.sleepSync(REST_MS);
      if (performance.now() - toldAt < PROGRESS_MS) return;
      toldAt = performance.now();
      process.stderr.write(`${counted(left, "event")} left\n`);
    });
    const { count } = sumOf(db, id);
    process.stdout.write(`tree ${id} is up to date: ${counted(count, "event")}\n`);
  } finally {
    closeForWriting(db);
  }
}

function changeSets(change: (db: Database, sets: readonly SumSet[]) => void): void {
  const db = openForWriting(storeOptions());
  try {
    db.transaction(() => change(db, readSumSets(db))).immediate();
  } finally {
    closeForWriting(db);
  }
}

function find(sets: readonly SumSet[], id: number): SumSet {
  const set = sets.find((one) => one.id === id);
  if (set === undefined) throw new Error(`there is no tree ${id}`);
  return set;
}

function parseSet(text: string | undefined): Filter {
  if (text === undefined) throw new UsageError("a filter is missing");
  const [one, other] = parseFilterArguments(text);
  if (one === undefined || other !== undefined) throw new UsageError("a set has one filter");
  if (one.filter === null) throw new UsageError("the filter can match nothing");
  return one.filter;
}

function parseId(text: string | undefined): number {
  if (text === undefined) throw new UsageError("the id of a tree is missing");
  if (!/^[0-9]{1,15}$/.test(text)) throw new UsageError(`${text} is not the id of a tree`);
  return Number(text);
}

export const negentropyCommand: Command = {
  usage,
  run,
};
