// Faults of strfry, each shown not to be one of this relay's. The names say the fault: a test that
// fails has found it here. (Those of what this relay doesn't have, such as plugins, are left out.)

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { filterResult } from "../support/naive-hll.ts";
import { Client, type Frame } from "../support/client.ts";
import { authorKey, signEvent } from "../support/events.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { syncedIds } from "../support/sync-client.ts";
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

function asEvents(id: string, events: readonly unknown[]): Frame[] {
  return events.map((event) => ["EVENT", id, event]);
}

/** A message of NIP-04 from one author to another. */
function makeMessage(topic: Topic, from: number, to: number, at: number): NostrEvent {
  const tags = [["p", authorKey(to).pubkey]];
  return topic.make({ kind: 4, author: from, tags, created_at: at });
}

describe("CLOSED prefix: words before it keep clients from signing in", () => {
  const signIn = "private events are only for their authors and recipients, sign in first";
  const rows: [string, Record<string, unknown>, string][] = [
    ["auth-required:", { kinds: [4, 1059] }, `auth-required: ${signIn}`],
    ["invalid:", { limit: -1 }, "invalid: limit must be an integer from 0 on"],
    ["unsupported:", { colour: ["red"] }, 'unsupported: unknown filter key "colour"'],
  ];
  test.each(rows)("%s begins the reason, of REQ and COUNT", async (_, filter, reason) => {
    expect(await client.request("r", filter)).toEqual([["CLOSED", "r", reason]]);
    expect(await client.count("c", filter)).toEqual(["CLOSED", "c", reason]);
  });
});

describe("COUNT without kinds leaks how many messages somebody gets", () => {
  const topic = new Topic("counted messages");
  const [alice, bob, mallory] = [11, 12, 13];
  const messages = [1000, 1001, 1002].map((at) => makeMessage(topic, alice, bob, at));
  const note = topic.make({ author: alice, tags: [["p", authorKey(bob).pubkey]] });
  const filters: [string, Record<string, unknown>][] = [
    ["#p", { ...topic.filter, "#p": [authorKey(bob).pubkey] }],
    ["authors", { ...topic.filter, authors: [authorKey(alice).pubkey] }],
    ["ids", { ids: [...messages, note].map(({ id }) => id) }],
    ["a tag", topic.filter],
    ["a tag, with other kinds as well", { ...topic.filter, kinds: [1, 4, 7] }],
  ];
  const all = [...messages, note];
  beforeAll(async () => {
    await client.publishAll(all);
  });
  const viewers: [string, number | null, number][] = [
    ["who has not signed in", null, 1],
    ["who is somebody else", mallory, 1],
    ["who wrote them", alice, 4],
    ["who gets them", bob, 4],
  ];
  for (const [who, author, count] of viewers) {
    test.each(filters)(`a client ${who} counts ${count} by %s`, async (_, filter) => {
      const own = await Client.connect(relay.url);
      if (author !== null) expect((await own.signIn(author))[2]).toBe(true);
      expect(await own.count("n", filter)).toEqual([
        "COUNT",
        "n",
        filterResult(filter, all.slice(-count)),
      ]);
      own.close();
    });
  }
});

describe("limit eaten by hidden events", () => {
  test("a limit counts what the client may see, and so does the hint", async () => {
    const topic = new Topic("below hidden events");
    const visible = topic.makeAt([1000, 1001, 1002]);
    const hidden = Array.from({ length: 20 }, (_, i) => makeMessage(topic, 11, 12, 2000 + i));
    await client.publishAll([...visible, ...hidden]);
    const newest = newestFirst(visible);
    for (const [limit, hint] of [
      [2, "more"],
      [3, "finish"],
      [10, "finish"],
    ] as const) {
      expect(await client.request("l", { ...topic.filter, limit })).toEqual([
        ...asEvents("l", newest.slice(0, limit)),
        ["EOSE", "l", [hint]],
      ]);
    }
    const own = await Client.connect(relay.url);
    await own.signIn(12);
    expect(await own.request("l", { ...topic.filter, limit: 21 })).toEqual([
      ...asEvents("l", newestFirst([...hidden, ...visible]).slice(0, 21)),
      ["EOSE", "l", ["more"]],
    ]);
    own.close();
  });
});

