// `nandu explain`, whole outputs: on the database of a relay that runs, and on an empty one. Times
// are masked, nothing else.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { Client } from "../support/client.ts";
import { authorKey } from "../support/events.ts";
import { RelayProcess, runNandu } from "../support/relay-process.ts";
import { Topic } from "../support/topic.ts";

const topic = new Topic("explained");
const notes = topic.makeAt([1000, 1001, 1002, 1003], { author: 1 });
const reactions = topic.makeAt([1002, 1003], { author: 2, kind: 7 });

let relay: RelayProcess;

beforeAll(async () => {
  relay = await RelayProcess.start();
  const client = await Client.connect(relay.url);
  await client.publishAll([...notes, ...reactions]);
  client.close();
});

afterAll(async () => {
  expect(await relay.stop()).toBe(0);
});

/** Runs the command; of what it prints, each time is `T`. */
async function explain(...args: string[]): Promise<string> {
  const result = await runNandu(["explain", `--data-dir=${relay.dataDir}`, ...args]);
  expect([result.code, result.stderr]).toEqual([0, ""]);
  return result.stdout.replace(/\d+\.\d\d ms/g, "T");
}

function bytesOf(events: readonly unknown[]): number {
  return events.reduce<number>((sum, event) => sum + Buffer.byteLength(JSON.stringify(event)), 0);
}

function text(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}

test("one filter: what is compared, read, fetched and served", async () => {
  const filter = { "#t": ["explained"], authors: [authorKey(1).pubkey, authorKey(2).pubkey] };
  const json = JSON.stringify({ ...filter, kinds: [7], limit: 5 });
  expect(await explain(json)).toBe(
    text([
      `filter        ${json}`,
      "way           authors × kinds, 2 keys",
      "compared      #t, 1 key: about 6 entries",
      "              authors × kinds, 2 keys: about 2 entries",
      "limit         5 events",
      "index         2 entries in 2 reads, 2 of the tail; 8 counted to compare",
      `fetched       2 events, ${bytesOf(reactions)} bytes: 2 match, 0 don't, 0 expired, 0 hidden`,
      "answer        2 events, finish",
      "live          #t, 1 key, counts for 20",
      "",
      "asked by      nobody in particular",
      "values        4 of 20000 in a REQ",
      "kept open     counts for 20 of 50000 a connection, 2000000 in all",
      "first run     2 events, finish; T, T of CPU",
      "second run    2 events, finish; T, T of CPU",
      "best of more  2 events, finish; T, T of CPU",
    ]),
  );
});

test("several filters, in one argument or more; some that read nothing", async () => {
  const found = notes.slice(0, 2);
  const ids = found.map(({ id }) => id);
  const expected = text([
    `filter 1      {"ids":["${ids[0]}","${ids[1]}"]}`,
    "way           ids, 2 keys, read together",
    "limit         500 events",
    "index         2 entries in 1 read, 2 of the tail",
    `fetched       2 events, ${bytesOf(found)} bytes: 2 match, 0 don't, 0 expired, 0 hidden`,
    "answer        2 events, finish",
    "live          ids, 2 keys, counts for 20",
    "",
    'filter 2      {"kinds":[]}',
    "way           none: it can match nothing",
    "",
    'filter 3      {"limit":0}',
    "way           none: nothing is asked for",
    "limit         0 events",
    "live          all, 1 key, counts for 100",
    "",
    "asked by      nobody in particular",
    "values        2 of 20000 in a REQ",
    "kept open     counts for 120 of 50000 a connection, 2000000 in all",
    "first run     2 events, no hint; T, T of CPU",
    "second run    2 events, no hint; T, T of CPU",
    "best of more  2 events, no hint; T, T of CPU",
  ]);
  expect(await explain(JSON.stringify([{ ids }, { kinds: [] }, { limit: 0 }]))).toBe(expected);
  const apart = [JSON.stringify({ ids }), '{"kinds":[]}', '[{"limit":0}]'];
  expect(await explain(...apart)).toBe(expected);
});

