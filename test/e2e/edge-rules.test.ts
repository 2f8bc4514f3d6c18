// Corners of NIP-01 that relays differ in, over the wire. Every test has a topic, an author or both
// of its own, for they share one relay.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Client, type Frame } from "../support/client.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { newestFirst, ok, Topic } from "../support/topic.ts";

const LIMIT_MAX = 100;

let relay: RelayProcess;
let client: Client;

beforeAll(async () => {
  relay = await RelayProcess.start({
    flags: [`--relay-limit-max=${LIMIT_MAX}`, "--relay-limit-default=50"],
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

describe("a subscription id is any string of up to 64 characters", () => {
  const ids = [
    ["control characters", "\u0000\u0001\b\t\n\u000b\r\u001f\u007f"],
    ["quotes", `"],["NOTICE","`],
    ["backslashes", "\\\\\\u0041\\"],
    ["emoji", "👩‍👩‍👧 ñandú 🦤"],
    ["line separators", "\u2028\u2029"],
    ["what looks like JSON", `{"a":[1,null]}`],
    ["a space", " "],
    ["64 characters", "x".repeat(64)],
    ["64 characters of four bytes each", "🦤".repeat(64)],
  ] as const;
  for (const [desc, id] of ids) {
    test(`${desc}: each frame carries it as it was sent`, async () => {
      const own = await Client.connect(relay.url);
      const topic = new Topic(`subscription id with ${desc}`);
      const [stored, live] = [topic.make(), topic.make()];
      expect(await own.publish(stored)).toEqual(ok(stored));
      own.send("REQ", id, topic.filter);
      await own.find("EOSE", id);
      expect(await own.publish(live)).toEqual(ok(live));
      await own.find("EVENT", id, live);
      const counted = topic.counted(id, [stored, live]);
      expect(await own.count(id, topic.filter)).toEqual(counted);
      own.send("REQ", id, { unknown: 1 });
      await own.find("CLOSED", id);
      expect(own.frames).toHaveLength(7);
      expect(own.frames.filter((frame) => frame[0] !== "OK")).toEqual([
        ["EVENT", id, stored],
        ["EOSE", id, ["finish"]],
        ["EVENT", id, live],
        counted,
        ["CLOSED", id, 'unsupported: unknown filter key "unknown"'],
      ]);
      own.close();
    });
  }

  const refusals = [
    ["", "invalid: the subscription id is empty"],
    ["🦤".repeat(65), "invalid: the subscription id is longer than 64 characters"],
    ["x".repeat(65), "invalid: the subscription id is longer than 64 characters"],
    ["x".repeat(256), "invalid: the subscription id is longer than 64 characters"],
  ] as const;
  for (const [id, reason] of refusals) {
    test(`one of ${[...id].length} characters is refused, bound to it`, async () => {
      expect(await client.request(id, {})).toEqual([["CLOSED", id, reason]]);
      expect(await client.count(id, {})).toEqual(["CLOSED", id, reason]);
    });
  }
});

const HEX = "5c83da77af1dec6d7289834998ad7aafbd9e2191396d75ec3cc27f5a77226f36";
const NO_HEX = [
  ["upper case", HEX.toUpperCase()],
  ["0x in front", `0x${HEX}`],
  ["0x and 64 characters in all", `0x${HEX.slice(2)}`],
  ["63 digits", HEX.slice(1)],
  ["65 digits", `${HEX}0`],
  ["no digit", `${HEX.slice(1)}g`],
  ["nothing", ""],
] as const;

describe("a filter that can't be understood is refused, with an exact prefix", () => {
  const rows: [string, unknown, string][] = [
    ["an unknown key", { kind: [1] }, 'unsupported: unknown filter key "kind"'],
    ["a search that is no text", { search: ["x"] }, "invalid: search must be a string"],
    [
      "a tag name of several letters",
      { "#alt": ["x"] },
      'unsupported: only single-letter tags are indexed, not "#alt"',
    ],
    ["no tag name", { "#": [] }, 'unsupported: only single-letter tags are indexed, not "#"'],
    ["a digit", { "#1": ["x"] }, 'unsupported: only single-letter tags are indexed, not "#1"'],
    ["& (and)", { "&t": ["x"] }, 'unsupported: unknown filter key "&t"'],
    [
      "a list that is none",
      { kinds: 1 },
      "invalid: kinds must be an array of integers from 0 to 65535",
    ],
    ["a tag list of numbers", { "#t": [1] }, "invalid: #t must be an array of strings"],
    ["a negative limit", { limit: -1 }, "invalid: limit must be an integer from 0 on"],
    ["a broken since", { since: 1.5 }, "invalid: since must be a unix timestamp in seconds"],
    ["until as text", { until: "1" }, "invalid: until must be a unix timestamp in seconds"],
    ["null", null, "invalid: a filter must be an object"],
    ["a list", [], "invalid: a filter must be an object"],
  ];
  for (const key of ["ids", "authors", "#e", "#p"]) {
    for (const [desc, value] of NO_HEX) {
      const reason = `invalid: ${key} must be an array of 64 lower-case hex digits each`;
      rows.push([`${key} with ${desc}`, { [key]: [HEX, value] }, reason]);
    }
  }
  for (const kind of [-1, 65_536, 1.5, "1", null, 1e300]) {
    const reason = "invalid: kinds must be an array of integers from 0 to 65535";
    rows.push([`kind ${JSON.stringify(kind)}`, { kinds: [1, kind] }, reason]);
  }
  test.each(rows)("%s", async (_, filter, reason) => {
    expect(await client.request("odd", filter)).toEqual([["CLOSED", "odd", reason]]);
    expect(await client.request("odd", {}, filter)).toEqual([["CLOSED", "odd", reason]]);
    expect(await client.count("odd", filter)).toEqual(["CLOSED", "odd", reason]);
  });
});

test("an e or p tag that is no hex is accepted, served, and not what #e and #p find", async () => {
  const topic = new Topic("tags that are no hex");
  const live = await Client.connect(relay.url);
  const bare = HEX.replace(/./g, "a");
  live.send("REQ", "e", { "#e": [bare] });
  live.send("REQ", "p", { "#p": [bare] });
  live.send("REQ", "all", topic.filter);
  await live.find("EOSE", "all");
  const tags = ["e", "p"].flatMap((name) => [
    [name],
    [name, ""],
    [name, "note1xyz"],
    [name, bare.toUpperCase()],
    [name, bare.slice(1), "wss://relay.example"],
  ]);
  const event = topic.make({ tags });
  expect(await live.publish(event)).toEqual(ok(event));
  await live.find("EVENT", "all", event);
  expect(live.frames.filter(([type]) => type === "EVENT")).toEqual([["EVENT", "all", event]]);
  expect(await client.query({ "#e": [bare] })).toEqual([]);
  expect(await client.query({ "#p": [bare] })).toEqual([]);
  expect(await client.query(topic.filter)).toEqual([event]);
  live.close();
});

describe("an empty array", () => {
  const topic = new Topic("empty array");
  for (const key of ["ids", "authors", "kinds", "#t", "#e"]) {
    test(`for ${key} matches nothing, neither stored nor live`, async () => {
      const own = await Client.connect(relay.url);
      const [stored, live] = [topic.make(), topic.make()];
      await own.publish(stored);
      expect(await own.request("none", { [key]: [] })).toEqual([["EOSE", "none", ["finish"]]]);
      expect(await own.count("none", { [key]: [] })).toEqual(["COUNT", "none", { count: 0 }]);
      expect(await own.request("other", { [key]: [] }, { ids: [stored.id, live.id] })).toEqual([
        ["EVENT", "other", stored],
        ["EOSE", "other", ["finish"]],
      ]);
      await own.publish(live);
      await own.find("EVENT", "other", live);
      expect(own.frames.filter((frame) => frame[1] === "none")).toHaveLength(2);
      own.close();
    });
  }
});

test("a limit of 0 asks for live events only", async () => {
  const own = await Client.connect(relay.url);
  const topic = new Topic("limit 0");
  const [stored, live] = [topic.make(), topic.make()];
  await own.publish(stored);
  expect(await own.request("new", { ...topic.filter, limit: 0 })).toEqual([["EOSE", "new"]]);
  await own.publish(live);
  await own.find("EVENT", "new", live);
  expect(own.frames.filter((frame) => frame[1] === "new")).toEqual([
    ["EOSE", "new"],
    ["EVENT", "new", live],
  ]);
  own.close();
});

test("a limit above the cap is lowered to it, and the client is told of more", async () => {
  const topic = new Topic("limit above the cap");
  const events = topic.makeAt(Array.from({ length: LIMIT_MAX + 1 }, (_, i) => 1000 + i));
  await client.publishAll(events);
  const newest = newestFirst(events).slice(0, LIMIT_MAX);
  for (const limit of [LIMIT_MAX + 1, 5000, Number.MAX_SAFE_INTEGER]) {
    expect(await client.request("capped", { ...topic.filter, limit })).toEqual([
      ...asEvents("capped", newest),
      ["EOSE", "capped", ["more"]],
    ]);
  }
});
