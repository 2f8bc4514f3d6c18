// NIP-01 and NIP-45 over the wire, frame by frame. Every test has a topic and a connection of its
// own, for they share one relay.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client, type Frame } from "../support/client.ts";
import { authorKey } from "../support/events.ts";
import { countResult } from "../support/naive-hll.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { newestFirst, ok, refused, Topic } from "../support/topic.ts";

let relay: RelayProcess;

beforeAll(async () => {
  relay = await RelayProcess.start();
});

afterAll(async () => {
  expect(await relay.stop()).toBe(0);
});

/** Runs with a connection that is closed at the end. */
async function connected<T>(use: (client: Client) => Promise<T>): Promise<T> {
  const client = await Client.connect(relay.url);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

describe("round trips", () => {
  test("an event is published, asked for, counted, delivered live and no more after CLOSE", () =>
    connected(async (client) => {
      const topic = new Topic("round trip");
      const [first, second, third] = [topic.make(), topic.make(), topic.make()];
      client.send("EVENT", first);
      expect(await client.next()).toEqual(["OK", first.id, true, ""]);
      client.send("REQ", "sub", topic.filter);
      expect(await client.next()).toEqual(["EVENT", "sub", first]);
      expect(await client.next()).toEqual(["EOSE", "sub", ["finish"]]);
      client.send("COUNT", "n", topic.filter);
      expect(await client.next()).toEqual(topic.counted("n", [first]));
      client.send("EVENT", second);
      expect(await client.next()).toEqual(["OK", second.id, true, ""]);
      expect(await client.next()).toEqual(["EVENT", "sub", second]);
      client.send("CLOSE", "sub");
      client.send("EVENT", third);
      expect(await client.next()).toEqual(["OK", third.id, true, ""]);
      client.send("REQ", "sub", { ids: [third.id] });
      expect(await client.next()).toEqual(["EVENT", "sub", third]);
      expect(await client.next()).toEqual(["EOSE", "sub", ["finish"]]);
    }));

  test("a stored event comes back letter by letter", () =>
    connected(async (client) => {
      const topic = new Topic("letters");
      const contents = [
        "",
        'a "quote", a \\ and \\u0041',
        "\b\t\n\f\r",
        "\u2028\u2029\ufeff\ufffd\uffff",
        "ñandú 鴕鳥 🦤 👩‍👩‍👧 e\u0301",
        "<script>&amp;</script>",
        "x".repeat(100_000),
      ];
      const events = contents.map((content, i) =>
        topic.make({ content, created_at: i, tags: [["alt", content.slice(0, 1000), ""]] }),
      );
      expect(await client.publishAll(events)).toEqual(events.map((event) => ok(event)));
      expect(await client.query(topic.filter)).toEqual(newestFirst(events));
    }));

  test("tags of odd shapes are kept as they are", () =>
    connected(async (client) => {
      const tags = [[], [""], ["", ""], ["a"], ["a", ""], ["t", "x", "y", "z"], ["  ", "\u0000"]];
      const event = new Topic("odd tags").make({ tags });
      expect(await client.publish(event)).toEqual(ok(event));
      expect(await client.query({ ids: [event.id] })).toEqual([event]);
    }));

  const referred = "e".repeat(64);
  const at = 1_600_000_000;
  type FilterOf = (event: NostrEvent) => Record<string, unknown>;
  /** With the event's own `t` tag as well, except where ids say enough. */
  const rows: [string, FilterOf, boolean][] = [
    ["ids", ({ id }) => ({ ids: [referred, id], "#t": undefined }), true],
    ["authors", ({ pubkey }) => ({ authors: [referred, pubkey] }), true],
    ["other authors", () => ({ authors: [referred] }), false],
    ["kinds", () => ({ kinds: [1, 7] }), true],
    ["other kinds", () => ({ kinds: [1, 6] }), false],
    ["#e", () => ({ "#e": [referred] }), true],
    ["another #e", () => ({ "#e": ["0".repeat(64)] }), false],
    ["#p", ({ pubkey }) => ({ "#p": [pubkey] }), true],
    ["#t, any of several", ({ id }) => ({ "#t": ["a", ...topicsOf(id), "b"] }), true],
    ["#T, whose value is empty", () => ({ "#T": [""] }), true],
    ["#T, which is not #t", ({ id }) => ({ "#T": topicsOf(id) }), false],
    ["a tag it lacks", () => ({ "#r": [""] }), false],
    ["since at its second", () => ({ since: at }), true],
    ["since a second later", () => ({ since: at + 1 }), false],
    ["until at its second", () => ({ until: at }), true],
    ["until a second before", () => ({ until: at - 1 }), false],
    ["since after until", () => ({ since: at + 1, until: at - 1 }), false],
    ["everything at once", everything, true],
    ["everything but its kind", (event) => ({ ...everything(event), kinds: [8] }), false],
  ];
  const topics = new Map<string, string[]>();
  function topicsOf(id: string): string[] {
    return topics.get(id) ?? [];
  }
  function everything({ id, pubkey, kind }: NostrEvent): Record<string, unknown> {
    const tags = { "#e": [referred], "#p": [pubkey], "#T": [""] };
    return { ids: [id], authors: [pubkey], kinds: [kind], ...tags, since: at, until: at, limit: 1 };
  }
  test.each(rows)("a filter of %s: live, stored and counted", (desc, filterOf, isFound) =>
    connected(async (client) => {
      const topic = new Topic(`filter of ${desc}`);
      const tags = [
        ["e", referred],
        ["p", authorKey(7).pubkey],
        ["T", ""],
      ];
      const event = topic.make({ kind: 7, author: 7, tags, created_at: at });
      topics.set(event.id, [topic.tag[1]]);
      const filter: { "#t"?: string[] } = { ...topic.filter, ...filterOf(event) };
      client.send("REQ", "live", filter);
      client.send("REQ", "control", { ids: [event.id] });
      await client.find("EOSE", "live");
      await client.publish(event);
      await client.find("EVENT", "control", event);
      await client.settle();
      const found = (id: string): Frame[] => (isFound ? [["EVENT", id, event]] : []);
      expect(client.frames.filter((frame) => frame[1] === "live")).toEqual([
        ["EOSE", "live", ["finish"]],
        ...found("live"),
      ]);
      expect(await client.request("stored", filter)).toEqual([
        ...found("stored"),
        ["EOSE", "stored", ["finish"]],
      ]);
      const events = isFound ? [event] : [];
      // Registers are of the first tag's first value; none where nothing can match.
      const value = desc === "since after until" ? undefined : filter["#t"]?.[0];
      const result = value === undefined ? { count: events.length } : countResult(value, events);
      expect(await client.count("n", filter)).toEqual(["COUNT", "n", result]);
    }),
  );
});

describe("live delivery", () => {
  test("every subscription that matches gets the event, each once, on all connections", () =>
    connected((a) =>
      connected(async (b) => {
        const topic = new Topic("several subscriptions");
        const event = topic.make({ kind: 7, author: 3 });
        const both = [topic.filter, { kinds: [7], authors: [event.pubkey] }];
        for (const client of [a, b]) {
          client.send("REQ", "tag", topic.filter);
          client.send("REQ", "two filters", ...both);
          client.send("REQ", "same filter twice", topic.filter, topic.filter);
          client.send("REQ", "id", { ids: [event.id] });
          client.send("REQ", "other", { ...topic.filter, kinds: [1] });
          client.send("REQ", "last", { ...topic.filter, limit: 0 });
          await client.find("EOSE", "last");
        }
        const [fromA, fromB] = [a.frames.length, b.frames.length];
        await a.publish(event);
        const matching = ["tag", "two filters", "same filter twice", "id", "last"].sort();
        for (const [client, from] of [
          [a, fromA],
          [b, fromB],
        ] as const) {
          for (const id of matching) await client.find("EVENT", id);
          await client.settle();
          const got = client.frames.slice(from).filter(([type]) => type === "EVENT");
          expect(got.toSorted(byId)).toEqual(matching.map((id) => ["EVENT", id, event]));
        }
      }),
    ));

  test("the limit of a filter says nothing of live events", () =>
    connected(async (client) => {
      const topic = new Topic("limit and live");
      client.send("REQ", "one", { ...topic.filter, limit: 1 });
      await client.find("EOSE", "one");
      const events = topic.makeAt([5, 4, 3, 2, 1]);
      for (const event of events) await client.publish(event);
      for (const event of events) await client.find("EVENT", "one", event);
      expect(client.frames.filter(([type]) => type === "EVENT")).toEqual(
        events.map((event) => ["EVENT", "one", event]),
      );
    }));

  test("a version that is replaced, and the deletion of it, are delivered like any event", () =>
    connected(async (client) => {
      const topic = new Topic("live versions");
      client.send("REQ", "s", topic.filter);
      await client.find("EOSE", "s");
      const versions = topic.makeAt([1, 2], { kind: 30_078, author: 5, tags: [["d", "live"]] });
      const address = `30078:${authorKey(5).pubkey}:live`;
      const deletion = topic.make({ kind: 5, author: 5, tags: [["a", address]], created_at: 3 });
      for (const event of [...versions, deletion]) await client.publish(event);
      await client.find("EVENT", "s", deletion);
      expect(client.frames.filter(([type]) => type === "EVENT")).toEqual(
        [...versions, deletion].map((event) => ["EVENT", "s", event]),
      );
    }));

  test.each([
    ["a bad value", { limit: "1" }],
    ["an unknown key", { unknown: 1 }],
    ["no object", 5],
  ])("a REQ refused for %s, on the id of an open subscription, ends that one", (desc, bad) =>
    connected(async (client) => {
      const topic = new Topic(`refused for ${desc}`);
      client.send("REQ", "control", topic.filter);
      await client.request("s", topic.filter);
      expect((await client.request("s", bad)).map(([type]) => type)).toEqual(["CLOSED"]);
      const event = topic.make();
      await client.publish(event);
      await client.find("EVENT", "control", event);
      await client.settle();
      expect(client.frames.filter(([type]) => type === "EVENT")).toEqual([
        ["EVENT", "control", event],
      ]);
    }),
  );

  test("a refused COUNT leaves a subscription of that id alone", () =>
    connected(async (client) => {
      const topic = new Topic("refused count");
      await client.request("s", topic.filter);
      expect(await client.count("s", { limit: "1" })).toEqual([
        "CLOSED",
        "s",
        "invalid: limit must be an integer from 0 on",
      ]);
      const event = topic.make();
      await client.publish(event);
      expect(await client.find("EVENT")).toEqual(["EVENT", "s", event]);
    }));
});

function byId(a: Frame, b: Frame): number {
  return String(a[1]) < String(b[1]) ? -1 : 1;
}

function byType(a: Frame, b: Frame): number {
  return String(a[0]) < String(b[0]) ? -1 : 1;
}

describe("COUNT", () => {
  test("counts what several filters match once", () =>
    connected(async (client) => {
      const topic = new Topic("count");
      const events = [...topic.makeAt([1, 2, 3], { kind: 1 }), ...topic.makeAt([4], { kind: 7 })];
      await client.publishAll(events);
      const ids = events.slice(0, 2).map(({ id }) => id);
      const bare = (count: number) => ["COUNT", "c", { count }];
      const rows: [unknown[], readonly unknown[]][] = [
        [[topic.filter], topic.counted("c", events)],
        [[{ ...topic.filter, kinds: [7] }], topic.counted("c", events.slice(3))],
        [[topic.filter, { ids }], bare(4)],
        [[{ ids }, { ...topic.filter, kinds: [7] }], bare(3)],
        [[{ ids }, { ids }], bare(2)],
        [[{ ids: [] }], bare(0)],
        [[{ ids: [] }, topic.filter], topic.counted("c", events)],
        [[{ ...topic.filter, limit: 2 }], topic.counted("c", newestFirst(events).slice(0, 2))],
        [[{ ...topic.filter, limit: 0 }], topic.counted("c", [])],
      ];
      for (const [filters, answer] of rows) {
        expect(await client.count("c", ...filters)).toEqual(answer);
      }
    }));

  test("opens no subscription, and does not touch one of the same id", () =>
    connected(async (client) => {
      const topic = new Topic("count and subscribe");
      client.send("REQ", "s", topic.filter);
      client.send("COUNT", "s", topic.filter);
      client.send("COUNT", "other", topic.filter);
      await client.find("COUNT", "other");
      await client.find("EOSE", "s");
      const event = topic.make();
      await client.publish(event);
      await client.find("EVENT", "s", event);
      expect(client.frames.filter((frame) => frame[1] === "s").toSorted(byType)).toEqual([
        topic.counted("s", []),
        ["EOSE", "s", ["finish"]],
        ["EVENT", "s", event],
      ]);
      expect(client.frames.filter((frame) => frame[1] === "other")).toEqual([
        topic.counted("other", []),
      ]);
    }));
});

const ARRAY = "invalid: a message must be an array that starts with its type";
const EVENT_OBJECT = "invalid: EVENT must carry an event object";
const EVENT_ID = "invalid: id must be 64 lower-case hex digits";
const ID_TOO_LONG = "invalid: the subscription id is longer than 64 characters";
const unknown = (type: string): string => `unsupported: unknown message type "${type}"`;

describe("every malformed message gets its answer", () => {
  const rows: [string, Frame][] = [
    ["", ["NOTICE", "invalid: not JSON"]],
    ["{", ["NOTICE", "invalid: not JSON"]],
    ["['REQ']", ["NOTICE", "invalid: not JSON"]],
    ['["REQ","s",{}]]', ["NOTICE", "invalid: not JSON"]],
    ['["REQ","s",{"a":1,}]', ["NOTICE", "invalid: not JSON"]],
    ["null", ["NOTICE", ARRAY]],
    ["1", ["NOTICE", ARRAY]],
    ['"REQ"', ["NOTICE", ARRAY]],
    ["{}", ["NOTICE", ARRAY]],
    ["[]", ["NOTICE", ARRAY]],
    ["[null]", ["NOTICE", ARRAY]],
    ['[["REQ"]]', ["NOTICE", ARRAY]],
    ['["EVENT"]', ["NOTICE", EVENT_OBJECT]],
    ['["EVENT",null]', ["NOTICE", EVENT_OBJECT]],
    ['["EVENT","{}"]', ["NOTICE", EVENT_OBJECT]],
    ['["EVENT",[]]', ["NOTICE", EVENT_OBJECT]],
    ['["EVENT",{}]', ["NOTICE", EVENT_ID]],
    ['["EVENT",{"id":1}]', ["NOTICE", EVENT_ID]],
    [`["EVENT",{"id":"${"a".repeat(257)}"}]`, ["NOTICE", EVENT_ID]],
    ['["EVENT",{"id":""}]', ["OK", "", false, EVENT_ID]],
    ['["EVENT",{"id":"\\u0000\\""}]', ["OK", '\u0000"', false, EVENT_ID]],
    ['["REQ"]', ["NOTICE", "invalid: REQ needs a subscription id"]],
    ['["REQ",null,{}]', ["NOTICE", "invalid: REQ needs a subscription id"]],
    ['["REQ",{}]', ["NOTICE", "invalid: REQ needs a subscription id"]],
    [`["REQ","${"a".repeat(257)}",{}]`, ["NOTICE", ID_TOO_LONG]],
    [`["COUNT","${"a".repeat(257)}",{}]`, ["NOTICE", ID_TOO_LONG]],
    ['["REQ","s"]', ["CLOSED", "s", "invalid: a filter is missing"]],
    ['["REQ","s",null]', ["CLOSED", "s", "invalid: a filter must be an object"]],
    ['["REQ","s",{},"{}"]', ["CLOSED", "s", "invalid: a filter must be an object"]],
    ['["COUNT"]', ["NOTICE", "invalid: COUNT needs a subscription id"]],
    ['["COUNT",1,{}]', ["NOTICE", "invalid: COUNT needs a subscription id"]],
    ['["COUNT","s"]', ["CLOSED", "s", "invalid: a filter is missing"]],
    ['["CLOSE"]', ["NOTICE", "invalid: CLOSE needs a subscription id"]],
    ['["CLOSE",1]', ["NOTICE", "invalid: CLOSE needs a subscription id"]],
    ['["HELLO"]', ["NOTICE", unknown("HELLO")]],
    ['["req","s",{}]', ["NOTICE", unknown("req")]],
    ['[""]', ["NOTICE", unknown("")]],
    [`["${"M".repeat(33)}"]`, ["NOTICE", unknown(`${"M".repeat(32)}…`)]],
    ['["OK","s",true,""]', ["NOTICE", unknown("OK")]],
    ['["AUTH"]', ["NOTICE", "invalid: AUTH must carry an event object"]],
    ['["AUTH","challenge"]', ["NOTICE", "invalid: AUTH must carry an event object"]],
    ['["AUTH",{"id":"x"}]', ["OK", "x", false, "invalid: id must be 64 lower-case hex digits"]],
    ['["NEG-OPEN"]', ["NOTICE", "invalid: NEG-OPEN needs a subscription id"]],
    ['["NEG-OPEN","n",{},"61"]', ["NEG-MSG", "n", "61"]],
    ['["NEG-MSG","n","61"]', ["NEG-ERR", "n", "closed: no sync of this id is open"]],
    ['["NEG-CLOSE"]', ["NOTICE", "invalid: NEG-CLOSE needs a subscription id"]],
    ['["NEG-ERR","n","x"]', ["NEG-ERR", "n", unknown("NEG-ERR")]],
  ];
  test.each(rows)("%s", (text, answer) =>
    connected(async (client) => {
      client.sendRaw(text);
      expect(await client.next()).toEqual(answer);
      expect(await client.request("still here", { ids: [] })).toEqual([
        ["EOSE", "still here", ["finish"]],
      ]);
      expect(client.frames).toHaveLength(2);
    }),
  );

  test("binary frames, even those that hold a good message", () =>
    connected(async (client) => {
      client.sendRaw(new TextEncoder().encode('["REQ","s",{}]'));
      client.sendRaw(new Uint8Array(0));
      client.sendRaw(Uint8Array.of(0xff, 0x00));
      const notice = ["NOTICE", "invalid: messages must be text, not binary"];
      expect(await client.take(3)).toEqual([notice, notice, notice]);
      await client.settle();
      expect(client.frames).toHaveLength(4);
    }));
});

describe("every malformed event is refused by its id", () => {
  const good = new Topic("malformed").make();
  const TIMESTAMP = "invalid: created_at must be a unix timestamp in seconds";
  const TAG = "invalid: each tag must be an array of strings";
  const rows: [string, Record<string, unknown>, string][] = [
    ["no pubkey", { pubkey: undefined }, "invalid: pubkey must be 64 lower-case hex digits"],
    ["no sig", { sig: undefined }, "invalid: sig must be 128 lower-case hex digits"],
    ["no created_at", { created_at: undefined }, TIMESTAMP],
    ["created_at as text", { created_at: "1" }, TIMESTAMP],
    ["a fraction of a second", { created_at: 1.5 }, TIMESTAMP],
    ["before 1970", { created_at: -1 }, TIMESTAMP],
    ["no kind", { kind: undefined }, "invalid: kind must be an integer from 0 to 65535"],
    ["no content", { content: undefined }, "invalid: content must be a string"],
    ["content that is no text", { content: {} }, "invalid: content must be a string"],
    ["no tags", { tags: undefined }, "invalid: tags must be an array"],
    ["tags that are no list", { tags: {} }, "invalid: tags must be an array"],
    ["a tag that is no list", { tags: ["t"] }, TAG],
    ["a number in a tag", { tags: [["t", 1]] }, TAG],
    ["null in a tag", { tags: [["t", null]] }, TAG],
    ["a lone surrogate in content", { content: "\ud800" }, "invalid: content has a lone surrogate"],
    ["a lone surrogate in a tag", { tags: [["\udfff"]] }, "invalid: a tag has a lone surrogate"],
    ["another content", { content: "x" }, "invalid: the id is not the hash of the event"],
    ["another time", { created_at: 1 }, "invalid: the id is not the hash of the event"],
    [
      "another's key",
      { pubkey: authorKey(9).pubkey },
      "invalid: the id is not the hash of the event",
    ],
    ["a signature of zeros", { sig: "0".repeat(128) }, "invalid: bad signature"],
    ["a signature of another event", { sig: new Topic("x").make().sig }, "invalid: bad signature"],
  ];
  test.each(rows)("%s", (_, change, reason) =>
    connected(async (client) => {
      const event = { ...good, author: 0, ...change };
      expect(await client.publish(event)).toEqual(refused(event, reason));
      expect(await client.query({ ids: [good.id] })).toEqual([]);
    }),
  );

  test("a hash of something else", () =>
    connected(async (client) => {
      const event = { ...good, id: "0".repeat(64) };
      const reason = "invalid: the id is not the hash of the event";
      expect(await client.publish(event)).toEqual(refused(event, reason));
    }));
});
