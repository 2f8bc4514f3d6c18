// `nandu download` from relays of every kind: few events at once, ties, broken connections, lies.

import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { authorKey, EventFactory } from "../support/events.ts";
import { FakeRelay, type Habits } from "../support/fake-relay.ts";
import { nanduCommand, RelayProcess, runNandu } from "../support/relay-process.ts";
import { TempDir } from "../support/temp-dir.ts";
import { newestFirst, nowSeconds } from "../support/topic.ts";
import { reportOf } from "../support/transfer-output.ts";

const NOW = nowSeconds();

/** One event for each time. */
function notes(...times: readonly number[]): NostrEvent[] {
  const factory = new EventFactory(7);
  return times.map((created_at) => factory.makeDistinct({ kind: 1, tags: [], created_at }));
}

function asLines(events: readonly NostrEvent[]): string {
  return newestFirst(events)
    .map((event) => `${JSON.stringify(event)}\n`)
    .join("");
}

async function download(dir: TempDir, url: string, ...flags: string[]) {
  const { code, stdout, stderr } = await runNandu(
    ["download", `--data-dir=${dir.path}`, ...flags, url],
    { cwd: dir.path },
  );
  expect(stdout).toBe("");
  const { stdout: stored } = await runNandu(["scan", `--data-dir=${dir.path}`, "{}"]);
  return { code, report: reportOf(stderr), stored };
}

async function downloadFrom(events: readonly NostrEvent[], habits: Habits, ...flags: string[]) {
  using relay = new FakeRelay(events, habits);
  using dir = new TempDir();
  const result = await download(dir, relay.url, ...flags);
  const requests = relay.messages.filter(([type]) => type === "REQ").map((one) => one[2]);
  return { ...result, requests, connections: relay.connections };
}

describe("pages", () => {
  const events = notes(10, 20, 20, 20, 30, 40, 50, 50, 60);

  test("all events of a relay that sends five at once, ties across pages, come once", async () => {
    const { code, report, stored, requests } = await downloadFrom(events, { limit: 5 });
    expect([code, report]).toEqual([0, "down: 9 events\n  9 stored\n"]);
    expect(stored).toBe(asLines(events));
    expect(requests).toEqual([
      { limit: 500 },
      { until: 30, limit: 500 },
      { until: 10, limit: 500 },
    ]);
  });

  test("one that says when it has no more is not asked again (NIP-67)", async () => {
    const { code, report, stored, requests } = await downloadFrom(events, {
      limit: 5,
      hasHints: true,
    });
    expect([code, report, stored]).toEqual([0, "down: 9 events\n  9 stored\n", asLines(events)]);
    expect(requests).toEqual([{ limit: 500 }, { until: 30, limit: 500 }]);
  });

  test("a second that has more events than are sent at once is told, and passed", async () => {
    const many = notes(10, 20, 20, 20, 20, 20, 20, 20, 30);
    for (const hasHints of [true, false]) {
      const { code, report, requests } = await downloadFrom(many, { limit: 5, hasHints });
      const problem = "nandu: it may have more events of second 20 than it sends at once";
      expect([code, report]).toEqual([3, `down: 7 events\n  7 stored\n${problem}\n`]);
      expect(requests.slice(0, 4)).toEqual([
        { limit: 500 },
        { until: 20, limit: 500 },
        { until: 20, limit: 500 },
        { since: 20, until: 20, limit: 5000 },
      ]);
    }
  });

  test("limits, times and ranges are kept to", async () => {
    const times = [3600, 1800, 600, 60, 5].map((age) => NOW - age);
    const some = notes(...times);
    const limited = await downloadFrom(some, { limit: 2 }, "--filter", '{"kinds":[1],"limit":3}');
    expect([limited.code, limited.stored]).toEqual([0, asLines(some.slice(2))]);
    const ranged = await downloadFrom(some, { limit: 2 }, "--range", "45m-5m");
    expect([ranged.code, ranged.stored]).toEqual([0, asLines(some.slice(1, 3))]);
    const both = JSON.stringify([{ until: times[0] }, { since: times[4] }, { kinds: [] }]);
    const several = await downloadFrom(some, {}, "--filter", both);
    expect(several.stored).toBe(asLines([some[0] as NostrEvent, some[4] as NostrEvent]));
  });
});

