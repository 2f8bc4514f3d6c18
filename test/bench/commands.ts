// What the commands cost: import (checking everything), export, and the start of a relay up to the
// moment it listens, with what memory it then has.

import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { median, readMemory } from "./meter.ts";
import { type Bench, expectCount, type Row, type Scenario, withRelay } from "./scenario.ts";
import { folderBytes } from "./target.ts";

const READ_BYTES = 1 << 20;
const NEWLINE = 10;

async function importAll(bench: Bench): Promise<Row[]> {
  const { dataset, target } = bench;
  const folder = target.makeFolder();
  const cost = await target.run(["import", dataset.path], folder);
  const stored = [...cost.stderr.matchAll(/(\d+) stored/g)].at(-1)?.[1]; // the summary comes last
  expectCount("stored events", Number(stored), dataset.count);
  const figures = {
    perSecond: (dataset.count / cost.wallMs) * 1000,
    cpuUs: cost.cpuUs / dataset.count,
    rssBytes: cost.rssBytesMax,
    diskBytesPerEvent: folderBytes(folder) / dataset.count,
  };
  return [{ name: "import, verifying", unit: "event", figures }];
}

async function exportAll(bench: Bench): Promise<Row[]> {
  const { dataset, target } = bench;
  const folder = await target.prepared(dataset);
  const path = join(target.makeFolder(), "export.jsonl");
  const cost = await target.run(["export"], folder, path);
  expectCount("exported events", countLines(path), dataset.count);
  const figures = {
    perSecond: (dataset.count / cost.wallMs) * 1000,
    cpuUs: cost.cpuUs / dataset.count,
    rssBytes: cost.rssBytesMax,
  };
  return [{ name: `export${suffix(bench)}`, unit: "event", figures }];
}

function countLines(path: string): number {
  const fd = openSync(path, "r");
  const chunk = Buffer.alloc(READ_BYTES);
  let lines = 0;
  for (;;) {
    const bytes = chunk.subarray(0, readSync(fd, chunk));
    if (bytes.length === 0) break;
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines += 1;
  }
  closeSync(fd);
  return lines;
}

function suffix(bench: Bench): string {
  return bench.dataset.count === bench.sizes.events ? "" : `, ${bench.dataset.label}`;
}

/** The first start, which brings the executable into memory, is not counted. */
async function start(bench: Bench, dataDir: string, name: string): Promise<Row> {
  const wallMs: number[] = [];
  const rss: number[] = [];
  const anon: number[] = [];
  for (let i = 0; i <= bench.sizes.starts; i++) {
    const startedAt = performance.now();
    await withRelay(bench, dataDir, async (relay) => {
      wallMs.push(performance.now() - startedAt);
      await Bun.sleep(bench.sizes.settleS * 1000);
      const { rssBytes, rssAnonBytes } = readMemory(relay.process.pid);
      rss.push(rssBytes);
      anon.push(rssAnonBytes);
    });
  }
  const figures = {
    startMs: median(wallMs.slice(1)),
    rssBytes: median(rss),
    rssAnonBytes: median(anon),
  };
  return { name, unit: "start", figures };
}

async function startAll(bench: Bench): Promise<Row[]> {
  const { dataset, target } = bench;
  const rows: Row[] = [];
  if (suffix(bench) === "") rows.push(await start(bench, target.makeFolder(), "start, no events"));
  rows.push(await start(bench, await target.prepared(dataset), `start, ${dataset.label} events`));
  return rows;
}

export const commandScenarios: readonly Scenario[] = [
  { name: "import", about: "nandu import, ids and signatures checked", run: importAll },
  { name: "export", about: "nandu export, to a file", run: exportAll },
  { name: "start", about: "from the command to listening, and memory then", run: startAll },
];
