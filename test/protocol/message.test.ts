/**
 * Messages, whole frames: each verb in each malformed shape, and bound to the id it answers
 * wherever that can be read; each encoder; and 50,000 damaged messages, none of which may throw or
 * get a reason without a prefix of NIP-01.
 */

import { describe, expect, test } from "bun:test";
import { encodeEvent, parseEvent } from "../../src/protocol/event.ts";
import { decodeFilter, encodeFilter, MATCH_ALL } from "../../src/protocol/filter.ts";
import {
  encodeClosed,
  encodeCount,
  encodeEose,
  encodeEventPrefix,
  encodeNegErr,
  encodeNegMsg,
  encodeNotice,
  encodeOk,
  parseClientMessage,
} from "../../src/protocol/message.ts";
import { EventFactory } from "../support/events.ts";
import { type Random, testRandomly } from "../support/random.ts";

const limits = {
  filtersMax: 3,
  filterValuesMax: 5,
  searchKinds: new Set<number>(),
  hasSyncs: false,
};
const id = "ab".repeat(32);
const long256 = "x".repeat(256);
const long257 = "x".repeat(257);
const deep = (open: string, close: string) => open.repeat(100_000) + 1 + close.repeat(100_000);

const notJson = ["NOTICE", "invalid: not JSON"];
const notMessage = ["NOTICE", "invalid: a message must be an array that starts with its type"];
const noEvent = ["NOTICE", "invalid: EVENT must carry an event object"];
const LOWER_HEX = "lower-case hex digits each";
const noEventId = ["NOTICE", "invalid: id must be 64 lower-case hex digits"];
const noClosedId = ["NOTICE", "invalid: CLOSE needs a subscription id"];
const unknownType = (shown: string) => ["NOTICE", `unsupported: unknown message type ${shown}`];

interface Refusal {
  desc: string;
  text: string;
  frame: unknown[];
}

function expectFrames(refusals: Refusal[]): void {
  for (const { desc, text, frame } of refusals) {
    test(`${desc}: ${JSON.stringify(frame).slice(0, 90)}`, () => {
      // CLOSED also ends the subscription that the refused REQ was to replace.
      const closes = text.startsWith('["REQ"') && frame[0] === "CLOSED" ? String(frame[1]) : null;
      const expected = { type: "refused", frame: JSON.stringify(frame), closes } as const;
      expect(parseClientMessage(text, limits)).toEqual(expected);
    });
  }
}

describe("what is no message gets a NOTICE", () => {
  expectFrames([
    { desc: "nothing", text: "", frame: notJson },
    { desc: "no JSON", text: "hello", frame: notJson },
    { desc: "half an array", text: '["REQ","s",{}', frame: notJson },
    { desc: "two messages", text: '["CLOSE","s"]["CLOSE","s"]', frame: notJson },
    { desc: "a trailing comma", text: '["CLOSE","s",]', frame: notJson },
    { desc: "single quotes", text: "['CLOSE','s']", frame: notJson },
    { desc: "a byte order mark", text: '\ufeff["CLOSE","s"]', frame: notJson },
    { desc: "a raw line break in a string", text: '["CLOSE","a\nb"]', frame: notJson },
    { desc: "NaN", text: '["REQ","s",{"limit":NaN}]', frame: notJson },
    { desc: "100,000 open arrays", text: "[".repeat(100_000), frame: notJson },
    { desc: "100,000 open objects", text: '{"a":'.repeat(100_000), frame: notJson },
    { desc: "100,000 arrays", text: deep("[", "]"), frame: notMessage },
    { desc: "100,000 objects", text: deep('{"a":', "}"), frame: notMessage },
    { desc: "null", text: "null", frame: notMessage },
    { desc: "a number", text: "1", frame: notMessage },
    { desc: "a string", text: '"REQ"', frame: notMessage },
    { desc: "an object", text: '{"0":"REQ","1":"s","2":{}}', frame: notMessage },
    { desc: "an empty array", text: "[]", frame: notMessage },
    { desc: "a number as type", text: '[1,"s",{}]', frame: notMessage },
    { desc: "an array as type", text: '[["REQ"],"s",{}]', frame: notMessage },
  ]);
});