describe("mixed-kind REQ gets no challenge, so that its client never learns to sign in", () => {
  test("each connection begins with one, and signing in adds to open subscriptions", async () => {
    const topic = new Topic("mixed kinds");
    const note = topic.make({ author: 11, created_at: 1000 });
    const [stored, live] = [1001, 1002].map((at) => makeMessage(topic, 11, 12, at)) as [
      NostrEvent,
      NostrEvent,
    ];
    await client.publishAll([note, stored]);
    const own = await Client.connect(relay.url);
    expect(own.challenge).not.toBe("");
    expect(await own.request("mixed", { ...topic.filter, kinds: [1, 4] })).toEqual([
      ["EVENT", "mixed", note],
      ["EOSE", "mixed", ["finish"]],
    ]);
    expect((await own.signIn(12))[2]).toBe(true);
    await own.find("EVENT", "mixed", stored);
    await client.publish(live);
    await own.find("EVENT", "mixed", live);
    expect(own.frames.filter(([type]) => type === "EVENT")).toEqual(
      asEvents("mixed", [note, stored, live]),
    );
    own.close();
  });
});

describe("a-tag delete of 10000–19999 and 0/3 has no effect", () => {
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

describe("expired events served for up to 9 s, until the next clean-up", () => {
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
    expect(await client.count("left", topic.filter)).toEqual(topic.counted("left", lasting));
    for (const event of passing) {
      const reason = "invalid: this event has expired";
      expect(await client.publish(event)).toEqual(refused(event, reason));
    }
  });
});

describe("ephemeral replay", () => {
  test("an ephemeral event is not sent to those who come later", async () => {
    const topic = new Topic("no replay");
    const event = topic.make({ kind: 20_000, created_at: nowSeconds() });
    await client.publish(event);
    expect(await client.request("late", topic.filter)).toEqual([["EOSE", "late", ["finish"]]]);
  });
});

describe("NEG", () => {
  const topic = new Topic("synced messages");
  const [alice, bob] = [14, 15];
  const message = makeMessage(topic, alice, bob, 1000);
  const note = topic.make({ author: alice });
  const ids = [message.id, note.id];

  beforeAll(async () => {
    await client.publishAll([message, note]);
  });

  for (const [who, author] of [
    ["nobody", null],
    ["somebody else", 16],
  ] as const) {
    test(`NEG tree leaks ids and times of everybody's messages through {}: to ${who}`, async () => {
      const own = await Client.connect(relay.url);
      if (author !== null) await own.signIn(author).then(() => own.next());
      for (const filter of [{}, { until: 2 ** 40 }, { authors: [note.pubkey] }, topic.filter]) {
        const found = await syncedIds(own, filter);
        expect(ids.filter((id) => found.includes(id))).toEqual([note.id]);
      }
      own.close();
    });
  }

  for (const [who, author] of [
    ["author", alice],
    ["recipient", bob],
  ] as const) {
    test(`authed NEG of own DMs never finds any: of their ${who}`, async () => {
      const own = await Client.connect(relay.url);
      await own.signIn(author).then(() => own.next());
      for (const filter of [{ kinds: [4], ...topic.filter }, { kinds: [4] }, {}]) {
        expect(await syncedIds(own, filter)).toContain(message.id);
      }
      own.close();
    });
  }
});

