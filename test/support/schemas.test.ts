// Frames that the schemas let pass, and frames that they don't: what checks every end-to-end test
// must be able to fail.

import { describe, expect, test } from "bun:test";
import { makeEvent } from "./unsigned-events.ts";
import { findFrameFault, parseFrame, parseInformation } from "./schemas.ts";

const ID = "0a".repeat(32);
const event = makeEvent({ tags: [[], [""], ["t", "x", "", "y"]] });
const group = { ...event, kind: 39_000 };

describe("frames that a relay may send", () => {
  const frames: unknown[][] = [
    ["OK", ID, true, ""],
    ["OK", ID, false, "blocked: no"],
    ["OK", "what was sent", false, "invalid: no hex"],
    ["EVENT", "", event],
    ["EVENT", "s", { ...group, tags: [["d", "a"]] }],
    ["EOSE", "s"],
    ["EOSE", "s", ["finish"]],
    ["EOSE", "s", ["more"]],
    ["CLOSED", "s", "auth-required: sign in"],
    ["NOTICE", ""],
    ["AUTH", "challenge"],
    ["COUNT", "s", { count: 0 }],
    ["COUNT", "s", { count: 10, approximate: true, hll: "0f".repeat(256) }],
    ["NEG-MSG", "s", "61"],
    ["NEG-ERR", "s", "closed: too long"],
  ];
  test.each(frames.map((frame) => [frame]))("%j", (frame) => {
    expect(findFrameFault(frame)).toBe(null);
    expect(parseFrame(JSON.stringify(frame))).toEqual(frame);
  });
});

describe("frames that it may not", () => {
  const { sig: _, ...unsigned } = event;
  const frames: unknown[] = [
    null,
    {},
    [],
    ["PING"],
    [1],
    ["OK", ID, true],
    ["OK", ID, "true", ""],
    ["OK", "what was sent", true, ""],
    ["EVENT", "s", unsigned],
    ["EVENT", "s", { ...event, kind: 65_536 }],
    ["EVENT", "s", { ...event, id: ID.toUpperCase() }],
    ["EVENT", "s", { ...event, tags: [[1]] }],
    ["EVENT", "s", { ...event, seen: true }],
    ["EVENT", "s", { ...group, tags: [] }],
    ["EOSE"],
    ["EOSE", "s", "finish"],
    ["EOSE", "s", ["perhaps"]],
    ["CLOSED", "s"],
    ["CLOSED", "s", "no prefix"],
    ["NOTICE", "s", "s"],
    ["AUTH", ""],
    ["COUNT", "s", { count: -1 }],
    ["COUNT", "s", { count: 0, hll: "0f" }],
    ["NEG-MSG", "s", "no hex"],
    ["NEG-ERR", "s", "no prefix"],
  ];
  test.each(frames.map((frame) => [frame]))("%j", (frame) => {
    expect(findFrameFault(frame)).not.toBe(null);
    expect(() => parseFrame(JSON.stringify(frame))).toThrow();
  });
});

test("a fault names the rule and shows the frame", () => {
  expect(findFrameFault(["CLOSED", "s", "no prefix"])).toBe(
    'CLOSED fails its schema: data/2 must match pattern "^[a-zA-Z0-9_-]+: .+": ' +
      '["CLOSED","s","no prefix"]',
  );
});

test("a relay information document has texts for texts and numbers for NIPs", () => {
  expect(parseInformation('{"name":"a","supported_nips":[1]}')).toEqual({
    name: "a",
    supported_nips: [1],
  });
  expect(() => parseInformation('{"name":1}')).toThrow();
  expect(() => parseInformation('{"supported_nips":["1"]}')).toThrow();
});
