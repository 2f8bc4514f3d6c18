// What the commands do to events: import, export, scan and delete. The input is what real
// clients have published, where that is there. Beside a relay: cli-beside-relay.test.ts.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { readRealEvents } from "../support/events.ts";
import { summaryOf } from "../support/import-summary.ts";
import { naiveMatches, type RawFilter } from "../support/random-filters.ts";
import { makeTempDir, nanduCommand, removeTempDir, runNandu } from "../support/relay-process.ts";
import { newestFirst, nowSeconds, Topic } from "../support/topic.ts";

const hasReal = readRealEvents().length > 0;
const events = hasReal ? readRealEvents() : makeEvents(500);

let dir: string;
/** The name of a database folder that holds all events; tests only read it. */
const FULL = "full";

beforeAll(async () => {
  dir = makeTempDir();
  writeFileSync(join(dir, "events.jsonl"), asLines(events));
  expect((await run("import", `--data-dir=${FULL}`, "events.jsonl")).code).toBe(0);
});

afterAll(() => {
  removeTempDir(dir);
});

function makeEvents(count: number): NostrEvent[] {
  const topic = new Topic("events for commands");
  return Array.from({ length: count }, () => topic.make());
}

function run(...args: string[]) {
  return runNandu(args, { cwd: dir });
}

/** Imports the text into a database of that name and returns what was reported. */
async function importText(name: string, text: string | Uint8Array, ...flags: string[]) {
  const stdin = new Blob([text as string]);
  return runNandu(["import", `--data-dir=${name}`, ...flags], { cwd: dir, stdin });
}

function asLines(list: readonly unknown[]): string {
  return list.map((one) => `${JSON.stringify(one)}\n`).join("");
}

/** As export prints: oldest first, ties by lowest id. */
function oldestFirst(list: readonly NostrEvent[]): NostrEvent[] {
  return list.toSorted((a, b) => a.created_at - b.created_at || (a.id < b.id ? -1 : 1));
}

