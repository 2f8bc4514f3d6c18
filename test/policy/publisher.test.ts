// Who may publish what (NIP-42, NIP-70).

import { describe, expect, test } from "bun:test";
import { checkPublisher, type PublisherRules } from "../../src/policy/publisher.ts";
import { author, type EventFields, makeEvent } from "../support/unsigned-events.ts";

const OPEN: PublisherRules = { mustSignIn: false, signedInKinds: new Set() };
const CLOSED: PublisherRules = { mustSignIn: true, signedInKinds: new Set() };
const KINDS: PublisherRules = { mustSignIn: false, signedInKinds: new Set([1984]) };
const nobody = new Set<string>();
const self = new Set([author(0)]);
const other = new Set([author(1)]);
const both = new Set([author(1), author(0)]);

const signIn = "auth-required: sign in to publish on this relay";
const signInKind = "auth-required: sign in to publish this kind";
const ownAuth = "auth-required: this event may only be published by its author";
const ownOnly = "restricted: this event may only be published by its author";
const embeds = "blocked: a repost must not embed a protected event";
const embedded = JSON.stringify(makeEvent({ tags: [["t", "x"], ["-"]] }));

describe("publishing", () => {
  const rows: [string, EventFields, ReadonlySet<string>, PublisherRules, string | null][] = [
    ["is open to all", {}, nobody, OPEN, null],
    ["needs a sign-in", {}, nobody, CLOSED, signIn],
    ["needs one, of whomever", {}, other, CLOSED, null],
    ["of a kind needs one", { kind: 1984 }, nobody, KINDS, signInKind],
    ["of a kind with one", { kind: 1984 }, other, KINDS, null],
    ["of another kind", { kind: 1 }, nobody, KINDS, null],
    ["a protected event", { tags: [["-"]] }, nobody, OPEN, ownAuth],
    ["a protected event of one's own", { tags: [["-"]] }, self, OPEN, null],
    ["a protected event with several keys", { tags: [["x"], ["-"]] }, both, OPEN, null],
    ["a protected event of another", { tags: [["-"]] }, other, OPEN, ownOnly],
    ["one with more in the tag", { tags: [["-", "x"]] }, nobody, OPEN, ownAuth],
    ["one that looks like it", { tags: [["--"], ["x", "-"], []] }, nobody, OPEN, null],
    ["a repost", { kind: 6, content: JSON.stringify(makeEvent()) }, nobody, OPEN, null],
    ["an empty repost", { kind: 6 }, nobody, OPEN, null],
    ["a repost that is no JSON", { kind: 6, content: '{"tags":[["-"]]' }, nobody, OPEN, null],
    ["a repost of what is protected", { kind: 6, content: embedded }, nobody, OPEN, embeds],
    ["a generic repost of it", { kind: 16, content: embedded }, nobody, OPEN, embeds],
    ["by its author", { kind: 16, content: embedded }, self, OPEN, embeds],
    ["a note that quotes it", { kind: 1, content: embedded }, nobody, OPEN, null],
    ["a repost of null", { kind: 6, content: "null" }, nobody, OPEN, null],
    ["a repost of odd tags", { kind: 6, content: '{"tags":["-",{"0":"-"}]}' }, nobody, OPEN, null],
    [
      "a repost with odd spelling",
      { kind: 6, content: '{"t\\u0061gs" : [ [ "\\u002d" ] ]}' },
      nobody,
      OPEN,
      embeds,
    ],
  ];
  test.each(rows)("%s", (_, fields, viewer, rules, reason) => {
    expect(checkPublisher(makeEvent(fields), viewer, rules)).toBe(reason as never);
  });
});