describe("EVENT without a readable id gets a NOTICE", () => {
  expectFrames([
    { desc: "nothing", text: '["EVENT"]', frame: noEvent },
    { desc: "null", text: '["EVENT",null]', frame: noEvent },
    { desc: "a string", text: `["EVENT","${id}"]`, frame: noEvent },
    { desc: "a number", text: '["EVENT",1]', frame: noEvent },
    { desc: "an array", text: `["EVENT",["${id}"]]`, frame: noEvent },
    { desc: "100,000 arrays", text: `["EVENT",${deep("[", "]")}]`, frame: noEvent },
    { desc: "no id", text: '["EVENT",{"content":""}]', frame: noEventId },
    { desc: "100,000 objects", text: `["EVENT",${deep('{"a":', "}")}]`, frame: noEventId },
    { desc: "id null", text: '["EVENT",{"id":null}]', frame: noEventId },
    { desc: "id a number", text: '["EVENT",{"id":7}]', frame: noEventId },
    { desc: "id an object", text: '["EVENT",{"id":{}}]', frame: noEventId },
    { desc: "id of 257", text: `["EVENT",{"id":"${long257}"}]`, frame: noEventId },
    { desc: "id by prototype", text: `["EVENT",{"__proto__":{"id":"${id}"}}]`, frame: noEventId },
  ]);
});

describe("EVENT with a readable id is passed on, to be answered by OK", () => {
  const texts = [
    { desc: "id alone", event: { id } },
    { desc: "an id that is no hex", event: { id: "my event" } },
    { desc: "an empty id", event: { id: "" } },
    { desc: "an id of 256", event: { id: long256 } },
    { desc: "an id with a lone surrogate", event: { id: "\ud800" } },
  ];
  for (const { desc, event } of texts) {
    test(desc, () => {
      const text = JSON.stringify(["EVENT", event, "ignored"]);
      expect(parseClientMessage(text, limits)).toEqual({ type: "EVENT", id: event.id, event });
    });
  }

  test("of two ids the last counts", () => {
    const message = parseClientMessage('["EVENT",{"id":"a","id":"b"}]', limits);
    expect(message).toEqual({ type: "EVENT", id: "b", event: { id: "b" } });
  });
});

