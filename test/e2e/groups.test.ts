// NIP-29 over the wire: what may be written to groups, by whom, and what the relay says to it.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { authorKey, signEvent } from "../support/events.ts";
import {
  ADMIN,
  groupEvent,
  GroupRelay,
  informationOf,
  MEMBER,
  MODERATOR,
  pubkeyOf,
  STRANGER,
} from "../support/group-relay.ts";
import { makeTempDir, RelayProcess, removeTempDir, runNandu } from "../support/relay-process.ts";
import { nowSeconds, ok, refused } from "../support/topic.ts";

let relay: GroupRelay;

beforeAll(async () => {
  relay = await GroupRelay.start();
});

afterAll(() => relay.stop());

const ROLES = [
  [
    "role",
    "admin",
    "may do everything: roles, members, metadata, invites, pins, deleting the group",
  ],
  [
    "role",
    "moderator",
    "may delete events, add and remove members without roles, create invites, pin",
  ],
];

test("NIP-11 says that groups are here, and subgroups", async () => {
  const { supported_nips, nip29, self } = await informationOf(relay.process);
  expect(supported_nips).toContain(29);
  expect(nip29).toEqual({ subgroups: true });
  expect(self).toBe(relay.self);
});

test("a group is created with its creator as admin, which the relay says at once", async () => {
  const event = await relay.must(9007, ADMIN, "created");
  const p = ["p", pubkeyOf(ADMIN)];
  expect(await relay.metadata(39_000, "created")).toEqual([]);
  expect(await relay.metadata(39_001, "created")).toEqual([[...p, "admin"]]);
  expect(await relay.metadata(39_002, "created")).toEqual([p]);
  expect(await relay.metadata(39_003, "created")).toEqual(ROLES);
  expect(await relay.metadata(39_005, "created")).toBeNull();
  const put = {
    kind: 9000,
    tags: [
      ["h", "created"],
      [...p, "admin"],
      ["e", event.id],
    ],
    content: "",
  };
  expect(await relay.said(relay.client, { kinds: [9000], "#h": ["created"] })).toEqual([put]);
  const again = groupEvent(9007, STRANGER, "created");
  expect(await relay.publish(again)).toEqual(
    refused(again, "duplicate: this group exists already"),
  );
});

test("an edit shows in the metadata, and a later one replaces it", async () => {
  const group = await relay.group("edited", ["name", "Pizza"], ["about", "pizza"], ["closed"]);
  expect(await relay.metadata(39_000, group)).toEqual([
    ["name", "Pizza"],
    ["about", "pizza"],
    ["closed"],
  ]);
  for (const name of ["a", "b", "c"]) {
    await relay.must(9002, ADMIN, group, { tags: [["name", name]] });
    expect(await relay.metadata(39_000, group)).toEqual([["name", name]]);
  }
  const edit = groupEvent(9002, MODERATOR, group, { tags: [["name", "d"]] });
  const refusal = "restricted: your role in this group has no edit-metadata";
  expect(await relay.publish(edit)).toEqual(refused(edit, refusal));
});

test("members join and leave by themselves, and the relay answers for them", async () => {
  const group = await relay.group("joined");
  const p = ["p", pubkeyOf(STRANGER)];
  const join = await relay.must(9021, STRANGER, group);
  const members = [ADMIN, MODERATOR, MEMBER].map((author) => ["p", pubkeyOf(author)]);
  expect(await relay.metadata(39_002, group)).toEqual([...members, p]);
  const own = { "#h": [group], "#e": [join.id] };
  const tags = [["h", group], p, ["e", join.id]];
  expect(await relay.said(relay.client, own)).toEqual([{ kind: 9000, tags, content: "" }]);
  const again = groupEvent(9021, STRANGER, group);
  const member = "duplicate: you are a member of this group already";
  expect(await relay.publish(again)).toEqual(refused(again, member));
  const leave = await relay.must(9022, STRANGER, group);
  expect(await relay.metadata(39_002, group)).toEqual(members);
  const left = [["h", group], p, ["e", leave.id]];
  expect(await relay.said(relay.client, { "#h": [group], "#e": [leave.id] })).toEqual([
    { kind: 9001, tags: left, content: "" },
  ]);
  const gone = groupEvent(9022, STRANGER, group);
  expect(await relay.publish(gone)).toEqual(
    refused(gone, "restricted: you are no member of this group"),
  );
});

