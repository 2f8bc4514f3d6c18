// The state of groups: what the accepted moderation events add up to, and nothing else.

import { describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../../src/protocol/event.ts";
import {
  decodeGroup,
  encodeGroup,
  type Group,
  memberRank,
} from "../../../src/policy/groups/group.ts";
import {
  ADMIN,
  GroupBook,
  groupEvent,
  MEMBER,
  OPERATOR,
  populated,
  RELAY,
} from "../../support/group-book.ts";
import { SOUP_GROUPS, SOUP_KINDS, soupEvent, soupTag } from "../../support/group-soup.ts";
import { author, forEachSeed, sha256Hex } from "../../support/unsigned-events.ts";

const AUTHORS = [...Array.from({ length: 6 }, (_, i) => author(i)), RELAY, OPERATOR];
/** Who may have changed what became different, and is it well-formed? */
function checkChange(
  before: ReadonlyMap<string, Group | null>,
  event: NostrEvent,
  book: GroupBook,
) {
  const own = event.tags.find(([name]) => name === "h")?.[1] ?? "";
  for (const [id, group] of book.groups) {
    const old = before.get(id);
    if (old === group) continue;
    const isOfRelay = event.pubkey === RELAY || event.pubkey === OPERATOR;
    const isRequest = event.kind === 9021 || event.kind === 9022;
    const isMade = event.kind === 9007 && old === undefined;
    const acted = before.get(own);
    const rank = acted === undefined || acted === null ? 0 : memberRank(acted, event.pubkey);
    if (isOfRelay || isMade || rank > 0) continue;
    // Somebody without a role has come or gone: that is all.
    expect([isRequest, id]).toEqual([true, own]);
    const members = new Map((old as Group).members);
    if (event.kind === 9021) members.set(event.pubkey, []);
    else members.delete(event.pubkey);
    expect(group).toEqual({ ...(old as Group), members });
  }
}

function checkTree(groups: ReadonlyMap<string, Group | null>): void {
  for (const [id, group] of groups) {
    if (group === null) continue;
    expect(group.id).toBe(id);
    for (const child of group.children) expect(groups.get(child)?.parent).toBe(id);
    if (group.parent !== null) expect(groups.get(group.parent)?.children).toContain(id);
    let depth = 0;
    for (let at: Group | null = group; at?.parent != null; depth++) {
      expect(depth).toBeLessThan(SOUP_GROUPS.length);
      at = groups.get(at.parent) ?? null;
    }
  }
}

test("any soup of events: replayed it is the same, and only who may has changed it", () => {
  forEachSeed(30, (dice) => {
    const book = new GroupBook({ membersMax: 5, invitesMax: 2, pinsMax: 2 });
    let accepted = 0;
    for (let i = 0; i < 300; i++) {
      const event = soupEvent(dice, AUTHORS, book.events);
      const before = new Map(book.groups);
      const refusal = book.take(event);
      if (refusal !== null) expect(book.groups).toEqual(before);
      else accepted += 1;
      checkChange(before, event, book);
      checkTree(book.groups);
      for (const group of book.groups.values()) {
        if (group !== null) expect(decodeGroup(encodeGroup(group))).toEqual(group);
      }
    }
    expect(accepted).toBeGreaterThan(10);
    expect(book.replayed()).toEqual(book.groups);
  });
});

test("strangers and members without a role change nothing but their own membership", () => {
  forEachSeed(20, (dice) => {
    const book = populated();
    const before = book.groups.get("g") as Group;
    for (let i = 0; i < 200; i++) {
      const tags = dice.list(dice.below(4), () => soupTag(dice, AUTHORS, book.events));
      const by = dice.pick([MEMBER, author(50), author(51)]);
      const kind = dice.pick(SOUP_KINDS.filter((one) => one !== 9021 && one !== 9022));
      book.take(groupEvent({ kind, by, tags }));
    }
    expect(book.groups.get("g")).toBe(before);
  });
});

describe("an edit", () => {
  test("sets all fields at once: what is absent is off", () => {
    const book = populated();
    const tags = [
      ["name", "Pizza"],
      ["picture", "https://pizza.example/p.png"],
      ["banner", "https://pizza.example/b.png"],
      ["about", "pizza"],
      ["private"],
      ["restricted"],
      ["hidden"],
      ["closed"],
      ["supported_kinds", "9", "11", "9"],
    ];
    book.must({ kind: 9002, by: ADMIN, tags });
    const { members, ...fields } = book.group();
    expect(members.size).toBe(6);
    expect(fields).toEqual({
      id: "g",
      name: "Pizza",
      picture: "https://pizza.example/p.png",
      banner: "https://pizza.example/b.png",
      about: "pizza",
      isPrivate: true,
      isRestricted: true,
      isHidden: true,
      isClosed: true,
      supportedKinds: [9, 11],
      parent: null,
      children: [],
      invites: new Map(),
      pins: [],
    });
    book.must({ kind: 9002, by: ADMIN, tags: [["name", ""]] });
    const { isPrivate, isRestricted, isHidden, isClosed, name, supportedKinds } = book.group();
    expect([isPrivate, isRestricted, isHidden, isClosed]).toEqual([false, false, false, false]);
    expect([name, supportedKinds]).toEqual([null, null]);
  });
});

test("a list of pins replaces the one before, in its order", () => {
  const book = populated();
  const e = ["e", sha256Hex("pinned")];
  const a = ["a", `30023:${MEMBER}:x`];
  book.must({ kind: 9010, by: ADMIN, tags: [e, a, e] });
  expect(book.group().pins).toEqual([e, a]);
  book.must({ kind: 9010, by: ADMIN, tags: [a, [...e, "wss://relay.example"]] });
  expect(book.group().pins).toEqual([a, e]);
  book.must({ kind: 9010, by: ADMIN });
  expect(book.group().pins).toEqual([]);
});
