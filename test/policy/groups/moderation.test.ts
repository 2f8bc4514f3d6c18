// Who may take which moderation action (NIP-29): by role, and by the role of whom it is about.

import { describe, expect, test } from "bun:test";
import {
  ADMIN,
  GARDENER,
  GroupBook,
  groupEvent,
  MEMBER,
  MODERATOR,
  NOW,
  OPERATOR,
  OTHER_ADMIN,
  OTHER_MODERATOR,
  populated,
  RELAY,
  STRANGER,
} from "../../support/group-book.ts";
import { author, sha256Hex } from "../../support/unsigned-events.ts";

const WHO = { RELAY, OPERATOR, ADMIN, MODERATOR, GARDENER, MEMBER, STRANGER };
type Who = keyof typeof WHO;

const EVERYBODY = Object.keys(WHO) as Who[];
const ADMINS: Who[] = ["RELAY", "OPERATOR", "ADMIN"];
const STAFF: Who[] = [...ADMINS, "MODERATOR"];

type Tags = readonly (readonly string[])[];

interface Action {
  readonly desc: string;
  readonly kind: number;
  readonly tags: (book: GroupBook) => Tags;
  readonly may: readonly Who[];
}

const message = (by: string) => (book: GroupBook) => [["e", book.must({ kind: 9, by }).id]];
const p = (pubkey: string, ...roles: string[]) => {
  return (): Tags => [["p", pubkey, ...roles]];
};

const ACTIONS: readonly Action[] = [
  { desc: "adds a user", kind: 9000, tags: p(author(50)), may: STAFF },
  { desc: "adds a user again", kind: 9000, tags: p(MEMBER), may: STAFF },
  { desc: "adds a moderator", kind: 9000, tags: p(author(50), "moderator"), may: ADMINS },
  { desc: "adds a user with a name", kind: 9000, tags: p(author(50), "cook"), may: ADMINS },
  { desc: "makes a member admin", kind: 9000, tags: p(MEMBER, "admin"), may: ADMINS },
  { desc: "takes a role of no meaning", kind: 9000, tags: p(GARDENER), may: ADMINS },
  { desc: "takes a moderator's role", kind: 9000, tags: p(OTHER_MODERATOR), may: ADMINS },
  { desc: "takes an admin's role", kind: 9000, tags: p(OTHER_ADMIN), may: ADMINS },
  { desc: "removes a member", kind: 9001, tags: p(MEMBER), may: STAFF },
  { desc: "removes who has a name", kind: 9001, tags: p(GARDENER), may: STAFF },
  { desc: "removes a moderator", kind: 9001, tags: p(OTHER_MODERATOR), may: ADMINS },
  { desc: "removes an admin", kind: 9001, tags: p(OTHER_ADMIN), may: ADMINS },
  { desc: "removes nobody there", kind: 9001, tags: p(author(50)), may: STAFF },
  { desc: "edits", kind: 9002, tags: () => [["name", "Pizza"]], may: ADMINS },
  { desc: "deletes a member's event", kind: 9005, tags: message(MEMBER), may: STAFF },
  { desc: "deletes a stranger's event", kind: 9005, tags: message(author(50)), may: STAFF },
  { desc: "deletes a moderator's event", kind: 9005, tags: message(OTHER_MODERATOR), may: ADMINS },
  { desc: "deletes an admin's event", kind: 9005, tags: message(OTHER_ADMIN), may: ADMINS },
  { desc: "deletes the group", kind: 9008, tags: () => [], may: ADMINS },
  { desc: "makes an invite", kind: 9009, tags: () => [["code", "x"]], may: STAFF },
  { desc: "pins", kind: 9010, tags: () => [["e", sha256Hex("pin")]], may: STAFF },
];