for (const verb of ["REQ", "COUNT"]) {
  describe(`${verb} is refused by CLOSED, or by NOTICE without a readable id`, () => {
    const noId = ["NOTICE", `invalid: ${verb} needs a subscription id`];
    const bare = (rest: string) => `["${verb}"${rest}]`;
    const with_ = (rest: string) => `["${verb}","s"${rest}]`;
    const closed = (reason: string, sub = "s") => ["CLOSED", sub, reason];
    const tooLong = "invalid: the subscription id is longer than 64 characters";
    const surrogate = "invalid: the subscription id has a lone surrogate";
    const missing = closed("invalid: a filter is missing");
    const noObject = closed("invalid: a filter must be an object");
    const tooMany = closed("invalid: more than 3 filters");
    const unknownA = closed('unsupported: unknown filter key "a"');
    const values = closed("invalid: more than 5 values in the filters");
    const badKinds = closed("invalid: kinds must be an array of integers from 0 to 65535");
    const x65 = "x".repeat(65);
    expectFrames([
      { desc: "nothing", text: bare(""), frame: noId },
      { desc: "null id", text: bare(",null,{}"), frame: noId },
      { desc: "number id", text: bare(",1,{}"), frame: noId },
      { desc: "array id", text: bare(',["s"],{}'), frame: noId },
      { desc: "filter in place of the id", text: bare(",{}"), frame: noId },
      { desc: "id of 257", text: bare(`,"${long257}",{}`), frame: ["NOTICE", tooLong] },
      { desc: "id of 256", text: bare(`,"${long256}",{}`), frame: closed(tooLong, long256) },
      { desc: "id of 65", text: bare(`,"${x65}",{}`), frame: closed(tooLong, x65) },
      {
        desc: "id of 65 code points",
        text: bare(`,"${"😀".repeat(65)}",{}`),
        frame: closed(tooLong, "😀".repeat(65)),
      },
      {
        desc: "empty id",
        text: bare(',"",{}'),
        frame: closed("invalid: the subscription id is empty", ""),
      },
      { desc: "lone high", text: bare(',"\\ud83d",{}'), frame: closed(surrogate, "\ud83d") },
      { desc: "lone low", text: bare(',"a\\uDE00b",{}'), frame: closed(surrogate, "a\ude00b") },
      { desc: "raw lone", text: bare(',"\ud83d",{}'), frame: closed(surrogate, "\ud83d") },
      { desc: "no filter", text: with_(""), frame: missing },
      { desc: "4 filters", text: with_(",{},{},{},{}"), frame: tooMany },
      { desc: "null", text: with_(",null"), frame: noObject },
      { desc: "an array", text: with_(",[]"), frame: noObject },
      { desc: "an array of filters", text: with_(",[{}]"), frame: noObject },
      { desc: "a string", text: with_(',"{}"'), frame: noObject },
      { desc: "a number", text: with_(",1"), frame: noObject },
      { desc: "100,000 arrays", text: with_(`,${deep("[", "]")}`), frame: noObject },
      { desc: "100,000 objects", text: with_(`,${deep('{"a":', "}")}`), frame: unknownA },
      { desc: "a good and a bad filter", text: with_(',{},{"kinds":[-1]}'), frame: badKinds },
      { desc: "6 values", text: with_(',{"kinds":[1,2,3]},{"kinds":[1,2,3]}'), frame: values },
      {
        desc: "6 tag values",
        text: with_(',{"#t":["1","2","3","4"],"#r":["1","2"]}'),
        frame: values,
      },
    ]);

    const accepted = [
      { desc: "an id of one character", sub: "s" },
      { desc: "an id of 64 characters", sub: "x".repeat(64) },
      { desc: "an id of 64 emoji", sub: "😀".repeat(64) },
      { desc: "an id with quotes and backslashes", sub: 'a"b\\c' },
      { desc: "an id with control characters", sub: "\u0000\u0001\u007f\u2028\n" },
      { desc: "an id with emoji", sub: "🦤".repeat(32) },
      { desc: "an id called __proto__", sub: "__proto__" },
    ];
    for (const { desc, sub } of accepted) {
      test(`${desc} is accepted`, () => {
        const text = JSON.stringify([verb, sub, { limit: 1 }]);
        const filters = [{ ...MATCH_ALL, limit: 1 }];
        const idField = verb === "REQ" ? { subscriptionId: sub } : { queryId: sub };
        const message: unknown = parseClientMessage(text, limits);
        expect(message).toEqual({ type: verb, ...idField, filters });
      });
    }

    test("filters that match nothing are dropped, all of them if need be", () => {
      const idField = verb === "REQ" ? { subscriptionId: "s" } : { queryId: "s" };
      const some: unknown = parseClientMessage(with_(',{"ids":[]},{},{"kinds":[]}'), limits);
      expect(some).toEqual({ type: verb, ...idField, filters: [MATCH_ALL] });
      const none: unknown = parseClientMessage(with_(',{"since":2,"until":1}'), limits);
      expect(none).toEqual({ type: verb, ...idField, filters: [] });
    });

    test("as many filters and values as allowed are accepted, and a value twice is one", () => {
      const text = with_(',{"kinds":[1,1,1,2]},{"#t":["a","b","a"]},{"kinds":[3]}');
      const message = parseClientMessage(text, limits);
      expect("filters" in message && message.filters.length).toBe(3);
    });
  });
}

test("10,000 authors fit into one filter where the limits allow", () => {
  const authors = Array.from({ length: 10_000 }, (_, i) => i.toString(16).padStart(64, "0"));
  const text = JSON.stringify(["REQ", "s", { authors }]);
  const message = parseClientMessage(text, { ...limits, filtersMax: 1, filterValuesMax: 10_000 });
  const filters = [{ ...MATCH_ALL, authors: new Set(authors) }];
  expect(message).toEqual({ type: "REQ", subscriptionId: "s", filters });
  const refused = parseClientMessage(text, { ...limits, filtersMax: 1, filterValuesMax: 9999 });
  const frame = '["CLOSED","s","invalid: more than 9999 values in the filters"]';
  expect(refused).toEqual({ type: "refused", frame, closes: "s" });
});

describe("CLOSE", () => {
  expectFrames([
    { desc: "nothing", text: '["CLOSE"]', frame: noClosedId },
    { desc: "null", text: '["CLOSE",null]', frame: noClosedId },
    { desc: "a number", text: '["CLOSE",1]', frame: noClosedId },
    { desc: "an array", text: '["CLOSE",["s"]]', frame: noClosedId },
  ]);

  test("takes any string and ignores what follows it", () => {
    for (const subscriptionId of ["s", "", "x".repeat(1000), '"\\\u0001', "\ud800"]) {
      const text = JSON.stringify(["CLOSE", subscriptionId, "more", {}]);
      expect(parseClientMessage(text, limits)).toEqual({ type: "CLOSE", subscriptionId });
    }
  });
});

