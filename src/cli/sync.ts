// `nandu sync`: this relay and another one come to have the same, as far as each wants it: what
// only one of them has is found by NIP-77, and nothing else is transferred.

import type { Database } from "bun:sqlite";
import { setting } from "../config/current.ts";
import { fetchByIds } from "../mesh/fetch-ids.ts";
import { readEvents } from "../mesh/local-events.ts";
import { readItems } from "../mesh/local-items.ts";
import { type Differences, reconcile } from "../mesh/reconcile.ts";
import { A_FEW_TIMES } from "../mesh/retry.ts";
import { PATIENCE, uploadEvents } from "../mesh/upload.ts";
import { ItemReader } from "../store/item-scan.ts";
import { openForReading, requireDatabase, storeOptions } from "../store/schema.ts";
import { type Command, configure, parseFlags, UsageError } from "./command.ts";
import { download } from "./download.ts";
import { Output, OutputClosed } from "./output.ts";
import {
  INTO_DATABASE,
  parsePeer,
  PEER_HELP,
  PEER_VALUES,
  type PeerFilter,
  runTransfer,
  say,
  type Transfer,
} from "./transfer.ts";
import { outgoing, parseCount, upload } from "./upload.ts";

/** As strfry's. In bytes: in hex twice as many. */
const FRAME_BYTES_DEFAULT = 60_000;
const FRAME_BYTES_MIN = 4096;
const FRAME_BYTES_MAX = 1 << 20;
/** Some times what an honest relay needs for a million differences, with the smallest messages. */
const ROUNDS_MAX = 50_000;
/** Unanswered events: more are sent when there are half of them. As strfry's. */
const UPLOAD_HIGH_WATER = 100;
/** Of ids that differ: 128 MB. */
const IDS_MAX = 2 ** 22;

const DIRECTIONS = ["both", "down", "up", "none"] as const;

const usage = `Usage: nandu sync [--dir both|down|up|none] [--print-missing] [--frame-size-limit N]
                  [--filter JSON] [--range S-E] URL

Finds what only this relay or only the other one has (NIP-77) and transfers that: down to this
relay, where each event is checked as if its author published it here, and up to the other. Safe
beside a running relay. With a relay that can't do that, everything is downloaded, or uploaded.

  --dir DIR             both, which is the default, or down, up, or none: only compare
  --print-missing       only compare, and print have,ID for what only this relay has, need,ID for
                        what it hasn't
  --frame-size-limit N  bytes of a message at most (default ${FRAME_BYTES_DEFAULT}; 0: the most)
${PEER_HELP}
Example: nandu sync --dir down --filter '{"kinds":[0,3,10002]}' wss://relay.example
`;

interface SyncOptions {
  readonly isDown: boolean;
  readonly isUp: boolean;
  readonly isPrinting: boolean;
  readonly frameBytesMax: number;
}

function run(args: readonly string[]): Promise<number> {
  const { rest } = configure(args);
  const parsed = parseFlags(
    rest,
    ["--print-missing"],
    [...PEER_VALUES, "--dir", "--frame-size-limit"],
  );
  const peer = parsePeer(parsed);
  const isPrinting = parsed.flags.has("--print-missing");
  const asked = parsed.values.get("--dir") ?? (isPrinting ? "none" : "both");
  const direction = parseDirection(asked, DIRECTIONS);
  if (isPrinting && direction !== "none") {
    throw new UsageError(
      "--print-missing only compares: it goes with --dir none, or without --dir",
    );
  }
  const options = {
    isDown: direction === "both" || direction === "down",
    isUp: direction === "both" || direction === "up",
    isPrinting,
    frameBytesMax: parseFrameBytes(parsed.values.get("--frame-size-limit")),
  };
  if (!options.isDown) requireDatabase(setting("data_dir"));
  return runTransfer(
    peer,
    { retry: A_FEW_TIMES, isEndless: false, openIntake: INTO_DATABASE },
    async (transfer) => {
      const db = openForReading(storeOptions());
      try {
        if (options.isDown) transfer.report.begin("down");
        if (options.isUp) transfer.report.begin("up");
        await new Syncing(transfer, db, options).run();
      } finally {
        db.close();
      }
    },
  );
}

