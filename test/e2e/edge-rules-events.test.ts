// Corners of NIP-01 that relays differ in, over the wire: what becomes of an event. Every test has
// a topic, an author or both of its own, for they share one relay.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { authorKey, type EventOptions } from "../support/events.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { newestFirst, nowSeconds, ok, refused, Topic } from "../support/topic.ts";

const REPLACED = "duplicate: a newer version of this event is stored";

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

/** `count` versions of one replaceable event, of the same second, lowest id first. */
function makeTies(count: number, options: EventOptions): NostrEvent[] {
  const topic = new Topic("ties");
  const make = (_: unknown, i: number) =>
    topic.make({ created_at: 5000, content: `version ${i}`, ...options });
  return Array.from({ length: count }, make).toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

describe("of replaceable events of the same second the lowest id stays", () => {
  const d = ["d", "tie"];
  const kinds = [
    { kind: 0, tags: [] },
    { kind: 3, tags: [] },
    { kind: 10_000, tags: [] },
    { kind: 19_999, tags: [] },
    { kind: 30_000, tags: [d] },
    { kind: 39_999, tags: [d] },
  ];
  for (const options of kinds) {
    test(`kind ${options.kind}, in whatever order they come`, async () => {
      const upwards = makeTies(3, { ...options, author: 2 });
      const downwards = makeTies(3, { ...options, author: 3 });
      const [lowest, ...others] = upwards as [NostrEvent, ...NostrEvent[]];
      expect(await client.publish(lowest)).toEqual(ok(lowest));
      for (const event of others) {
        expect(await client.publish(event)).toEqual(refused(event, REPLACED));
      }
      for (const event of downwards.toReversed()) {
        expect(await client.publish(event)).toEqual(ok(event));
      }
      const authors = [lowest.pubkey, authorKey(3).pubkey];
      const filter = { kinds: [options.kind], authors };
      const left = newestFirst([lowest, downwards[0] as NostrEvent]);
      expect(await client.query(filter)).toEqual(left);
      expect(await client.query({ ids: [...upwards, ...downwards].map(({ id }) => id) })).toEqual(
        left,
      );
    });
  }
});

describe("a kind is an integer from 0 to 65535", () => {
  for (const kind of [0, 44, 999, 40_000, 65_535]) {
    test(`${kind} is one`, async () => {
      const event = new Topic(`kind ${kind}`).make({ kind, author: 5 });
      expect(await client.publish(event)).toEqual(ok(event));
      expect(await client.query({ ids: [event.id], kinds: [kind] })).toEqual([event]);
    });
  }
  for (const kind of [-1, 65_536, 2 ** 53, 1.5, "1", null, [1]]) {
    test(`${JSON.stringify(kind)} is none`, async () => {
      const event = new Topic("no kind").make({ kind: kind as number });
      const reason = "invalid: kind must be an integer from 0 to 65535";
      expect(await client.publish(event)).toEqual(refused(event, reason));
    });
  }
});

test("ephemeral events go to those who listen, and to nobody later", async () => {
  const own = await Client.connect(relay.url);
  const topic = new Topic("ephemeral");
  own.send("REQ", "live", topic.filter);
  await own.find("EOSE", "live");
  for (const kind of [20_000, 29_999]) {
    const event = topic.make({ kind, created_at: nowSeconds() });
    expect(await client.publish(event)).toEqual(ok(event));
    expect(await own.find("EVENT", "live", event)).toEqual(["EVENT", "live", event]);
  }
  expect(await own.request("later", topic.filter)).toEqual([["EOSE", "later", ["finish"]]]);
  expect(await own.count("later", topic.filter)).toEqual(topic.counted("later", []));
  own.close();
});

test("an ephemeral event that several clients pass on is delivered once", async () => {
  const topic = new Topic("ephemeral, twice");
  const [own, other] = [await Client.connect(relay.url), await Client.connect(relay.url)];
  own.send("REQ", "live", topic.filter);
  await own.find("EOSE", "live");
  const [event, last] = [topic.make({ kind: 20_001 }), topic.make({ kind: 20_001 })];
  for (const sender of [client, other, own]) await sender.publish(event);
  await own.publish(last);
  await own.find("EVENT", "live", last);
  expect(own.frames.filter(([type]) => type === "EVENT")).toEqual([
    ["EVENT", "live", event],
    ["EVENT", "live", last],
  ]);
  own.close();
  other.close();
});

describe("an event that has expired when it arrives is refused", () => {
  for (const [desc, value] of [
    ["long ago", () => "1"],
    ["in the year 0", () => "0"],
    ["this second", () => String(nowSeconds())],
  ] as const) {
    for (const kind of [1, 0, 30_000, 20_000]) {
      test(`${desc}, kind ${kind}`, async () => {
        const event = new Topic("expired").make({ kind, tags: [["expiration", value()]] });
        const reason = "invalid: this event has expired";
        expect(await client.publish(event)).toEqual(refused(event, reason));
        expect(await client.query({ ids: [event.id] })).toEqual([]);
      });
    }
  }
  for (const value of ["", "soon", "-1", "1e9", "1700000000.5", "9".repeat(16)]) {
    test(`and so is one whose expiration is ${JSON.stringify(value)}`, async () => {
      const event = new Topic("no expiration").make({ tags: [["expiration", value]] });
      const reason = "invalid: expiration must be a unix timestamp in seconds";
      expect(await client.publish(event)).toEqual(refused(event, reason));
    });
  }
});

test("a duplicate is accepted, whoever sends it, said to be one, and not delivered", async () => {
  const topic = new Topic("duplicate");
  const own = await Client.connect(relay.url);
  own.send("REQ", "live", topic.filter);
  await own.find("EOSE", "live");
  const [event, last] = [topic.make(), topic.make()];
  expect(await own.publish(event)).toEqual(ok(event));
  for (const sender of [own, client]) {
    expect(await sender.publish(event)).toEqual(ok(event, "duplicate: already have this event"));
  }
  await client.publish(last);
  await own.find("EVENT", "live", last);
  expect(own.frames.filter(([type]) => type === "EVENT")).toEqual([
    ["EVENT", "live", event],
    ["EVENT", "live", last],
  ]);
  own.close();
});

test("twins sent in one breath are stored once, and both answered", async () => {
  const own = await Client.connect(relay.url);
  const event = new Topic("twins").make();
  for (let i = 0; i < 5; i++) own.send("EVENT", event);
  const again = ok(event, "duplicate: already have this event");
  // A duplicate may be answered before what it repeats.
  const answers = (await own.take(5)).toSorted((a, b) =>
    a[3] === b[3] ? 0 : a[3] === "" ? -1 : 1,
  );
  expect(answers).toEqual([ok(event), again, again, again, again]);
  expect(await own.count("n", { ids: [event.id] })).toEqual(["COUNT", "n", { count: 1 }]);
  own.close();
});

describe("a REQ with the id of an open subscription", () => {
  test("replaces it: nothing that only the old one matches comes after", async () => {
    const own = await Client.connect(relay.url);
    const [old, recent] = [new Topic("replaced"), new Topic("replacement")];
    const control = { kinds: [1], "#t": [old.tag[1], recent.tag[1]] };
    own.send("REQ", "control", control);
    own.send("REQ", "sub", old.filter);
    await own.find("EOSE", "sub");
    const events: NostrEvent[] = [];
    for (let round = 0; round < 20; round++) {
      const [filter, unwanted] = round % 2 === 0 ? [recent.filter, old] : [old.filter, recent];
      own.send("REQ", "sub", { ...filter, since: 2_000_000_000 + round });
      const event = unwanted.make({ created_at: 1000 + round });
      events.push(event);
      await own.publish(event);
    }
    await own.find("EVENT", "control", events.at(-1));
    await own.settle();
    expect(own.frames.filter((frame) => frame[0] === "EVENT" && frame[1] === "sub")).toEqual([]);
    own.close();
  });

  test("while that one still sends stored events: only the new one's follow", async () => {
    const own = await Client.connect(relay.url);
    const [old, recent] = [new Topic("many"), new Topic("few")];
    await client.publishAll(old.makeAt(Array.from({ length: 300 }, (_, i) => i)));
    const [wanted, older] = recent.makeAt([2, 1]) as [NostrEvent, NostrEvent];
    await client.publishAll([wanted, older]);
    for (let round = 0; round < 20; round++) own.send("REQ", "sub", old.filter);
    own.send("REQ", "sub", { ...recent.filter, limit: 1 });
    await own.find("EOSE", "sub", ["more"]);
    await own.settle();
    const from = own.frames.findIndex((frame) => Bun.deepEquals(frame[2], wanted));
    expect(own.frames.slice(from).filter((frame) => frame[1] === "sub")).toEqual([
      ["EVENT", "sub", wanted],
      ["EOSE", "sub", ["more"]],
    ]);
    own.close();
  });
});

test("CLOSE gets no answer, and what follows the id in it is ignored", async () => {
  const own = await Client.connect(relay.url);
  const topic = new Topic("close");
  for (const id of ["plain", "extra", "control"]) await own.request(id, topic.filter);
  own.send("CLOSE", "plain");
  own.send("CLOSE", "extra", 1, { more: [] }, null);
  own.send("CLOSE", "never opened");
  own.send("CLOSE", "");
  own.send("CLOSE", "x".repeat(1000));
  const event = topic.make();
  await own.publish(event);
  await own.find("EVENT", "control", event);
  expect(own.frames.filter(([type]) => type !== "OK")).toEqual([
    ["EOSE", "plain", ["finish"]],
    ["EOSE", "extra", ["finish"]],
    ["EOSE", "control", ["finish"]],
    ["EVENT", "control", event],
  ]);
  own.close();
});

test("fields that no event has are dropped, and the rest comes in NIP-01's order", async () => {
  const topic = new Topic("unknown fields");
  const own = await Client.connect(relay.url);
  own.send("REQ", "live", topic.filter);
  await own.find("EOSE", "live");
  const event = topic.make();
  const { content, sig, ...others } = event;
  const sent = { sig, relay: "x", content, seen_on: ["wss://a"], constructor: {}, ...others };
  expect(await own.publish(sent)).toEqual(ok(event));
  await own.find("EVENT", "live", event);
  expect(await own.query(topic.filter)).toEqual([event]);
  const fields = ["id", "pubkey", "created_at", "kind", "tags", "content", "sig"];
  for (const frame of own.frames.filter(([type]) => type === "EVENT")) {
    expect(Object.keys(frame[2] as object)).toEqual(fields);
  }
  own.close();
});

test("kind 22242 (NIP-42) is refused as an EVENT: neither broadcast nor stored", async () => {
  const topic = new Topic("auth");
  const own = await Client.connect(relay.url);
  own.send("REQ", "live", { kinds: [22_242] }, topic.filter);
  await own.find("EOSE", "live");
  const tags = [
    ["relay", relay.url],
    ["challenge", "x"],
  ];
  const event = topic.make({ kind: 22_242, tags, created_at: nowSeconds() });
  const reason = "invalid: kind 22242 belongs in an AUTH message";
  expect(await client.publish(event)).toEqual(refused(event, reason));
  const last = topic.make();
  await client.publish(last);
  await own.find("EVENT", "live", last);
  expect(own.frames).toEqual([
    ["EOSE", "live", ["finish"]],
    ["EVENT", "live", last],
  ]);
  expect(await client.query({ ids: [event.id] })).toEqual([]);
  own.close();
});
