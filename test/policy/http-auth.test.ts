// NIP-98, with the payload that NIP-86 demands: what is accepted, and every single thing that may
// be wrong.

import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { Admission } from "../../src/crypto/admission.ts";
import { openNoble } from "../../src/crypto/noble.ts";
import { verifyHttpAuth } from "../../src/policy/http-auth.ts";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { compileRelayUrls } from "../../src/protocol/relay-url.ts";
import { authorKey, type EventTemplate, signEvent } from "../support/events.ts";

const NOW = 1_700_000_000;
const BODY = Buffer.from('{"method":"supportedmethods","params":[]}');
const PAYLOAD = createHash("sha256").update(BODY).digest("hex");
const isThisRelay = compileRelayUrls(["wss://relay.example.com"], []);
const admission = new Admission(openNoble());

function makeAuth(changes: Partial<EventTemplate> = {}, tags: Record<string, string | null> = {}) {
  const all = { u: "https://relay.example.com", method: "POST", payload: PAYLOAD, ...tags };
  const list = Object.entries(all).flatMap(([name, value]) =>
    value === null ? [] : [[name, value]],
  );
  const template = { kind: 27235, created_at: NOW, tags: list, content: "" };
  return signEvent({ ...template, ...changes }, authorKey(0));
}

function base64(event: unknown, encoding: "base64" | "base64url" = "base64"): string {
  return Buffer.from(JSON.stringify(event)).toString(encoding);
}

function verify(authorization: string, changes: { method?: string; body?: Buffer } = {}) {
  const request = { method: "POST", body: BODY, authorization, ...changes };
  return verifyHttpAuth(request, isThisRelay, admission, NOW);
}

describe("accepted is", () => {
  const good = makeAuth();
  const longer = makeAuth({ content: "?>~" }); // of which base64 has + and /
  const rows: [string, string, NostrEvent][] = [
    ["an event of this moment", `Nostr ${base64(good)}`, good],
    ["another case of the scheme", `nOSTR ${base64(good)}`, good],
    ["more than one space", `Nostr   ${base64(good)}  `, good],
    ["base64 without padding", `Nostr ${base64(longer).replaceAll("=", "")}`, longer],
    ["the URL-safe alphabet", `Nostr ${base64(longer, "base64url")}`, longer],
    ...(
      [
        "https://relay.example.com/",
        "http://relay.example.com",
        "wss://relay.example.com",
        "ws://relay.example.com/",
        "HTTPS://Relay.Example.COM:443",
      ] as const
    ).map((u): [string, string, NostrEvent] => {
      const event = makeAuth({}, { u });
      return [`u ${u}`, `Nostr ${base64(event)}`, event];
    }),
    ...[-60, 60].map((seconds): [string, string, NostrEvent] => {
      const event = makeAuth({ created_at: NOW + seconds });
      return [`a clock ${seconds} s off`, `Nostr ${base64(event)}`, event];
    }),
  ];
  test.each(rows)("%s", (_, authorization, { id, pubkey, created_at }) => {
    expect(verify(authorization)).toEqual({ id, pubkey, until: created_at + 60 });
  });
});

describe("refused is", () => {
  const of = (event: unknown): string => `Nostr ${base64(event)}`;
  const good = makeAuth();
  const inEvent = (problem: string) =>
    `the event of the Authorization header is invalid: ${problem}`;
  const noScheme = "the Authorization header is not `Nostr` and base64";
  const otherAddress = inEvent("its u tag names another address (relay.urls)");
  const rows: [string, string, string][] = [
    ["no header", "", "the Authorization header is missing (NIP-98)"],
    ["another scheme", `Bearer ${base64(good)}`, noScheme],
    ["no scheme", base64(good), noScheme],
    ["a scheme alone", "Nostr ", noScheme],
    ["what is no base64", "Nostr {}", noScheme],
    ["two values", `Nostr ${base64(good)} ${base64(good)}`, noScheme],
    ["what is no JSON", `Nostr ${btoa("{")}`, "the Authorization header holds no JSON"],
    ["what is no event", of([]), inEvent("an event must be an object")],
    ["null", of(null), inEvent("an event must be an object")],
    [
      "an upper-case id",
      of({ ...good, id: good.id.toUpperCase() }),
      inEvent("id must be 64 lower-case hex digits"),
    ],
    ["an event without tags", of({ ...good, tags: undefined }), inEvent("tags must be an array")],
    ["another kind", of(makeAuth({ kind: 22242 })), inEvent("its kind must be 27235")],
    [
      "an old event",
      of(makeAuth({ created_at: NOW - 61 })),
      inEvent("its created_at must be now, give or take 60 seconds"),
    ],
    [
      "an event of the future",
      of(makeAuth({ created_at: NOW + 61 })),
      inEvent("its created_at must be now, give or take 60 seconds"),
    ],
    ["no u tag", of(makeAuth({}, { u: null })), inEvent("its u tag is missing")],
    ["another host", of(makeAuth({}, { u: "https://evil.example.com" })), otherAddress],
    [
      "a host that ends alike",
      of(makeAuth({}, { u: "https://evilrelay.example.com" })),
      otherAddress,
    ],
    ["another port", of(makeAuth({}, { u: "https://relay.example.com:8443" })), otherAddress],
    ["another path", of(makeAuth({}, { u: "https://relay.example.com/x" })), otherAddress],
    ["another scheme of u", of(makeAuth({}, { u: "ftp://relay.example.com" })), otherAddress],
    ["a host alone", of(makeAuth({}, { u: "relay.example.com" })), otherAddress],
    ["no method tag", of(makeAuth({}, { method: null })), inEvent("its method tag must be POST")],
    ["another method", of(makeAuth({}, { method: "GET" })), inEvent("its method tag must be POST")],
    ["no payload tag", of(makeAuth({}, { payload: null })), inEvent("its payload tag is missing")],
    [
      "another payload",
      of(makeAuth({}, { payload: PAYLOAD.replace(/^./, "x") })),
      inEvent("its payload tag must be the SHA-256 of the body"),
    ],
    [
      "an id that is not the hash",
      of({ ...good, content: "changed" }),
      inEvent("the id is not the hash of the event"),
    ],
    [
      "another key's signature",
      of({ ...good, sig: makeAuth({ content: "x" }).sig }),
      inEvent("bad signature"),
    ],
  ];
  test.each(rows)("%s", (_, authorization, problem) => {
    expect(verify(authorization)).toBe(problem);
  });

  test("an event for another body", () => {
    const problem = inEvent("its payload tag must be the SHA-256 of the body");
    expect(verify(of(good), { body: Buffer.from(`${BODY} `) })).toBe(problem);
  });

  test("an event for another request method", () => {
    expect(verify(of(good), { method: "PUT" })).toBe(inEvent("its method tag must be PUT"));
  });
});