export function parseDirection<D extends string>(text: string, directions: readonly D[]): D {
  const direction = directions.find((one) => one === text);
  if (direction !== undefined) return direction;
  throw new UsageError(`--dir: ${text} is none of ${directions.join(", ")}`);
}

function parseFrameBytes(text: string | undefined): number {
  if (text === "0") return FRAME_BYTES_MAX; // strfry's word for no limit
  const bytes = parseCount("--frame-size-limit", text, FRAME_BYTES_DEFAULT);
  if (bytes >= FRAME_BYTES_MIN && bytes <= FRAME_BYTES_MAX) return bytes;
  const bounds = `from ${FRAME_BYTES_MIN} to ${FRAME_BYTES_MAX}`;
  throw new UsageError(`--frame-size-limit: it must be ${bounds}`);
}

class Syncing {
  private readonly transfer: Transfer;
  private readonly db: Database;
  private readonly reader: ItemReader;
  private readonly options: SyncOptions;

  constructor(transfer: Transfer, db: Database, options: SyncOptions) {
    this.transfer = transfer;
    this.db = db;
    this.reader = new ItemReader(db);
    this.options = options;
  }

  async run(): Promise<void> {
    for (const filter of this.transfer.peer.filters) await this.syncFilter(filter);
  }

  private async syncFilter(peerFilter: PeerFilter): Promise<void> {
    const { session, intake, report } = this.transfer;
    const { filter, json } = peerFilter;
    const { frameBytesMax, isPrinting } = this.options;
    for (;;) {
      const result = await reconcile(session, {
        filter: json,
        readItems: () => readItems(this.db, this.reader, filter),
        frameBytesMax,
        roundsMax: ROUNDS_MAX,
        idsMax: IDS_MAX,
      });
      if (result.kind === "unsupported") {
        await this.transferAll(peerFilter, result.why);
        return;
      }
      const { have, need, itemCount } = result;
      report.tell(`${itemCount} events here, ${have.count} only here, ${need.count} only there`);
      if (isPrinting) printMissing(result);
      const before = intake.counts.stored + report.takenCount;
      await this.transferDifferences(result);
      if (!result.isPartial) return;
      if (intake.counts.stored + report.takenCount === before) {
        report.addProblem("there are more differences than can be kept, and none goes away");
        return;
      }
    }
  }

  private async transferDifferences({ have, need }: Differences): Promise<void> {
    const { session, intake, report } = this.transfer;
    const { isDown, isUp } = this.options;
    report.expect(isDown ? need.count : 0, isUp ? have.count : 0);
    const tasks: Promise<void>[] = [];
    if (isUp) {
      const events = outgoing(readEvents(this.reader, have), report);
      const { onAnswer } = report;
      const how = { highWater: UPLOAD_HIGH_WATER, patience: PATIENCE, onAnswer };
      tasks.push(uploadEvents(session, events, how));
    }
    if (isDown) {
      const ids = need[Symbol.iterator]();
      const sink = {
        ...report.sink(intake),
        onMissing: () => report.addMissing(),
      };
      tasks.push(fetchByIds(session, () => ids.next().value ?? null, sink));
    }
    await session.together(...tasks);
    intake.flush();
  }

  /** With a relay that can't compare. */
  private async transferAll(filter: PeerFilter, why: string): Promise<void> {
    const { isDown, isUp, isPrinting } = this.options;
    const { report, peer } = this.transfer;
    say(`it has no negentropy (NIP-77): ${why}`);
    if (isPrinting || (!isDown && !isUp)) {
      report.addProblem("without that, what is missing can't be told");
    }
    const transfer = { ...this.transfer, peer: { ...peer, filters: [filter] } };
    if (isDown) await download(transfer);
    if (isUp) await upload(transfer, UPLOAD_HIGH_WATER);
  }
}

function printMissing({ have, need }: Differences): void {
  const output = new Output();
  try {
    for (const id of have) output.line(Buffer.from(`have,${id}`));
    for (const id of need) output.line(Buffer.from(`need,${id}`));
    output.flush();
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error; // nobody reads it: what is missing goes on
  }
}

export const syncCommand: Command = { usage, run };
