// `nandu download`: what another relay has stored, by REQs alone: printed, or stored here.

import { downloadPages, type PageSink } from "../mesh/paging.ts";
import { A_FEW_TIMES } from "../mesh/retry.ts";
import { type Command, configure, parseFlags } from "./command.ts";
import { EventPrinter } from "./event-taker.ts";
import { OutputClosed } from "./output.ts";
import {
  INTO_DATABASE,
  parsePeer,
  PEER_HELP,
  PEER_VALUES,
  runTransfer,
  type Transfer,
} from "./transfer.ts";

const usage = `Usage: nandu download [--store] [--filter JSON] [--range S-E] URL

Prints what another relay has, whatever it sends at once at most: page after page, newest first, an
event a line, each with its id and signature checked. Nothing else is written to standard output.

  --store               store it here instead, checked as if each author published it here; safe
                        beside a running relay, whose subscribers see what comes. \`nandu sync\`
                        moves less when this relay has most of it already
${PEER_HELP}
Example: nandu download --filter '{"kinds":[0,3,10002]}' --range 1Y- wss://relay.example > it.jsonl
`;

function run(args: readonly string[]): Promise<number> {
  const { rest } = configure(args);
  const parsed = parseFlags(rest, ["--store"], PEER_VALUES);
  const openIntake = parsed.flags.has("--store") ? INTO_DATABASE : () => new EventPrinter();
  const options = { retry: A_FEW_TIMES, isEndless: false, openIntake };
  return runTransfer(parsePeer(parsed), options, async (transfer) => {
    try {
      await download(transfer);
    } catch (error) {
      if (!(error instanceof OutputClosed)) throw error; // its reader has had enough
    }
  });
}

/** All filters' events, one filter after another. */
export async function download({ peer, session, intake, report }: Transfer): Promise<void> {
  report.begin("down");
  const sink: PageSink = {
    ...report.sink(intake),
    onCutSecond: (second) => {
      report.addProblem(`it may have more events of second ${second} than it sends at once`);
    },
  };
  for (const { json } of peer.filters) await downloadPages(session, json, sink);
  intake.flush();
}

export const downloadCommand: Command = { usage, run };
