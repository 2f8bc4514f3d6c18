// What members and others may send to a group (NIP-29): messages, requests to join and to leave,
// subgroups, and what is refused whoever sends it.

import { describe, expect, test } from "bun:test";
import { checkGroupEvent, concernsGroups } from "../../../src/policy/groups/check.ts";
import {
  ADMIN,
  type Fields,
  GroupBook,
  groupEvent,
  MEMBER,
  MODERATOR,
  NOW,
  OPERATOR,
  populated,
  RELAY,
  STRANGER,
} from "../../support/group-book.ts";
import { author, makeEvent, sha256Hex } from "../../support/unsigned-events.ts";

const NO_GROUP = "invalid: this relay has no such group";
const NO_ID = "invalid: the h tag with the group's id is missing";
const CLOSED = "restricted: this group is closed, joining takes an invite code";
const MEMBERS_WRITE = "restricted: only members write in this group";

function edited(...tags: string[][]): GroupBook {
  const book = populated();
  book.must({ kind: 9002, by: ADMIN, tags });
  return book;
}

interface Case {
  readonly desc: string;
  readonly event: Fields;
  readonly book?: () => GroupBook;
  readonly refusal: string | null;
}

const MESSAGES: readonly Case[] = [
  { desc: "a member's message", event: { kind: 9, by: MEMBER }, refusal: null },
  { desc: "anybody's message", event: { kind: 9, by: STRANGER }, refusal: null },
  {
    desc: "a stranger's where members write",
    event: { kind: 9, by: STRANGER },
    book: () => edited(["restricted"]),
    refusal: MEMBERS_WRITE,
  },
  {
    desc: "a member's where members write",
    event: { kind: 9, by: MEMBER },
    book: () => edited(["restricted"]),
    refusal: null,
  },
  {
    desc: "a stranger's in a private group that all may write to",
    event: { kind: 9, by: STRANGER },
    book: () => edited(["private"]),
    refusal: null,
  },
  {
    desc: "a kind that the group has",
    event: { kind: 11, by: MEMBER },
    book: () => edited(["supported_kinds", "9", "11"]),
    refusal: null,
  },
  {
    desc: "a kind that the group has not",
    event: { kind: 1, by: MEMBER },
    book: () => edited(["supported_kinds", "9", "11"]),
    refusal: "blocked: this group has no events of kind 1",
  },
  {
    desc: "a message where there are none",
    event: { kind: 9, by: ADMIN },
    book: () => edited(["supported_kinds"]),
    refusal: "blocked: this group has no events of kind 9",
  },
  {
    desc: "the deletion of one's own where there are no such kinds",
    event: { kind: 5, by: MEMBER, tags: [["e", sha256Hex("own")]] },
    book: () => edited(["supported_kinds", "9"]),
    refusal: null,
  },
  {
    desc: "a moderation event where there are no such kinds",
    event: { kind: 9002, by: ADMIN },
    book: () => edited(["supported_kinds"]),
    refusal: null,
  },
  { desc: "no group", event: { kind: 9, by: MEMBER, h: "unknown" }, refusal: NO_GROUP },
  {
    desc: "no group where others' events are accepted",
    event: { kind: 9, by: MEMBER, h: "unknown" },
    book: () => populated({ foreign: "accept" }),
    refusal: null,
  },
  {
    desc: "moderation of no group, all the same",
    event: { kind: 9002, by: ADMIN, h: "unknown" },
    book: () => populated({ foreign: "accept" }),
    refusal: NO_GROUP,
  },
  {
    desc: "a request to join no group, all the same",
    event: { kind: 9021, by: ADMIN, h: "unknown" },
    book: () => populated({ foreign: "accept" }),
    refusal: NO_GROUP,
  },
  { desc: "an empty id", event: { kind: 9, by: MEMBER, h: "" }, refusal: NO_ID },
  {
    desc: "moderation without an h tag",
    event: { kind: 9002, by: ADMIN, h: null },
    refusal: NO_ID,
  },
  { desc: "joining without an h tag", event: { kind: 9021, by: ADMIN, h: null }, refusal: NO_ID },
  {
    desc: "two groups",
    event: { kind: 9, by: MEMBER, tags: [["h", "other"]] },
    refusal: "invalid: an event can be of one group only",
  },
  {
    desc: "the same group twice",
    event: { kind: 9, by: MEMBER, tags: [["h", "g"]] },
    refusal: null,
  },
  {
    desc: "a long id",
    event: { kind: 9007, by: MEMBER, h: "g".repeat(129) },
    refusal: "invalid: a group id has at most 128 characters",
  },
  ...[39_000, 39_001, 39_002, 39_003, 39_004, 39_005, 39_009].flatMap((kind) =>
    [ADMIN, RELAY, STRANGER].map((by) => ({
      desc: `kind ${kind} from outside`,
      event: { kind, by, h: null, tags: [["d", "g"]] },
      refusal: "restricted: only this relay makes the metadata of its groups (NIP-29)",
    })),
  ),
];