test("a closed group is joined with an invite code", async () => {
  const group = await relay.group("invited", ["closed"]);
  const refusal = "restricted: this group is closed, joining takes an invite code";
  const bare = groupEvent(9021, STRANGER, group);
  expect(await relay.publish(bare)).toEqual(refused(bare, refusal));
  const invite = await relay.must(9009, MODERATOR, group, { tags: [["code", "abc"]] });
  const wrong = groupEvent(9021, STRANGER, group, { tags: [["code", "abd"]] });
  expect(await relay.publish(wrong)).toEqual(refused(wrong, refusal));
  await relay.must(9021, STRANGER, group, { tags: [["code", "abc"]] });
  await relay.must(9005, MODERATOR, group, { tags: [["e", invite.id]] });
  const late = groupEvent(9021, 5, group, { tags: [["code", "abc"]] });
  expect(await relay.publish(late)).toEqual(refused(late, refusal));
});

test("users are put with roles, and removed, by who may", async () => {
  const group = await relay.group("roles");
  const put = (author: number, user: number, ...roles: string[]) =>
    groupEvent(9000, author, group, { tags: [["p", pubkeyOf(user), ...roles]] });
  const byMember = put(MEMBER, STRANGER);
  expect(await relay.publish(byMember)).toEqual(
    refused(byMember, "restricted: your role in this group has no put-user"),
  );
  const withRole = put(MODERATOR, STRANGER, "moderator");
  expect(await relay.publish(withRole)).toEqual(
    refused(withRole, "restricted: your role in this group gives and takes no roles"),
  );
  const plain = put(MODERATOR, STRANGER);
  expect(await relay.publish(plain)).toEqual(ok(plain));
  const promotion = put(ADMIN, STRANGER, "moderator", "cook");
  expect(await relay.publish(promotion)).toEqual(ok(promotion));
  expect(await relay.metadata(39_001, group)).toEqual([
    ["p", pubkeyOf(ADMIN), "admin"],
    ["p", pubkeyOf(MODERATOR), "moderator"],
    ["p", pubkeyOf(STRANGER), "moderator", "cook"],
  ]);
  const tags = [["p", pubkeyOf(STRANGER)]];
  const remove = groupEvent(9001, MODERATOR, group, { tags });
  expect(await relay.publish(remove)).toEqual(
    refused(remove, "restricted: that member's role is not below yours"),
  );
  await relay.must(9001, ADMIN, group, { tags });
  const members = [ADMIN, MODERATOR, MEMBER].map((author) => ["p", pubkeyOf(author)]);
  expect(await relay.metadata(39_002, group)).toEqual(members);
});

test("where only members write, nobody else does", async () => {
  const group = await relay.group("restricted", ["restricted"], ["supported_kinds", "9"]);
  const foreign = groupEvent(9, STRANGER, group);
  expect(await relay.publish(foreign)).toEqual(
    refused(foreign, "restricted: only members write in this group"),
  );
  await relay.must(9, MEMBER, group);
  const other = groupEvent(11, MEMBER, group);
  expect(await relay.publish(other)).toEqual(
    refused(other, "blocked: this group has no events of kind 11"),
  );
  const unstored = groupEvent(20_009, STRANGER, group);
  expect(await relay.publish(unstored)).toEqual(
    refused(unstored, "restricted: only members write in this group"),
  );
});

test("events of other groups than there are, are refused", async () => {
  for (const kind of [1, 9, 9000, 9002, 9021, 20_001, 30_023]) {
    const event = groupEvent(kind, ADMIN, "nowhere");
    const refusal = "invalid: this relay has no such group";
    expect(await relay.publish(event)).toEqual(refused(event, refusal));
  }
});

