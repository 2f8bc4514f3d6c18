// The metadata that the relay makes of groups (NIP-29), and when it has to be made anew.

import { describe, expect, test } from "bun:test";
import type { Group } from "../../../src/policy/groups/group.ts";
import { metadataTemplate, staleMetadata } from "../../../src/policy/groups/relay-events.ts";
import { ROLES } from "../../../src/policy/groups/roles.ts";
import {
  ADMIN,
  type Fields,
  GARDENER,
  GroupBook,
  MEMBER,
  MODERATOR,
  OTHER_ADMIN,
  OTHER_MODERATOR,
  populated,
  STRANGER,
} from "../../support/group-book.ts";
import { author, sha256Hex } from "../../support/unsigned-events.ts";

const d = ["d", "g"];

describe("the metadata of a group", () => {
  test("of an empty one says that it is there, and no more", () => {
    const { group } = newBook();
    expect(metadataTemplate(group, 39_000)).toEqual({ kind: 39_000, tags: [d], content: "" });
    expect(metadataTemplate(group, 39_005)).toEqual({ kind: 39_005, tags: [d], content: "" });
    expect(metadataTemplate(group, 39_003).tags).toEqual([
      d,
      ...ROLES.map(({ name, description }) => ["role", name, description]),
    ]);
  });

  test("says all that an edit has set, and the subgroups in order", () => {
    const book = populated();
    for (const h of ["one", "two", "top"]) book.must({ kind: 9007, by: ADMIN, h });
    for (const h of ["one", "two"])
      book.must({ kind: 9002, by: ADMIN, h, tags: [["parent", "g"]] });
    const tags = [
      ["closed"],
      ["name", "Pizza"],
      ["about", "pizza"],
      ["picture", "p"],
      ["banner", "b"],
      ["supported_kinds"],
      ["hidden"],
      ["child", "two"],
      ["child", "one"],
      ["restricted"],
      ["private"],
      ["parent", "top"],
      ["t", "food"],
    ];
    book.must({ kind: 9002, by: ADMIN, tags });
    expect(metadataTemplate(book.group(), 39_000).tags).toEqual([
      d,
      ["name", "Pizza"],
      ["picture", "p"],
      ["banner", "b"],
      ["about", "pizza"],
      ["private"],
      ["restricted"],
      ["hidden"],
      ["closed"],
      ["supported_kinds"],
      ["parent", "top"],
      ["child", "two"],
      ["child", "one"],
    ]);
  });

  test("lists admins with their roles, and members with admins first", () => {
    const group = populated().group();
    const staff = [ADMIN, OTHER_ADMIN, MODERATOR, OTHER_MODERATOR];
    expect(metadataTemplate(group, 39_001)).toEqual({
      kind: 39_001,
      tags: [
        d,
        ["p", ADMIN, "admin"],
        ["p", OTHER_ADMIN, "admin"],
        ["p", MODERATOR, "moderator"],
        ["p", OTHER_MODERATOR, "moderator"],
      ],
      content: "list of admins",
    });
    expect(metadataTemplate(group, 39_002)).toEqual({
      kind: 39_002,
      tags: [d, ...[...staff, GARDENER, MEMBER].map((pubkey) => ["p", pubkey])],
      content: "list of members",
    });
  });

  test("of a large group lists two thousand members", () => {
    const members = new Map(Array.from({ length: 2500 }, (_, i) => [author(i), []] as const));
    const group: Group = { ...newBook().group, members };
    const { tags } = metadataTemplate(group, 39_002);
    expect(tags.length).toBe(2001);
    expect(tags.at(-1)).toEqual(["p", author(1999)]);
  });

  test("lists pins in order", () => {
    const book = populated();
    const pins = [
      ["e", sha256Hex("1")],
      ["a", `30023:${MEMBER}:x`],
    ];
    book.must({ kind: 9010, by: ADMIN, tags: pins });
    expect(metadataTemplate(book.group(), 39_005).tags).toEqual([d, ...pins]);
  });
});

const STALE: readonly { desc: string; fields: Fields; kinds: readonly number[] }[] = [
  { desc: "an edit", fields: { kind: 9002, by: ADMIN, tags: [["name", "a"]] }, kinds: [39_000] },
  { desc: "an edit that changes nothing", fields: { kind: 9002, by: ADMIN }, kinds: [] },
  { desc: "joining", fields: { kind: 9021, by: STRANGER }, kinds: [39_002] },
  { desc: "leaving", fields: { kind: 9022, by: MEMBER }, kinds: [39_002] },
  { desc: "an admin's leaving", fields: { kind: 9022, by: ADMIN }, kinds: [39_001, 39_002] },
  {
    desc: "a new role",
    fields: { kind: 9000, by: ADMIN, tags: [["p", OTHER_ADMIN, "admin", "cook"]] },
    kinds: [39_001],
  },
  {
    desc: "a role of no meaning",
    fields: { kind: 9000, by: ADMIN, tags: [["p", MEMBER, "cook"]] },
    kinds: [],
  },
  { desc: "an invite", fields: { kind: 9009, by: ADMIN, tags: [["code", "x"]] }, kinds: [] },
  {
    desc: "a pin",
    fields: { kind: 9010, by: ADMIN, tags: [["e", sha256Hex("1")]] },
    kinds: [39_005],
  },
  { desc: "a message", fields: { kind: 9, by: MEMBER }, kinds: [] },
];

describe("is made anew", () => {
  test("all of it, but pins, for a new group", () => {
    expect(staleMetadata(null, newBook().group)).toEqual([39_000, 39_001, 39_002, 39_003]);
  });

  for (const { desc, fields, kinds } of STALE) {
    test(`after ${desc}: ${kinds.join(", ") || "nothing"}`, () => {
      const book = populated();
      const before = book.group();
      book.must(fields);
      expect(staleMetadata(before, book.group())).toEqual([...kinds]);
    });
  }
});

function newBook(): { group: Group } {
  const book = new GroupBook();
  book.must({ kind: 9007, by: ADMIN });
  return { group: book.group() };
}
