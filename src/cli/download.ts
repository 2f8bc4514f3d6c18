// `nandu download`: what another relay has stored, into this one, by REQs alone.

import { downloadPages, type PageSink } from "../mesh/paging.ts";
import { A_FEW_TIMES } from "../mesh/retry.ts";
import { type Command, configure, parseFlags } from "./command.ts";
import { parsePeer, PEER_HELP, PEER_VALUES, runTransfer, type Transfer } from "./transfer.ts";

const usage = `Usage: nandu download [--filter JSON] [--range S-E] URL

Stores what another relay has, whatever it sends at once at most: page after page, newest first.
Every event is checked as if its author published it here. Safe beside a running relay, whose
subscribers see what comes. \`nandu sync\` moves less when this relay has most of it already.

${PEER_HELP}
Example: nandu download --filter '{"kinds":[0,3,10002]}' --range 1Y- wss://relay.example
`;

function run(args: readonly string[]): Promise<number> {
  const { rest } = configure(args);
  const peer = parsePeer(parseFlags(rest, [], PEER_VALUES));
  return runTransfer(peer, { retry: A_FEW_TIMES, isEndless: false }, download);
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
