// Faults that relays in use have, or had, each shown not to be one of this relay's. Those that are
// about a rule of NIP-01 are in edge-rules.test.ts and edge-rules-events.test.ts. The names say the
// fault: a test that fails has found it here.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Client } from "../support/client.ts";
import { authorKey } from "../support/events.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { newestFirst, nowSeconds, ok, refused, Topic } from "../support/topic.ts";

let relay: RelayProcess;
let client: Client;

beforeAll(async () => {
  relay = await RelayProcess.start({
    // Removal from disk is not what keeps expired events from being served.
    flags: ["--store-expire-interval-s=3600", "--relay-subscriptions-max=5"],
  });
  client = await Client.connect(relay.url);
});

afterAll(async () => {
  client.close();
  expect(await relay.stop()).toBe(0);
});

describe("a-tag deletions pass over kinds 0, 3 and 10000–19999", () => {
  for (const kind of [0, 3, 10_000, 10_002, 19_999, 30_000, 39_999]) {
    test(`kind ${kind} is deleted`, async () => {
      const topic = new Topic(`deletion of kind ${kind}`);
      const { pubkey } = authorKey(1);
      const tags = kind < 30_000 ? [] : [["d", "x"]];
      const address = `${kind}:${pubkey}:${kind < 30_000 ? "" : "x"}`;
      const event = topic.make({ kind, author: 1, tags, created_at: 1000 });
      const deletion = topic.make({
        kind: 5,
        author: 1,
        tags: [["a", address]],
        created_at: 1000,
      });
      await client.publish(event);
      expect(await client.publish(deletion)).toEqual(ok(deletion));
      expect(await client.query(topic.filter)).toEqual([deletion]);
      const reason = "blocked: this event was deleted by its author";
      expect(await client.publish(event)).toEqual(refused(event, reason));
    });
  }
});

describe("expired events are served until the next clean-up", () => {
  test("they are not: neither by REQ nor by COUNT, nor do they use up a limit", async () => {
    const topic = new Topic("expired while stored");
    const lasting = topic.makeAt([1000, 1001, 1002]);
    const expiresAt = nowSeconds() + 2;
    const tags = [["expiration", String(expiresAt)]];
    const passing = topic.makeAt([2000, 2001, 2002], { tags });
    await client.publishAll([...lasting, ...passing]);
    expect(await client.query(topic.filter)).toEqual(newestFirst([...lasting, ...passing]));
    await Bun.sleep(expiresAt * 1000 - Date.now()); // the clock is what this is about
    expect(await client.request("left", { ...topic.filter, limit: 2 })).toEqual([
      ...newestFirst(lasting)
        .slice(0, 2)
        .map((event) => ["EVENT", "left", event]),
      ["EOSE", "left", ["more"]],
    ]);
    expect(await client.request("left", { ...topic.filter, limit: 3 })).toEqual([
      ...newestFirst(lasting).map((event) => ["EVENT", "left", event]),
      ["EOSE", "left", ["finish"]],
    ]);
    expect(await client.request("left", { ids: passing.map(({ id }) => id) })).toEqual([
      ["EOSE", "left", ["finish"]],
    ]);
    expect(await client.count("left", topic.filter)).toEqual(["COUNT", "left", { count: 3 }]);
    for (const event of passing) {
      const reason = "invalid: this event has expired";
      expect(await client.publish(event)).toEqual(refused(event, reason));
    }
  });
});

describe("ephemeral events are replayed to those who come later", () => {
  test("they are not", async () => {
    const topic = new Topic("no replay");
    const event = topic.make({ kind: 20_000, created_at: nowSeconds() });
    await client.publish(event);
    expect(await client.request("late", topic.filter)).toEqual([["EOSE", "late", ["finish"]]]);
  });
});

describe("a refusal is no more than a NOTICE, so that its sender waits for ever", () => {
  const event = new Topic("refusals").make();
  const unknown = (type: string): string => `unsupported: unknown message type "${type}"`;
  const rows: [string, unknown[], unknown[]][] = [
    [
      "REQ with a bad filter",
      ["REQ", "s", { ids: 1 }],
      ["CLOSED", "s", "invalid: ids must be an array of 64 lower-case hex digits each"],
    ],
    ["REQ without a filter", ["REQ", "s"], ["CLOSED", "s", "invalid: a filter is missing"]],
    ["COUNT without a filter", ["COUNT", "s"], ["CLOSED", "s", "invalid: a filter is missing"]],
    [
      "EVENT with a bad signature",
      ["EVENT", { ...event, sig: "0".repeat(128) }],
      ["OK", event.id, false, "invalid: bad signature"],
    ],
    [
      "EVENT that is hardly one",
      ["EVENT", { id: "abc" }],
      ["OK", "abc", false, "invalid: id must be 64 lower-case hex digits"],
    ],
    [
      "AUTH",
      ["AUTH", event],
      ["OK", event.id, false, "invalid: AUTH must carry an event of kind 22242"],
    ],
    ["NEG-OPEN", ["NEG-OPEN", "n", {}, "61"], ["NEG-ERR", "n", unknown("NEG-OPEN")]],
    ["NEG-MSG", ["NEG-MSG", "n", "61"], ["NEG-ERR", "n", unknown("NEG-MSG")]],
  ];
  test.each(rows)("%s", async (_, message, answer) => {
    const own = await Client.connect(relay.url);
    own.send(...message);
    expect(await own.next()).toEqual(answer);
    own.close();
  });

  test("one subscription too many", async () => {
    const own = await Client.connect(relay.url);
    for (let i = 0; i < 6; i++) own.send("REQ", `s${i}`, { ids: [] });
    const reason = "rate-limited: more than 5 subscriptions on this connection";
    expect(await own.find("CLOSED")).toEqual(["CLOSED", "s5", reason]);
    own.close();
  });
});

describe("NIP-11 is only found by an Accept header of one type", () => {
  const rows = [
    ["application/nostr+json", true],
    ["application/nostr+json, */*", true],
    ["text/html;q=0.5, application/nostr+json", true],
    ["Application/Nostr+JSON;q=0.9,text/html;q=0.8", true],
    ["application/nostr+json; charset=utf-8", true],
    ["text/html, application/nostr+json;q=0.2", false],
    ["application/nostr+json;q=0", false],
    ["*/*", false],
  ] as const;
  test.each(rows)("%s", async (accept, isDocument) => {
    const response = await fetch(relay.url.replace("ws:", "http:"), { headers: { accept } });
    const type = isDocument ? "application/nostr+json" : "text/html; charset=utf-8";
    expect([response.status, response.headers.get("content-type")]).toEqual([200, type]);
    await response.text();
  });
});

test("an OPTIONS preflight gets no answer that a browser takes for leave", async () => {
  const response = await fetch(relay.url.replace("ws:", "http:"), {
    method: "OPTIONS",
    headers: {
      origin: "https://client.example",
      "access-control-request-method": "GET",
      "access-control-request-headers": "accept",
    },
  });
  expect(response.status).toBe(204);
  expect(response.headers.get("access-control-allow-origin")).toBe("*");
  expect(response.headers.get("access-control-allow-headers")).toBe("*");
  expect(response.headers.get("access-control-allow-methods")).toBe("GET, HEAD, OPTIONS");
});

test("after SIGUSR1 with nobody connected the process stays for ever", async () => {
  const lonely = await RelayProcess.start();
  lonely.process.kill("SIGUSR1");
  expect(await lonely.process.exited).toBe(0);
  expect(await lonely.stop()).toBe(0);
});
