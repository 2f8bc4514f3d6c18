// `nandu sync` with nandu itself, and with a relay that can't. What else relays do, and broken
// connections, is in test/mesh.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { encodeKey } from "../../src/protocol/nip19.ts";
import { Client } from "../support/client.ts";
import { authorKey } from "../support/events.ts";
import { FakeRelay } from "../support/fake-relay.ts";
import { runTransfer, storeAll, storedIn } from "../support/relay-commands.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { TempDir } from "../support/temp-dir.ts";
import { newestFirst, Topic } from "../support/topic.ts";

let relay: RelayProcess;
let client: Client;

beforeAll(async () => {
  relay = await RelayProcess.start();
  client = await Client.connect(relay.url);
});

afterAll(async () => {
  client.close();
  await relay.stop();
});

function make(topic: Topic, count: number, start: number): NostrEvent[] {
  return topic.makeAt(Array.from({ length: count }, (_, i) => start + i));
}

function idLines(word: string, events: readonly NostrEvent[]): string[] {
  return events.map(({ id }) => `${word},${id}`).toSorted();
}

function sync(dir: TempDir, topic: Topic, ...flags: string[]) {
  const filter = JSON.stringify(topic.filter);
  return runTransfer(dir.path, "sync", "--filter", filter, ...flags, relay.url);
}

test("both come to have the same, and nothing else is transferred", async () => {
  using dir = new TempDir();
  const topic = new Topic("both ways");
  const shared = make(topic, 500, 1000);
  const [here, there] = [make(topic, 130, 1100), make(topic, 120, 1300)];
  storeAll(relay.dataDir, [...shared, ...there]);
  storeAll(dir.path, [...shared, ...here]);
  expect(await sync(dir, topic, "--frame-size-limit=4096")).toEqual({
    code: 0,
    stdout: "",
    report:
      "630 events here, 130 only here, 120 only there\n" +
      "down: 120 events\n  120 stored\nup: 130 events\n  130 taken\n",
  });
  const all = newestFirst([...shared, ...here, ...there]);
  expect(storedIn(dir.path)).toEqual(all);
  expect(storedIn(relay.dataDir)).toEqual(all);
  expect(await sync(dir, topic)).toEqual({
    code: 0,
    stdout: "",
    report:
      "750 events here, 0 only here, 0 only there\n" +
      "down: 0 events\n  0 stored\nup: 0 events\n  0 taken\n",
  });
});

test("one way, or only a comparison that prints what is missing", async () => {
  using dir = new TempDir();
  const topic = new Topic("one way");
  const [here, there] = [make(topic, 3, 10), make(topic, 4, 20)];
  storeAll(dir.path, here);
  await client.publishAll(there);
  const found = "3 events here, 3 only here, 4 only there\n";
  const none = await sync(dir, topic, "--print-missing", "--frame-size-limit=0", "--timeout=0");
  expect([none.code, none.report, none.stdout.trimEnd().split("\n").toSorted()]).toEqual([
    0,
    found,
    [...idLines("have", here), ...idLines("need", there)],
  ]);
  const down = await sync(dir, topic, "--dir=down");
  expect([down.code, down.report]).toEqual([0, `${found}down: 4 events\n  4 stored\n`]);
  expect(storedIn(dir.path)).toEqual(newestFirst([...here, ...there]));
  expect(await client.query(topic.filter)).toEqual(newestFirst(there));
  const up = await sync(dir, topic, "--dir=up");
  const upReport = "7 events here, 3 only here, 0 only there\nup: 3 events\n  3 taken\n";
  expect([up.code, up.report]).toEqual([0, upReport]);
  expect(await client.query(topic.filter)).toEqual(newestFirst([...here, ...there]));
});

test("what one side doesn't want stays away, and is told", async () => {
  using dir = new TempDir();
  const topic = new Topic("unwanted");
  const note = topic.make({ author: 1 });
  const deletion = topic.make({ kind: 5, author: 1, tags: [["e", note.id]] });
  const mine = topic.make({ author: 2, tags: [["-"]] });
  await client.publish(note);
  storeAll(dir.path, [deletion, mine]);
  const found = "2 events here, 2 only here, 1 only there\n";
  const down = await sync(dir, topic, "--dir=down");
  expect([down.code, down.report]).toEqual([
    0,
    `${found}down: 1 events\n  0 stored\n  1 blocked: this event was deleted by its author\n`,
  ]);
  const up = await sync(dir, topic, "--dir=up");
  expect([up.code, up.report]).toEqual([
    0,
    `${found}up: 1 events\n  1 taken\n  1 protected, not sent\n`,
  ]);
  expect(await client.query(topic.filter)).toEqual([deletion]);
});