describe("NOTICE-only refusals, so that their senders wait for ever", () => {
  const event = new Topic("refusals").make();
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
    [
      "NEG-OPEN with a bad filter",
      ["NEG-OPEN", "n", { ids: 1 }, "61"],
      ["NEG-ERR", "n", "invalid: ids must be an array of 64 lower-case hex digits each"],
    ],
    [
      "NEG-MSG before NEG-OPEN",
      ["NEG-MSG", "n", "61"],
      ["NEG-ERR", "n", "closed: no sync of this id is open"],
    ],
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

describe("NIP-11 Accept with list/q-values is not understood", () => {
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

test("OPTIONS preflight gets no answer that a browser takes for leave", async () => {
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
  expect(response.headers.get("access-control-allow-headers")).toBe("*, Authorization");
  expect(response.headers.get("access-control-allow-methods")).toBe("GET, HEAD, POST, OPTIONS");
});

test("SIGUSR1 with no clients leaves the process running for ever", async () => {
  const lonely = await RelayProcess.start();
  lonely.process.kill("SIGUSR1");
  expect(await lonely.process.exited).toBe(0);
  expect(await lonely.stop()).toBe(0);
});

describe("upper-case/0x hex is accepted, and served as it came", () => {
  const good = signEvent(
    { kind: 1, tags: [], content: "hex", created_at: 1_700_000_000 },
    authorKey(0),
  );
  for (const [field, digits] of [
    ["id", 64],
    ["pubkey", 64],
    ["sig", 128],
  ] as const) {
    const value = good[field];
    for (const [desc, spelled] of [
      ["in upper case", value.toUpperCase()],
      ["with 0x", `0x${value}`],
      ["cut short", value.slice(1)],
    ] as const) {
      test(`${field} ${desc} is refused`, async () => {
        const event = { ...good, [field]: spelled };
        const reason = `invalid: ${field} must be ${digits} lower-case hex digits`;
        expect(await client.publish(event)).toEqual(refused(event, reason));
      });
    }
  }
  for (const key of ["ids", "authors", "#e", "#p"]) {
    test(`${key} of a filter in upper case or with 0x are refused`, async () => {
      for (const value of [good.id.toUpperCase(), `0x${good.id}`]) {
        const reason = `invalid: ${key} must be an array of 64 lower-case hex digits each`;
        const answer = await client.request("hex", { [key]: [value] });
        expect(answer).toEqual([["CLOSED", "hex", reason]]);
      }
    });
  }
});

describe(">2047 authors or ids are an error", () => {
  const unknown = Array.from({ length: 9_999 }, (_, i) => i.toString(16).padStart(64, "0"));
  for (const count of [2047, 2048, 10_000]) {
    test(`${count} authors, the last of them the one with events`, async () => {
      const own = await Client.connect(relay.url);
      const topic = new Topic(`${count} authors`);
      const [stored, live] = [topic.make({ author: 1 }), topic.make({ author: 1 })];
      await own.publish(stored);
      const authors = [...unknown.slice(0, count - 1), stored.pubkey];
      expect(await own.request("many", { authors, ...topic.filter })).toEqual([
        ["EVENT", "many", stored],
        ["EOSE", "many", ["finish"]],
      ]);
      await own.publish(live);
      expect(await own.find("EVENT", "many", live)).toEqual(["EVENT", "many", live]);
      own.close();
    });
    test(`${count} ids, the last of them the one that exists`, async () => {
      const event = new Topic(`${count} ids`).make();
      await client.publish(event);
      const ids = [...unknown.slice(0, count - 1), event.id];
      expect(await client.request("many", { ids })).toEqual([
        ["EVENT", "many", event],
        ["EOSE", "many", ["finish"]],
      ]);
      client.send("CLOSE", "many");
    });
  }
});

test("global order across filters, tie order by id: filter by filter, as stored", async () => {
  const topic = new Topic("order");
  const events = [0, 1, 2].flatMap((author) =>
    topic.makeAt([5000, 5000, 5001, 5002, 5002, 5003], { author }),
  );
  await client.publishAll(events.toSorted((a, b) => (a.id < b.id ? 1 : -1)));
  const filters = [2, 0, 1].map((author) => ({
    ...topic.filter,
    authors: [authorKey(author).pubkey],
  }));
  expect(await client.request("order", ...filters, topic.filter)).toEqual([
    ...asEvents("order", newestFirst(events)),
    ["EOSE", "order", ["finish"]],
  ]);
});

describe("d>255 collision: events whose d tags are long replace each other", () => {
  const stem = "long ".repeat(60);
  test("those that differ at their end belong to different events", async () => {
    const topic = new Topic("long d tags");
    const events = ["a", "b", ""].map((end) =>
      topic.make({ kind: 30_023, author: 4, tags: [["d", stem + end]], created_at: 5000 }),
    );
    const none = topic.make({ kind: 30_023, author: 4, tags: [], created_at: 5000 });
    const all = [...events, none];
    expect(await client.publishAll(all)).toEqual(all.map((event) => ok(event)));
    expect(await client.query(topic.filter)).toEqual(newestFirst(all));
    expect(await client.query({ kinds: [30_023], "#d": [`${stem}b`] })).toEqual(events.slice(1, 2));
  });
  test("those that are the same belong to one event", async () => {
    const topic = new Topic("long d tag");
    const tags = [["d", `${stem}same`]];
    const versions = topic.makeAt([5000, 5001], { kind: 30_023, author: 4, tags });
    await client.publishAll(versions);
    expect(await client.query(topic.filter)).toEqual(versions.slice(1));
  });
});

test("event lost on quick disconnect", async () => {
  const topic = new Topic("gone at once");
  const events = topic.makeAt(Array.from({ length: 200 }, (_, i) => 1000 + i));
  const watcher = await Client.connect(relay.url);
  watcher.send("REQ", "live", topic.filter);
  await watcher.find("EOSE", "live");
  for (const event of events) {
    const own = await Client.connect(relay.url);
    own.send("EVENT", event);
    own.close();
  }
  await Promise.all(events.map((event) => watcher.find("EVENT", "live", event)));
  expect(await client.query(topic.filter)).toEqual(newestFirst(events));
  watcher.close();
});
