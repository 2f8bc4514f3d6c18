// `nandu upload`: what is stored here, to another relay.

import type { Database } from "bun:sqlite";
import { fstatSync } from "node:fs";
import { setting } from "../config/current.ts";
import { isOursToSend } from "../mesh/local-events.ts";
import { A_FEW_TIMES } from "../mesh/retry.ts";
import { type Outgoing, PATIENCE, uploadEvents } from "../mesh/upload.ts";
import { textId } from "../store/candidate.ts";
import { EventReader } from "../store/read.ts";
import { openForReading, requireDatabase, storeOptions } from "../store/schema.ts";
import { type Command, configure, parseFlags, type Parsed, UsageError } from "./command.ts";
import { openScan } from "./scan.ts";
import { parsePeer, PEER_HELP, PEER_VALUES, runTransfer, type Transfer } from "./transfer.ts";
import type { TransferReport } from "./transfer-report.ts";

const PIPELINE_DEFAULT = 50;
const STDIN = 0;

const usage = `Usage: nandu upload [--pipeline N] [--filter JSON] [--range S-E] URL

Publishes what is stored here at another relay, newest first, private messages included unless a
filter leaves them out; but for protected events (NIP-70), which only their authors may publish.
Nothing is read from standard input; where that is a pipe or a file, a filter or a range must be
given: --filter '{}' for everything.

  --pipeline N          events sent ahead of their answers (default ${PIPELINE_DEFAULT})
${PEER_HELP}
Example: nandu upload --filter '{"kinds":[1,30023]}' --range 1M- wss://relay.example
`;

function run(args: readonly string[]): Promise<number> {
  const { rest } = configure(args);
  const parsed = parseFlags(rest, [], [...PEER_VALUES, "--pipeline"]);
  const peer = parsePeer(parsed);
  if (isEverything(parsed) && isStdinGiven()) {
    throw new UsageError(
      "it doesn't read standard input: say what is to go, --filter '{}' for all",
    );
  }
  const pipeline = parseCount("--pipeline", parsed.values.get("--pipeline"), PIPELINE_DEFAULT);
  requireDatabase(setting("data_dir"));
  return runTransfer(peer, { retry: A_FEW_TIMES, isEndless: false }, (transfer) =>
    upload(transfer, pipeline),
  );
}

function isEverything({ values }: Parsed): boolean {
  return !values.has("--filter") && !values.has("--range");
}

/** Scripts for strfry's `upload` pipe some events into it: all that is here mustn't go then. */
function isStdinGiven(): boolean {
  try {
    const stats = fstatSync(STDIN);
    return stats.isFIFO() || stats.isFile();
  } catch {
    return false; // it is closed
  }
}

/** All that the filters match, each event once. */
export async function upload(transfer: Transfer, pipeline: number): Promise<void> {
  const { peer, session, report } = transfer;
  report.begin("up");
  await withReader(async (reader) => {
    const filters = peer.filters.map(({ filter }) => filter);
    const texts = openScan(reader, filters);
    const { onAnswer } = report;
    const options = { highWater: pipeline, patience: PATIENCE, onAnswer };
    await uploadEvents(session, outgoing(texts, report), options);
  });
}

export async function withReader(
  body: (reader: EventReader, db: Database) => Promise<void>,
): Promise<void> {
  const db = openForReading(storeOptions());
  try {
    await body(new EventReader(db), db);
  } finally {
    db.close();
  }
}

/** Leaves out what isn't ours to send. */
export function* outgoing(
  events: Iterable<{ readonly text: Buffer }>,
  report: TransferReport,
): Generator<Outgoing, undefined> {
  for (const { text } of events) {
    if (isOursToSend(text)) yield { id: textId(text), json: text.toString("utf8") };
    else report.protectedCount += 1;
  }
}

export function parseCount(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  if (!/^[1-9][0-9]{0,6}$/.test(text)) throw new UsageError(`${name}: ${text} is no number`);
  return Number(text);
}

export const uploadCommand: Command = { usage, run };
