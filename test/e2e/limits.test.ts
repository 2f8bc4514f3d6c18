// The limits of the configuration, each reached and then passed by one, over the wire.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { signEvent, authorKey, type EventTemplate } from "../support/events.ts";
import { handshake, rawRequest } from "../support/raw-http.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { parseInformation } from "../support/schemas.ts";
import { newestFirst, nowSeconds, ok, refused, Topic } from "../support/topic.ts";

const FLAGS = [
  "--relay-subscriptions-max=3",
  "--relay-filters-max=4",
  "--relay-filter-values-max=10",
  "--relay-connection-filter-values-max=400",
  "--relay-count-max=5",
  "--relay-connections-max=4",
  "--relay-message-bytes-max=8192",
  "--events-bytes-max=1500",
  "--events-tags-max=5",
  "--events-tag-value-bytes-max=200",
  "--events-content-bytes-max=1000",
  "--events-created-at-ahead-s=60",
  "--events-created-at-behind-s=3600",
];

let relay: RelayProcess;

beforeAll(async () => {
  relay = await RelayProcess.start({ flags: FLAGS });
});

afterAll(async () => {
  expect(await relay.stop()).toBe(0);
});

async function connected<T>(use: (client: Client) => Promise<T>): Promise<T> {
  const client = await Client.connect(relay.url);
  try {
    return await use(client);
  } finally {
    client.close();
    await client.closed;
  }
}

/** `count` different values for `ids` or `authors`. */
function hexValues(count: number): string[] {
  return Array.from({ length: count }, (_, i) => i.toString(16).padStart(64, "0"));
}

const eose = (id: string) => [["EOSE", id, ["finish"]]];

describe("subscriptions", () => {
  test("one more than relay.subscriptions_max is refused, until another is closed", () =>
    connected(async (client) => {
      const reason = "rate-limited: more than 3 subscriptions on this connection";
      for (const id of ["a", "b", "c"]) {
        expect(await client.request(id, { ids: [] })).toEqual(eose(id));
      }
      expect(await client.request("d", { ids: [] })).toEqual([["CLOSED", "d", reason]]);
      expect(await client.request("a", { kinds: [1] })).toEqual(eose("a"));
      expect(await client.count("d", { ids: [] })).toEqual(["COUNT", "d", { count: 0 }]);
      client.send("CLOSE", "b");
      expect(await client.request("d", { ids: [] })).toEqual(eose("d"));
      expect(await client.request("b", { ids: [] })).toEqual([["CLOSED", "b", reason]]);
    }));

  test("one that is refused, or refused its replacement, takes no place", () =>
    connected(async (client) => {
      for (let i = 0; i < 10; i++) {
        const [frame] = await client.request(`bad ${i}`, { x: 1 });
        expect(frame).toEqual(["CLOSED", `bad ${i}`, 'unsupported: unknown filter key "x"']);
        expect(await client.request("again", { ids: [] })).toEqual(eose("again"));
        expect(await client.request("again", 1)).toEqual([
          ["CLOSED", "again", "invalid: a filter must be an object"],
        ]);
      }
      for (const id of ["a", "b", "c"]) {
        expect(await client.request(id, { ids: [] })).toEqual(eose(id));
      }
    }));

  test("more values than relay.connection_filter_values_max are refused, and end the old one", () =>
    connected(async (client) => {
      const reason = "rate-limited: more than 400 filter values on this connection";
      const narrow = (count: number) => Array.from({ length: count }, () => ({ "#t": ["x"] }));
      const broad = (count: number) => Array.from({ length: count }, () => ({ kinds: [1] }));
      // 20 for each that names something, 100 for each that doesn't
      expect(await client.request("a", ...narrow(4), ...broad(0))).toEqual(eose("a"));
      expect(await client.request("b", ...broad(3))).toEqual(eose("b"));
      expect(await client.request("c", ...narrow(2))).toEqual([["CLOSED", "c", reason]]);
      expect(await client.request("c", ...narrow(1))).toEqual(eose("c"));
      expect(await client.request("a", ...narrow(4))).toEqual(eose("a"));
      expect(await client.request("b", ...broad(4))).toEqual([["CLOSED", "b", reason]]);
      expect(await client.request("b", ...broad(3))).toEqual(eose("b"));
      client.send("CLOSE", "c");
      expect(await client.request("a", ...broad(1))).toEqual(eose("a"));
      expect(await client.request("c", ...narrow(1))).toEqual([["CLOSED", "c", reason]]);
    }));
});

