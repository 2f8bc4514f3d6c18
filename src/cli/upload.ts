// `nandu upload`: events from standard input, or what is stored here, to another relay.

import type { Database } from "bun:sqlite";
import { setting } from "../config/current.ts";
import { isOursToSend } from "../mesh/local-events.ts";
import { A_FEW_TIMES } from "../mesh/retry.ts";
import { type Outgoing, PATIENCE, uploadEvents } from "../mesh/upload.ts";
import { textId } from "../store/candidate.ts";
import { EventReader } from "../store/read.ts";
import { openForReading, requireDatabase, storeOptions } from "../store/schema.ts";
import { type Command, configure, parseFlags, UsageError } from "./command.ts";
import { readEventLines } from "./event-lines.ts";
import { EventPrinter, Takings } from "./event-taker.ts";
import { openScan } from "./scan.ts";
import { parsePeer, PEER_HELP, PEER_VALUES, runTransfer, type Transfer } from "./transfer.ts";
import type { TransferReport } from "./transfer-report.ts";

const PIPELINE_DEFAULT = 50;

const usage = `Usage: nandu upload [--pipeline N] URL < FILE
       nandu upload [--pipeline N] [--filter JSON] [--range S-E] URL

Publishes at another relay the events that come on standard input, one a line. With a filter or a
range, what is stored here instead, newest first, private messages included unless the filter leaves
them out; but for protected events (NIP-70), which only their authors may publish.

  --pipeline N          events sent ahead of their answers (default ${PIPELINE_DEFAULT})
${PEER_HELP}
Example: nandu upload --filter '{"kinds":[1,30023]}' --range 1M- wss://relay.example
`;

async function run(args: readonly string[]): Promise<number> {
  const { rest } = configure(args);
  const parsed = parseFlags(rest, [], [...PEER_VALUES, "--pipeline"]);
  const peer = parsePeer(parsed);
  const { values } = parsed;
  const pipeline = parseCount("--pipeline", values.get("--pipeline"), PIPELINE_DEFAULT);
  const isStored = values.has("--filter") || values.has("--range");
  if (isStored) requireDatabase(setting("data_dir"));
  else if (process.stdin.isTTY) {
    throw new UsageError("events come on standard input; --filter '{}' sends all stored here");
  }
  // Nothing comes, and so nothing is printed.
  const openIntake = () => new EventPrinter();
  const options = { retry: A_FEW_TIMES, isEndless: false, openIntake };
  return runTransfer(peer, options, (transfer) =>
    isStored ? upload(transfer, pipeline) : uploadInput(transfer, pipeline),
  );
}

/** What is no event is told in the end. */
async function uploadInput({ session, report }: Transfer, pipeline: number): Promise<void> {
  report.begin("up");
  const flaws = new Takings();
  const events = readEventLines(Bun.stdin.stream(), (flaw) => flaws.refuse(flaw));
  await uploadEvents(session, events, outflow(pipeline, report));
  for (const [flaw, count] of flaws.refused) report.addProblem(`lines not sent: ${count} ${flaw}`);
}

function outflow(pipeline: number, { onAnswer }: TransferReport) {
  return { highWater: pipeline, patience: PATIENCE, onAnswer };
}

/** All that the filters match, each event once. */
export async function upload(transfer: Transfer, pipeline: number): Promise<void> {
  const { peer, session, report } = transfer;
  report.begin("up");
  await withReader(async (reader) => {
    const filters = peer.filters.map(({ filter }) => filter);
    const texts = openScan(reader, filters);
    await uploadEvents(session, outgoing(texts, report), outflow(pipeline, report));
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
