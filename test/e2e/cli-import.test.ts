// `nandu import` as a whole: many threads, and the outcome of one event after another.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { checkIndex } from "../support/check-index.ts";
import { EventFactory } from "../support/events.ts";
import { summaryOf } from "../support/import-summary.ts";
import { NaiveStore } from "../support/naive-store.ts";
import { type Random, testRandomly } from "../support/random.ts";
import { makeTempDir, nanduCommand, removeTempDir, runNandu } from "../support/relay-process.ts";

let dir: string;

beforeAll(() => {
  dir = makeTempDir();
});

afterAll(() => {
  removeTempDir(dir);
});

function run(...args: string[]) {
  return runNandu(args, { cwd: dir });
}

async function exported(database: string): Promise<string> {
  return (await run("export", `--data-dir=${database}`)).stdout;
}

function asLines(events: readonly NostrEvent[]): string {
  const sorted = events.toSorted((a, b) => a.created_at - b.created_at || (a.id < b.id ? -1 : 1));
  return sorted.map((event) => `${JSON.stringify(event)}\n`).join("");
}

/** A line and what comes of it: an event to be stored, a refusal, or the line is bad. */
type Line = { readonly text: string } & (
  { readonly event: NostrEvent } | { readonly refusal: string } | { readonly bad: true }
);

/** Few authors and many replaceables, deletions, duplicates: events that meet. */
function randomLine(random: Random, factory: EventFactory, made: NostrEvent[]): Line {
  const of = (event: NostrEvent): string => JSON.stringify(event);
  const author = random.below(3);
  if (random.oneIn(15))
    return { text: random.pick(["{", "[]", "nonsense", '{"id":1}']), bad: true };
  if (random.oneIn(15)) {
    const text = of({ ...factory.make({ author }), sig: "0".repeat(128) });
    return { text, refusal: "invalid: bad signature" };
  }
  if (random.oneIn(15)) {
    const text = of(factory.make({ kind: 20_001 }));
    return { text, refusal: "invalid: ephemeral events are not stored" };
  }
  if (made.length > 0 && random.oneIn(5)) {
    const event = random.pick(made);
    return { text: of(event), event };
  }
  const event = random.oneIn(5)
    ? makeDeletion(random, factory, made, author)
    : factory.makeDistinct({ author, kind: random.pick([0, 1, 1, 1, 10_002, 30_023]) });
  made.push(event);
  return { text: of(event), event };
}

function makeDeletion(
  random: Random,
  factory: EventFactory,
  made: readonly NostrEvent[],
  author: number,
): NostrEvent {
  const targets = made.length === 0 ? [] : random.list(3, () => random.pick(made));
  const tags = targets.flatMap(({ id, kind, pubkey, tags: own }) => {
    const d = own.find(([name]) => name === "d")?.[1] ?? "";
    const address = kind >= 10_000 || kind === 0 ? [["a", `${kind}:${pubkey}:${d}`]] : [];
    return random.oneIn(2) ? [["e", id]] : address;
  });
  return factory.makeDistinct({ kind: 5, author, tags });
}

/** What an import that takes one line after the other reports, and what it stores. */
function naiveImport(files: readonly (readonly Line[])[], batchEvents: number) {
  const store = new NaiveStore();
  const counts = new Map<string, number>();
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);
  let batch: NostrEvent[] = [];
  const commit = (): void => {
    const ids = new Set(store.entries.map(({ event }) => event.id));
    for (const { id } of batch) count(ids.has(id) ? "stored" : "duplicate: replaced at once");
    batch = [];
  };
  for (const lines of files) {
    let taken = 0;
    for (const line of lines) {
      count("lines");
      if ("bad" in line) count("bad lines skipped");
      else if ("refusal" in line) count(line.refusal);
      else {
        const { reason } = store.apply(line.event);
        if (reason === "") batch.push(line.event);
        else count(reason);
        taken += 1;
        if (taken % batchEvents === 0) commit();
      }
    }
    commit();
  }
  return { counts, events: store.entries.map(({ event }) => event) };
}

function countsOf(summary: string): Map<string, number> {
  const rows = [...summary.matchAll(/^ *(\d+) (.*)$/gm)];
  return new Map(rows.map(([, number, what]) => [what as string, Number(number)]));
}

testRandomly(
  "many threads come to what one event after another comes to, counts and all",
  async (random) => {
    const factory = new EventFactory(random);
    const made: NostrEvent[] = [];
    const files = random.list(2, () => random.list(700, () => randomLine(random, factory, made)));
    const names = files.map((lines, i) => {
      const name = `random ${i}.jsonl`;
      writeFileSync(join(dir, name), lines.map(({ text }) => `${text}\n`).join(""));
      return name;
    });
    for (const batchEvents of [1, 7, 1000]) {
      const database = `random ${batchEvents} ${random.hex(8)}`;
      const flags = [`--data-dir=${database}`, `--store-batch-events-max=${batchEvents}`];
      const { code, stderr } = await run("import", ...flags, ...names);
      const expected = naiveImport(files, batchEvents);
      const counts = countsOf(summaryOf(stderr).slice(summaryOf(stderr).indexOf("1400 lines")));
      expect(code).toBe(0);
      expect([...counts].toSorted()).toEqual([...expected.counts].toSorted());
      expect(await exported(database)).toBe(asLines(expected.events));
    }
  },
  30_000,
);

