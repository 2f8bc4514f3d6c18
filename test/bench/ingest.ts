// What it costs to take events in: new ones, duplicates, versions of replaceables, forged ones. All
// on a database of its own each round, durable as by default. The first tenth warms the relay up.

import { authorKey, signEvent } from "../support/events.ts";
import { END_S } from "./dataset.ts";
import { type Dataset, freshLines, readLines } from "./dataset-file.ts";
import { eventTapes, type Tape } from "./frames.ts";
import { type Answers, closeAll, connectMany, publish, publishAll, type Range } from "./load.ts";
import type { LoadSocket } from "./load-socket.ts";
import { measureSyncMs, percentile } from "./meter.ts";
import {
  type Bench,
  costFigures,
  expectCount,
  latencyFigures,
  measure,
  memoryFigures,
  type Row,
  type Scenario,
  withRelay,
} from "./scenario.ts";
import { folderBytes } from "./target.ts";

/** As long as the engine still compiles what is run often: that is no cost of an event. */
const WARM_UP: Range = { from: 0, to: 0.4 };
const REST: Range = { from: 0.4, to: 1 };
const ALL: Range = { from: 0, to: 1 };
const CONNECTIONS = 8;
const IN_FLIGHT = 32;
const PIPELINE = 256;

/** Framed once for all rounds. */
const tapesMade = new Map<string, Tape[]>();

export function datasetTapes(dataset: Dataset, count: number, connections: number): Tape[] {
  const key = `${dataset.fingerprint} ${count} ${connections}`;
  const made = tapesMade.get(key) ?? eventTapes(readLines(dataset, 0, count), connections);
  tapesMade.set(key, made);
  return made;
}

/** The cost of publishing a share of the tapes; every event must be accepted. */
async function measurePublish(
  relay: Parameters<typeof measure>[0],
  sockets: readonly LoadSocket[],
  tapes: readonly Tape[],
  share: Range,
  inFlight: number,
): Promise<Row["figures"]> {
  let answers: Answers | null = null;
  const cost = await measure(relay, async () => {
    answers = await publishAll(sockets, tapes, share, inFlight);
  });
  const { accepted, refused, timesMs } = answers as unknown as Answers;
  expectCount("refused events", refused, 0);
  return { ...costFigures(cost, accepted), ...latencyFigures(timesMs), ...memoryFigures(relay) };
}

async function ingestNew(
  bench: Bench,
  name: string,
  connections: number,
  inFlight: number,
  count: number,
): Promise<Row[]> {
  const tapes = datasetTapes(bench.dataset, count, connections);
  const folder = bench.target.makeFolder();
  const figures = await withRelay(bench, folder, async (relay) => {
    const sockets = await connectMany(relay.port, connections);
    await publishAll(sockets, tapes, WARM_UP, inFlight);
    const measured = await measurePublish(relay, sockets, tapes, REST, inFlight);
    closeAll(sockets);
    return measured;
  });
  // Stopped, so that nothing is left in the write-ahead log.
  figures["diskBytesPerEvent"] = folderBytes(folder) / count;
  return [{ name, unit: "event", figures }];
}

async function ingestSingle(bench: Bench): Promise<Row[]> {
  const syncMs = measureSyncMs(bench.target.makeFolder(), bench.sizes.syncs);
  const [row] = await ingestNew(bench, "new events, 1×1", 1, 1, bench.sizes.single);
  const { name, unit, figures } = row as Row;
  const aboveSyncMs = (figures["p50Ms"] as number) - syncMs;
  return [{ name, unit, figures: { ...figures, syncP50Ms: syncMs, p50AboveSyncMs: aboveSyncMs } }];
}

/** Once by a relay that has just stored them, once by one that finds them on its disk. */
async function ingestDuplicates(bench: Bench): Promise<Row[]> {
  const { dataset } = bench;
  const tapes = datasetTapes(dataset, bench.sizes.events, CONNECTIONS);
  const folder = await bench.target.preparedCopy(dataset);
  return withRelay(bench, folder, async (relay) => {
    const sockets = await connectMany(relay.port, CONNECTIONS);
    await publishAll(sockets, tapes, WARM_UP, IN_FLIGHT);
    const stored = await measurePublish(relay, sockets, tapes, REST, IN_FLIGHT);
    // New ones, so that they are among those the relay has stored itself.
    const count = Math.ceil(bench.sizes.events / 5);
    const fresh = eventTapes(freshLines(1, count), CONNECTIONS);
    await publishAll(sockets, fresh, ALL, IN_FLIGHT);
    const recent = await measurePublish(relay, sockets, fresh, ALL, IN_FLIGHT);
    closeAll(sockets);
    return [
      { name: "duplicates of recent events, 8×32", unit: "event", figures: recent },
      { name: "duplicates of old events, 8×32", unit: "event", figures: stored },
    ];
  });
}

const CHURN_ADDRESSES = 4;