describe("broken connections", () => {
  test("a page that breaks off is asked for again, and no event counts twice", async () => {
    const events = notes(10, 20, 20, 30, 40, 50);
    const result = await downloadFrom(events, { limit: 4, drops: [3, 2] });
    const closed = "nandu: the connection was closed (1006): again\n";
    expect([result.code, result.report, result.stored, result.connections]).toEqual([
      0,
      `${closed}${closed}down: 6 events\n  6 stored\n`,
      asLines(events),
      3,
    ]);
  });

  test("a relay that isn't there, or is none, is one line and exit code 1", async () => {
    using dir = new TempDir();
    using server = Bun.serve({ port: 0, fetch: () => new Response("hello") });
    const url = "ws://127.0.0.1:1";
    const nowhere = await download(dir, url);
    expect([nowhere.code, nowhere.report]).toEqual([
      1,
      `nandu: can't connect to ${url}: WebSocket connection to '${url}/' failed: Failed to connect\n`,
    ]);
    const web = await download(dir, `ws://127.0.0.1:${server.port}`);
    expect(web.code).toBe(1);
    expect(web.report).toStartWith(`nandu: can't connect to ws://127.0.0.1:${server.port}: `);
  });
});

describe("signing in", () => {
  const events = notes(10, 20);

  test("a key file signs in, hex or nsec", async () => {
    using dir = new TempDir();
    const path = join(dir.path, "key");
    writeFileSync(path, Buffer.from(authorKey(1).secret).toString("hex"), { mode: 0o600 });
    using relay = new FakeRelay(events, { needsSignIn: true });
    const { code, report, stored } = await download(dir, relay.url, "--key-file", path);
    expect([code, report, stored]).toEqual([0, "down: 2 events\n  2 stored\n", asLines(events)]);
    const [auth] = relay.messages as [["AUTH", NostrEvent]];
    expect(auth[1]).toMatchObject({
      kind: 22242,
      pubkey: authorKey(1).pubkey,
      tags: [
        ["relay", relay.url],
        ["challenge", "a challenge"],
      ],
    });
  });

  test("without a key, or with one that isn't taken, the relay's reason is told", async () => {
    const without = await downloadFrom(events, { needsSignIn: true });
    const reason = "it refused the request: auth-required: members only (--key-file FILE signs in)";
    expect([without.code, without.report]).toEqual([
      1,
      `down: 0 events\n  0 stored\nnandu: ${reason}\n`,
    ]);
    using dir = new TempDir();
    const path = join(dir.path, "key");
    writeFileSync(path, Buffer.from(authorKey(1).secret).toString("hex"), { mode: 0o600 });
    using relay = new FakeRelay(events, { needsSignIn: true, signInRefusal: "restricted: no" });
    const refused = await download(dir, relay.url, "--key-file", path);
    expect([refused.code, refused.report]).toEqual([
      1,
      "nandu: it refused the sign-in: restricted: no\n",
    ]);
    expect(await download(dir, relay.url, "--key-file", join(dir.path, "none"))).toMatchObject({
      code: 1,
      report: `nandu: the key ${join(dir.path, "none")}: there is no such file\n`,
    });
  });
});