describe("of an event", () => {
  for (const { desc, event, book = populated, refusal } of MESSAGES) {
    test(desc, () => {
      expect(book().take(groupEvent(event))).toBe(refusal);
    });
  }

  test("nothing is asked that has no h tag and no kind of NIP-29", () => {
    for (const kind of [1, 5, 8999, 9023, 9030, 38_999, 39_010]) {
      const event = makeEvent({ kind, tags: [["e", "h"], ["h"], ["H", "g"]] });
      expect(concernsGroups(event)).toBe(false);
      expect(checkGroupEvent(new Map(), event, {} as never, {} as never)).toBeNull();
    }
  });

  test("a group that is gone takes nothing more", () => {
    const book = populated({ foreign: "accept" });
    book.must({ kind: 9008, by: ADMIN });
    for (const kind of [1, 9, 9000, 9002, 9007, 9008, 9021, 9022]) {
      const event = groupEvent({ kind, by: ADMIN });
      expect(book.take(event)).toBe("blocked: this group has been deleted");
    }
  });
});

describe("late publication", () => {
  const late = "invalid: created_at is more than 600 seconds ago, too late for a group";
  test.each([9, 9000, 9007, 9021, 9022, 30_023])("of kind %i", (kind) => {
    const h = kind === 9007 ? "new" : "g";
    const by = kind === 9021 ? STRANGER : ADMIN;
    const make = (at: number) => groupEvent({ kind, by, h, at, tags: [["p", MEMBER]] });
    expect(populated().take(make(NOW - 601))).toBe(late);
    expect(populated().take(make(NOW - 600))).toBeNull();
    expect(populated({ latePublicationSeconds: 0 }).take(make(1))).toBeNull();
  });
});

describe("timeline references", () => {
  const refer = (...starts: string[]) =>
    groupEvent({ kind: 9, by: MEMBER, tags: [["previous", ...starts]] });

  test("to what is here, in one tag or several", () => {
    const book = populated();
    const [a, b] = ["a", "b"].map((content) => book.must({ kind: 9, by: ADMIN, content }).id) as [
      string,
      string,
    ];
    expect(book.take(refer(a.slice(0, 8), b.slice(0, 8)))).toBeNull();
    const unknown = "0".repeat(8);
    const refusal = `invalid: previous event ${unknown} is not known here`;
    expect(book.take(refer(a.slice(0, 8), unknown))).toBe(refusal);
    const two = [
      ["previous", a.slice(0, 8)],
      ["previous", unknown],
    ];
    expect(book.take(groupEvent({ kind: 9, by: MEMBER, tags: two }))).toBe(refusal);
    expect(book.take(groupEvent({ kind: 9002, by: ADMIN, tags: two }))).toBe(refusal);
  });

  test("are 4 bytes of hex each, and not too many", () => {
    const book = populated();
    const form = "invalid: a timeline reference has 8 lower-case hex digits";
    for (const start of ["", "1234567", "123456789", "ABCDEF01", "1234567g"]) {
      expect(book.take(refer(start))).toBe(form);
    }
    const many = Array.from({ length: 51 }, (_, i) => sha256Hex(`${i}`).slice(0, 8));
    expect(book.take(refer(...many))).toBe("invalid: more than 50 timeline references");
  });

  test("as many as asked for, each counted once, of messages only", () => {
    const book = populated({ previousMin: 2 });
    const few = "invalid: at least 2 timeline references are needed";
    const [a, b] = book.events.map(({ id }) => id.slice(0, 8)) as [string, string];
    expect(book.take(refer(a))).toBe(few);
    expect(book.take(refer(a, a))).toBe(few);
    expect(book.take(groupEvent({ kind: 9, by: MEMBER }))).toBe(few);
    expect(book.take(refer(a, b))).toBeNull();
    expect(book.take(groupEvent({ kind: 9022, by: MEMBER }))).toBeNull();
    expect(book.take(groupEvent({ kind: 9002, by: ADMIN }))).toBeNull();
  });
});