test("nobody but the relay makes metadata, not even by copying it", async () => {
  const group = await relay.group("forged", ["name", "Real"]);
  const refusal = "restricted: only this relay makes the metadata of its groups (NIP-29)";
  for (const kind of [39_000, 39_001, 39_002, 39_003, 39_005]) {
    const tags = [["d", group]];
    const template = { kind, tags, content: "", created_at: nowSeconds() + 60 };
    const event = signEvent(template, authorKey(ADMIN));
    expect(await relay.publish(event)).toEqual(refused(event, refusal));
  }
  const found = await relay.client.query({ kinds: [39_000], "#d": [group] });
  const [old] = found as [(typeof found)[0]];
  await relay.must(9002, ADMIN, group, { tags: [["name", "New"]] });
  expect(await relay.publish(old)).toEqual(refused(old, refusal));
  expect(await relay.metadata(39_000, group)).toEqual([["name", "New"]]);
});

test("late events are refused, and references to what is not here", async () => {
  const group = await relay.group("timely");
  const late = groupEvent(9, MEMBER, group, { created_at: nowSeconds() - 700 });
  const tooLate = "invalid: created_at is more than 600 seconds ago, too late for a group";
  expect(await relay.publish(late)).toEqual(refused(late, tooLate));
  const [a, b] = [await relay.must(9, MEMBER, group), await relay.must(9, ADMIN, group)];
  const previous = ["previous", a.id.slice(0, 8), b.id.slice(0, 8)];
  await relay.must(9, MODERATOR, group, { tags: [previous] });
  const stray = groupEvent(9, MODERATOR, group, { tags: [[...previous, "00000000"]] });
  const unknown = "invalid: previous event 00000000 is not known here";
  expect(await relay.publish(stray)).toEqual(refused(stray, unknown));
});

test("an event that was deleted by a moderator is gone, and stays away", async () => {
  const group = await relay.group("cleaned");
  const spam = await relay.must(9, STRANGER, group);
  const kept = await relay.must(9, MEMBER, group);
  const byMember = groupEvent(9005, MEMBER, group, { tags: [["e", spam.id]] });
  expect(await relay.publish(byMember)).toEqual(
    refused(byMember, "restricted: your role in this group has no delete-event"),
  );
  await relay.must(9005, MODERATOR, group, { tags: [["e", spam.id]] });
  expect(await relay.client.query({ kinds: [9], "#h": [group] })).toEqual([kept]);
  expect(await relay.client.query({ ids: [spam.id] })).toEqual([]);
  const answer = await relay.publish(spam);
  expect(answer).toEqual(refused(spam, "blocked: this event was deleted by a moderator"));
  const own = await relay.must(9, ADMIN, group);
  const above = groupEvent(9005, MODERATOR, group, { tags: [["e", own.id]] });
  expect(await relay.publish(above)).toEqual(
    refused(above, "restricted: that event's author has a role that is not below yours"),
  );
});

test("one burst on one connection is taken as if it had come one by one", async () => {
  const group = await relay.group("burst");
  const message = groupEvent(9, MEMBER, group);
  const tags = [["e", message.id]];
  const events = [
    groupEvent(9021, STRANGER, group),
    groupEvent(9001, ADMIN, group, { tags: [["p", pubkeyOf(STRANGER)]] }),
    message,
    groupEvent(9005, ADMIN, group, { tags }),
    groupEvent(9021, STRANGER, group),
    groupEvent(9022, STRANGER, group),
    groupEvent(9002, ADMIN, group, { tags: [["restricted"]] }),
    groupEvent(9, STRANGER, group),
  ];
  const answers = await relay.client.publishAll(events);
  const last = events.at(-1) as (typeof events)[0];
  expect(answers).toEqual([
    ...events.slice(0, -1).map((event) => ok(event)),
    refused(last, "restricted: only members write in this group"),
  ] as never);
  expect(await relay.client.query({ ids: [message.id] })).toEqual([]);
  const members = [ADMIN, MODERATOR, MEMBER].map((author) => ["p", pubkeyOf(author)]);
  expect(await relay.metadata(39_002, group)).toEqual(members);
});