describe("import", () => {
  test.skipIf(!hasReal)("stores all 1,092 events of real clients", async () => {
    const result = await importText("real", asLines(events));
    expect([result.code, result.stdout]).toEqual([0, ""]);
    expect(summaryOf(result.stderr)).toBe("1092 lines\n  1092 stored\n");
    expect((await run("scan", "--data-dir=real", "--count", "{}")).stdout).toBe("1092\n");
    const again = await importText("real", asLines(events));
    expect(summaryOf(again.stderr)).toBe(
      "1092 lines\n  0 stored\n  1092 duplicate: already have this event\n",
    );
  });

  const [good, second] = makeEvents(2) as [NostrEvent, NostrEvent];
  const forged = { ...second, sig: "0".repeat(128) };

  test("reports lines that are no events with their numbers, and stores the rest", async () => {
    const long = `"${"x".repeat(2 * 262_144 + 4096)}"`;
    const text = Buffer.concat([
      Buffer.from(`${JSON.stringify(good)}\r\n\n  \nnot JSON\n`),
      Buffer.from([0x22, 0xff, 0x22, 0x0a]),
      Buffer.from(`${long}\n[1]\n{"kind":1}\n`),
      Buffer.from(`\u001b[31m{\n${JSON.stringify(second)}`),
    ]);
    const { code, stdout, stderr } = await importText("bad lines", text);
    expect([code, stdout]).toEqual([0, ""]);
    expect(summaryOf(stderr)).toBe(
      [
        "stdin:4: not JSON: not JSON",
        "stdin:5: not UTF-8",
        "stdin:6: longer than 528384 bytes",
        "stdin:7: invalid: an event must be an object: [1]",
        'stdin:8: invalid: id must be 64 lower-case hex digits: {"kind":1}',
        "stdin:9: not JSON: \\u001b[31m{",
        "8 lines",
        "  2 stored",
        "  6 bad lines skipped",
        "",
      ].join("\n"),
    );
    const { stdout: stored } = await run("export", "--data-dir=bad lines");
    expect(stored).toBe(asLines(oldestFirst([good, second])));
  });

  test("counts what is refused by its reason, and shows each on demand", async () => {
    const topic = new Topic("refused by import");
    const versions = topic.makeAt([2, 1], { kind: 0, author: 1 });
    const deleted = topic.make({ author: 2 });
    const list = [
      good,
      good,
      forged,
      { ...good, id: second.id },
      topic.make({ kind: 20_000 }),
      topic.make({ tags: [["expiration", "1"]] }),
      topic.make({ created_at: nowSeconds() + 10_000 }),
      ...versions,
      topic.make({ kind: 5, author: 2, tags: [["e", deleted.id]] }),
      deleted,
    ];
    const summary = [
      "11 lines",
      "  3 stored",
      "  1 invalid: bad signature",
      "  1 invalid: the id is not the hash of the event",
      "  1 invalid: ephemeral events are not stored",
      "  1 invalid: this event has expired",
      "  1 invalid: created_at is more than 900 seconds in the future",
      "  1 duplicate: already have this event",
      "  1 duplicate: a newer version of this event is stored",
      "  1 blocked: this event was deleted by its author",
      "",
    ].join("\n");
    const plain = await importText("refused", asLines(list));
    expect([plain.code, summaryOf(plain.stderr)]).toEqual([0, summary]);
    const shown = await importText("refused, shown", asLines(list), "--show-rejected");
    expect(summaryOf(shown.stderr)).toBe(
      [
        "stdin:3: invalid: bad signature",
        "stdin:4: invalid: the id is not the hash of the event",
        "stdin:5: invalid: ephemeral events are not stored",
        "stdin:6: invalid: this event has expired",
        "stdin:7: invalid: created_at is more than 900 seconds in the future",
        "stdin:2: duplicate: already have this event",
        "stdin:9: duplicate: a newer version of this event is stored",
        "stdin:11: blocked: this event was deleted by its author",
        summary,
      ].join("\n"),
    );
  });

  test("shows no more than 20 bad lines, unless asked for all", async () => {
    const text = "x\n".repeat(25);
    const lines = Array.from({ length: 25 }, (_, i) => `stdin:${i + 1}: not JSON: x`);
    const summary = ["25 lines", "  0 stored", "  25 bad lines skipped", ""];
    const few = await importText("25 bad lines", text);
    const more = "further bad lines are only counted (--show-rejected shows all)";
    expect(summaryOf(few.stderr)).toBe([...lines.slice(0, 20), more, ...summary].join("\n"));
    const all = await importText("25 bad lines", text, "--show-rejected");
    expect(summaryOf(all.stderr)).toBe([...lines, ...summary].join("\n"));
  });

  test("--no-verify takes ids and signatures as they are", async () => {
    const { code, stderr } = await importText("unverified", asLines([forged]), "--no-verify");
    expect([code, summaryOf(stderr)]).toEqual([0, "1 lines\n  1 stored\n"]);
    expect((await run("export", "--data-dir=unverified")).stdout).toBe(asLines([forged]));
  });

  test("reads several files, and standard input among them", async () => {
    const third = new Topic("third").make();
    writeFileSync(join(dir, "first.jsonl"), asLines([good]));
    writeFileSync(join(dir, "second.jsonl"), `nonsense\n${asLines([second, good])}`);
    const args = ["import", "--data-dir=files", "first.jsonl", "-", "second.jsonl"];
    const { code, stderr } = await runNandu(args, { cwd: dir, stdin: asLines([third]) });
    expect(code).toBe(0);
    expect(summaryOf(stderr)).toBe(
      "second.jsonl:1: not JSON: nonsense\n5 lines\n  3 stored\n  1 bad lines skipped\n" +
        "  1 duplicate: already have this event\n",
    );
  });

  test("of nothing makes an empty database", async () => {
    const { code, stderr } = await importText("nothing", "");
    expect([code, summaryOf(stderr)]).toEqual([0, "0 lines\n  0 stored\n"]);
    expect(await run("export", "--data-dir=nothing")).toEqual({ code: 0, stdout: "", stderr: "" });
  });
});