describe("joining", () => {
  const join = (by: string, ...codes: string[]) =>
    groupEvent({ kind: 9021, by, tags: codes.map((code) => ["code", code]) });

  test("an open group makes a member at once, and the relay says so", () => {
    const book = populated();
    const event = join(STRANGER);
    expect(book.take(event)).toBeNull();
    expect(book.group().members.get(STRANGER)).toEqual([]);
    const { pubkey, kind, tags } = book.events.at(-1) as (typeof book.events)[0];
    const expected = [
      ["h", "g"],
      ["p", STRANGER],
      ["e", event.id],
    ];
    expect({ pubkey, kind, tags }).toEqual({ pubkey: RELAY, kind: 9000, tags: expected });
  });

  test("a member is a duplicate, whatever the group", () => {
    const duplicate = "duplicate: you are a member of this group already";
    expect(populated().take(join(MEMBER))).toBe(duplicate);
    expect(edited(["closed"]).take(join(MEMBER, "x"))).toBe(duplicate);
  });

  test("a closed group takes an invite code, which stays good", () => {
    const book = edited(["closed"]);
    expect(book.take(join(STRANGER))).toBe(CLOSED);
    expect(book.take(join(STRANGER, "x"))).toBe(CLOSED);
    book.must({ kind: 9009, by: MODERATOR, tags: [["code", "x"]] });
    expect(book.take(join(STRANGER, "y"))).toBe(CLOSED);
    expect(book.take(join(STRANGER, "x"))).toBeNull();
    expect(book.take(join(author(50), "y", "x"))).toBeNull();
  });

  test("a full group takes nobody, and an admin's put-user neither", () => {
    const book = populated({ membersMax: 6 });
    const full = "restricted: this group is full, it has 6 members";
    expect(book.take(join(STRANGER))).toBe(full);
    book.must({ kind: 9022, by: MEMBER });
    expect(book.take(join(STRANGER))).toBeNull();
  });
});

describe("leaving", () => {
  test("removes the member at once, and the relay says so", () => {
    const book = populated();
    const event = book.must({ kind: 9022, by: MEMBER });
    expect(book.group().members.has(MEMBER)).toBe(false);
    const { pubkey, kind, tags } = book.events.at(-1) as (typeof book.events)[0];
    const expected = [
      ["h", "g"],
      ["p", MEMBER],
      ["e", event.id],
    ];
    expect({ pubkey, kind, tags }).toEqual({ pubkey: RELAY, kind: 9001, tags: expected });
  });

  test("is for members", () => {
    const leave = groupEvent({ kind: 9022, by: STRANGER });
    expect(populated().take(leave)).toBe("restricted: you are no member of this group");
  });
});