test("authors delete their messages, but not what they have done as moderators", async () => {
  const group = await relay.group("lasting");
  const edit = await relay.must(9002, ADMIN, group, { tags: [["name", "Kept"]] });
  const request = { kind: 5, content: "", created_at: nowSeconds(), tags: [["e", edit.id]] };
  const deletion = signEvent(request, authorKey(ADMIN));
  expect(await relay.publish(deletion)).toEqual(ok(deletion));
  expect(await relay.client.query({ ids: [edit.id] })).toEqual([edit]);
  const message = await relay.must(9, MEMBER, group);
  const own = { ...request, tags: [["e", message.id]] };
  const ownDeletion = signEvent(own, authorKey(MEMBER));
  expect(await relay.publish(ownDeletion)).toEqual(ok(ownDeletion));
  expect(await relay.client.query({ ids: [message.id] })).toEqual([]);
});

test("subgroups hang below their parent, as both say", async () => {
  for (const id of ["top", "sub"]) await relay.group(id);
  await relay.must(9002, ADMIN, "sub", { tags: [["parent", "top"]] });
  expect(await relay.metadata(39_000, "sub")).toEqual([["parent", "top"]]);
  expect(await relay.metadata(39_000, "top")).toEqual([["child", "sub"]]);
  const lacking = groupEvent(9002, ADMIN, "top", { tags: [["name", "Top"]] });
  expect(await relay.publish(lacking)).toEqual(
    refused(lacking, "invalid: an edit must list all subgroups as child tags, and no others"),
  );
  await relay.must(9008, ADMIN, "top");
  expect(await relay.metadata(39_000, "sub")).toEqual([]);
});

test("pins are listed in order", async () => {
  const group = await relay.group("pinned");
  const { id } = await relay.must(9, MEMBER, group);
  const pins = [
    ["a", `30023:${pubkeyOf(ADMIN)}:x`],
    ["e", id],
  ];
  await relay.must(9010, MODERATOR, group, { tags: pins });
  expect(await relay.metadata(39_005, group)).toEqual(pins);
});

describe("deleting a group", () => {
  test("leaves nothing of it but that, and its id is taken", async () => {
    const group = await relay.group("deleted", ["name", "Gone"]);
    await relay.client.publishAll(Array.from({ length: 300 }, () => groupEvent(9, MEMBER, group)));
    const deletion = await relay.must(9008, ADMIN, group);
    expect(await relay.client.query({ "#h": [group], limit: 1000 })).toEqual([deletion]);
    expect(await relay.client.query({ "#d": [group] })).toEqual([]);
    expect((await relay.client.count("n", { "#h": [group] }))[2]).toMatchObject({ count: 1 });
    for (const kind of [9, 9000, 9007, 9021]) {
      const event = groupEvent(kind, ADMIN, group);
      const refusal = "blocked: this group has been deleted";
      expect(await relay.publish(event)).toEqual(refused(event, refusal));
    }
  });

  test("is for admins", async () => {
    const group = await relay.group("kept");
    const event = groupEvent(9008, MODERATOR, group);
    expect(await relay.publish(event)).toEqual(
      refused(event, "restricted: your role in this group has no delete-group"),
    );
  });
});

test("a restart keeps groups as they are, and their metadata goes on", async () => {
  const dataDir = makeTempDir();
  const first = await GroupRelay.start([], { dataDir });
  const group = await first.group("kept", ["closed"], ["name", "1"]);
  await first.must(9009, ADMIN, group, { tags: [["code", "abc"]] });
  await first.group("gone");
  await first.must(9008, ADMIN, "gone");
  await first.stop();
  const second = await GroupRelay.start([], { dataDir });
  expect(second.self).toBe(first.self);
  await second.must(9021, STRANGER, group, { tags: [["code", "abc"]] });
  const authors = [ADMIN, MODERATOR, MEMBER, STRANGER];
  const members = authors.map((author) => ["p", pubkeyOf(author)]);
  expect(await second.metadata(39_002, group)).toEqual(members);
  await second.must(9002, ADMIN, group, { tags: [["name", "2"]] });
  expect(await second.metadata(39_000, group)).toEqual([["name", "2"]]);
  const event = groupEvent(9007, ADMIN, "gone");
  expect(await second.publish(event)).toEqual(
    refused(event, "blocked: this group has been deleted"),
  );
  await second.stop();
  removeTempDir(dataDir);
}, 20_000);