test("events as large as they may be, many of them, and lines between them", async () => {
  const factory = new EventFactory(1);
  const contents = Array.from({ length: 120 }, (_, i) => "é".repeat(30_000 + i));
  const events = contents.map((content) => factory.make({ kind: 1, tags: [], content }));
  writeFileSync(join(dir, "large.jsonl"), events.map((one) => `${JSON.stringify(one)}\n`).join(""));
  const { code, stderr } = await run("import", "--data-dir=large", "large.jsonl");
  expect([code, summaryOf(stderr)]).toEqual([0, "120 lines\n  120 stored\n"]);
  expect(await exported("large")).toBe(asLines(events));
});

test("a line that doesn't end for long takes no memory, and what follows is stored", async () => {
  const event = new EventFactory(2).make({ kind: 1 });
  writeFileSync(join(dir, "follows.jsonl"), `\n${JSON.stringify(event)}\n`);
  const source = "yes xxxxxxxxxxxxxxx | head -c 1000000000 | tr -d '\\n'; cat follows.jsonl";
  const command = [...nanduCommand(), "import", "--data-dir=long"];
  const shell = ["sh", "-c", `{ ${source}; } | "$0" "$@"`, ...command];
  // Started by a small process: what is measured begins with the memory of who starts it.
  const script = `const options = { stdio: ["ignore", "ignore", "inherit"] };
    const { exitCode, resourceUsage } = Bun.spawnSync(process.argv.slice(1), options);
    console.log(JSON.stringify([exitCode, resourceUsage.maxRSS]));`;
  const child = Bun.spawn([process.execPath, "-e", script, "--", ...shell], {
    cwd: dir,
    stdout: "pipe",
    stderr: "pipe",
  });
  const stderr = await new Response(child.stderr).text();
  const [exitCode, maxRss] = JSON.parse(await new Response(child.stdout).text()) as number[];
  expect(exitCode).toBe(0);
  expect(summaryOf(stderr)).toBe(
    "stdin:1: longer than 528384 bytes\n2 lines\n  1 stored\n  1 bad lines skipped\n",
  );
  expect(maxRss).toBeLessThan(280_000_000);
  expect(await exported("long")).toBe(asLines([event]));
}, 60_000);

test("its end leaves the whole index in its table, whoever wrote before", async () => {
  const events = new EventFactory(4).makeMany(30, { kind: 1 });
  const lines = events.map((event) => `${JSON.stringify(event)}\n`);
  writeFileSync(join(dir, "first.jsonl"), lines.slice(0, 10).join(""));
  writeFileSync(join(dir, "all.jsonl"), lines.join(""));
  const path = join(dir, "moved/nandu.db");
  for (const name of ["first.jsonl", "all.jsonl"]) {
    expect((await run("import", "--data-dir=moved", name)).code).toBe(0);
    using db = new Database(path);
    const [head] = db.query("SELECT seq, merged, merging FROM head").values();
    expect(head).toEqual(Array(3).fill(name === "first.jsonl" ? 10 : 30));
    expect(db.query("SELECT count(*) FROM tail_run").values()).toEqual([[0]]);
    expect(checkIndex(db)).toEqual([]);
  }
  expect(await exported("moved")).toBe(asLines(events));
});

test("nothing at all, from a file and from standard input", async () => {
  writeFileSync(join(dir, "empty.jsonl"), "");
  const file = await run("import", "--data-dir=nothing", "empty.jsonl", "empty.jsonl");
  expect([file.code, summaryOf(file.stderr)]).toEqual([0, "0 lines\n  0 stored\n"]);
  const stdin = await runNandu(["import", "--data-dir=nothing"], { cwd: dir, stdin: "" });
  expect([stdin.code, summaryOf(stdin.stderr)]).toEqual([0, "0 lines\n  0 stored\n"]);
});

test("an input that can't be read ends it with its name; what came before is stored", async () => {
  const event = new EventFactory(3).make({ kind: 1 });
  writeFileSync(join(dir, "good.jsonl"), JSON.stringify(event));
  mkdirSync(join(dir, "folder"));
  const result = await run("import", "--data-dir=unreadable", "good.jsonl", "folder", "good.jsonl");
  expect(result).toEqual({
    code: 1,
    stdout: "",
    stderr: "nandu: can't read folder: EISDIR: illegal operation on a directory, read\n",
  });
  expect(await exported("unreadable")).toBe(asLines([event]));
});