describe("subgroups", () => {
  /** Groups a, b and c of one admin, and one of another. */
  function family(): GroupBook {
    const book = new GroupBook();
    for (const h of ["a", "b", "c"]) book.must({ kind: 9007, by: ADMIN, h });
    book.must({ kind: 9007, by: STRANGER, h: "foreign" });
    return book;
  }
  const edit = (h: string, ...tags: string[][]) => groupEvent({ kind: 9002, by: ADMIN, h, tags });
  const tree = (book: GroupBook) =>
    ["a", "b", "c"].map((id) => [book.group(id).parent, book.group(id).children]);
  const ALL = "invalid: an edit must list all subgroups as child tags, and no others";

  test("hang below a parent, move, and become roots", () => {
    const book = family();
    expect(book.take(edit("b", ["parent", "a"]))).toBeNull();
    expect(book.take(edit("c", ["parent", "a"]))).toBeNull();
    expect(tree(book)).toEqual([
      [null, ["b", "c"]],
      ["a", []],
      ["a", []],
    ]);
    expect(book.take(edit("c", ["parent", "b"]))).toBeNull();
    expect(tree(book)).toEqual([
      [null, ["b"]],
      ["a", ["c"]],
      ["b", []],
    ]);
    expect(book.take(edit("b", ["child", "c"]))).toBeNull();
    expect(tree(book)).toEqual([
      [null, []],
      [null, ["c"]],
      ["b", []],
    ]);
  });

  test("are ordered by the parent's edit, which lists them all", () => {
    const book = family();
    book.take(edit("b", ["parent", "a"]));
    book.take(edit("c", ["parent", "a"]));
    expect(book.take(edit("a", ["child", "c"], ["child", "b"]))).toBeNull();
    expect(book.group("a").children).toEqual(["c", "b"]);
    expect(book.take(edit("a", ["child", "c"]))).toBe(ALL);
    expect(book.take(edit("a", ["name", "A"]))).toBe(ALL);
    expect(book.take(edit("a", ["child", "b"], ["child", "foreign"]))).toBe(ALL);
    expect(book.take(edit("a", ...["b", "c", "foreign"].map((c) => ["child", c])))).toBe(ALL);
  });

  test("make no circle", () => {
    const book = family();
    const circle = "invalid: a group can't be below itself";
    expect(book.take(edit("a", ["parent", "a"]))).toBe(circle);
    book.take(edit("b", ["parent", "a"]));
    book.take(edit("c", ["parent", "b"]));
    expect(book.take(edit("a", ["parent", "c"], ["child", "b"]))).toBe(circle);
    expect(book.take(edit("b", ["parent", "c"], ["child", "c"]))).toBe(circle);
  });

  test("have one parent, that is here, and whose admin the author is too", () => {
    const book = family();
    const none = "invalid: there is no such parent group";
    expect(book.take(edit("a", ["parent", "b"], ["parent", "c"]))).toBe(
      "invalid: a group has one parent at most",
    );
    expect(book.take(edit("a", ["parent", "unknown"]))).toBe(none);
    expect(book.take(edit("a", ["parent", ""]))).toBe(none);
    const stranger = "restricted: you are no admin of the parent group";
    expect(book.take(edit("a", ["parent", "foreign"]))).toBe(stranger);
    const tags = [["p", ADMIN, "moderator"]];
    book.must({ kind: 9000, by: STRANGER, h: "foreign", tags });
    expect(book.take(edit("a", ["parent", "foreign"]))).toBe(stranger);
    book.must({ kind: 9002, by: OPERATOR, h: "a", tags: [["parent", "foreign"]] });
    book.must({ kind: 9008, by: STRANGER, h: "foreign" });
    expect(book.take(edit("b", ["parent", "foreign"]))).toBe(none);
  });

  test("become roots when their parent is deleted, and leave its list when they are", () => {
    const book = family();
    book.take(edit("b", ["parent", "a"]));
    book.take(edit("c", ["parent", "b"]));
    book.must({ kind: 9008, by: ADMIN, h: "b" });
    expect(book.groups.get("b")).toBeNull();
    expect(book.group("a").children).toEqual([]);
    expect(book.group("c").parent).toBeNull();
  });
});
