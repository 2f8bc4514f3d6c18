// `nandu stream`: what is new at another relay comes here as it comes there, or the other way, or
// both, until a signal. What came while the connection was down is fetched when it is back.

import { nowSeconds } from "../config/clock.ts";
import { setting } from "../config/current.ts";
import { IdMemory } from "../mesh/id-memory.ts";
import { downloadPages } from "../mesh/paging.ts";
import { PeerError, PeerRefusal } from "../mesh/peer-error.ts";
import type { RelayClient } from "../mesh/relay-client.ts";
import { FOR_EVER } from "../mesh/retry.ts";
import { PATIENCE, uploadEvents } from "../mesh/upload.ts";
import { NO_EVENT_LIMITS, parseEvent } from "../protocol/event.ts";
import { matchesAny } from "../protocol/filter.ts";
import { decodeText, textId } from "../store/candidate.ts";
import type { EventReader } from "../store/read.ts";
import { requireDatabase } from "../store/schema.ts";
import { type Command, configure, parseFlags } from "./command.ts";
import { parseDirection } from "./sync.ts";
import {
  INTO_DATABASE,
  parsePeer,
  PEER_HELP,
  PEER_VALUES,
  runTransfer,
  say,
  type Transfer,
} from "./transfer.ts";
import { outgoing, withReader } from "./upload.ts";

const DIRECTIONS = ["down", "up", "both"] as const;

/** How often to look for new events here: a look costs microseconds when there are none. */
const POLL_MS = 100;
const BATCH_EVENTS = 200;
const HIGH_WATER = 50;
/** Clocks differ, and events are published some seconds after they were signed. */
const OVERLAP_S = 120;
/** A connection that has held so long was no failure, even if nothing came. */
const STEADY_MS = 60_000;
/** Of ids that have come from there, so that they aren't sent back. */
const REMEMBERED = 65_536;

const usage = `Usage: nandu stream [--dir down|up|both] [--filter JSON] [--range S-E] URL

Passes on what is new from now on: down, which is the default, from another relay to this one; up,
from this one to the other; or both. Runs until it gets a signal (exit code 0), and connects again
whenever the connection breaks; what was missed meanwhile comes then. \`nandu sync\` moves what is
older.

  --dir DIR             down, up, or both
${PEER_HELP}
Example: nandu stream --dir both wss://relay.example
`;

function run(args: readonly string[]): Promise<number> {
  const { rest } = configure(args);
  const parsed = parseFlags(rest, [], [...PEER_VALUES, "--dir"]);
  const peer = parsePeer(parsed);
  const direction = parseDirection(parsed.values.get("--dir") ?? "down", DIRECTIONS);
  if (direction === "up") requireDatabase(setting("data_dir"));
  return runTransfer(
    peer,
    { retry: FOR_EVER, isEndless: true, openIntake: INTO_DATABASE },
    (transfer) => {
      const stream = new Stream(transfer);
      const tasks: Promise<void>[] = [];
      if (direction !== "up") tasks.push(stream.down());
      if (direction !== "down") tasks.push(withReader((reader) => stream.up(reader)));
      return transfer.session.together(...tasks);
    },
  );
}

class Stream {
  private readonly transfer: Transfer;
  private readonly received = new IdMemory(REMEMBERED);
  /** Unix seconds: what is older has come. Null before the first connection. */
  private caughtUpTo: number | null = null;

  constructor(transfer: Transfer) {
    this.transfer = transfer;
  }

  /** Ends by an error only. */
  async down(): Promise<void> {
    this.transfer.report.begin("down");
    for (;;) await this.transfer.session.run((client) => this.receiveOrRetry(client));
  }

  private async receiveOrRetry(client: RelayClient): Promise<void> {
    try {
      await this.receive(client);
    } catch (error) {
      // It has taken the subscription before: now it restarts, say.
      const isPassing = error instanceof PeerRefusal && this.caughtUpTo !== null;
      throw isPassing ? new PeerError(error.message) : error;
    }
  }

  private async receive(client: RelayClient): Promise<void> {
    const { peer, session, intake, report } = this.transfer;
    const startedAt = nowSeconds();
    await this.fetchMissed();
    const isFirst = this.caughtUpTo === null;
    const asked = peer.filters.map(({ json }) => ({
      ...json,
      ...(isFirst ? { limit: 0 } : fromOn(startedAt - OVERLAP_S, json)),
    }));
    const filters = peer.filters.map(({ filter }) => filter);
    const subscription = client.subscribe(asked);
    const sink = report.sink(intake);
    let liveSince = Infinity;
    try {
      for await (const delivery of subscription) {
        if (delivery.type === "stored") {
          if (liveSince === Infinity) say("receiving what is new");
          liveSince = Math.min(liveSince, performance.now());
        } else {
          const event = parseEvent(delivery.event, NO_EVENT_LIMITS);
          if (typeof event === "string") sink.onFlaw(event);
          else if (!matchesAny(filters, event)) sink.onFlaw("invalid: was not asked for");
          else {
            this.received.add(event.id);
            sink.onEvent(event);
            session.progressed();
          }
        }
        if (!subscription.hasKept) intake.flush();
      }
    } finally {
      if (liveSince < Infinity) this.caughtUpTo = nowSeconds() - OVERLAP_S;
      if (performance.now() - liveSince > STEADY_MS) session.progressed();
      intake.flush();
    }
  }

  /** What was published there while there was no connection. */
  private async fetchMissed(): Promise<void> {
    const { caughtUpTo } = this;
    if (caughtUpTo === null) return;
    const { peer, session, intake, report } = this.transfer;
    const { onEvent, ...others } = report.sink(intake);
    const sink = {
      ...others,
      onEvent: (event: Parameters<typeof onEvent>[0]) => {
        this.received.add(event.id);
        onEvent(event);
      },
      onCutSecond: () => {},
    };
    for (const { json } of peer.filters) {
      await downloadPages(session, { ...json, ...fromOn(caughtUpTo, json) }, sink);
    }
  }

  /** What is committed here from now on, by whatever process. Ends by an error only. */
  async up(reader: EventReader): Promise<void> {
    const { peer, session, report } = this.transfer;
    const filters = peer.filters.map(({ filter }) => filter);
    const options = { highWater: HIGH_WATER, patience: PATIENCE, onAnswer: report.onAnswer };
    report.begin("up");
    let last = reader.head();
    say("sending what is new");
    for (;;) {
      const head = reader.head();
      const found = reader.textsAfter(last, head, BATCH_EVENTS);
      const wanted = found.filter(
        ({ text }) => !this.received.has(textId(text)) && matchesAny(filters, decodeText(text)),
      );
      await uploadEvents(session, outgoing(wanted, report), options);
      last = found.length === BATCH_EVENTS ? (found.at(-1)?.seq ?? head) : head;
      if (found.length < BATCH_EVENTS) await session.sleep(POLL_MS);
    }
  }
}

/** Within what the filter asks for itself. */
function fromOn(since: number, json: Readonly<Record<string, unknown>>): { since: number } {
  return { since: Math.max(since, Number(json["since"] ?? 0)) };
}

export const streamCommand: Command = { usage, run };
