// What a relay says of itself (NIP-66): events that agree with its relay information document.

import { expect, test } from "bun:test";
import { defaultSettings } from "../../src/config/options.ts";
import { overlay, relayInformation } from "../../src/http/relay-information.ts";
import { describeSelf } from "../../src/http/self-description.ts";

const SELF = "5e".repeat(32);
const NO_KINDS = { allowedKinds: new Set<number>(), disallowedKinds: new Set<number>() };

test("an event for each address, with what NIP-11 says, a profile and an announcement", () => {
  const settings = {
    ...defaultSettings(),
    "relay.urls": ["wss://Relay.Example.com:443", "ws://abc.onion", "https://x.i2p/relay"],
    "monitor.publish_interval_s": 3600,
    "access.write": "members" as const,
    "info.icon": "https://x.example/i.png",
  };
  const texts = { name: "Ñandú", description: "a relay" };
  const kinds = { allowedKinds: new Set([1, 7]), disallowedKinds: new Set([4]) };
  const information = relayInformation(overlay(settings, texts), SELF);
  const shared = [
    ...information.supported_nips.map((nip) => ["N", String(nip)]),
    ["R", "!auth"],
    ["R", "writes"],
    ["R", "!pow"],
    ["R", "!payment"],
    ["k", "1"],
    ["k", "7"],
    ["k", "!4"],
  ];
  const content = JSON.stringify(information);
  expect(describeSelf(settings, texts, SELF, kinds)).toEqual([
    {
      kind: 0,
      tags: [],
      content: JSON.stringify({
        name: "Ñandú",
        about: "a relay",
        picture: "https://x.example/i.png",
      }),
    },
    {
      kind: 10002,
      tags: [
        ["r", "wss://relay.example.com/"],
        ["r", "ws://abc.onion/"],
        ["r", "wss://x.i2p/relay"],
      ],
      content: "",
    },
    {
      kind: 10166,
      tags: [
        ["frequency", "3600"],
        ["c", "nip11"],
      ],
      content: "",
    },
    {
      kind: 30166,
      tags: [["d", "wss://relay.example.com/"], ["n", "clearnet"], ...shared],
      content,
    },
    { kind: 30166, tags: [["d", "ws://abc.onion/"], ["n", "tor"], ...shared], content },
    { kind: 30166, tags: [["d", "wss://x.i2p/relay"], ["n", "i2p"], ...shared], content },
  ]);
  expect(information.supported_nips).toContain(66);
});

test("without an address, one for the relay's key", () => {
  const settings = { ...defaultSettings(), "monitor.publish_interval_s": 60 };
  const events = describeSelf(settings, {}, SELF, NO_KINDS);
  expect(events.map(({ kind, tags }) => [kind, tags[0]])).toEqual([
    [0, undefined],
    [10166, ["frequency", "60"]],
    [30166, ["d", SELF]],
  ] as never);
});