describe("AUTH", () => {
  test("carries an event", () => {
    const message = parseClientMessage(`["AUTH",{"id":"${id}"}]`, limits);
    expect(message).toEqual({ type: "AUTH", id, event: { id } });
  });
});

const BAD_ID = "id must be 64 lower-case hex digits";
const NO_EVENT = "AUTH must carry an event object";

describe("messages of other NIPs and of none", () => {
  const auth = (reason: string) => ["NOTICE", `invalid: ${reason}`];
  const negErr = (verb: string, sub: string) => [
    "NEG-ERR",
    sub,
    `unsupported: unknown message type "${verb}"`,
  ];
  const shown33 = JSON.stringify(`${"Y".repeat(32)}…`);
  expectFrames([
    { desc: "AUTH id of 257", text: `["AUTH",{"id":"${long257}"}]`, frame: auth(BAD_ID) },
    { desc: "AUTH without id", text: '["AUTH",{}]', frame: auth(BAD_ID) },
    { desc: "AUTH with an array", text: '["AUTH",[]]', frame: auth(NO_EVENT) },
    { desc: "AUTH with null", text: '["AUTH",null]', frame: auth(NO_EVENT) },
    { desc: "AUTH as relays send it", text: '["AUTH","x"]', frame: auth(NO_EVENT) },
    { desc: "NEG-OPEN", text: '["NEG-OPEN","n",{},"61"]', frame: negErr("NEG-OPEN", "n") },
    { desc: "NEG-MSG", text: '["NEG-MSG","\\"","61"]', frame: negErr("NEG-MSG", '"') },
    { desc: "NEG-CLOSE", text: '["NEG-CLOSE",""]', frame: negErr("NEG-CLOSE", "") },
    { desc: "NEG-OPEN without id", text: '["NEG-OPEN"]', frame: unknownType('"NEG-OPEN"') },
    { desc: "NEG-OPEN 257", text: `["NEG-OPEN","${long257}"]`, frame: unknownType('"NEG-OPEN"') },
    { desc: "empty type", text: '[""]', frame: unknownType('""') },
    { desc: "lower case", text: '["req","s",{}]', frame: unknownType('"req"') },
    { desc: "a space after", text: '["REQ ","s",{}]', frame: unknownType('"REQ "') },
    { desc: "a prototype's key", text: '["__proto__"]', frame: unknownType('"__proto__"') },
    {
      desc: "type of 32",
      text: `["${"Y".repeat(32)}"]`,
      frame: unknownType(`"${"Y".repeat(32)}"`),
    },
    { desc: "type of 33", text: `["${"Y".repeat(33)}"]`, frame: unknownType(shown33) },
    { desc: "a quote in it", text: '["a\\"b"]', frame: unknownType('"a\\"b"') },
    { desc: "a lone surrogate", text: '["\\ud800"]', frame: unknownType('"\\ud800"') },
  ]);
});