test("a relay for members wants a sign-in, which a key file does", async () => {
  using dir = new TempDir();
  const key = authorKey(1);
  const flags = ["--access-read=members", "--access-write=members"];
  await using members = await RelayProcess.start({
    flags: [...flags, `--admin-pubkeys=${key.pubkey}`],
  });
  const topic = new Topic("members");
  const [here, there] = [topic.make({ author: 1 }), topic.make({ author: 1 })];
  storeAll(dir.path, [here]);
  storeAll(members.dataDir, [there]);
  const path = join(dir.path, "me.key");
  writeFileSync(path, encodeKey("nsec", Buffer.from(key.secret).toString("hex")), { mode: 0o600 });
  const signedIn = await runTransfer(dir.path, "sync", "--key-file", path, members.url);
  expect(signedIn).toEqual({
    code: 0,
    stdout: "",
    report:
      "1 events here, 1 only here, 1 only there\n" +
      "down: 1 events\n  1 stored\nup: 1 events\n  1 taken\n",
  });
  expect(storedIn(members.dataDir)).toEqual(newestFirst([here, there]));
  const without = await runTransfer(dir.path, "sync", "--dir=none", members.url);
  const reason = "auth-required: only members of this relay may read (--key-file FILE signs in)";
  expect([without.code, without.report]).toEqual([1, `nandu: it refused the sync: ${reason}\n`]);
});

test("beside a relay that runs, whose subscribers see what comes", async () => {
  const topic = new Topic("live");
  const there = make(topic, 2, 10);
  using other = new FakeRelay(there, { answerToOther: () => ["NOTICE", "unknown cmd"] });
  client.send("REQ", "live", { ...topic.filter, limit: 0 });
  await client.find("EOSE", "live");
  const here = topic.make();
  await client.publish(here);
  const filter = JSON.stringify(topic.filter);
  const result = await runTransfer(relay.dataDir, "sync", "--filter", filter, other.url);
  expect(result).toEqual({
    code: 0,
    stdout: "",
    report:
      "nandu: it has no negentropy (NIP-77): unknown cmd\n" +
      "down: 2 events\n  2 stored\nup: 3 events\n  1 taken\n  2 there already\n",
  });
  const live = await client.takeOf("live", 3);
  expect(newestFirst(live.map((frame) => frame[2] as NostrEvent))).toEqual(
    newestFirst([here, ...there]),
  );
  expect(newestFirst(other.events)).toEqual(newestFirst([here, ...there]));
});

test("what can't be meant is a usage error; without a database nothing goes anywhere", async () => {
  using dir = new TempDir();
  const rows: [code: number, args: string[], report: string][] = [
    [
      2,
      ["--print-missing", "--dir=up"],
      "--print-missing only compares: it goes with --dir none, or without --dir (nandu help sync)",
    ],
    [2, ["--timeout=25h"], "--timeout: it must be a day at most (nandu help sync)"],
    [1, ["--dir=up"], `there is no database ${join(dir.path, "nandu.db")}`],
    [1, ["--dir=none"], `there is no database ${join(dir.path, "nandu.db")}`],
  ];
  for (const [code, args, report] of rows) {
    const result = await runTransfer(dir.path, "sync", ...args, relay.url);
    expect(result).toEqual({ code, stdout: "", report: `nandu: ${report}\n` });
  }
  const stream = await runTransfer(dir.path, "stream", "--dir=up", relay.url);
  expect([stream.code, stream.report]).toEqual([1, `nandu: ${rows[2]?.[2]}\n`]);
  expect(readdirSync(dir.path)).toEqual([]);
});

test("without negentropy a comparison alone can't be had", async () => {
  using dir = new TempDir();
  storeAll(dir.path, []);
  using other = new FakeRelay([], { answerToOther: () => ["NOTICE", "bad message"] });
  expect(await runTransfer(dir.path, "sync", "--dir=none", "--print-missing", other.url)).toEqual({
    code: 1,
    stdout: "",
    report:
      "nandu: it has no negentropy (NIP-77): bad message\n" +
      "nandu: without that, what is missing can't be told\n",
  });
});
