// Kinds that NIPs publish, with tags as they have them (held against published schemas): what is
// stored of each, what replaces what, by which filters it is found. Every row has an author of its
// own, for they share one relay.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { filterResult } from "../support/naive-hll.ts";
import { Client } from "../support/client.ts";
import { authorKey, AUTHORS_COUNT, signEvent } from "../support/events.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { findEventFault } from "../support/schemas.ts";
import { newestFirst, nowSeconds, ok, refused } from "../support/topic.ts";

let relay: RelayProcess;
let client: Client;

beforeAll(async () => {
  relay = await RelayProcess.start();
  client = await Client.connect(relay.url);
});

afterAll(async () => {
  client.close();
  expect(await relay.stop()).toBe(0);
});

const ID = "5c83da77af1dec6d7289834998ad7aafbd9e2191396d75ec3cc27f5a77226f36";
const KEY = authorKey(31).pubkey;
const RELAY = "wss://relay.example";
const AT = 1_700_000_000;
const E = ["e", ID, RELAY];
const P = ["p", KEY, RELAY];
const ARTICLE = ["a", `30023:${KEY}:an-article`, RELAY];

type Row = [kind: number, what: string, tags: string[][]];

/** All of them stay, and none replaces another. */
const REGULAR: Row[] = [
  [1, "a note (10)", []],
  [1, "a reply (10)", [["e", ID, RELAY, "root"], P]],
  [1, "a note with a quote (18)", [["q", ID, RELAY, KEY]]],
  [
    1,
    "a note with hashtags (24)",
    [
      ["t", "nostr"],
      ["r", "https://example.com/a?b=c#d"],
    ],
  ],
  [6, "a repost (18)", [E, P]],
  [7, "a reaction (25)", [E, P, ["k", "1"]]],
  [8, "a badge award (58)", [["a", `30009:${KEY}:bravery`], P]],
  [16, "a generic repost (18)", [E, P, ["k", "30023"]]],
  [
    17,
    "a reaction to a web page (25)",
    [
      ["k", "web"],
      ["i", "https://example.com"],
    ],
  ],
  [
    20,
    "a picture (68)",
    [
      ["title", "A picture"],
      ["imeta", "url https://example.com/a.jpg", "m image/jpeg"],
    ],
  ],
  [40, "a channel (28)", []],
  [
    41,
    "a channel's metadata (28)",
    [
      ["e", ID, RELAY, "root"],
      ["t", "birds"],
    ],
  ],
  [42, "a channel's message (28)", [["e", ID, RELAY, "root"], P]],
  [43, "a hidden message (28)", [["e", ID]]],
  [44, "a muted user (28)", [["p", KEY]]],
  [
    1063,
    "a file's metadata (94)",
    [
      ["url", "https://example.com/a"],
      ["m", "image/jpeg"],
      ["x", ID],
      ["ox", ID],
    ],
  ],
  [1111, "a comment (22)", [["E", ID, RELAY, KEY], ["K", "1063"], ["P", KEY], E, ["k", "1063"], P]],
  [1311, "a live chat's message (53)", [["a", `30311:${KEY}:stream`, RELAY, "root"]]],
  [
    1984,
    "a report (56)",
    [
      ["p", KEY, "spam"],
      ["e", ID, "spam"],
    ],
  ],
  [1985, "a label (32)", [["L", "license"], ["l", "MIT", "license"], E]],
  [4550, "a post's approval (72)", [["a", `34550:${KEY}:birds`], E, P, ["k", "1"]]],
  [9735, "a zap receipt (57)", [P, ["P", KEY], E, ["bolt11", "lnbc10u1pj"], ["description", "{}"]]],
  [9802, "a highlight (84)", [ARTICLE, ["context", "a highlight of an article"]]],
];