describe("by role", () => {
  for (const { desc, kind, tags, may } of ACTIONS) {
    test(`who ${desc}`, () => {
      const allowed = EVERYBODY.filter((who) => {
        const book = populated();
        const before = book.replayed();
        const event = groupEvent({ kind, by: WHO[who], tags: tags(book) });
        const refusal = book.take(event);
        if (refusal === null) return true;
        expect(refusal).toStartWith("restricted: ");
        expect(book.groups).toEqual(before);
        return false;
      });
      expect(allowed).toEqual([...may]);
    });
  }

  test("moderators act on themselves as far as it gives no role", () => {
    const book = populated();
    const put = groupEvent({ kind: 9000, by: MODERATOR, tags: [["p", MODERATOR, "admin"]] });
    expect(book.take(put)).toBe("restricted: your role in this group gives and takes no roles");
    book.must({ kind: 9001, by: MODERATOR, tags: [["p", MODERATOR]] });
    expect(book.group().members.has(MODERATOR)).toBe(false);
  });

  test("one that is not allowed among several refuses all", () => {
    const book = populated();
    const tags = [
      ["p", MEMBER],
      ["p", ADMIN],
    ];
    const refusal = "restricted: that member's role is not below yours";
    expect(book.take(groupEvent({ kind: 9001, by: MODERATOR, tags }))).toBe(refusal);
    expect(book.take(groupEvent({ kind: 9000, by: MODERATOR, tags }))).toBe(refusal);
    expect(book.group().members.has(MEMBER)).toBe(true);
  });

  test("a role in one group is none in another", () => {
    const book = populated();
    book.must({ kind: 9007, by: STRANGER, h: "other" });
    const event = groupEvent({ kind: 9002, by: ADMIN, h: "other", tags: [["name", "Mine"]] });
    expect(book.take(event)).toBe("restricted: your role in this group has no edit-metadata");
  });
});

describe("creating", () => {
  const create = (by: string, h = "new") => groupEvent({ kind: 9007, by, h });

  test("anyone, members or admins of the relay, as configured", () => {
    const asked = (mode: "anyone" | "members" | "admins") => {
      const book = new GroupBook({ create: mode });
      book.relayMembers.add(MEMBER);
      return [STRANGER, MEMBER, OPERATOR].map((by) => book.check(create(by)));
    };
    expect(asked("anyone")).toEqual([null, null, null]);
    const members = "restricted: only members of this relay create groups";
    expect(asked("members")).toEqual([members, null, null]);
    const admins = "restricted: only admins of this relay create groups";
    expect(asked("admins")).toEqual([admins, admins, null]);
  });

  test("the creator is admin, and the relay says so", () => {
    const book = populated();
    const event = create(STRANGER);
    expect(book.take(event)).toBeNull();
    expect(book.group("new").members).toEqual(new Map([[STRANGER, ["admin"]]]));
    const { pubkey, kind, tags } = book.events.at(-1) as (typeof book.events)[0];
    expect({ pubkey, kind, tags }).toEqual({
      pubkey: RELAY,
      kind: 9000,
      tags: [
        ["h", "new"],
        ["p", STRANGER, "admin"],
        ["e", event.id],
      ],
    });
  });

  test("no id twice, not even one that is gone, and no more than there is room for", () => {
    const book = populated({ groupsMax: 2 });
    expect(book.take(create(ADMIN, "g"))).toBe("duplicate: this group exists already");
    book.must({ kind: 9007, by: MEMBER, h: "second" });
    const full = "restricted: this relay has no room for more than 2 groups";
    expect(book.take(create(ADMIN, "third"))).toBe(full);
    book.must({ kind: 9008, by: MEMBER, h: "second" });
    expect(book.take(create(ADMIN, "second"))).toBe("blocked: this group has been deleted");
    expect(book.take(create(ADMIN, "third"))).toBeNull();
  });
});

const HEX = "invalid: a p tag must hold 64 lower-case hex digits";
const E_HEX = "invalid: an e tag must hold 64 lower-case hex digits";

interface Malformed {
  readonly kind: number;
  readonly tags: Tags;
  readonly refusal: string;
}

