// Commands on the database of a relay that runs: its clients see what they do.

import { afterAll, beforeAll, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { RelayProcess, runNandu } from "../support/relay-process.ts";
import { newestFirst, nowSeconds, ok, refused, Topic } from "../support/topic.ts";

const DUPLICATE = "duplicate: already have this event";

let relay: RelayProcess;
let client: Client;

beforeAll(async () => {
  relay = await RelayProcess.start();
  client = await Client.connect(relay.url);
});

afterAll(async () => {
  client.close();
  expect(await relay.stop()).toBe(0);
});

function run(...args: string[]) {
  return runNandu([...args, `--data-dir=${relay.dataDir}`]);
}

async function importEvents(events: readonly NostrEvent[]): Promise<void> {
  const stdin = events.map((event) => `${JSON.stringify(event)}\n`).join("");
  const { code } = await runNandu(["import", `--data-dir=${relay.dataDir}`], { stdin });
  expect(code).toBe(0);
}

/** Publishes until the relay has noticed that another process has removed the event. */
async function publishAgain(event: NostrEvent): Promise<readonly unknown[]> {
  for (;;) {
    const answer = await client.publish(event);
    if (!Bun.deepEquals(answer, ok(event, DUPLICATE))) return answer;
  }
}

test("what is imported comes live, each event once; what was there already does not", async () => {
  const topic = new Topic("imported live");
  const known = topic.makeAt([1, 2, 3]);
  const imported = topic.makeAt(Array.from({ length: 700 }, (_, i) => 1000 + i));
  await client.publishAll(known);
  const watcher = await Client.connect(relay.url);
  watcher.send("REQ", "live", { ...topic.filter, limit: 0 });
  watcher.send("REQ", "twice", { ...topic.filter, limit: 0 }, { kinds: [1], limit: 0 });
  await watcher.find("EOSE", "live");
  await watcher.find("EOSE", "twice");
  await importEvents([...known, ...imported, ...imported.slice(0, 10)]);
  const last = topic.make();
  await client.publish(last);
  for (const id of ["live", "twice"]) {
    await watcher.find("EVENT", id, last);
    const got = watcher.frames.filter(([type, own]) => type === "EVENT" && own === id);
    expect(got).toEqual([...imported, last].map((event) => ["EVENT", id, event]));
  }
  watcher.close();
});

test("events imported and published at the same time are all stored, and live once", async () => {
  const topic = new Topic("import and publish");
  const imported = topic.makeAt(Array.from({ length: 1500 }, (_, i) => 1000 + i));
  const published = topic.makeAt(Array.from({ length: 300 }, (_, i) => 5000 + i));
  const watcher = await Client.connect(relay.url);
  watcher.send("REQ", "live", { ...topic.filter, limit: 0 });
  await watcher.find("EOSE", "live");
  const isImporting = importEvents(imported);
  for (const event of published) expect(await client.publish(event)).toEqual(ok(event));
  await isImporting;
  const all = [...imported, ...published];
  await Promise.all(all.map((event) => watcher.find("EVENT", "live", event)));
  await watcher.settle();
  const got = watcher.frames.filter(([type]) => type === "EVENT").map((frame) => frame[2]);
  expect(newestFirst(got as NostrEvent[])).toEqual(newestFirst(all));
  const { stdout } = await run("scan", "--count", JSON.stringify(topic.filter));
  expect(stdout).toBe("1800\n");
  watcher.close();
}, 20_000);

test("an imported event is a duplicate to its author, and counts as any other", async () => {
  const topic = new Topic("imported, then published");
  const [old, recent] = topic.makeAt([1, 2], { kind: 10_002, author: 3 }) as [
    NostrEvent,
    NostrEvent,
  ];
  await importEvents([recent]);
  expect(await client.publish(recent)).toEqual(ok(recent, DUPLICATE));
  const replaced = "duplicate: a newer version of this event is stored";
  expect(await client.publish(old)).toEqual(refused(old, replaced));
});

test("an event replaced or deleted by an import is no duplicate any more", async () => {
  const topic = new Topic("replaced by import");
  const [old, recent] = topic.makeAt([1, 2], { kind: 10_002, author: 4 }) as [
    NostrEvent,
    NostrEvent,
  ];
  const note = topic.make({ author: 5, created_at: 1 });
  const deletion = topic.make({ kind: 5, author: 5, tags: [["e", note.id]], created_at: 2 });
  expect(await client.publishAll([old, note])).toEqual([ok(old), ok(note)]);
  await importEvents([recent, deletion]);
  expect(await client.query(topic.filter)).toEqual(newestFirst([recent, deletion]));
  const replaced = "duplicate: a newer version of this event is stored";
  expect(await publishAgain(old)).toEqual(refused(old, replaced));
  const blocked = "blocked: this event was deleted by its author";
  expect(await publishAgain(note)).toEqual(refused(note, blocked));
});

test("what is deleted is no longer served, and may be published again and is stored", async () => {
  const topic = new Topic("deleted beside a relay");
  const [gone, kept] = [topic.make(), topic.make({ kind: 7 })];
  await client.publishAll([gone, kept]);
  const filter = JSON.stringify({ ...topic.filter, kinds: [1] });
  expect(await run("delete", "--dry-run", "--filter", filter)).toEqual({
    code: 0,
    stdout: "would delete 1 events\n",
    stderr: "",
  });
  expect(await client.query(topic.filter)).toEqual(newestFirst([gone, kept]));
  expect(await run("delete", "--filter", filter)).toEqual({
    code: 0,
    stdout: "deleted 1 events\n",
    stderr: "",
  });
  expect(await client.query(topic.filter)).toEqual([kept]);
  const watcher = await Client.connect(relay.url);
  watcher.send("REQ", "live", { ...topic.filter, limit: 0 });
  await watcher.find("EOSE", "live");
  expect(await publishAgain(gone)).toEqual(ok(gone));
  expect(await watcher.find("EVENT", "live")).toEqual(["EVENT", "live", gone]);
  expect(await client.query(topic.filter)).toEqual(newestFirst([gone, kept]));
  watcher.close();
});

test("a deletion request that the operator deletes no longer keeps its event out", async () => {
  const topic = new Topic("deleted request");
  const note = topic.make({ author: 6 });
  const request = topic.make({ kind: 5, author: 6, tags: [["e", note.id]] });
  await client.publishAll([note, request]);
  const blocked = "blocked: this event was deleted by its author";
  expect(await client.publish(note)).toEqual(refused(note, blocked));
  await run("delete", "--filter", JSON.stringify({ ids: [request.id] }));
  expect(await client.publish(note)).toEqual(ok(note));
});

test("export, scan and info read what clients publish", async () => {
  const topic = new Topic("read beside a relay");
  const events = topic.makeAt([1, 2, 3].map((age) => nowSeconds() + age));
  await client.publishAll(events);
  const lines = newestFirst(events).map((event) => `${JSON.stringify(event)}\n`);
  const scan = await run("scan", JSON.stringify(topic.filter));
  expect(scan).toEqual({ code: 0, stdout: lines.join(""), stderr: "" });
  const exported = await run("export", "--reverse", `--since=${nowSeconds() - 60}`);
  expect(exported.stdout).toBe(lines.join(""));
  const info = await run("info");
  const all = await run("scan", "--count", "{}");
  expect([info.code, /^events +(\d+)$/m.exec(info.stdout)?.[1]]).toEqual([0, all.stdout.trim()]);
  const rows = info.stdout.trimEnd().split("\n");
  const names = rows.map((row) => row.split(/ {2,}/)[0] as string);
  expect(names.filter((name) => !name.startsWith("kind "))).toEqual(
    "nandu bun signatures sqlite database size search events newest oldest tail log".split(" "),
  );
});
