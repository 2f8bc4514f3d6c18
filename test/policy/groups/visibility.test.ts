// Who may read what of groups (NIP-29), event by event, and which REQs are refused as a whole.

import { describe, expect, test } from "bun:test";
import { mayRead, mayReadClass, refusalOf } from "../../../src/policy/groups/visibility.ts";
import { type Filter, parseFilter } from "../../../src/protocol/filter.ts";
import type { Reason } from "../../../src/protocol/reason.ts";
import {
  ADMIN,
  type Fields,
  type GroupBook,
  groupEvent,
  MEMBER,
  MODERATOR,
  populated,
  RELAY,
  STRANGER,
} from "../../support/group-book.ts";
import { SOUP_GROUPS, SOUP_KINDS, soupTag } from "../../support/group-soup.ts";
import { author, forEachSeed } from "../../support/unsigned-events.ts";

const VIEWERS = {
  nobody: [],
  stranger: [STRANGER],
  member: [MEMBER],
  moderator: [MODERATOR],
} as const;
type Who = keyof typeof VIEWERS;

const ALL = Object.keys(VIEWERS) as Who[];
const MEMBERS: Who[] = ["member", "moderator"];

const message: Fields = { kind: 9, by: ADMIN };
const metadata = (kind: number, id = "g"): Fields => ({
  kind,
  by: RELAY,
  h: null,
  tags: [["d", id]],
});

interface Case {
  readonly desc: string;
  readonly flags: readonly string[];
  readonly event: Fields;
  readonly seenBy: readonly Who[];
}

const CASES: readonly Case[] = [
  { desc: "a message of a public group", flags: [], event: message, seenBy: ALL },
  { desc: "a message of a private group", flags: ["private"], event: message, seenBy: MEMBERS },
  {
    desc: "a message of a hidden group",
    flags: ["hidden", "restricted", "closed"],
    event: message,
    seenBy: ALL,
  },
  {
    desc: "a stranger's own message in a private group",
    flags: ["private"],
    event: { kind: 9, by: STRANGER },
    seenBy: MEMBERS,
  },
  {
    desc: "a message of a private group and of another",
    flags: ["private"],
    event: { ...message, h: "unknown", tags: [["h", "g"]] },
    seenBy: MEMBERS,
  },
  {
    desc: "a message of no group",
    flags: ["private"],
    event: { ...message, h: "unknown" },
    seenBy: ALL,
  },
  {
    desc: "an ordinary event",
    flags: ["private"],
    event: { kind: 1, by: ADMIN, h: null, tags: [["H", "g"], ["e", "g"], ["h"]] },
    seenBy: ALL,
  },
  {
    desc: "an edit of a hidden group",
    flags: ["hidden"],
    event: { kind: 9002, by: ADMIN },
    seenBy: MEMBERS,
  },
  {
    desc: "a put-user of somebody else in a private group",
    flags: ["private"],
    event: { kind: 9000, by: ADMIN, tags: [["p", author(50)]] },
    seenBy: MEMBERS,
  },
  ...[9000, 9001].map((kind) => ({
    desc: `kind ${kind} about a stranger in a private group`,
    flags: ["private"],
    event: { kind, by: ADMIN, tags: [["p", STRANGER]] },
    seenBy: ["stranger", ...MEMBERS] as Who[],
  })),
  ...[9021, 9022].map((kind) => ({
    desc: `kind ${kind} of a stranger in a private group`,
    flags: ["private"],
    event: { kind, by: STRANGER },
    seenBy: ["stranger", ...MEMBERS] as Who[],
  })),
  {
    desc: "a request to join a public group",
    flags: [],
    event: { kind: 9021, by: STRANGER },
    seenBy: ALL,
  },
  {
    desc: "a request to join that holds a code",
    flags: [],
    event: { kind: 9021, by: STRANGER, tags: [["code", "x"]] },
    seenBy: ["stranger", "moderator"],
  },
  {
    desc: "an invite",
    flags: [],
    event: { kind: 9009, by: ADMIN, tags: [["code", "x"]] },
    seenBy: ["moderator"],
  },
  ...[39_000, 39_001, 39_002, 39_003, 39_005].flatMap((kind) => {
    const isList = kind === 39_002 || kind === 39_005;
    return [
      { desc: `kind ${kind}`, flags: [], event: metadata(kind), seenBy: ALL },
      { desc: `hidden kind ${kind}`, flags: ["hidden"], event: metadata(kind), seenBy: MEMBERS },
      {
        desc: `kind ${kind} of a private group`,
        flags: ["private"],
        event: metadata(kind),
        seenBy: isList ? MEMBERS : ALL,
      },
    ];
  }),
  {
    desc: "another relay's metadata",
    flags: ["hidden"],
    event: metadata(39_000, "unknown"),
    seenBy: ALL,
  },
];

function flagged(flags: readonly string[]): GroupBook {
  const book = populated();
  book.must({ kind: 9002, by: ADMIN, tags: flags.map((flag) => [flag]) });
  return book;
}