describe("hostile relays", () => {
  const event = notes(10)[0] as NostrEvent;

  test("what is no message, or too long, ends the download", async () => {
    const cases: [string | Uint8Array<ArrayBuffer>, string][] = [
      ["\u0007nonsense", "it sent what is no message: \u{FFFD}nonsense"],
      [new Uint8Array(3), "it sent binary data, which is no message of a relay"],
      [`["NOTICE","${"x".repeat(1 << 20)}"]`, "it sent a message longer than 1048576 characters"],
    ];
    for (const [answerToReq, problem] of cases) {
      const { code, report } = await downloadFrom([event], { answerToReq });
      expect([code, report]).toEqual([1, `down: 0 events\n  0 stored\nnandu: ${problem}\n`]);
    }
  });

  test("events that are forged, not asked for, or no events are refused and counted", async () => {
    const forged = { ...event, sig: "0".repeat(128) };
    const changed = { ...event, id: "f".repeat(64) };
    const other = new EventFactory(8).make({ kind: 7 });
    const extra = [forged, changed, other, { id: 1 }];
    const flags = ["--filter", '{"kinds":[1]}'];
    const { code, report, stored } = await downloadFrom([], { extra }, ...flags);
    const lines = [
      "down: 4 events",
      "  0 stored",
      "  1 invalid: bad signature",
      "  1 invalid: the id is not the hash of the event",
      "  1 invalid: was not asked for",
      "  1 invalid: id must be 64 lower-case hex digits",
    ];
    expect([code, report, stored]).toEqual([0, `${lines.join("\n")}\n`, ""]);
  });

  test("events without an end are an error", async () => {
    const endless = (count: number) => ({ ...event, id: count.toString(16).padStart(64, "0") });
    const { code, report } = await downloadFrom([], { endless });
    expect([code, report]).toEqual([
      3,
      "down: 20000 events\n  0 stored\n  20000 invalid: the id is not the hash of the event\n" +
        "nandu: it sent more than 20000 events at once\n",
    ]);
  });
});

test("what comes meets the rules of this relay, and its subscribers see it live", async () => {
  await using relay = await RelayProcess.start();
  const client = await Client.connect(relay.url);
  const factory = new EventFactory(9);
  const [known, gone] = [factory.makeDistinct({ kind: 1, author: 1 }), notes(10)[0] as NostrEvent];
  const old = factory.make({ kind: 10_002, author: 2, created_at: 10 });
  const recent = factory.make({ kind: 10_002, author: 2, created_at: 20 });
  const deletion = factory.make({ kind: 5, author: 1, tags: [["e", known.id]] });
  const mine = factory.makeDistinct({ kind: 1, author: 3, tags: [["-"]] });
  const good = factory.makeDistinct({ kind: 1, author: 4 });
  const stale = factory.makeDistinct({ kind: 1, tags: [["expiration", "20"]] });
  await client.publishAll([known, deletion, gone, recent]);
  client.send("REQ", "live", { limit: 0 });
  await client.find("EOSE", "live");
  using other = new FakeRelay([known, gone, old, mine, good, stale]);
  const { code, stderr } = await runNandu([
    "download",
    `--data-dir=${relay.dataDir}`,
    `--relay-urls=ws://here.example`,
    other.url,
  ]);
  const report = reportOf(stderr).trimEnd().split("\n");
  expect([code, report.slice(0, 3), report.slice(3).toSorted()]).toEqual([
    0,
    ["down: 6 events", "  1 stored", "  2 here already"],
    [
      "  1 blocked: this event was deleted by its author",
      "  1 invalid: this event has expired",
      "  1 restricted: this event may only be published by its author",
    ],
  ]);
  expect(await client.find("EVENT", "live")).toEqual(["EVENT", "live", good]);
  client.close();
});

test("an interrupt ends the download with what has come, and exit code 3", async () => {
  const events = notes(30, 20, 10);
  using relay = new FakeRelay(events, { limit: 2, waitsBeforeEose: 2 });
  using dir = new TempDir();
  const command = [...nanduCommand(), "download", `--data-dir=${dir.path}`, relay.url];
  const child = Bun.spawn(command, { stdout: "ignore", stderr: "pipe" });
  await relay.isWaiting;
  child.kill("SIGINT");
  const [stderr, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  expect([code, reportOf(stderr)]).toEqual([3, "down: 2 events\n  2 stored\nnandu: interrupted\n"]);
  const { stdout } = await runNandu(["scan", `--data-dir=${dir.path}`, "{}"]);
  expect(stdout).toBe(asLines(events.slice(0, 2)));
});