/** Each connection has addresses of its own, so that newer versions always come after older. */
function churnTapes(count: number): Tape[] {
  const kinds = [0, 10_002, 30_078, 30_078];
  const text = "a setting that some client saves again and again ".repeat(6);
  const lines = Array.from({ length: count }, (_, i) => {
    const version = Math.floor(i / CONNECTIONS);
    const slot = version % CHURN_ADDRESSES;
    const kind = kinds[slot] as number;
    const tags = kind === 30_078 ? [["d", `slot ${slot}`]] : [["r", "wss://relay.example.com"]];
    const created_at = END_S - count + i;
    const key = authorKey(i % CONNECTIONS);
    const event = signEvent({ kind, tags, content: `${i} ${text}`, created_at }, key);
    return Buffer.from(JSON.stringify(event));
  });
  return eventTapes(lines, CONNECTIONS);
}

async function ingestChurn(bench: Bench): Promise<Row[]> {
  const tapes = churnTapes(bench.sizes.churn);
  return withRelay(bench, bench.target.makeFolder(), async (relay) => {
    const sockets = await connectMany(relay.port, CONNECTIONS);
    await publishAll(sockets, tapes, WARM_UP, IN_FLIGHT);
    const figures = await measurePublish(relay, sockets, tapes, REST, IN_FLIGHT);
    closeAll(sockets);
    return [{ name: "replaceable churn, 8×32", unit: "event", figures }];
  });
}

/** The last digit of each signature is another one. */
function forged(line: Buffer): Buffer {
  const copy = Buffer.from(line);
  const at = copy.lastIndexOf('"sig":"') + '"sig":"'.length + 127;
  copy[at] = copy[at] === 0x30 ? 0x31 : 0x30;
  return copy;
}

const HONEST_PER_SECOND = 200;
const ATTACKERS = 4;

/** Publishes one event after the other at a steady rate, and returns how long each took. */
async function publishSteadily(
  socket: LoadSocket,
  tape: Tape,
  range: Range,
): Promise<Float64Array> {
  const { from, to } = range;
  const times = new Float64Array(to - from);
  const startedAt = performance.now();
  for (let i = from; i < to; i++) {
    const wait = startedAt + ((i - from) * 1000) / HONEST_PER_SECOND - performance.now();
    if (wait > 0) await Bun.sleep(wait);
    const answers = await publish(socket, tape, { from: i, to: i + 1 }, 1);
    expectCount("refused events", answers.refused, 0);
    times[i - from] = answers.timesMs[0] as number;
  }
  return times;
}

async function ingestForged(bench: Bench): Promise<Row[]> {
  const { sizes } = bench;
  const steady = Math.max(2, Math.floor(sizes.attackS * HONEST_PER_SECOND));
  const lines = readLines(bench.dataset, 0, sizes.badEvents).map(forged);
  const tapes = eventTapes(lines, ATTACKERS);
  const [honest] = eventTapes(freshLines(2, 3 * steady), 1);
  return withRelay(bench, bench.target.makeFolder(), async (relay) => {
    const sockets = await connectMany(relay.port, ATTACKERS + 1);
    const client = sockets.pop() as LoadSocket;
    await publishAll(sockets, tapes, WARM_UP, IN_FLIGHT);
    await publishSteadily(client, honest as Tape, { from: 0, to: steady });
    const alone = await publishSteadily(client, honest as Tape, { from: steady, to: 2 * steady });
    let attacked = new Float64Array(0);
    let refused = 0;
    const cost = await measure(relay, async () => {
      let isOver = false;
      const attack = publishAll(sockets, tapes, REST, IN_FLIGHT).then((answers) => {
        refused = answers.refused;
        expectCount("forged events accepted", answers.accepted, 0);
        isOver = true;
      });
      const times: Float64Array[] = [];
      for (let i = 2 * steady; i < 3 * steady && !isOver; i++) {
        times.push(await publishSteadily(client, honest as Tape, { from: i, to: i + 1 }));
        await Bun.sleep(1000 / HONEST_PER_SECOND);
      }
      await attack;
      attacked = Float64Array.from(times, (time) => time[0] as number);
    });
    closeAll([...sockets, client]);
    return [
      {
        name: "forged events, 4×32",
        unit: "event",
        figures: {
          ...costFigures(cost, refused),
          ...memoryFigures(relay),
          honestP50Ms: percentile(alone, 0.5),
          honestP99Ms: percentile(alone, 0.99),
          attackedP50Ms: percentile(attacked, 0.5),
          attackedP99Ms: percentile(attacked, 0.99),
        },
      },
    ];
  });
}

export const ingestScenarios: readonly Scenario[] = [
  {
    name: "ingest",
    about: "new events, 8 connections with 32 in flight",
    run: (bench) =>
      ingestNew(bench, "new events, 8×32", CONNECTIONS, IN_FLIGHT, bench.sizes.events),
  },
  {
    name: "pipeline",
    about: "new events, one connection with 256 in flight",
    run: (bench) => ingestNew(bench, "new events, 1×256", 1, PIPELINE, bench.sizes.pipelined),
  },
  { name: "single", about: "new events, one connection, one in flight", run: ingestSingle },
  { name: "duplicates", about: "events that are stored already", run: ingestDuplicates },
  { name: "churn", about: "ever newer versions of a few replaceables", run: ingestChurn },
  { name: "forged", about: "bad signatures, and what an honest client notices", run: ingestForged },
];