describe("filters of a REQ and of a COUNT", () => {
  const rows: [string, unknown[], string | null][] = [
    ["relay.filters_max", [{}, {}, {}, {}], null],
    ["one filter more", [{}, {}, {}, {}, {}], "invalid: more than 4 filters"],
    ["relay.filter_values_max in one list", [{ ids: hexValues(10) }], null],
    ["one value more", [{ ids: hexValues(11) }], "invalid: more than 10 values in the filters"],
    [
      "as many in several",
      [{ authors: hexValues(5), kinds: [1, 2], "#t": ["a"] }, { "#e": hexValues(2) }],
      null,
    ],
    [
      "one more in several",
      [{ authors: hexValues(5), kinds: [1, 2], "#t": ["a"] }, { "#e": hexValues(3) }],
      "invalid: more than 10 values in the filters",
    ],
    ["repeated values, which count once", [{ kinds: Array.from({ length: 100 }, () => 1) }], null],
  ];
  test.each(rows)("%s", (_, filters, reason) =>
    connected(async (client) => {
      const limited = filters.map((filter) => ({ ...(filter as object), until: 1 }));
      const refusal = reason === null ? null : ["CLOSED", "s", reason];
      expect(await client.request("s", ...limited)).toEqual(
        refusal === null ? eose("s") : [refusal],
      );
      expect(await client.count("s", ...limited)).toEqual(refusal ?? ["COUNT", "s", { count: 0 }]);
    }),
  );
});

/** An event within all limits, but for what the test says. */
function makeEvent(change: Partial<EventTemplate>): NostrEvent {
  const template = { kind: 1, tags: [], content: "", created_at: nowSeconds() };
  return signEvent({ ...template, ...change }, authorKey(0));
}

/** An event whose JSON is that many bytes: most of them content, the rest in a tag. */
function makeEventOf(bytes: number): NostrEvent {
  const content = "c".repeat(1000);
  const created_at = nowSeconds();
  const empty = makeEvent({ content, created_at, tags: [["x", ""]] });
  const fill = "x".repeat(bytes - JSON.stringify(empty).length);
  return makeEvent({ content, created_at, tags: [["x", fill]] });
}

describe("events at a limit are taken, and refused one beyond it", () => {
  const tags = (count: number) => Array.from({ length: count }, (_, i) => ["x", String(i)]);
  const ahead = 60;
  const behind = 3600;
  const rows: [string, () => NostrEvent, string | null][] = [
    ["events.bytes_max", () => makeEventOf(1500), null],
    ["a byte more", () => makeEventOf(1501), "invalid: the event is longer than 1500 bytes"],
    ["events.tags_max", () => makeEvent({ tags: tags(5) }), null],
    ["a tag more", () => makeEvent({ tags: tags(6) }), "invalid: more than 5 tags"],
    ["events.tag_value_bytes_max", () => makeEvent({ tags: [["x", "y".repeat(200)]] }), null],
    [
      "a byte more in a tag value",
      () => makeEvent({ tags: [["x", "y".repeat(201)]] }),
      "invalid: a tag value is longer than 200 bytes",
    ],
    [
      "a byte more in a later element",
      () => makeEvent({ tags: [["x", "", "ñ".repeat(100) + "y"]] }),
      "invalid: a tag value is longer than 200 bytes",
    ],
    [
      "a byte more in a tag name",
      () => makeEvent({ tags: [["y".repeat(201)]] }),
      "invalid: a tag value is longer than 200 bytes",
    ],
    ["events.content_bytes_max", () => makeEvent({ content: "é".repeat(500) }), null],
    [
      "a byte more of content",
      () => makeEvent({ content: `${"é".repeat(500)}e` }),
      "invalid: content is longer than 1000 bytes",
    ],
    ["events.created_at_ahead_s", () => makeEvent({ created_at: nowSeconds() + ahead }), null],
    [
      "later",
      () => makeEvent({ created_at: nowSeconds() + ahead + 30 }),
      "invalid: created_at is more than 60 seconds in the future",
    ],
    [
      "nearly events.created_at_behind_s",
      () => makeEvent({ created_at: nowSeconds() - behind + 30 }),
      null,
    ],
    [
      "earlier",
      () => makeEvent({ created_at: nowSeconds() - behind - 1 }),
      "invalid: created_at is more than 3600 seconds in the past",
    ],
  ];
  test.each(rows)("%s", (_, make, reason) =>
    connected(async (client) => {
      const event = make();
      const answer = reason === null ? ok(event) : refused(event, reason);
      expect(await client.publish(event)).toEqual(answer);
      const stored = reason === null ? [event] : [];
      expect(await client.query({ ids: [event.id] })).toEqual(stored);
    }),
  );
});