/** One an author. */
const REPLACEABLE: Row[] = [
  [0, "a profile (01)", []],
  [
    3,
    "follows (02)",
    [
      ["p", KEY, RELAY, "alice"],
      ["p", ID],
    ],
  ],
  [
    10_000,
    "a mute list (51)",
    [
      ["p", KEY],
      ["t", "spam"],
      ["word", "casino"],
      ["e", ID],
    ],
  ],
  [10_001, "pinned notes (51)", [["e", ID]]],
  [
    10_002,
    "a relay list (65)",
    [
      ["r", RELAY],
      ["r", "wss://other.example", "read"],
    ],
  ],
  [10_003, "bookmarks (51)", [["e", ID], ARTICLE]],
  [10_004, "communities (51)", [["a", `34550:${KEY}:birds`]]],
  [10_005, "public chats (51)", [["e", ID]]],
  [10_006, "blocked relays (51)", [["relay", RELAY]]],
  [10_007, "search relays (51)", [["relay", RELAY]]],
  [
    10_009,
    "simple groups (51)",
    [
      ["group", "birds", RELAY],
      ["r", RELAY],
    ],
  ],
  [
    10_015,
    "interests (51)",
    [
      ["t", "nostr"],
      ["a", `30015:${KEY}:birds`],
    ],
  ],
  [10_030, "emojis (51)", [["emoji", "ostrich", "https://example.com/o.png"]]],
  [10_050, "relays for messages (17)", [["relay", RELAY]]],
  [10_063, "blob servers (B7)", [["server", "https://blossom.example"]]],
  [13_194, "what a wallet can do (47)", [["encryption", "nip44_v2 nip04"]]],
];

/** One for each author and `d`; that is the first tag here. */
const ADDRESSABLE: Row[] = [
  [
    30_000,
    "a follow set (51)",
    [
      ["d", "friends"],
      ["p", KEY],
    ],
  ],
  [
    30_002,
    "a relay set (51)",
    [
      ["d", "fast"],
      ["relay", RELAY],
    ],
  ],
  [30_003, "a bookmark set (51)", [["d", "to read"], ["e", ID], ARTICLE, ["t", "nostr"]]],
  [30_004, "a set of articles (51)", [["d", "yaks"], ["title", "Yaks"], ARTICLE]],
  [
    30_007,
    "a kind's mute set (51)",
    [
      ["d", "7"],
      ["p", KEY],
    ],
  ],
  [30_008, "badges worn (58)", [["d", "profile_badges"], ["a", `30009:${KEY}:bravery`], E]],
  [
    30_009,
    "a badge (58)",
    [
      ["d", "bravery"],
      ["name", "Medal of Bravery"],
    ],
  ],
  [
    30_015,
    "an interest set (51)",
    [
      ["d", "birds"],
      ["t", "ñandú"],
    ],
  ],
  [30_023, "an article (23)", [["d", "lorem-ipsum"], ["title", "Lorem"], ["t", "placeholder"], E]],
  [
    30_024,
    "an article's draft (23)",
    [
      ["d", "lorem-ipsum"],
      ["title", "Lorem"],
    ],
  ],
  [
    30_030,
    "an emoji set (51)",
    [
      ["d", "animals"],
      ["emoji", "ostrich", "https://example.com/o"],
    ],
  ],
  [
    30_063,
    "a release (51)",
    [
      ["d", "app@1.0"],
      ["e", ID],
      ["i", "com.example.app"],
    ],
  ],
  [30_078, "an application's data (78)", [["d", "app/settings/v1"]]],
  [30_311, "a live stream (53)", [["d", "demo"], ["status", "live"], ["t", "fun"], P]],
  [
    30_315,
    "a status (38)",
    [
      ["d", "general"],
      ["r", "https://example.com/music"],
    ],
  ],
  [
    30_402,
    "a classified listing (99)",
    [
      ["d", "bike"],
      ["t", "sale"],
      ["g", "u4pruyd"],
    ],
  ],
  [
    31_922,
    "a date in a calendar (52)",
    [
      ["d", "party"],
      ["title", "Party"],
      ["start", "2026-01-01"],
    ],
  ],
  [
    31_989,
    "a recommended handler (89)",
    [
      ["d", "30023"],
      ["a", `31990:${KEY}:app`, RELAY, "web"],
    ],
  ],
  [
    31_990,
    "a handler (89)",
    [
      ["d", "app"],
      ["k", "30023"],
      ["web", "https://example.com/<bech32>"],
    ],
  ],
  [
    34_550,
    "a community (72)",
    [
      ["d", "birds"],
      ["p", KEY, RELAY, "moderator"],
    ],
  ],
];

/** Told to who listens, and not kept. */
const EPHEMERAL: Row[] = [
  [20_001, "a kind of its own", [["t", "now"]]],
  [23_194, "a wallet's request (47)", [P]],
  [23_195, "a wallet's response (47)", [P, E]],
  [24_133, "a signer's message (46)", [P]],
];

let authors = 0;

/** An author that no row had just before. */
function nextAuthor(): number {
  authors = (authors + 1) % (AUTHORS_COUNT - 1);
  return authors;
}

