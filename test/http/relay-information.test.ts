// The relay information document says what the settings say.

import { describe, expect, test } from "bun:test";
import { defaultSettings, type Settings } from "../../src/config/options.ts";
import { type Limitation, relayInformation } from "../../src/http/relay-information.ts";
import { VERSION } from "../../src/version.ts";
import { parseInformation } from "../support/schemas.ts";

const wire = (changes: Partial<Settings>): unknown =>
  parseInformation(JSON.stringify(relayInformation({ ...defaultSettings(), ...changes })));

test("the document of the default settings", () => {
  expect(wire({})).toStrictEqual({
    name: "nandu",
    description: "A nandu relay.",
    supported_nips: [1, 4, 9, 11, 13, 17, 40, 42, 45, 50, 59, 62, 67, 70, 77],
    negentropy: 1,
    software: "https://github.com/nandu-relay/nandu",
    version: VERSION,
    limitation: {
      max_message_length: 1_048_576,
      max_subscriptions: 200,
      max_limit: 1000,
      default_limit: 500,
      max_subid_length: 64,
      max_event_tags: 5000,
      max_content_length: 262_144,
      created_at_upper_limit: 900,
      min_pow_difficulty: 0,
      auth_required: false,
      payment_required: false,
      restricted_writes: false,
    },
  });
});

test("every text of the operator has its field", () => {
  const texts = {
    name: "A",
    description: "B",
    icon: "https://example.com/icon.png",
    banner: "https://example.com/banner.png",
    pubkey: "ab".repeat(32),
    contact: "mailto:relay@example.com",
    terms_of_service: "https://example.com/terms",
    posting_policy: "https://example.com/posting",
    privacy_policy: "https://example.com/privacy",
  };
  const settings = Object.fromEntries(Object.entries(texts).map(([k, v]) => [`info.${k}`, v]));
  expect(wire(settings)).toMatchObject(texts);
});

test("no text is sent as an empty string", () => {
  const document = wire({ "info.name": "", "info.description": "" });
  expect(Object.keys(document as object)).toEqual([
    "negentropy",
    "supported_nips",
    "software",
    "version",
    "limitation",
  ]);
});

describe("a limitation follows its setting", () => {
  const cases: { desc: string; changes: Partial<Settings>; expected: Partial<Limitation> }[] = [
    {
      desc: "message",
      changes: { "relay.message_bytes_max": 70_000 },
      expected: { max_message_length: 70_000 },
    },
    {
      desc: "subscriptions",
      changes: { "relay.subscriptions_max": 3 },
      expected: { max_subscriptions: 3 },
    },
    {
      desc: "limits, without the events that tie with the last",
      changes: { "relay.limit_max": 20, "relay.limit_default": 10, "relay.limit_ties_max": 5 },
      expected: { max_limit: 20, default_limit: 10 },
    },
    { desc: "tags", changes: { "events.tags_max": 7 }, expected: { max_event_tags: 7 } },
    {
      desc: "content",
      changes: { "events.content_bytes_max": 2000 },
      expected: { max_content_length: 2000 },
    },
    {
      desc: "content that an event has no room for",
      changes: { "events.content_bytes_max": 2000, "events.bytes_max": 1500 },
      expected: { max_content_length: 1500 },
    },
    {
      desc: "time ahead",
      changes: { "events.created_at_ahead_s": 0 },
      expected: { created_at_upper_limit: 0 },
    },
    {
      desc: "time behind",
      changes: { "events.created_at_behind_s": 86_400 },
      expected: { created_at_lower_limit: 86_400 },
    },
  ];
  for (const { desc, changes, expected } of cases) {
    test(desc, () => {
      const { limitation } = relayInformation({ ...defaultSettings(), ...changes });
      expect(limitation).toMatchObject(expected);
    });
  }
});

test("COUNT is supported only while it is on", () => {
  expect(wire({ "relay.count_max": 0 })).toMatchObject({
    supported_nips: [1, 4, 9, 11, 13, 17, 40, 42, 50, 59, 62, 67, 70, 77],
  });
  expect(wire({ "relay.count_max": 1 })).toMatchObject({
    supported_nips: [1, 4, 9, 11, 13, 17, 40, 42, 45, 50, 59, 62, 67, 70, 77],
  });
});

test("syncs are supported only while they are on", () => {
  const off = wire({ "negentropy.enabled": false }) as { supported_nips: number[] };
  expect(off).not.toHaveProperty("negentropy");
  expect(off.supported_nips).not.toContain(77);
});