describe("export", () => {
  test("is in ascending order, and once imported elsewhere exports as the same bytes", async () => {
    const first = await run("export", `--data-dir=${FULL}`);
    expect(first).toEqual({ code: 0, stdout: asLines(oldestFirst(events)), stderr: "" });
    const { stderr } = await importText("second", first.stdout);
    const count = events.length;
    expect(summaryOf(stderr)).toBe(`${count} lines\n  ${count} stored\n`);
    expect(await run("export", "--data-dir=second")).toEqual(first);
  });

  test("--reverse is the same lines, the other way round but for ties", async () => {
    const { stdout } = await run("export", `--data-dir=${FULL}`, "--reverse");
    expect(stdout).toBe(asLines(newestFirst(events)));
  });

  test("ties are by id in both directions, however they were stored", async () => {
    const topic = new Topic("export ties");
    const ties = topic.makeAt(Array.from({ length: 1200 }, (_, i) => 1000 + Math.floor(i / 600)));
    await importText("ties", asLines(ties));
    const forward = await run("export", "--data-dir=ties");
    expect(forward.stdout).toBe(asLines(oldestFirst(ties)));
    const backward = await run("export", "--data-dir=ties", "--reverse");
    expect(backward.stdout).toBe(asLines(newestFirst(ties)));
  });

  const times = oldestFirst(events).map(({ created_at }) => created_at);
  const [a, b] = [times[100], times[300]] as [number, number];
  const rows: [string, string[], (time: number) => boolean][] = [
    ["--since, its second included", [`--since=${a}`], (time) => time >= a],
    ["--until, its second included", ["--until", `${b}`], (time) => time <= b],
    ["both", [`--since=${a}`, `--until=${b}`], (time) => time >= a && time <= b],
    ["one second", [`--since=${a}`, `--until=${a}`], (time) => time === a],
    ["since after until", [`--since=${b}`, `--until=${a}`], () => false],
    ["an age", ["--until=1s"], () => true],
    ["an age that nothing is younger than", ["--since=1s"], () => false],
  ];
  for (const [desc, flags, isWanted] of rows) {
    test(`${desc}, forwards and back`, async () => {
      const wanted = events.filter(({ created_at }) => isWanted(created_at));
      const forward = await run("export", `--data-dir=${FULL}`, ...flags);
      expect(forward).toEqual({ code: 0, stdout: asLines(oldestFirst(wanted)), stderr: "" });
      const backward = await run("export", `--data-dir=${FULL}`, "--reverse", ...flags);
      expect(backward.stdout).toBe(asLines(newestFirst(wanted)));
    });
  }

  test.each(["export", "scan '{}'"])(
    "%s ends quietly when its reader has had enough",
    async (args) => {
      const nandu = nanduCommand()
        .map((word) => `'${word}'`)
        .join(" ");
      // Its own exit code, which a pipe would hide; not every sh has pipefail.
      const script = `{ ${nandu} ${args} --data-dir=${FULL}; echo "exit $?" >&2; } | head -n 1`;
      const child = Bun.spawn(["sh", "-c", script], { cwd: dir, stdout: "pipe", stderr: "pipe" });
      const [stdout, stderr] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      const [first] = args === "export" ? oldestFirst(events) : newestFirst(events);
      expect([stdout, stderr]).toEqual([asLines([first]), "exit 0\n"]);
    },
  );
});