test("the operator says who creates groups, and what messages to them must be", async () => {
  const own = await GroupRelay.start([
    `--info-pubkey=${pubkeyOf(ADMIN)}`,
    "--groups-create=admins",
    "--groups-foreign=accept",
    "--groups-late-publication-s=60",
    "--groups-previous-min=1",
    "--groups-groups-max=1",
    "--groups-members-max=2",
    "--groups-invites-max=1",
    "--groups-pins-max=0",
  ]);
  const answers: [ReturnType<typeof groupEvent>, string | null][] = [
    [groupEvent(9, STRANGER, "nowhere"), null],
    [groupEvent(9007, STRANGER, "a"), "restricted: only admins of this relay create groups"],
    [groupEvent(9007, ADMIN, "a"), null],
    [groupEvent(9007, ADMIN, "b"), "restricted: this relay has no room for more than 1 groups"],
    [groupEvent(9021, MEMBER, "a"), null],
    [groupEvent(9021, STRANGER, "a"), "restricted: this group is full, it has 2 members"],
    [groupEvent(9, MEMBER, "a"), "invalid: at least 1 timeline references are needed"],
    [
      groupEvent(9, MEMBER, "a", { created_at: nowSeconds() - 100 }),
      "invalid: created_at is more than 60 seconds ago, too late for a group",
    ],
    [
      groupEvent(9009, ADMIN, "a", {
        tags: [
          ["code", "x"],
          ["code", "y"],
        ],
      }),
      "restricted: a group has at most 1 invite codes",
    ],
    [
      groupEvent(9010, ADMIN, "a", { tags: [["e", "0".repeat(64)]] }),
      "restricted: a group has at most 0 pinned events",
    ],
  ];
  for (const [event, reason] of answers) {
    const answer = reason === null ? ok(event) : refused(event, reason);
    expect(await own.publish(event)).toEqual(answer);
  }
  await own.stop();
}, 20_000);

test("nandu why knows what groups mean for an event", async () => {
  const group = await relay.group("why", ["private"], ["restricted"]);
  const message = await relay.must(9, MEMBER, group);
  const removed = await relay.must(9, MEMBER, group);
  const removal = await relay.must(9005, ADMIN, group, { tags: [["e", removed.id]] });
  const foreign = groupEvent(9, STRANGER, group);
  const why = async (event: NostrEvent) => {
    const flags = [`--data-dir=${relay.process.dataDir}`, "--groups-enabled"];
    const { stdout } = await runNandu(["why", ...flags, JSON.stringify(event)]);
    const lines = stdout.split("\n").map((line) => line.replace(/ {2,}/, " ").trim());
    return lines.filter((line) => /^(served|now|in its way) /.test(line));
  };
  const outlooks = await Promise.all([message, removed, foreign].map(why));
  expect(outlooks).toEqual([
    [
      "served to members of its group, once signed in",
      "now it would be acknowledged: duplicate: already have this event",
    ],
    [
      "now it would be refused: blocked: this event was deleted by a moderator",
      `in its way is ${removal.id}`,
    ],
    ["now it would be refused: restricted: only members write in this group"],
  ]);
  const explain = async (...viewer: string[]) => {
    const flags = [`--data-dir=${relay.process.dataDir}`, "--groups-enabled", ...viewer];
    const filter = JSON.stringify({ kinds: [9], "#h": [group] });
    const { stdout } = await runNandu(["explain", "--json", ...flags, filter]);
    return (JSON.parse(stdout) as { query: { refusal: string | null } }).query.refusal;
  };
  expect(await explain()).toBe("auth-required: the events of a private group are for its members");
  expect(await explain("--viewer", pubkeyOf(MEMBER))).toBeNull();
}, 20_000);

test("where groups are off, these are events like any others", async () => {
  await using off = await RelayProcess.start();
  const { supported_nips, nip29 } = await informationOf(off);
  expect([(supported_nips as number[]).includes(29), nip29]).toEqual([false, undefined]);
  const client = await Client.connect(off.url);
  for (const kind of [9, 9000, 9002, 9005, 9007, 9021, 39_000, 39_002]) {
    const event = groupEvent(kind, STRANGER, "any", { created_at: 1000, tags: [["d", "any"]] });
    expect(await client.publish(event)).toEqual(ok(event));
    expect(await client.query({ ids: [event.id] })).toEqual([event]);
  }
  client.close();
}, 20_000);
