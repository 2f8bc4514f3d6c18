// `nandu download` and `nandu upload` as commands: what they store, say and exit with. How relays
// are paged, and what hostile ones do, is in test/mesh.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { existsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { databasePath } from "../../src/store/schema.ts";
import { Client } from "../support/client.ts";
import { authorKey, EventFactory } from "../support/events.ts";
import { FakeRelay } from "../support/fake-relay.ts";
import { runTransfer, storeAll, storedIn } from "../support/relay-commands.ts";
import { nanduCommand, RelayProcess, runNandu } from "../support/relay-process.ts";
import { RunningCommand } from "../support/running-command.ts";
import { Screen } from "../support/screen.ts";
import { TempDir } from "../support/temp-dir.ts";
import { newestFirst, nowSeconds } from "../support/topic.ts";
import { reportOf } from "../support/transfer-output.ts";

const factory = new EventFactory(7);
let relay: RelayProcess;

beforeAll(async () => {
  relay = await RelayProcess.start();
});

afterAll(async () => {
  await relay.stop();
});

/** One event for each time. */
function notes(...times: readonly number[]): NostrEvent[] {
  return times.map((created_at) => factory.makeDistinct({ kind: 1, tags: [], created_at }));
}

describe("download", () => {
  test("prints all that is one of the events asked for, and stores nothing", async () => {
    using dir = new TempDir();
    const events = notes(10, 20, 20, 30);
    const forged = { ...(notes(40)[0] as NostrEvent), sig: "0".repeat(128) };
    using other = new FakeRelay([...events, forged], { limit: 3, extra: notes(50) });
    const args = ["download", "--filter", '{"until":45}', `--data-dir=${dir.path}`, other.url];
    const { code, stdout, stderr } = await runNandu(args);
    const printed = stdout.trimEnd().split("\n");
    expect(printed.map((line) => JSON.parse(line))).toEqual(newestFirst(events));
    expect(code).toBe(0);
    expect(reportOf(stderr)).toContain("\n  4 printed\n");
    expect(existsSync(databasePath(dir.path))).toBe(false);
  });

  test("of a message longer than any event may be ends it", async () => {
    const content = "x".repeat(1 << 20);
    using other = new FakeRelay([factory.makeDistinct({ kind: 1, tags: [], content })]);
    const { code, stdout, stderr } = await runNandu(["download", other.url]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("nandu: it sent a message longer than 1048576 characters\n");
    const flags = ["--events-bytes-max=1000000"];
    expect((await runNandu(["download", ...flags, other.url])).code).toBe(0);
  });

  test("ends when nobody reads what it prints", async () => {
    using other = new FakeRelay(notes(...Array.from({ length: 2000 }, (_, i) => i + 1)));
    const command = [...nanduCommand(), "download", other.url].join(" ");
    const child = Bun.spawn(["bash", "-c", `set -o pipefail; ${command} | head -n 1`], {
      cwd: tmpdir(),
      stdout: "pipe",
      stderr: "ignore",
    });
    const stdout = await new Response(child.stdout).text();
    expect([await child.exited, stdout.split("\n").length]).toEqual([0, 2]);
  });

  test("stores all of a relay that sends five at once, over connections that break", async () => {
    using dir = new TempDir();
    const events = notes(10, 20, 20, 20, 30, 40, 50, 50, 60);
    using other = new FakeRelay(events, { limit: 5, drops: [3] });
    expect(await runTransfer(dir.path, "download", "--store", other.url)).toEqual({
      code: 0,
      stdout: "",
      report: "nandu: the connection was closed (1006): again\ndown: 9 events\n  9 stored\n",
    });
    expect(storedIn(dir.path)).toEqual(newestFirst(events));
  });

  test("keeps to filters and ranges; what may be missing is told by exit code 3", async () => {
    using dir = new TempDir();
    const [old, early, late] = [3600, 1800, 60].map((age) => nowSeconds() - age) as [
      number,
      number,
      number,
    ];
    const events = notes(old, early, early, early, late);
    using other = new FakeRelay(events, { limit: 2, hasHints: true });
    const filter = '[{"kinds":[1]},{"kinds":[]}]';
    const flags = ["--filter", filter, "--range", "45m-5m"];
    expect(await runTransfer(dir.path, "download", "--store", ...flags, other.url)).toEqual({
      code: 3,
      stdout: "",
      report:
        "down: 2 events\n  2 stored\n" +
        `nandu: it may have more events of second ${early} than it sends at once\n`,
    });
    const bounds = other.messages.map(([, , asked]) => asked as { since: number; until: number });
    expect(bounds[0]?.until).toBeGreaterThan(late - 300);
    expect(bounds[0]?.since).toBeGreaterThan(old);
  });

  test("signs in with a key file; without one, the relay's words and exit code 1", async () => {
    using dir = new TempDir();
    const path = join(dir.path, "key");
    writeFileSync(path, Buffer.from(authorKey(1).secret).toString("hex"), { mode: 0o600 });
    using other = new FakeRelay(notes(10), { needsSignIn: true });
    const without = await runTransfer(dir.path, "download", "--store", other.url);
    expect(without).toMatchObject({
      code: 1,
      report:
        "down: 0 events\n  0 stored\nnandu: it refused the request: " +
        "auth-required: members only (--key-file FILE signs in)\n",
    });
    const signedIn = await runTransfer(
      dir.path,
      "download",
      "--store",
      "--key-file",
      path,
      other.url,
    );
    expect(signedIn).toMatchObject({ code: 0, report: "down: 1 events\n  1 stored\n" });
  });

  test("checks all that comes as a client's EVENT, and its own subscribers see it", async () => {
    const client = await Client.connect(relay.url);
    const known = notes(10)[0] as NostrEvent;
    const gone = factory.makeDistinct({ kind: 1, author: 1 });
    const old = factory.make({ kind: 10_002, author: 2, created_at: 10 });
    const recent = factory.make({ kind: 10_002, author: 2, created_at: 20 });
    const deletion = factory.make({ kind: 5, author: 1, tags: [["e", gone.id]] });
    const mine = factory.makeDistinct({ kind: 1, author: 3, tags: [["-"]] });
    const good = factory.makeDistinct({ kind: 1, author: 4 });
    const stale = factory.makeDistinct({ kind: 1, tags: [["expiration", "20"]] });
    const forged = { ...factory.makeDistinct({ kind: 1 }), sig: "0".repeat(128) };
    const fleeting = factory.makeDistinct({ kind: 20_001 });
    await client.publishAll([gone, deletion, known, recent]);
    client.send("REQ", "live", { limit: 0 });
    await client.find("EOSE", "live");
    const extra = [forged, { id: 1 }];
    using other = new FakeRelay([gone, known, old, mine, good, stale, fleeting], { extra });
    const { code, report } = await runTransfer(relay.dataDir, "download", "--store", other.url);
    expect([code, report.trimEnd().split("\n")]).toEqual([
      0,
      [
        "down: 9 events",
        "  1 stored",
        "  2 here already",
        "  1 blocked: this event was deleted by its author",
        "  1 invalid: bad signature",
        "  1 invalid: ephemeral events are not stored",
        "  1 invalid: id must be 64 lower-case hex digits",
        "  1 invalid: this event has expired",
        "  1 restricted: this event may only be published by its author",
      ],
    ]);
    expect(await client.find("EVENT", "live")).toEqual(["EVENT", "live", good]);
    client.close();
  });

  test("heeds members and groups as this relay does", async () => {
    using dir = new TempDir();
    const event = factory.makeDistinct({ kind: 1, author: 5, tags: [["h", "nowhere"]] });
    const foreign = factory.makeDistinct({ kind: 1, author: 6 });
    using other = new FakeRelay([event, foreign]);
    const admin = `--admin-pubkeys=${event.pubkey}`;
    const flags = ["--access-write=members", admin, "--groups-enabled=true"];
    expect(await runTransfer(dir.path, "download", "--store", ...flags, other.url)).toEqual({
      code: 0,
      stdout: "",
      report:
        "down: 2 events\n  0 stored\n  1 invalid: this relay has no such group\n" +
        "  1 restricted: only members of this relay may write\n",
    });
  });

  test("that is interrupted keeps what has come, and exits with 3", async () => {
    using dir = new TempDir();
    const events = notes(30, 20, 10);
    using other = new FakeRelay(events, { limit: 2, hangsAt: 2 });
    await using command = new RunningCommand(
      "download",
      "--store",
      `--data-dir=${dir.path}`,
      other.url,
    );
    await other.isWaiting;
    const { code, stderr } = await command.end();
    const report = "down: 2 events\n  2 stored\nnandu: interrupted\n";
    expect([code, reportOf(stderr)]).toEqual([3, report]);
    expect(storedIn(dir.path)).toEqual(events.slice(0, 2));
  });

  test("that the database fails keeps what has come, tells it, and exits with 3", async () => {
    using dir = new TempDir();
    storeAll(dir.path, notes(1));
    const db = new Database(databasePath(dir.path));
    db.run(`CREATE TRIGGER full BEFORE INSERT ON event WHEN (SELECT count(*) FROM event) > 2
      BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`);
    db.close();
    const events = notes(50, 40, 30, 20, 10);
    using other = new FakeRelay(events);
    expect(
      await runTransfer(dir.path, "download", "--store", "--store-batch-events-max=2", other.url),
    ).toMatchObject({
      code: 3,
      report: "down: 4 events\n  2 stored\nnandu: database or disk is full\n",
    });
    expect(storedIn(dir.path).slice(0, 2)).toEqual(events.slice(0, 2));
  });

  test("shows its progress in a terminal's last line; signals end it, however many", async () => {
    using dir = new TempDir();
    using other = new FakeRelay(notes(30, 20, 10), { limit: 2, hangsAt: 2 });
    const screen = new Screen();
    const command = [...nanduCommand(), "download", "--store", `--data-dir=${dir.path}`, other.url];
    const child = Bun.spawn(command, { terminal: screen.options });
    await screen.has("\r\u{1B}[Kdown 2, ");
    child.kill("SIGINT");
    child.kill("SIGINT");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(3);
    await screen.has("\u{1B}[Kdown: 2 events in ");
    await screen.has("nandu: interrupted");
  });

  test("that is interrupted before anything came exits with 3, too", async () => {
    using dir = new TempDir();
    using other = new FakeRelay([], { hangsAt: 1 });
    await using command = new RunningCommand(
      "download",
      "--store",
      `--data-dir=${dir.path}`,
      other.url,
    );
    await other.isWaiting;
    const { code, stderr } = await command.end("SIGTERM");
    const report = "down: 0 events\n  0 stored\nnandu: interrupted\n";
    expect([code, reportOf(stderr)]).toEqual([3, report]);
  });

  test("from nowhere is one line and exit code 1; usage is 2", async () => {
    using dir = new TempDir();
    const nowhere = await runTransfer(dir.path, "download", "--store", "ws://127.0.0.1:1");
    expect([nowhere.code, nowhere.report.split("\n").length]).toEqual([1, 2]);
    expect(nowhere.report).toStartWith("nandu: can't connect to ws://127.0.0.1:1: ");
    const bad = await runTransfer(dir.path, "download", "--range", "1x-", "http://relay.example");
    expect([bad.code, bad.report]).toEqual([
      2,
      "nandu: http://relay.example is no address of a relay, such as wss://relay.example " +
        "(nandu help download)\n",
    ]);
  });
});

describe("upload", () => {
  test("publishes the events that come on standard input, and no others", async () => {
    using dir = new TempDir();
    const [stored, ...events] = notes(10, 20, 30, 40) as [NostrEvent, NostrEvent];
    storeAll(dir.path, [stored]);
    using target = new FakeRelay([], { dropsUp: [1] });
    const lines = events.map((event) => JSON.stringify(event));
    const stdin = `${lines[0]}\n\n{"id":1}\n${lines[1]}\nno event\nno event\n${lines[2]}`;
    const args = ["upload", "--pipeline", "1", `--data-dir=${dir.path}`, target.url];
    const { code, stdout, stderr } = await runNandu(args, { stdin });
    expect([code, stdout, reportOf(stderr)]).toEqual([
      3,
      "",
      "nandu: the connection was closed (1006): again\n" +
        "up: 3 events\n  2 taken\n  1 there already\n" +
        "nandu: lines not sent: 1 invalid: id must be 64 lower-case hex digits\n" +
        "nandu: lines not sent: 2 invalid: a line is no JSON\n",
    ]);
    expect(newestFirst(target.events)).toEqual(newestFirst(events));
  });

  test("asks for input where that is a terminal", async () => {
    const screen = new Screen();
    const child = Bun.spawn([...nanduCommand(), "upload", "ws://127.0.0.1:1"], {
      terminal: screen.options,
    });
    await screen.has("nandu: events come on standard input; --filter '{}' sends all stored here");
    expect(await child.exited).toBe(2);
  });

  test("sends each event as it comes, and ends by a signal while none does", async () => {
    using target = new FakeRelay([]);
    const command = [...nanduCommand(), "upload", target.url];
    const child = Bun.spawn(command, { cwd: tmpdir(), stdin: "pipe", stderr: "pipe" });
    for (const event of notes(10, 20)) {
      child.stdin.write(`${JSON.stringify(event)}\n`);
      await child.stdin.flush();
      await target.has(event);
    }
    child.kill("SIGINT");
    const stderr = await new Response(child.stderr).text();
    expect(reportOf(stderr)).toMatch(/^up: [12] events\n  [12] taken\nnandu: interrupted\n$/);
    expect(await child.exited).toBe(3);
  });

  test("publishes what a filter matches; refusals are told by exit code 3", async () => {
    using dir = new TempDir();
    const [bad, known, ...good] = notes(10, 20, 30, 40, 50) as [NostrEvent, NostrEvent];
    const mine = factory.makeDistinct({ kind: 1, tags: [["-"]] });
    const other = factory.makeDistinct({ kind: 7 });
    storeAll(dir.path, [bad, known, ...good, mine, other]);
    using target = new FakeRelay([known], {
      refuses: ({ id }) => (id === bad.id ? "blocked: not here" : null),
      dropsUp: [2],
    });
    const flags = ["--filter", '{"kinds":[1]}', "--pipeline", "1"];
    expect(await runTransfer(dir.path, "upload", ...flags, target.url)).toEqual({
      code: 3,
      stdout: "",
      report:
        "nandu: the connection was closed (1006): again\n" +
        "up: 5 events\n  2 taken\n  2 there already\n  1 blocked: not here\n" +
        "  1 protected, not sent\n",
    });
    expect(newestFirst(target.events)).toEqual(newestFirst([known, ...good]));
  });

  test("with a relay that has other words for each refusal, keeps a few of them", async () => {
    using dir = new TempDir();
    const events = notes(...Array.from({ length: 60 }, (_, i) => i + 1));
    storeAll(dir.path, events);
    using target = new FakeRelay([], { refuses: ({ id }) => `blocked: ${id}` });
    const { code, report } = await runTransfer(dir.path, "upload", "--filter", "{}", target.url);
    const lines = report.trimEnd().split("\n");
    expect([code, lines.length]).toEqual([3, 53]);
    expect(lines.slice(0, 3)).toEqual(["up: 60 events", "  0 taken", "  10 for other reasons"]);
  });

  test("to nandu, which has it all from then on", async () => {
    using dir = new TempDir();
    const events = notes(100, 200, 300);
    storeAll(dir.path, events);
    const { code, report } = await runTransfer(dir.path, "upload", "--filter", "{}", relay.url);
    expect([code, report]).toEqual([0, "up: 3 events\n  3 taken\n"]);
    const again = await runTransfer(dir.path, "upload", "--filter", "{}", relay.url);
    expect([again.code, again.report]).toEqual([0, "up: 3 events\n  0 taken\n  3 there already\n"]);
  });
});