test("many authors: the kinds first, then their own, if that finds too few", async () => {
  const authors = Array.from({ length: 8 }, (_, i) => authorKey(i).pubkey);
  const lines = (await explain(JSON.stringify({ authors, kinds: [1], limit: 2 }))).split("\n");
  const bytes = bytesOf(notes);
  expect(lines.slice(1, 6)).toEqual([
    "way           kinds, 1 key, newest first; not needed: authors × kinds, 8 keys",
    "limit         2 events",
    "index         4 entries in 1 read, 4 of the tail",
    `fetched       4 events, ${bytes} bytes: 4 match, 0 don't, 0 expired, 0 hidden`,
    "answer        2 events, more",
  ]);
});

test("private kinds: by nobody in particular, and by one who has signed in", async () => {
  const live = "live          kinds, 1 key, counts for 100";
  const sums = [
    "values        1 of 20000 in a REQ",
    "kept open     counts for 100 of 50000 a connection, 2000000 in all",
  ];
  const runs = ["first run     ", "second run    ", "best of more  "].map(
    (name) => `${name}0 events, finish; T, T of CPU`,
  );
  expect(await explain('{"kinds":[4]}')).toBe(
    text([
      'filter        {"kinds":[4]}',
      "way           none: all of it is hidden from who asks",
      "limit         500 events",
      live,
      "",
      "asked by      nobody in particular",
      ...sums,
      "refused       auth-required: private events are only for their authors and recipients, " +
        "sign in first",
      ...runs,
    ]),
  );
  const viewers = [authorKey(1).pubkey, authorKey(2).pubkey];
  const flags = viewers.map((pubkey) => `--viewer=${pubkey}`);
  expect(await explain(...flags, '{"kinds":[4]}')).toBe(
    text([
      'filter        {"kinds":[4]}',
      "way           viewer, 4 keys",
      "limit         500 events",
      "index         0 entries in 4 reads, 0 of the tail",
      "fetched       0 events, 0 bytes: 0 match, 0 don't, 0 expired, 0 hidden",
      "answer        0 events, finish",
      live,
      "",
      `asked by      ${viewers.join(" ")}`,
      ...sums,
      ...runs,
    ]),
  );
});

test("as JSON, with the relay's own limits and what it would refuse", async () => {
  const flags = ["--relay-limit-default=2", "--relay-filter-values-max=0", "--json"];
  const refused = await runNandu(["explain", ...flags, "{}"]);
  expect(refused).toEqual({
    code: 2,
    stdout: "",
    stderr: "nandu: --relay-filter-values-max: 0 is less than 1\n",
  });
  flags[1] = "--relay-filter-values-max=1";
  const printed = await explain(...flags, '{"kinds":[1,7]}', '{"kinds":[]}');
  const { runs, ...rest } = JSON.parse(printed) as { runs: Record<string, unknown>[] };
  const read = [...notes, ...reactions].length;
  expect(rest as unknown).toEqual({
    filters: [
      {
        filter: { kinds: [1, 7] },
        limit: 2,
        is_hidden: false,
        way: { name: "kinds", keys: 2 },
        fallback: null,
        fallback_taken: false,
        compared: [],
        index: { entries: read, tail_entries: read, reads: 2, spans_cut: 0, entries_counted: 0 },
        fetched: {
          events: read,
          bytes: bytesOf([...notes, ...reactions]),
          matched: read,
          removed: 0,
          expired: 0,
          hidden: 0,
          unmatched: 0,
        },
        answer: { events: 2, hint: "more" },
        live: { name: "kinds", keys: 2, cost: 100 },
      },
      { filter: { kinds: [] }, way: null },
    ],
    query: {
      viewer: [],
      values: 2,
      values_max: 1,
      cost: 100,
      connection_cost_max: 50_000,
      total_cost_max: 2_000_000,
      refusal: "invalid: more than 1 values in the filters",
    },
  });
  expect(runs.map(({ name, events, hint }) => [name, events, hint])).toEqual(
    ["first run", "second run", "best of more"].map((name) => [name, 2, "more"]),
  );
  for (const { wall_ms, cpu_ms } of runs) {
    expect([typeof wall_ms, typeof cpu_ms]).toEqual(["number", "number"]);
  }
});

test("a hostile filter does nothing to the terminal, and a long one is cut", async () => {
  const hostile = { "#t": ["\u001b[31m\u009b2J\n", "x".repeat(1000)] };
  const [first = ""] = (await explain(JSON.stringify(hostile))).split("\n");
  const start = '{"#t":["\\u001b[31m\\u009b2J\\n","';
  expect(first).toBe(`filter        ${start}${"x".repeat(200 - start.length + "u009b".length)}…`);
});