const MALFORMED: readonly Malformed[] = [
  { kind: 9000, tags: [], refusal: "invalid: put-user needs a p tag" },
  { kind: 9000, tags: [["p", "x"]], refusal: HEX },
  { kind: 9000, tags: [["p"]], refusal: HEX },
  {
    kind: 9000,
    tags: [["p", MEMBER, "r".repeat(65)]],
    refusal: "invalid: a role is longer than 64 characters",
  },
  {
    kind: 9000,
    tags: [["p", MEMBER, ...Array.from({ length: 17 }, (_, i) => `${i}`)]],
    refusal: "invalid: a member has at most 16 roles",
  },
  { kind: 9001, tags: [], refusal: "invalid: remove-user needs a p tag" },
  { kind: 9001, tags: [["p", MEMBER.toUpperCase()]], refusal: HEX },
  {
    kind: 9002,
    tags: [["supported_kinds", "9", "70000"]],
    refusal: "invalid: supported_kinds must be integers from 0 to 65535",
  },
  {
    kind: 9002,
    tags: [
      ["name", "a"],
      ["name", "b"],
    ],
    refusal: "invalid: more than one name",
  },
  {
    kind: 9002,
    tags: [["about", "é".repeat(1025)]],
    refusal: "invalid: about is longer than 2048 bytes",
  },
  {
    kind: 9002,
    tags: [["livekit"]],
    refusal: "unsupported: this relay has no live audio and video",
  },
  { kind: 9003, tags: [], refusal: "unsupported: kind 9003 is no moderation action" },
  { kind: 9020, tags: [], refusal: "unsupported: kind 9020 is no moderation action" },
  { kind: 9005, tags: [], refusal: "invalid: delete-event needs an e tag" },
  { kind: 9005, tags: [["e", "1"]], refusal: E_HEX },
  {
    kind: 9005,
    tags: [["e", sha256Hex("unknown")]],
    refusal: "invalid: there is no such event in this group",
  },
  {
    kind: 9005,
    tags: Array.from({ length: 101 }, (_, i) => ["e", sha256Hex(`${i}`)]),
    refusal: "invalid: more than 100 events to delete",
  },
  { kind: 9009, tags: [], refusal: "invalid: create-invite needs a code tag" },
  { kind: 9009, tags: [["code", ""]], refusal: "invalid: a code has 1 to 256 characters" },
  { kind: 9010, tags: [["e", "x"]], refusal: E_HEX },
  {
    kind: 9010,
    tags: [["a", `1:${MEMBER}:`]],
    refusal: "invalid: an a tag must hold the address of an event",
  },
  {
    kind: 9010,
    tags: ["1", "2", "3", "4"].map((x) => ["e", sha256Hex(x)]),
    refusal: "restricted: a group has at most 3 pinned events",
  },
  {
    kind: 9002,
    tags: [["expiration", String(NOW + 100)]],
    refusal: "invalid: a moderation event can't expire",
  },
];

describe("refused whoever asks", () => {
  for (const { kind, tags, refusal } of MALFORMED) {
    test(`kind ${kind}: ${refusal}`, () => {
      expect(populated().take(groupEvent({ kind, by: ADMIN, tags }))).toBe(refusal);
    });
  }

  test("more members and codes than there is room for", () => {
    const book = populated({ membersMax: 8, invitesMax: 2 });
    const put = (...indices: number[]) =>
      groupEvent({ kind: 9000, by: ADMIN, tags: indices.map((i) => ["p", author(i)]) });
    const full = "restricted: a group has at most 8 members";
    expect(book.take(put(50, 51, 52))).toBe(full);
    expect(book.take(put(50, 51))).toBeNull();
    expect(book.take(put(52))).toBe(full);
    expect(book.take(put(50, 51))).toBeNull();
    const invite = (...codes: string[]) =>
      groupEvent({ kind: 9009, by: ADMIN, tags: codes.map((code) => ["code", code]) });
    expect(book.take(invite("a", "b"))).toBeNull();
    expect(book.take(invite("a", "c"))).toBe("restricted: a group has at most 2 invite codes");
    expect(book.take(invite("a", "b", "b"))).toBeNull();
  });
});

describe("deleting events", () => {
  const del = (by: string, id: string, h = "g") =>
    groupEvent({ kind: 9005, by, h, tags: [["e", id]] });

  test("only those of the group", () => {
    const book = populated();
    book.must({ kind: 9007, by: STRANGER, h: "other" });
    const { id } = book.must({ kind: 9, by: MEMBER });
    const unknown = "invalid: there is no such event in this group";
    expect(book.take(del(STRANGER, id, "other"))).toBe(unknown);
    expect(book.take(del(ADMIN, id))).toBeNull();
    expect(book.take(del(ADMIN, id))).toBe(unknown);
  });

  test("never moderation events, but those that made an invite, which it takes back", () => {
    const book = populated();
    const put = book.must({ kind: 9000, by: ADMIN, tags: [["p", author(50)]] });
    expect(book.take(del(ADMIN, put.id))).toBe("invalid: moderation events can't be deleted");
    const invite = book.must({ kind: 9009, by: MODERATOR, tags: [["code", "x"]] });
    book.must({ kind: 9009, by: ADMIN, tags: [["code", "y"]] });
    expect(book.take(del(MODERATOR, invite.id))).toBeNull();
    expect([...book.group().invites.keys()]).toEqual(["y"]);
    expect(book.replayed()).toEqual(book.groups);
  });
});