describe("who reads", () => {
  for (const { desc, flags, event, seenBy } of CASES) {
    test(desc, () => {
      const { groups } = flagged(flags);
      const seen = ALL.filter((who) => {
        return mayRead(groups, new Set<string>(VIEWERS[who]), groupEvent(event));
      });
      expect(seen).toEqual([...seenBy]);
    });
  }

  test("what is left of a group that is gone: that it was deleted, and nothing else", () => {
    const book = flagged([]);
    book.must({ kind: 9008, by: ADMIN });
    for (const who of [[], [MEMBER], [ADMIN]]) {
      const sees = (event: Fields) => mayRead(book.groups, new Set(who), groupEvent(event));
      expect(sees(message)).toBe(false);
      expect(sees(metadata(39_000))).toBe(false);
      expect(sees({ kind: 9008, by: ADMIN })).toBe(true);
    }
  });

  test("with one key of several a member reads, and with more keys nobody reads less", () => {
    forEachSeed(5, (dice) => {
      for (const { flags, event } of CASES) {
        const { groups } = flagged(flags);
        const keys = dice.shuffle([MEMBER, STRANGER, MODERATOR, author(50)]);
        let before = false;
        for (let n = 0; n <= keys.length; n++) {
          const now = mayRead(groups, new Set(keys.slice(0, n)), groupEvent(event));
          expect(before && !now).toBe(false);
          before = now;
        }
        expect(before).toBe(true);
      }
    });
  });

  test("from the moment of being added until that of being removed", () => {
    const book = flagged(["private"]);
    const reads = () => mayRead(book.groups, new Set([STRANGER]), groupEvent(message));
    expect(reads()).toBe(false);
    book.must({ kind: 9000, by: ADMIN, tags: [["p", STRANGER]] });
    expect(reads()).toBe(true);
    book.must({ kind: 9001, by: ADMIN, tags: [["p", STRANGER]] });
    expect(reads()).toBe(false);
  });
});

const FLAGS = [[], ["private"], ["hidden"], ["private", "hidden"], ["gone"]];

test("what is told of all events of a kind and a group is true of each", () => {
  forEachSeed(3, (dice) => {
    const told = new Set<string>();
    for (const flags of FLAGS) {
      const book = flagged(flags.filter((flag) => flag !== "gone"));
      if (flags.includes("gone")) book.must({ kind: 9008, by: ADMIN });
      const authors = [ADMIN, MODERATOR, MEMBER, STRANGER, author(50)];
      for (let i = 0; i < 400; i++) {
        const viewer = new Set(dice.some(authors, dice.below(3)));
        const [kind, h] = [dice.pick(SOUP_KINDS), dice.pick(["g", "g", ...SOUP_GROUPS])];
        const tags = dice.list(dice.below(4), () => soupTag(dice, authors, []));
        const event = groupEvent({ kind, by: dice.pick(authors), h, tags });
        const seen = mayReadClass(book.groups, viewer, kind, h);
        const mayBe = mayRead(book.groups, viewer, event) ? ["all", "some"] : ["none", "some"];
        expect([flags, kind, h, [...viewer], mayBe]).toEqual([
          flags,
          kind,
          h,
          [...viewer],
          expect.arrayContaining([seen]),
        ]);
        told.add(seen);
      }
    }
    expect([...told].toSorted()).toEqual(["all", "none", "some"]);
  });
});

const SIGN_IN = "auth-required: the events of a private group are for its members";
const JOIN = "restricted: the events of a private group are for its members";

interface Request {
  readonly desc: string;
  readonly filters: readonly Record<string, unknown>[];
  readonly nobody: Reason | null;
  readonly stranger: Reason | null;
}

const REQUESTS: readonly Request[] = [
  { desc: "a private group", filters: [{ "#h": ["g"] }], nobody: SIGN_IN, stranger: JOIN },
  {
    desc: "kinds of a private group, in two filters",
    filters: [
      { "#h": ["g"], kinds: [9] },
      { "#h": ["g"], kinds: [11], limit: 1 },
    ],
    nobody: SIGN_IN,
    stranger: JOIN,
  },
  {
    desc: "one's own membership",
    filters: [{ "#h": ["g"], kinds: [9000, 9001], "#p": [STRANGER] }],
    nobody: SIGN_IN,
    stranger: null,
  },
  {
    desc: "a private group and another",
    filters: [{ "#h": ["g", "x"] }],
    nobody: null,
    stranger: null,
  },
  {
    desc: "a private group in one filter of two",
    filters: [{ "#h": ["g"] }, { kinds: [1] }],
    nobody: null,
    stranger: null,
  },
  { desc: "a public group", filters: [{ "#h": ["public"] }], nobody: null, stranger: null },
  { desc: "no group", filters: [{ "#h": ["x"] }], nobody: null, stranger: null },
  { desc: "all", filters: [{}], nobody: null, stranger: null },
  { desc: "an event", filters: [{ ids: ["0".repeat(64)] }], nobody: null, stranger: null },
  { desc: "metadata", filters: [{ kinds: [39_000], "#d": ["g"] }], nobody: null, stranger: null },
  { desc: "nothing", filters: [], nobody: null, stranger: null },
];

describe("who asks for", () => {
  for (const { desc, filters, nobody, stranger } of REQUESTS) {
    test(desc, () => {
      const book = flagged(["private", "hidden"]);
      book.must({ kind: 9007, by: ADMIN, h: "public" });
      const parsed = filters.map((filter) => parseFilter(filter) as Filter);
      const refused = (...keys: string[]) => refusalOf(book.groups, new Set(keys), parsed);
      expect(refused()).toBe(nobody);
      expect(refused(STRANGER)).toBe(stranger);
      expect(refused(MEMBER)).toBeNull();
      expect(refused(STRANGER, MEMBER)).toBeNull();
    });
  }
});
