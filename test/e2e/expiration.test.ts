// NIP-40 over the wire and on disk. Here waiting is the point: the clock is what events expire by.
// What holds while expired events are still on disk is in edge-faults.test.ts.

import { afterAll, beforeAll, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { RelayProcess, runNandu } from "../support/relay-process.ts";
import { newestFirst, nowSeconds, ok, refused, Topic } from "../support/topic.ts";

const EXPIRED = "invalid: this event has expired";

let relay: RelayProcess;
let client: Client;

beforeAll(async () => {
  relay = await RelayProcess.start({ flags: ["--store-expire-interval-s=1"] });
  client = await Client.connect(relay.url);
});

afterAll(async () => {
  client.close();
  expect(await relay.stop()).toBe(0);
});

async function waitUntil(seconds: number): Promise<void> {
  await Bun.sleep(Math.max(0, seconds * 1000 - Date.now()));
}

function expiringAt(topic: Topic, seconds: number, kind = 1): NostrEvent {
  return topic.make({ kind, tags: [["expiration", String(seconds)]] });
}

/** Events on disk, expired ones included. */
async function countOnDisk(): Promise<number> {
  const { stdout } = await runNandu(["info", `--data-dir=${relay.dataDir}`]);
  return Number(/^events +(\d+)$/m.exec(stdout)?.[1]);
}

test("an event is served until its second has come, and then leaves the disk", async () => {
  const topic = new Topic("expiration");
  const at = nowSeconds() + 2;
  const kinds = [1, 0, 30_023];
  const passing = kinds.map((kind) => expiringAt(topic, at, kind));
  const lasting = [topic.make({ author: 30 }), expiringAt(topic, at + 3600)];
  const all = [...passing, ...lasting];
  const early = await Client.connect(relay.url);
  early.send("REQ", "s", topic.filter);
  await early.find("EOSE", "s");
  expect(await client.publishAll(all)).toEqual(all.map((event) => ok(event)));
  expect(await client.query(topic.filter)).toEqual(newestFirst(all));
  expect(await client.count("n", topic.filter)).toEqual(topic.counted("n", all));
  for (const event of all) {
    expect(await early.find("EVENT", "s", event)).toEqual(["EVENT", "s", event]);
  }
  early.close();

  await waitUntil(at);
  expect(await client.query(topic.filter)).toEqual(newestFirst(lasting));
  expect(await client.query({ ids: passing.map(({ id }) => id) })).toEqual([]);
  expect(await client.count("n", topic.filter)).toEqual(topic.counted("n", lasting));
  const filter = JSON.stringify(topic.filter);
  for (const event of passing) {
    expect(await client.publish(event)).toEqual(refused(event, EXPIRED));
  }
  const scan = await runNandu(["scan", "--count", `--data-dir=${relay.dataDir}`, filter]);
  expect(scan).toEqual({ code: 0, stdout: "2\n", stderr: "" });
  while ((await countOnDisk()) > 2);
  expect(await countOnDisk()).toBe(2);
  expect(await client.query(topic.filter)).toEqual(newestFirst(lasting));
}, 15_000);

test("an ephemeral event with an expiration to come is delivered like any other", async () => {
  const topic = new Topic("ephemeral with expiration");
  const live = await Client.connect(relay.url);
  live.send("REQ", "s", topic.filter);
  await live.find("EOSE", "s");
  const event = expiringAt(topic, nowSeconds() + 3600, 20_001);
  expect(await client.publish(event)).toEqual(ok(event));
  expect(await live.find("EVENT", "s")).toEqual(["EVENT", "s", event]);
  live.close();
});

test("the first expiration tag counts", async () => {
  const topic = new Topic("two expirations");
  const later = String(nowSeconds() + 3600);
  const tags = [
    ["expiration", later],
    ["expiration", "1"],
  ];
  const [good, bad] = [topic.make({ tags }), topic.make({ tags: tags.toReversed() })];
  expect(await client.publish(good)).toEqual(ok(good));
  expect(await client.publish(bad)).toEqual(refused(bad, EXPIRED));
  expect(await client.query(topic.filter)).toEqual([good]);
});
