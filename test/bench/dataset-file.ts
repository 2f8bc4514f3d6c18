// The events of dataset.ts on disk, made once: JSON, one a line, and beside it what is worth
// knowing without reading it all (fingerprint, and a sample of what filters ask for). Millions are
// written and read in pieces; nothing here holds more than the lines somebody asked for.

import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { classifyKind } from "../../src/protocol/kind.ts";
import { DatasetMaker, END_S, SEED, YEAR_S } from "./dataset.ts";

const SAMPLE = 5000;
const READ_BYTES = 8 << 20;
const WRITE_BYTES = 1 << 20;
/** Whoever changes one of these makes other events. */
const SOURCES = ["dataset.ts", "dataset-file.ts", "../support/events.ts", "../support/random.ts"];

export interface DatasetFacts {
  readonly count: number;
  /** SHA-256 of all ids, one after the other in hex. */
  readonly fingerprint: string;
  readonly bytesPerEvent: number;
  readonly tagsPerEvent: number;
  /** Of events evenly spread over the set. */
  readonly ids: readonly string[];
  /** Ids of notes, each as often as it is popular. */
  readonly notes: readonly string[];
}

export interface Dataset extends DatasetFacts {
  readonly path: string;
  /** Its name in tables: 50 k. */
  readonly label: string;
}

export function countLabel(count: number): string {
  if (count >= 1_000_000) return `${count / 1_000_000} M`;
  return count >= 1000 ? `${count / 1000} k` : String(count);
}

function sourceHash(): string {
  const hash = createHash("sha256");
  for (const name of SOURCES) hash.update(readFileSync(join(import.meta.dir, name)));
  return hash.digest("hex").slice(0, 8);
}

/** From `folder`, made there unless it is; older sets of that size go. */
export function openDataset(folder: string, count: number): Dataset {
  mkdirSync(folder, { recursive: true });
  const name = `events-${count}-${sourceHash()}`;
  const path = join(folder, `${name}.jsonl`);
  const factsPath = join(folder, `${name}.json`);
  if (!existsSync(factsPath)) {
    for (const old of readdirSync(folder)) {
      if (old.startsWith(`events-${count}-`)) rmSync(join(folder, old));
    }
    const facts = writeDataset(path, count);
    writeFileSync(`${factsPath}.unfinished`, JSON.stringify(facts));
    renameSync(`${factsPath}.unfinished`, factsPath);
  }
  const facts = JSON.parse(readFileSync(factsPath, "utf8")) as DatasetFacts;
  return { ...facts, path, label: countLabel(count) };
}

function writeDataset(path: string, count: number): DatasetFacts {
  const maker = new DatasetMaker(SEED);
  const hash = createHash("sha256");
  const ids: string[] = [];
  const every = Math.max(1, Math.floor(count / SAMPLE));
  const fd = openSync(path, "w");
  let text = "";
  let tags = 0;
  for (let i = 0; i < count; i++) {
    const event = maker.next();
    text += `${JSON.stringify(event)}\n`;
    hash.update(event.id);
    tags += event.tags.length;
    if (i % every === 0 && ids.length < SAMPLE) ids.push(event.id);
    if (text.length < WRITE_BYTES && i < count - 1) continue;
    writeSync(fd, text);
    text = "";
  }
  closeSync(fd);
  const bytes = statSync(path).size - count; // without the ends of lines
  return {
    count,
    fingerprint: hash.digest("hex"),
    bytesPerEvent: bytes / count,
    tagsPerEvent: tags / count,
    ids,
    notes: Array.from({ length: Math.min(SAMPLE, count) }, () => maker.popularNote()),
  };
}

/** The lines from number `from` up to but without `to`, without their ends. */
export function readLines(dataset: Dataset, from: number, to: number): Buffer[] {
  const lines: Buffer[] = [];
  const fd = openSync(dataset.path, "r");
  let number = 0;
  let rest: Buffer = Buffer.alloc(0);
  while (lines.length < to - from) {
    const chunk = Buffer.allocUnsafe(READ_BYTES); // the lines keep pointing into it
    const length = readSync(fd, chunk);
    if (length === 0) break;
    const bytes =
      rest.length === 0
        ? chunk.subarray(0, length)
        : Buffer.concat([rest, chunk.subarray(0, length)]);
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      if (number >= from && number < to) lines.push(bytes.subarray(start, end));
      number += 1;
      start = end + 1;
    }
    rest = bytes.subarray(start);
  }
  closeSync(fd);
  return lines;
}

/** Events that no set holds, and that replace none: for what is published beside one. */
export function freshLines(seed: number, count: number): Buffer[] {
  const maker = new DatasetMaker(SEED + seed);
  const lines: Buffer[] = [];
  while (lines.length < count) {
    const event = maker.next();
    if (classifyKind(event.kind) === "regular") lines.push(Buffer.from(JSON.stringify(event)));
  }
  return lines;
}

/** A time in the year the events spread over; 1 is the newest. */
export function timeAt(share: number): number {
  return Math.floor(END_S - (1 - share) * YEAR_S);
}
