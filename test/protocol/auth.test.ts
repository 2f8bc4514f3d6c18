// What an AUTH event must say (NIP-42), by a table of everything that may be wrong with it.

import { describe, expect, test } from "bun:test";
import { checkAuthEvent } from "../../src/protocol/auth.ts";
import { compileRelayUrls } from "../../src/protocol/relay-url.ts";
import { type EventFields, makeEvent } from "../support/unsigned-events.ts";

const NOW = 1_800_000_000;
const CHALLENGE = "c".repeat(32);
const isThisRelay = compileRelayUrls(["wss://relay.example.com"], []);
const relay = ["relay", "wss://relay.example.com/"];
const challenge = ["challenge", CHALLENGE];

describe("an AUTH event", () => {
  const otherRelay = "invalid: the relay tag names another relay";
  const otherChallenge = "invalid: the challenge is not the one this connection got";
  const notNow = "invalid: created_at must be within 600 seconds of now";
  const rows: [string, EventFields, string | null][] = [
    ["that is right", {}, null],
    ["with more tags", { tags: [["x"], challenge, relay, ["p", "y"]] }, null],
    ["ten minutes old", { created_at: NOW - 600 }, null],
    ["ten minutes ahead", { created_at: NOW + 600 }, null],
    ["older", { created_at: NOW - 601 }, notNow],
    ["further ahead", { created_at: NOW + 601 }, notNow],
    ["of another kind", { kind: 1 }, "invalid: AUTH must carry an event of kind 22242"],
    ["for HTTP", { kind: 27_235 }, "invalid: AUTH must carry an event of kind 22242"],
    ["without a challenge", { tags: [relay] }, otherChallenge],
    ["with an empty one", { tags: [relay, ["challenge"]] }, otherChallenge],
    ["with another's", { tags: [relay, ["challenge", "d".repeat(32)]] }, otherChallenge],
    ["with part of it", { tags: [relay, ["challenge", "c".repeat(31)]] }, otherChallenge],
    ["without a relay", { tags: [challenge] }, "invalid: the relay tag is missing"],
    ["with an empty one", { tags: [challenge, ["relay", ""]] }, otherRelay],
    ["for another", { tags: [challenge, ["relay", "wss://evil.example"]] }, otherRelay],
    [
      "for another first",
      { tags: [challenge, ["relay", "wss://evil.example"], relay] },
      otherRelay,
    ],
    ["for all", { tags: [challenge, ["relay", "ALL_RELAYS"]] }, otherRelay],
  ];
  test.each(rows)("%s", (_, fields, reason) => {
    const event = makeEvent({ kind: 22_242, created_at: NOW, tags: [relay, challenge], ...fields });
    expect(checkAuthEvent(event, CHALLENGE, isThisRelay, NOW)).toBe(reason as never);
  });
});