describe("messages of syncs (NIP-77)", () => {
  const parse = (text: string): unknown =>
    parseClientMessage(text, { ...limits, searchKinds: new Set([1]), hasSyncs: true });
  const message = Buffer.from("6100ff", "hex");
  const zero = Buffer.of(0);
  const kinds = new Set([1, 30_023]);
  const opens: [desc: string, text: string, filter: unknown, message: Buffer][] = [
    ["of everything", '["NEG-OPEN","n",{},"6100ff"]', MATCH_ALL, message],
    ["of kinds", '["NEG-OPEN","n",{"kinds":[1,30023]},"6100ff"]', { ...MATCH_ALL, kinds }, message],
    ["with a limit", '["NEG-OPEN","n",{"limit":3},"6100ff"]', { ...MATCH_ALL, limit: 3 }, message],
    ["of nothing", '["NEG-OPEN","n",{"kinds":[]},"6100ff"]', null, message],
    ["of a list of one", '["NEG-OPEN","n",[{"limit":3}],"00"]', { ...MATCH_ALL, limit: 3 }, zero],
    ["with more behind it", '["NEG-OPEN","n",{},"6100ff",1]', MATCH_ALL, message],
    ["without a byte", '["NEG-OPEN","n",{},""]', MATCH_ALL, Buffer.alloc(0)],
    ["that searches for nothing", '["NEG-OPEN","n",{"search":""},"6100ff"]', MATCH_ALL, message],
  ];
  test.each(opens)("NEG-OPEN %s", (_, text, filter, bytes) => {
    expect(parse(text)).toEqual({ type: "NEG-OPEN", syncId: "n", filter, message: bytes });
  });

  test("NEG-MSG and NEG-CLOSE", () => {
    expect(parse('["NEG-MSG","n","6100ff"]')).toEqual({ type: "NEG-MSG", syncId: "n", message });
    expect(parse('["NEG-CLOSE","n"]')).toEqual({ type: "NEG-CLOSE", syncId: "n" });
  });

  const noHex = "invalid: the message must be lower-case hex";
  const noFilter = "invalid: a filter must be an object";
  const long65 = "x".repeat(65);
  const refusals: [text: string, id: string, reason: string][] = [
    ['["NEG-OPEN","n",{}]', "n", noHex],
    ['["NEG-OPEN","n",{},32,"61"]', "n", noHex],
    ['["NEG-OPEN","n",{},"6"]', "n", noHex],
    ['["NEG-OPEN","n",{},"6A"]', "n", noHex],
    ['["NEG-OPEN","n",{},"0x61"]', "n", noHex],
    ['["NEG-OPEN","n",{},"61 0"]', "n", noHex],
    ['["NEG-MSG","n"]', "n", noHex],
    ['["NEG-MSG","n",{},"61"]', "n", noHex],
    ['["NEG-MSG","n","zz"]', "n", noHex],
    ['["NEG-OPEN","n"]', "n", noFilter],
    ['["NEG-OPEN","n",[],"61"]', "n", noFilter],
    ['["NEG-OPEN","n",[[{}]],"61"]', "n", noFilter],
    ['["NEG-OPEN","n",[{},{}],"61"]', "n", "unsupported: a sync is of one filter only"],
    ['["NEG-OPEN","n","{}","61"]', "n", noFilter],
    ['["NEG-OPEN","n",{"ids":1},"61"]', "n", `invalid: ids must be an array of 64 ${LOWER_HEX}`],
    ['["NEG-OPEN","n",{"x":1},"61"]', "n", 'unsupported: unknown filter key "x"'],
    [
      '["NEG-OPEN","n",{"kinds":[1,2,3,4,5,6]},"61"]',
      "n",
      "invalid: more than 5 values in the filters",
    ],
    [
      '["NEG-OPEN","n",{"search":"words"},"61"]',
      "n",
      "unsupported: what a search finds can't be synced",
    ],
    ['["NEG-OPEN","",{},"61"]', "", "invalid: the subscription id is empty"],
    [
      `["NEG-MSG","${long65}","61"]`,
      long65,
      "invalid: the subscription id is longer than 64 characters",
    ],
  ];
  test.each(refusals)("%s is refused", (text, syncId, reason) => {
    expect(parse(text)).toEqual({ type: "NEG-ERR", syncId, reason });
  });

  const notices: [text: string, reason: string][] = [
    ['["NEG-OPEN"]', "invalid: NEG-OPEN needs a subscription id"],
    ['["NEG-MSG",1,"61"]', "invalid: NEG-MSG needs a subscription id"],
    ['["NEG-CLOSE",null]', "invalid: NEG-CLOSE needs a subscription id"],
    [`["NEG-MSG","${long257}","61"]`, "invalid: the subscription id is longer than 64 characters"],
  ];
  test.each(notices)("%s has no id to be bound to", (text, reason) => {
    const frame = JSON.stringify(["NOTICE", reason]);
    expect(parse(text)).toEqual({ type: "refused", frame, closes: null });
  });

  test("what relays send is unknown", () => {
    const frame = JSON.stringify(["NEG-ERR", "n", 'unsupported: unknown message type "NEG-ERR"']);
    expect(parse('["NEG-ERR","n","x"]')).toEqual({ type: "refused", frame, closes: null });
  });

  test("the relay's", () => {
    expect(encodeNegMsg('"', message.subarray(1))).toBe('["NEG-MSG","\\"","00ff"]');
    expect(encodeNegErr("n", "closed: late")).toBe('["NEG-ERR","n","closed: late"]');
    const blocked = encodeNegErr("n", "blocked: too big", 9);
    expect(blocked).toBe('["NEG-ERR","n","blocked: too big",9]');
  });
});