describe("messages", () => {
  /** A REQ of that many bytes, whose answer is known. */
  function messageOf(bytes: number): string {
    const empty = JSON.stringify(["REQ", "", {}]);
    return JSON.stringify(["REQ", "i".repeat(bytes - empty.length), {}]);
  }

  test("of relay.message_bytes_max are read", () =>
    connected(async (client) => {
      client.sendRaw(messageOf(8192));
      expect(await client.next()).toEqual([
        "NOTICE",
        "invalid: the subscription id is longer than 64 characters",
      ]);
    }));

  test("a byte longer end the connection with 1009", async () => {
    const client = await Client.connect(relay.url);
    client.sendRaw(messageOf(8193));
    const { code } = await client.closed;
    expect([code, client.frames]).toEqual([1009, []]);
  });

  test("a byte longer in a binary frame, too", async () => {
    const client = await Client.connect(relay.url);
    client.sendRaw(new Uint8Array(8193));
    const { code } = await client.closed;
    expect([code, client.frames]).toEqual([1009, []]);
  });
});

test("a connection beyond relay.connections_max gets 503, until one closes", async () => {
  const clients = await Promise.all(Array.from({ length: 4 }, () => Client.connect(relay.url)));
  const refusal = await rawRequest(relay.port, handshake("/"));
  expect([refusal?.status, refusal?.body]).toEqual([
    503,
    "too many connections, please try again later\n",
  ]);
  const page = await fetch(relay.url.replace("ws:", "http:"));
  expect(page.status).toBe(200);
  await page.text();
  clients[0]?.close();
  await clients[0]?.closed;
  clients[0] = await Client.connect(relay.url);
  for (const client of clients) {
    expect(await client.request("s", { ids: [] })).toEqual(eose("s"));
    client.close();
    await client.closed;
  }
});

describe("COUNT", () => {
  test("stops at relay.count_max and says that it is approximate", () =>
    connected(async (client) => {
      const topic = new Topic("approximate");
      const events = topic.makeAt([5, 4, 3, 2, 1, 0].map((age) => nowSeconds() - age));
      const count = (): Promise<unknown> => client.count("n", topic.filter);
      await client.publishAll(events.slice(0, 4));
      expect(await count()).toEqual(topic.counted("n", events.slice(0, 4)));
      await client.publishAll(events.slice(4, 5));
      expect(await count()).toEqual(topic.counted("n", events.slice(0, 5)));
      await client.publishAll(events.slice(5));
      const cut = ["COUNT", "n", { count: 5, approximate: true }];
      const newest = newestFirst(events);
      expect(await count()).toEqual(cut);
      const rows: [unknown[], readonly unknown[]][] = [
        [[{ ...topic.filter, limit: 5 }], topic.counted("n", newest.slice(0, 5))],
        [[{ ...topic.filter, limit: 6 }], cut],
        [[{ ...topic.filter, limit: 2 }], topic.counted("n", newest.slice(0, 2))],
        [[topic.filter, topic.filter], cut],
      ];
      for (const [filters, answer] of rows) {
        expect(await client.count("n", ...filters)).toEqual(answer);
      }
    }));

  test("stops there with several filters as well, none of which matches as many", () =>
    connected(async (client) => {
      const topic = new Topic("approximate together");
      const times = [2, 1, 0].map((age) => nowSeconds() - age);
      const filters = [1, 6, 7].map((kind) => ({ ...topic.filter, kinds: [kind] }));
      await client.publishAll([1, 6].flatMap((kind) => topic.makeAt(times, { kind })));
      expect(await client.count("n", ...filters)).toEqual([
        "COUNT",
        "n",
        { count: 5, approximate: true },
      ]);
      const five = [
        { ...topic.filter, kinds: [1] },
        { ...topic.filter, kinds: [6], limit: 2 },
      ];
      expect(await client.count("n", ...five)).toEqual(["COUNT", "n", { count: 5 }]);
    }));

  test("is unsupported, and not in NIP-11, where relay.count_max is 0", async () => {
    const other = await RelayProcess.start({ flags: ["--relay-count-max=0"] });
    const client = await Client.connect(other.url);
    const reason = "unsupported: this relay does not count (NIP-45)";
    expect(await client.count("n", {})).toEqual(["CLOSED", "n", reason]);
    client.close();
    expect(await readNips(other)).toEqual([1, 4, 9, 11, 13, 17, 40, 42, 50, 59, 62, 67, 70, 77]);
    const all = [1, 4, 9, 11, 13, 17, 40, 42, 45, 50, 59, 62, 67, 70, 77];
    expect(await readNips(relay)).toEqual(all);
    expect(await other.stop()).toBe(0);
  });
});

async function readNips({ url }: RelayProcess): Promise<unknown> {
  const headers = { accept: "application/nostr+json" };
  const response = await fetch(url.replace("ws:", "http:"), { headers });
  return (parseInformation(await response.text()) as { supported_nips: unknown }).supported_nips;
}
