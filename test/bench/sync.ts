// What `nandu sync` costs both sides: a relay, and the command on a database of its own. Sets that
// differ a little are compared, then what differs is transferred, then nothing differs any more.
// With a million events they are only compared. What the relay maps of its file is in its RSS, too.

import { createReadStream, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { RelayProcess } from "../support/relay-process.ts";
import { type Dataset, freshLines, openDataset } from "./dataset-file.ts";
import { readMemory, resetMemoryMax } from "./meter.ts";
import { Passage } from "./passage.ts";
import {
  type Bench,
  costFigures,
  expectCount,
  type Figures,
  measure,
  type Row,
  type Scenario,
  withRelay,
} from "./scenario.ts";

/** Of all events: half of it only here, half only there. */
const DIFFERENT_SHARE = 0.01;
/** The same of a million, all of it only here, so that the relay's database stays as it was. */
const DIFFERENT_SHARE_MANY = 0.001;
const [SEED_HERE, SEED_THERE] = [771, 772];
/** The kernel keeps the most of all memory (VmHWM), not of what no file backs. */
const WATCH_MS = 5;

interface Found {
  readonly here: number;
  readonly onlyHere: number;
  readonly onlyThere: number;
}

/** One sync, and what it has found. */
async function sync(
  bench: Bench,
  relay: RelayProcess,
  folder: string,
  direction: "none" | "both",
): Promise<{ figures: Figures; found: Found }> {
  const { pid } = relay.process;
  const before = readMemory(pid);
  let anonPeakBytes = before.rssAnonBytes;
  const watch = setInterval(() => {
    anonPeakBytes = Math.max(anonPeakBytes, readMemory(pid).rssAnonBytes);
  }, WATCH_MS);
  resetMemoryMax(pid);
  const passage = await Passage.open(relay.port);
  let command = { wallMs: 0, cpuUs: 0, rssBytesMax: 0, stderr: "" };
  const cost = await measure(relay, async () => {
    command = await bench.target.run(["sync", "--dir", direction, passage.url], folder);
  });
  clearInterval(watch);
  passage.close();
  const figures: Figures = {
    ...costFigures(cost, 1),
    syncMs: command.wallMs,
    commandCpuMs: command.cpuUs / 1000,
    commandRssBytes: command.rssBytesMax,
    sentBytes: passage.sentBytes,
    receivedBytes: passage.receivedBytes,
    rssBeforeBytes: before.rssBytes,
    rssPeakBytes: readMemory(pid).rssBytesMax,
    anonBeforeBytes: before.rssAnonBytes,
    anonPeakBytes,
  };
  // NEG-OPEN and each NEG-MSG are answered by one message; NEG-CLOSE isn't.
  if (direction === "none") figures["roundTrips"] = passage.sent.count - 1;
  await Bun.sleep(bench.sizes.settleS * 1000);
  const { rssBytes, rssAnonBytes } = readMemory(pid);
  return {
    figures: { ...figures, rssAfterBytes: rssBytes, rssAnonBytes },
    found: parseFound(command.stderr),
  };
}

function parseFound(stderr: string): Found {
  const line = /^(\d+) events here, (\d+) only here, (\d+) only there$/m.exec(stderr);
  const [here, onlyHere, onlyThere] = (line ?? []).slice(1).map(Number);
  if (here === undefined || onlyHere === undefined || onlyThere === undefined) {
    throw new Error(`the sync says nothing of what it found:\n${stderr}`);
  }
  return { here, onlyHere, onlyThere };
}

function expectFound(found: Found, wanted: Found): void {
  expectCount("events here", found.here, wanted.here);
  expectCount("events only here", found.onlyHere, wanted.onlyHere);
  expectCount("events only there", found.onlyThere, wanted.onlyThere);
}

/** The set, and `count` events more that are nowhere else. */
async function copyWith(
  bench: Bench,
  dataset: Dataset,
  seed: number,
  count: number,
): Promise<string> {
  const folder = await bench.target.preparedCopy(dataset);
  const path = join(bench.target.makeFolder(), "more.jsonl");
  writeFileSync(path, `${freshLines(seed, count).join("\n")}\n`);
  await bench.target.run(["import", path], folder);
  await bench.target.settle(folder);
  return folder;
}

async function syncAll(bench: Bench): Promise<Row[]> {
  const { target, sizes } = bench;
  const dataset = openDataset(dirname(bench.dataset.path), sizes.syncEvents);
  const extra = Math.ceil((dataset.count * DIFFERENT_SHARE) / 2);
  await target.prepared(dataset);
  const [here, there] = await Promise.all([
    copyWith(bench, dataset, SEED_HERE, extra),
    copyWith(bench, dataset, SEED_THERE, extra),
  ]);
  const count = dataset.count + extra;
  const different: Found = { here: count, onlyHere: extra, onlyThere: extra };
  const rows = await withRelay(bench, there, async (relay) => {
    const compared = await sync(bench, relay, here, "none");
    expectFound(compared.found, different);
    const synced = await sync(bench, relay, here, "both");
    expectFound(synced.found, different);
    const same = await sync(bench, relay, here, "none");
    expectFound(same.found, { here: count + extra, onlyHere: 0, onlyThere: 0 });
    return [
      row(`compare ${dataset.label}, 1 % differs`, compared.figures),
      row(`sync ${dataset.label}, 1 % differs`, synced.figures),
      row(`compare ${dataset.label}, nothing differs`, same.figures),
    ];
  });
  const exports = [here, there].map(async (folder) => {
    const path = join(target.makeFolder(), "export.jsonl");
    await target.run(["export"], folder, path);
    return hashOf(path);
  });
  const [own, others] = await Promise.all(exports);
  if (own !== others) throw new Error("after the sync, the two exports differ");
  return rows;
}

async function compareMany(bench: Bench): Promise<Row[]> {
  const { target, dataset } = bench;
  const extra = Math.ceil(dataset.count * DIFFERENT_SHARE_MANY);
  const there = await target.prepared(dataset);
  const here = await copyWith(bench, dataset, SEED_HERE, extra);
  return withRelay(bench, there, async (relay) => {
    const same = await sync(bench, relay, there, "none");
    expectFound(same.found, { here: dataset.count, onlyHere: 0, onlyThere: 0 });
    const compared = await sync(bench, relay, here, "none");
    expectFound(compared.found, { here: dataset.count + extra, onlyHere: extra, onlyThere: 0 });
    return [
      row(`compare ${dataset.label}, nothing differs`, same.figures),
      row(`compare ${dataset.label}, 0.1 % differs`, compared.figures),
    ];
  });
}

function row(name: string, figures: Figures): Row {
  return { name, unit: "sync", figures };
}

async function hashOf(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const chunk of createReadStream(path)) hasher.update(chunk as Buffer);
  return hasher.digest("hex");
}

export const syncScenarios: readonly Scenario[] = [
  {
    name: "sync",
    about: "nandu sync, 1 % of 100,000 events, both ways",
    run: (bench) =>
      bench.dataset.count === bench.sizes.events ? syncAll(bench) : compareMany(bench),
  },
];