/** Versions of a row's event, a second apart, the oldest first. */
function make([kind, , tags]: Row, author: number, count: number, at = AT): NostrEvent[] {
  return Array.from({ length: count }, (_, i) =>
    signEvent({ kind, tags, content: `version ${i}`, created_at: at + i }, authorKey(author)),
  );
}

/** Asks for the kind, of that author, by everything that such an event can be found by. */
async function expectFound([kind, , tags]: Row, events: readonly NostrEvent[]): Promise<void> {
  expect(events.map(findEventFault)).toEqual(events.map(() => null));
  const { pubkey } = events[0] as NostrEvent;
  const own = { kinds: [kind], authors: [pubkey], since: AT, until: AT + 9 };
  const indexed = tags.filter(([name]) => name?.length === 1);
  for (const filter of [{}, ...indexed.map(([name, value]) => ({ [`#${name}`]: [value] }))]) {
    expect(await client.query({ ...own, ...filter })).toEqual(newestFirst(events));
    const [, , answer] = await client.count("n", { ...own, ...filter });
    expect(answer).toEqual(filterResult({ ...own, ...filter }, events));
  }
}

const REPLACED = "duplicate: a newer version of this event is stored";

describe("regular: each is stored", () => {
  for (const row of REGULAR) {
    test(`kind ${row[0]}, ${row[1]}`, async () => {
      const events = make(row, nextAuthor(), 2);
      expect(await client.publishAll(events)).toEqual(events.map((event) => ok(event)));
      await expectFound(row, events);
    });
  }
});

describe("replaceable: the newest of an author is stored", () => {
  for (const row of REPLACEABLE) {
    test(`kind ${row[0]}, ${row[1]}`, async () => {
      const [other] = make(row, nextAuthor(), 1) as [NostrEvent];
      await expectReplaced(row, nextAuthor());
      expect(await client.publish(other)).toEqual(ok(other));
      await expectFound(row, [other]);
    });
  }
});

describe("addressable: the newest of an author and a d tag is stored", () => {
  for (const row of ADDRESSABLE) {
    test(`kind ${row[0]}, ${row[1]}`, async () => {
      const [other] = make(row, nextAuthor(), 1) as [NostrEvent];
      const author = nextAuthor();
      const newest = await expectReplaced(row, author);
      const tags = [["d", "another"], ...row[2].slice(1)];
      const [another] = make([row[0], row[1], tags], author, 1) as [NostrEvent];
      expect(await client.publishAll([other, another])).toEqual([ok(other), ok(another)]);
      await expectFound(row, [other]);
      const ids = [newest.id, another.id];
      expect(await client.query({ ids })).toEqual(newestFirst([newest, another]));
    });
  }
});

/** Publishes three versions, the oldest last; returns the one that is left. */
async function expectReplaced(row: Row, author: number): Promise<NostrEvent> {
  const [oldest, old, newest] = make(row, author, 3) as [NostrEvent, NostrEvent, NostrEvent];
  expect(await client.publish(old)).toEqual(ok(old));
  expect(await client.publish(newest)).toEqual(ok(newest));
  expect(await client.publish(oldest)).toEqual(refused(oldest, REPLACED));
  await expectFound(row, [newest]);
  expect(await client.query({ ids: [oldest.id, old.id] })).toEqual([]);
  return newest;
}

describe("ephemeral: told, not stored", () => {
  for (const row of EPHEMERAL) {
    test(`kind ${row[0]}, ${row[1]}`, async () => {
      const [event] = make(row, nextAuthor(), 1, nowSeconds()) as [NostrEvent];
      const own = await Client.connect(relay.url);
      const filter = { kinds: [event.kind], authors: [event.pubkey] };
      expect(await own.request("live", filter)).toEqual([["EOSE", "live", ["finish"]]]);
      expect(await client.publish(event)).toEqual(ok(event));
      expect(await own.find("EVENT", "live")).toEqual(["EVENT", "live", event]);
      expect(await client.query(filter)).toEqual([]);
      expect(await client.count("n", filter)).toEqual(["COUNT", "n", { count: 0 }]);
      own.close();
    });
  }
});

test("events that real clients made, one of each kind, are served as they came", async () => {
  const text = readFileSync(join(import.meta.dir, "real-events.jsonl"), "utf8");
  const events = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as NostrEvent);
  expect(await client.publishAll(events)).toEqual(events.map((event) => ok(event)));
  expect(await client.query({ ids: events.map(({ id }) => id) })).toEqual(newestFirst(events));
  for (const event of events) {
    const filter = { kinds: [event.kind], authors: [event.pubkey], since: event.created_at };
    expect(await client.query(filter)).toContainEqual(event);
  }
});