describe("scan", () => {
  const { pubkey } = events[0] as NostrEvent;
  const until = 1_690_000_000;
  const rows: [string, RawFilter[]][] = [
    ["{}", [{}]],
    ["kinds", [{ kinds: [1, 7] }]],
    ["an author until a second", [{ authors: [pubkey], until }]],
    ["two filters", [{ kinds: [7] }, { authors: [pubkey] }]],
    ["nothing", [{ ids: [] }]],
  ];
  test.each(rows)(
    "of %s prints what matches, newest first, or their number",
    async (_, filters) => {
      const isMatch = (event: NostrEvent) => filters.some((one) => naiveMatches(one, event));
      const wanted = newestFirst(events.filter(isMatch));
      const argument = JSON.stringify(filters.length === 1 ? filters[0] : filters);
      const printed = await run("scan", `--data-dir=${FULL}`, argument);
      expect(printed).toEqual({ code: 0, stdout: asLines(wanted), stderr: "" });
      const counted = await run("scan", "--count", `--data-dir=${FULL}`, argument);
      expect(counted).toEqual({ code: 0, stdout: `${wanted.length}\n`, stderr: "" });
    },
  );

  test("has no limit but the filter's own", async () => {
    const argument = JSON.stringify({ kinds: [1], limit: 3 });
    const kind1 = newestFirst(events.filter(({ kind }) => kind === 1));
    const { stdout } = await run("scan", `--data-dir=${FULL}`, argument);
    expect(stdout).toBe(asLines(kind1.slice(0, 3)));
  });
});

describe("delete", () => {
  const topic = new Topic("delete");
  const now = nowSeconds();
  const list = [
    ...topic.makeAt([now - 7 * 86_400, now - 3600], { kind: 1 }),
    ...topic.makeAt([now - 7 * 86_400 - 1, now - 60], { kind: 7 }),
  ];
  const [weekOld, hourOld, oldLike, newLike] = list as [
    NostrEvent,
    NostrEvent,
    NostrEvent,
    NostrEvent,
  ];
  const rows: [string[], NostrEvent[]][] = [
    [
      ["--filter", '{"kinds":[1]}'],
      [weekOld, hourOld],
    ],
    [["--filter", '[{"kinds":[1]},{"kinds":[7]}]'], list],
    [["--filter={}"], list],
    [["--filter", '{"limit":1}'], [newLike]],
    [["--filter", '{"ids":[]}'], []],
    [["--filter", "[]"], []],
    [["--age=6d"], [weekOld, oldLike]],
    [["--age=30m"], [weekOld, hourOld, oldLike]],
    [["--age", "1y"], []],
    [["--age=6d", "--filter", '{"kinds":[7]}'], [oldLike]],
    [["--age=6d", "--filter", `{"since":${now - 60}}`], []],
  ];
  test.each(rows)("%p", async (args, gone) => {
    const name = `delete ${args.join(" ").replaceAll("/", "")}`;
    await importText(name, asLines(list));
    const target = `--data-dir=${name}`;
    expect(await run("delete", target, "--dry-run", ...args)).toEqual({
      code: 0,
      stdout: `would delete ${gone.length} events\n`,
      stderr: "",
    });
    expect((await run("export", target)).stdout).toBe(asLines(oldestFirst(list)));
    expect(await run("delete", target, ...args)).toEqual({
      code: 0,
      stdout: `deleted ${gone.length} events\n`,
      stderr: "",
    });
    const left = list.filter((event) => !gone.includes(event));
    expect((await run("export", target)).stdout).toBe(asLines(oldestFirst(left)));
  });

  test("of more events than fit in one transaction leaves no entry of the index", async () => {
    const many = makeEvents(1200);
    await importText("many", asLines(many));
    const { stdout } = await run("delete", "--data-dir=many", "--filter={}");
    expect(stdout).toBe("deleted 1200 events\n");
    expect((await importText("many", asLines(many))).code).toBe(0);
    const { stdout: exported } = await run("export", "--data-dir=many");
    expect(exported).toBe(asLines(oldestFirst(many)));
  });
});