describe("encoders", () => {
  const tricky = '"\\\u0001\n\u007f\u2028🦤';
  const frames: { desc: string; frame: string; expected: string }[] = [
    { desc: "OK true", frame: encodeOk(id, true, ""), expected: `["OK","${id}",true,""]` },
    {
      desc: "OK true with a reason",
      frame: encodeOk(id, true, "duplicate: have this event"),
      expected: `["OK","${id}",true,"duplicate: have this event"]`,
    },
    {
      desc: "OK false",
      frame: encodeOk('"', false, "invalid: bad id"),
      expected: '["OK","\\"",false,"invalid: bad id"]',
    },
    {
      desc: "CLOSED",
      frame: encodeClosed("s", "auth-required: sign in"),
      expected: '["CLOSED","s","auth-required: sign in"]',
    },
    { desc: "NOTICE", frame: encodeNotice('error: "x"'), expected: '["NOTICE","error: \\"x\\""]' },
    { desc: "EOSE", frame: encodeEose("s", null), expected: '["EOSE","s"]' },
    { desc: "EOSE finish", frame: encodeEose("s", "finish"), expected: '["EOSE","s",["finish"]]' },
    { desc: "EOSE more", frame: encodeEose("s", "more"), expected: '["EOSE","s",["more"]]' },
    { desc: "COUNT", frame: encodeCount("q", 0, false), expected: '["COUNT","q",{"count":0}]' },
    {
      desc: "COUNT, at least",
      frame: encodeCount("q", 7, true),
      expected: '["COUNT","q",{"count":7,"approximate":true}]',
    },
    {
      desc: "COUNT with registers",
      frame: encodeCount("q", 7, false, "00ff"),
      expected: '["COUNT","q",{"count":7,"hll":"00ff"}]',
    },
    {
      desc: "what stands before an event",
      frame: `${encodeEventPrefix(tricky)}{}]`,
      expected: '["EVENT","\\"\\\\\\u0001\\n\u007f\u2028🦤",{}]',
    },
  ];
  for (const { desc, frame, expected } of frames) {
    test(desc, () => expect(frame).toBe(expected));
  }

  test("give back the subscription id that came in", () => {
    const wrapped = `${encodeEventPrefix(tricky)}null]`;
    for (const frame of [encodeEose(tricky, null), encodeClosed(tricky, "error: x"), wrapped]) {
      expect((JSON.parse(frame) as unknown[])[1]).toBe(tricky);
    }
  });
});

const PREFIXES = "duplicate|pow|blocked|rate-limited|invalid|restricted|mute|error|";
const REASON = new RegExp(`^(${PREFIXES}auth-required|unsupported): .`);

/** A refusal is one of four messages, with a reason that clients can act on. */
function checkFrame(frame: string): void {
  const message = JSON.parse(frame) as unknown[];
  expect(frame.isWellFormed()).toBe(true);
  const lengths: Record<string, number> = { NOTICE: 2, CLOSED: 3, "NEG-ERR": 3, OK: 4 };
  const [type] = message as [string];
  expect([type, message.length]).toEqual([type, lengths[type] ?? Number.NaN]);
  if (type !== "NOTICE") expect(message[1]).toBeString();
  if (type === "OK") expect(message[2]).toBe(false);
  expect(message.at(-1)).toMatch(REASON);
}

function checkMessage(text: string, isSyncing: boolean): string {
  const message = parseClientMessage(text, { ...limits, hasSyncs: isSyncing });
  switch (message.type) {
    case "refused":
      checkFrame(message.frame);
      return message.frame.slice(2, message.frame.indexOf('"', 2));
    case "AUTH":
    case "EVENT": {
      const event = parseEvent(message.event, {
        tagsMax: 5,
        tagValueBytesMax: 70,
        contentBytesMax: 200,
      });
      if (typeof event === "string") {
        expect(event).toMatch(REASON);
        checkFrame(encodeOk(message.id, false, event));
        return "bad event";
      }
      const { json } = encodeEvent(event);
      expect(json.isWellFormed()).toBe(true);
      expect(JSON.stringify(JSON.parse(json))).toBe(json);
      return "good event";
    }
    case "REQ":
    case "COUNT":
      for (const filter of message.filters) {
        expect(decodeFilter(encodeFilter(filter))).toEqual(filter);
      }
      return message.type;
    case "CLOSE":
      expect(message.subscriptionId).toBeString();
      return message.type;
    case "NEG-ERR":
      checkFrame(encodeNegErr(message.syncId, message.reason));
      return message.type;
    case "NEG-OPEN":
    case "NEG-MSG":
    case "NEG-CLOSE":
      expect(message.syncId).toBeString();
      return message.type;
  }
}

