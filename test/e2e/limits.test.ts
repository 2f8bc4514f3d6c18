// The limits of the configuration, each reached and then passed by one, over the wire.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Client } from "../support/client.ts";
import { signEvent, authorKey, type EventTemplate } from "../support/events.ts";
import { handshake, rawRequest } from "../support/raw-http.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { nowSeconds, ok, refused, Topic } from "../support/topic.ts";

const FLAGS = [
  "--relay-subscriptions-max=3",
  "--relay-filters-max=4",
  "--relay-filter-values-max=10",
  "--relay-connection-filter-values-max=20",
  "--relay-count-max=5",
  "--relay-connections-max=4",
  "--relay-message-bytes-max=8192",
  "--events-bytes-max=2048",
  "--events-tags-max=5",
  "--events-tag-value-bytes-max=100",
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
      const reason = "rate-limited: more than 20 filter values on this connection";
      const ids = hexValues(10);
      expect(await client.request("a", { ids })).toEqual(eose("a"));
      expect(await client.request("b", { ids })).toEqual(eose("b"));
      expect(await client.request("c", { kinds: [1] })).toEqual([["CLOSED", "c", reason]]);
      expect(await client.request("c", {})).toEqual(eose("c"));
      expect(await client.request("a", { ids })).toEqual(eose("a"));
      client.send("CLOSE", "b");
      expect(await client.request("c", { authors: ids })).toEqual(eose("c"));
      expect(await client.request("b", { kinds: [1] })).toEqual([["CLOSED", "b", reason]]);
      expect(await client.request("a", { ids: ids.slice(1) })).toEqual(eose("a"));
      expect(await client.request("b", { kinds: [1] })).toEqual(eose("b"));
      expect(await client.request("b", { kinds: [1, 2] })).toEqual([["CLOSED", "b", reason]]);
      expect(await client.request("b", { kinds: [2] })).toEqual(eose("b"));
    }));
});

describe("filters of a REQ and of a COUNT", () => {
  const rows: [string, unknown[], string | null][] = [
    ["relay.filters_max", [{}, {}, {}, {}], null],
    ["one filter more", [{}, {}, {}, {}, {}], "invalid: more than 4 filters"],
    ["relay.filter_values_max in one list", [{ ids: hexValues(10) }], null],
    ["one value more", [{ ids: hexValues(11) }], "invalid: more than 10 values in the filters"],
    ["as many in several", [{ authors: hexValues(5), kinds: [1, 2], "#t": ["a"] }, { "#e": hexValues(2) }], null],
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
function makeEvent(change: Partial<EventTemplate>) {
  const template = { kind: 1, tags: [], content: "", created_at: nowSeconds() };
  return signEvent({ ...template, ...change }, authorKey(0));
}

/** An event whose JSON is that many bytes. */
function makeEventOf(bytes: number) {
  const tags = (fill: number) => [...Array.from({ length: 4 }, () => ["t", "x".repeat(90)]), [
    "t",
    "x".repeat(fill),
  ]];
  const content = "c".repeat(1000);
  const short = Buffer.byteLength(JSON.stringify(makeEvent({ content, tags: tags(0) })));
  const filled = tags(0).map(([name = ""]) => [name, "", ""]);
  let left = bytes - Buffer.byteLength(JSON.stringify(makeEvent({ content, tags: filled })));
  expect(short).toBeLessThan(bytes);
  for (const tag of filled) {
    for (const at of [1, 2]) {
      const length = Math.min(100, left);
      tag[at] = "x".repeat(length);
      left -= length;
    }
  }
  return makeEvent({ content, tags: filled });
}