/** Any JSON value, with a taste for what code expects least. */
function randomJson(random: Random, depth: number): unknown {
  switch (random.below(depth > 0 ? 9 : 7)) {
    case 0:
      return random.pick([null, true, false]);
    case 1:
      return random.pick([0, -0, 1, -1, 0.5, 65535, 65536, 1e20, 2 ** 53, 2 ** 53 - 1]);
    case 2:
      return random.next();
    case 3:
      return random.text(6);
    case 4:
      return random.hex(random.pick([2, 64, 65, 128]));
    case 5:
      return random.pick(["\ud800", "\udc00x", "ids", "#e", "REQ", "COUNT", "CLOSE", "AUTH"]);
    case 6:
      return random.pick([[], {}, "", "x".repeat(65), "x".repeat(257)]);
    case 7:
      return random.list(random.below(4), () => randomJson(random, depth - 1));
    default:
      return Object.fromEntries(
        random.list(random.below(4), () => [randomKey(random), randomJson(random, depth - 1)]),
      );
  }
}

function randomKey(random: Random): string {
  const keys = ["ids", "authors", "kinds", "#e", "#t", "#tt", "#", "since", "until", "limit"];
  return random.pick([...keys, "search", "id", "tags", "__proto__", "constructor", random.text(3)]);
}

/** The value with one of its nodes replaced, added or taken away. */
function damage(value: unknown, random: Random): unknown {
  if (typeof value !== "object" || value === null || random.oneIn(6)) return randomJson(random, 2);
  const copy = structuredClone(value) as Record<string, unknown>;
  const keys = Object.keys(copy);
  if (Array.isArray(copy) && random.oneIn(6)) copy.push(randomJson(random, 1));
  else if (keys.length === 0) return randomJson(random, 2);
  else {
    const key = random.pick(keys);
    if (random.oneIn(8)) delete copy[key];
    else copy[key] = damage(copy[key], random);
  }
  return copy;
}

function damageText(text: string, random: Random): string {
  const at = random.below(text.length + 1);
  const piece = random.pick(["", '"', "\\", "[", "]", "{", "}", ",", "0", "\\ud800", "e9"]);
  return text.slice(0, at) + piece + text.slice(at + random.below(3));
}

testRandomly(
  "no damaged message throws, and each refusal can be read",
  (random) => {
    const factory = new EventFactory(random);
    const seen = new Map<string, number>();
    for (let i = 0; i < 50_000; i++) {
      const event = random.pick([factory.make(), { id: random.hex(64) }]);
      const filter = { kinds: [1], "#t": ["nostr"], authors: [event.id], since: 1, limit: 5 };
      const valid = random.pick([
        ["EVENT", event],
        ["EVENT", event],
        ["REQ", "sub", filter],
        ["COUNT", "query", { ids: [event.id] }, filter],
        ["CLOSE", "sub"],
        ["AUTH", event],
        ["NEG-OPEN", "n", filter, "61"],
        ["NEG-MSG", "n", "61"],
        ["NEG-CLOSE", "n"],
      ]);
      let message: unknown = valid;
      for (let times = random.below(3); times > 0; times--) message = damage(message, random);
      let text = JSON.stringify(message);
      if (random.oneIn(3)) text = damageText(text, random);
      const outcome = checkMessage(text, !random.oneIn(3));
      seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
    }
    const outcomes = ["good event", "bad event", "REQ", "COUNT", "CLOSE"];
    outcomes.push("NEG-OPEN", "NEG-MSG", "NEG-CLOSE");
    const refusals = ["NOTICE", "CLOSED", "NEG-ERR"];
    expect([...seen.keys()].sort()).toEqual([...outcomes, ...refusals].sort());
    for (const [outcome, count] of seen) expect([outcome, count > 100]).toEqual([outcome, true]);
  },
  30_000,
);
