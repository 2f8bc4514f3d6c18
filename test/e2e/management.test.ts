// The management API (NIP-86) over real HTTP, and what it does to clients that are connected: from
// the moment of the answer on, on whatever thread. What is sent to whom is asserted whole.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { authorKey, signEvent } from "../support/events.ts";
import { authorizationOf, httpAuthEvent, Manager } from "../support/management.ts";
import { handshake, rawRequest } from "../support/raw-http.ts";
import { makeTempDir, RelayProcess, removeTempDir, runNandu } from "../support/relay-process.ts";
import { nowSeconds, ok, refused, Topic } from "../support/topic.ts";

const OPERATOR = 20;
const ADMIN = 21;
const MODERATOR = 22;
const FLAGS = [
  `--info-pubkey=${authorKey(OPERATOR).pubkey}`,
  `--admin-pubkeys=${authorKey(ADMIN).pubkey}`,
  `--admin-moderators=${authorKey(MODERATOR).pubkey}`,
  "--threads-ingester=3",
  "--threads-reader=2",
  "--threads-monitor=2",
  "--relay-real-ip-header=x-forwarded-for",
];
const METHODS_OF_MODERATORS = [
  "banpubkey",
  "unbanpubkey",
  "listbannedpubkeys",
  "allowpubkey",
  "unallowpubkey",
  "listallowedpubkeys",
  "listeventsneedingmoderation",
  "allowevent",
  "banevent",
  "listbannedevents",
];
const METHODS_OF_ADMINS = [
  "createrole",
  "editrole",
  "deleterole",
  "assignrole",
  "unassignrole",
  "listroles",
  "changerelayname",
  "changerelaydescription",
  "changerelayicon",
  "allowkind",
  "disallowkind",
  "listallowedkinds",
  "listdisallowedkinds",
  "blockip",
  "unblockip",
  "listblockedips",
];

let dataDir: string;
let relay: RelayProcess;
let admin: Manager;
let moderator: Manager;
/** On connections that different ingesters have. */
let clients: Client[];

async function start(): Promise<void> {
  relay = await RelayProcess.start({ dataDir, flags: FLAGS });
  admin = new Manager(relay.url, ADMIN);
  moderator = new Manager(relay.url, MODERATOR);
  clients = [];
  for (let i = 0; i < 3; i++) clients.push(await Client.connect(relay.url));
}

beforeAll(async () => {
  dataDir = makeTempDir();
  await start();
});

afterAll(async () => {
  expect(await relay.stop()).toBe(0);
  removeTempDir(dataDir);
});

function makeNote(author: number, tags: string[][] = [], kind = 1): NostrEvent {
  made += 1;
  const content = `note ${made}`;
  return signEvent({ kind, created_at: nowSeconds(), tags, content }, authorKey(author));
}
let made = 0;

/** Publishes a note of that author on each connection. */
async function publishEach(author: number, kind = 1): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (const client of clients) {
    const [type, , ...rest] = await client.publish(makeNote(author, [], kind));
    answers.push([type, ...rest]);
  }
  return answers;
}

async function information(): Promise<Record<string, unknown>> {
  const headers = { accept: "application/nostr+json" };
  const response = await fetch(relay.url.replace("ws", "http"), { headers });
  return (await response.json()) as Record<string, unknown>;
}

/** Of a handshake from that address. */
async function handshakeFrom(address: string): Promise<number | undefined> {
  const request = handshake("/", { "X-Forwarded-For": address });
  return (await rawRequest(relay.port, request))?.status;
}

const accepted = [1, 2, 3].map(() => ["OK", true, ""]);
const blocked = (why: string) => [1, 2, 3].map(() => ["OK", false, `blocked: ${why}`]);

describe("who may call what", () => {
  test("operator and admins everything, moderators what they need", async () => {
    const operator = new Manager(relay.url, OPERATOR);
    const all = [...METHODS_OF_ADMINS, ...METHODS_OF_MODERATORS].sort();
    const listOf = async (manager: Manager): Promise<string[]> =>
      ((await manager.result("supportedmethods")) as string[]).sort();
    expect(await listOf(operator)).toEqual(all);
    expect(await listOf(admin)).toEqual(all);
    expect(await listOf(moderator)).toEqual(METHODS_OF_MODERATORS.toSorted());
  });

  test("others nothing, moderators no more", async () => {
    const stranger = new Manager(relay.url, 0);
    for (const method of ["supportedmethods", ...METHODS_OF_ADMINS, ...METHODS_OF_MODERATORS]) {
      expect(await stranger.call(method)).toEqual({
        status: 403,
        body: { error: "this key may not manage the relay" },
      });
    }
    for (const method of METHODS_OF_ADMINS) {
      expect(await moderator.call(method)).toEqual({
        status: 403,
        body: { error: "this key may not call that method" },
      });
    }
  });

  test("nobody bans who manages the relay, nor the relay", async () => {
    const response = await fetch(relay.url.replace("ws", "http"), {
      headers: { accept: "application/nostr+json" },
    });
    const { self } = (await response.json()) as { self: string };
    const { pubkey } = authorKey(ADMIN);
    expect(await moderator.call("banpubkey", pubkey)).toEqual({
      status: 200,
      body: { error: "that key manages the relay" },
    });
    expect(await admin.call("banpubkey", self)).toEqual({
      status: 200,
      body: { error: "that is the relay's own key" },
    });
  });
});

describe("keys", () => {
  const author = 1;
  const { pubkey } = authorKey(author);

  test("that are banned publish nothing more, and what they have published goes", async () => {
    const topic = new Topic("banned key");
    const notes = Array.from({ length: 450 }, (_, i) =>
      topic.make({ author, created_at: 1000 + i }),
    );
    const [client, reader] = clients as [Client, Client];
    await client.publishAll(notes);
    expect((await reader.count("a", topic.filter))[2]).toMatchObject({ count: 450 });
    expect(await moderator.result("banpubkey", pubkey, "spam")).toBe(true);
    expect(await publishEach(author)).toEqual(blocked("spam"));
    expect(await admin.result("listbannedpubkeys")).toEqual([{ pubkey, reason: "spam" }]);
    let left: unknown;
    do left = ((await reader.count("b", topic.filter))[2] as { count: number }).count;
    while (left !== 0);
    expect(await publishEach(2)).toEqual(accepted);
  });

  test("are free once they are unbanned", async () => {
    expect(await moderator.result("unbanpubkey", pubkey)).toBe(true);
    expect(await publishEach(author)).toEqual(accepted);
    expect(await admin.result("listbannedpubkeys")).toEqual([]);
    expect(await moderator.call("unbanpubkey", pubkey)).toEqual({
      status: 200,
      body: { error: "that key is not banned" },
    });
  });

  test("that are banned send no ephemeral events either", async () => {
    const client = clients[0] as Client;
    await admin.result("banpubkey", pubkey);
    const event = makeNote(author, [], 20_001);
    expect(await client.publish(event)).toEqual(refused(event, "blocked: this key is banned"));
    await admin.result("unbanpubkey", pubkey);
  });

  test("may be allowed and no longer, unless they are banned", async () => {
    await moderator.result("banpubkey", pubkey);
    expect(await moderator.call("allowpubkey", pubkey)).toEqual({
      status: 200,
      body: { error: "that key is banned: unban it first" },
    });
    await moderator.result("unbanpubkey", pubkey);
    expect(await moderator.result("allowpubkey", pubkey, "friend")).toBe(true);
    expect(await moderator.result("allowpubkey", pubkey, "friend")).toBe(true);
    expect(await admin.result("listallowedpubkeys")).toEqual([{ pubkey, reason: "friend" }]);
    expect(await moderator.result("unallowpubkey", pubkey)).toBe(true);
    expect(await admin.result("listallowedpubkeys")).toEqual([]);
    expect(await moderator.call("unallowpubkey", pubkey)).toEqual({
      status: 200,
      body: { error: "that key is not allowed" },
    });
  });
});

describe("events", () => {
  test("that are banned are gone at once and don't come back, until they are allowed", async () => {
    const [client, reader] = clients as [Client, Client];
    const event = makeNote(3);
    expect(await client.publish(event)).toEqual(ok(event));
    expect(await moderator.result("banevent", event.id, "no")).toBe(true);
    expect(await reader.query({ ids: [event.id] })).toEqual([]);
    for (const one of clients) {
      expect(await one.publish(event)).toEqual(refused(event, "blocked: no"));
    }
    expect(await moderator.result("listbannedevents")).toEqual([{ id: event.id, reason: "no" }]);
    expect(await moderator.result("allowevent", event.id)).toBe(true);
    expect(await (clients[1] as Client).publish(event)).toEqual(ok(event));
    expect(await moderator.result("listbannedevents")).toEqual([]);
  });

  test("that are reported need moderation until they are decided on", async () => {
    const client = clients[0] as Client;
    const [bad, good, twice, unreported] = [4, 4, 4, 4].map((author) => makeNote(author)) as [
      NostrEvent,
      NostrEvent,
      NostrEvent,
      NostrEvent,
    ];
    await client.publishAll([bad, good, twice, unreported]);
    const report = (event: NostrEvent, type: string, content: string, at: number) => {
      const tags = [
        ["e", event.id, type],
        ["p", event.pubkey],
      ];
      return signEvent({ kind: 1984, created_at: at, tags, content }, authorKey(5));
    };
    const now = nowSeconds();
    await client.publishAll([
      report(bad, "illegal", "see there", now - 1),
      report(good, "spam", "", now - 2),
      report(twice, "nudity", "older", now - 4),
      report(twice, "profanity", "", now - 3),
      report(makeNote(4), "spam", "of what is not stored", now),
    ]);
    expect(await moderator.result("listeventsneedingmoderation")).toEqual([
      { id: bad.id, reason: "illegal: see there" },
      { id: good.id, reason: "spam" },
      { id: twice.id, reason: "profanity" },
    ]);
    await moderator.result("banevent", bad.id);
    await moderator.result("allowevent", good.id, "fine");
    expect(await moderator.result("listeventsneedingmoderation")).toEqual([
      { id: twice.id, reason: "profanity" },
    ]);
  });
});

describe("the relay", () => {
  test("has the name, description and icon that it is given, on its page too", async () => {
    const texts = { name: "Ñandú <2>", description: "a\nb", icon: "https://x.example/i.png" };
    for (const [name, text] of Object.entries(texts)) {
      expect(await admin.result(`changerelay${name}`, text)).toBe(true);
      expect((await information())[name]).toBe(text);
    }
    const page = await (await fetch(relay.url.replace("ws", "http"))).text();
    expect(/<h1>.*<\/h1>/.exec(page)?.[0]).toBe("<h1>Ñandú &lt;2&gt;</h1>");
    await admin.result("changerelayname", "");
    expect("name" in (await information())).toBe(false);
  });

  test("says what it is and supports", async () => {
    const { pubkey, self, supported_nips } = await information();
    expect(pubkey).toBe(authorKey(OPERATOR).pubkey);
    expect(self).toMatch(/^[0-9a-f]{64}$/);
    expect(supported_nips).toContain(86);
    expect(supported_nips).not.toContain(43);
  });

  test("takes the kinds that it is told to", async () => {
    expect(await admin.result("disallowkind", 7)).toBe(true);
    expect(await publishEach(6, 7)).toEqual(blocked("events of kind 7 are not accepted here"));
    expect(await publishEach(6)).toEqual(accepted);
    expect(await admin.result("listdisallowedkinds")).toEqual([7]);
    expect(await admin.result("listallowedkinds")).toEqual([]);
    expect(await admin.result("allowkind", 7)).toBe(true);
    expect(await publishEach(6, 7)).toEqual(accepted);
    expect(await admin.result("allowkind", 7)).toBe(true);
    expect(await publishEach(6)).toEqual(blocked("events of kind 1 are not accepted here"));
    expect(await admin.result("allowkind", 1)).toBe(true);
    expect(await admin.result("listallowedkinds")).toEqual([1, 7]);
    expect(await publishEach(6)).toEqual(accepted);
    for (const kind of [1, 7]) await admin.result("disallowkind", kind);
    for (const kind of [1, 7]) await admin.result("allowkind", kind);
  });

  test("blocks addresses and networks: who is there is closed, who comes is refused", async () => {
    const from = (address: string) => ({ headers: { "x-forwarded-for": address } });
    const bad = await Client.connect(relay.url, from("192.0.2.7"));
    const good = await Client.connect(relay.url, from("198.51.100.7"));
    expect(await admin.result("blockip", "192.0.2.99/24", "abuse")).toBe(true);
    expect(await bad.closed).toEqual({ code: 1008, reason: "your address is blocked" });
    expect([await handshakeFrom("192.0.2.8"), await handshakeFrom("198.51.100.8")]).toEqual([
      403, 101,
    ]);
    await good.settle();
    expect(await admin.result("listblockedips")).toEqual([{ ip: "192.0.2.0/24", reason: "abuse" }]);
    expect(await admin.result("unblockip", "192.0.2.0/24")).toBe(true);
    expect(await handshakeFrom("192.0.2.8")).toBe(101);
    expect(await admin.call("unblockip", "192.0.2.0/24")).toEqual({
      status: 200,
      body: { error: "that address is not blocked" },
    });
  });
});

test("nobody joins or leaves a relay that is for anyone, and nobody is invited", async () => {
  const client = clients[0] as Client;
  await client.signIn(12);
  const reason = "unsupported: this relay is open to anyone (NIP-43)";
  for (const kind of [28934, 28936]) {
    const request = makeNote(12, [["-"], ["claim", "x"]], kind);
    expect(await client.publish(request)).toEqual(refused(request, reason));
  }
  await client.signIn(ADMIN);
  expect(await client.query({ kinds: [28935] })).toEqual([]);
});

describe("parameters", () => {
  const pubkey = "a pubkey";
  const key = "parameter 1 must be a public key, 64 lower-case hex digits";
  const rows: [string, unknown[], string][] = [
    ["banpubkey", [], key],
    ["banpubkey", ["AB".repeat(32)], key],
    ["unbanpubkey", [1], key],
    ["allowpubkey", [null], key],
    ["unallowpubkey", [pubkey], key],
    ["banpubkey", ["ab".repeat(32), 5], "parameter 2 must be a text of at most 500 characters"],
    ["banevent", ["x"], "parameter 1 must be an event id, 64 lower-case hex digits"],
    ["allowevent", [], "parameter 1 must be an event id, 64 lower-case hex digits"],
    ["allowkind", ["1"], "parameter 1 must be a kind, 0 to 65535"],
    ["disallowkind", [65_536], "parameter 1 must be a kind, 0 to 65535"],
    ["blockip", ["localhost"], "parameter 1 must be an IP address or network (10.0.0.0/8)"],
    ["unblockip", ["10.0.0.0/33"], "parameter 1 must be an IP address or network (10.0.0.0/8)"],
    ["changerelayname", [], "parameter 1 must be a text"],
    ["createrole", [""], "parameter 1 must be a role id of 1 to 64 characters"],
    ["createrole", ["a", "", "", 361], "parameter 4 must be a hue, 0 to 360"],
    ["editrole", ["a", "", "", "", 1.5], "parameter 5 must be an integer"],
    ["assignrole", ["ab".repeat(32), "nothing"], "there is no such role"],
    ["deleterole", ["nothing"], "there is no such role"],
    ["editrole", ["nothing"], "there is no such role"],
  ];
  test.each(rows)("%s %j", async (method, params, error) => {
    expect(await admin.call(method, ...params)).toEqual({ status: 200, body: { error } });
  });
});

describe("beside another process on the same database", () => {
  test("a ban holds there from the next event on, and is seen by its clients", async () => {
    await using other = await RelayProcess.start({ dataDir, flags: FLAGS });
    const client = await Client.connect(other.url);
    const { pubkey } = authorKey(7);
    const note = makeNote(7);
    expect(await client.publish(note)).toEqual(ok(note));
    await admin.result("banpubkey", pubkey, "spam");
    const next = makeNote(7);
    expect(await client.publish(next)).toEqual(refused(next, "blocked: spam"));
    expect(await client.query({ authors: [pubkey] })).toEqual([]);
    await new Manager(other.url, ADMIN).result("unbanpubkey", pubkey);
    const last = makeNote(7);
    expect(await client.publish(last)).toEqual(ok(last));
  });

  test("an import leaves out what is banned, unless it is told not to", async () => {
    const { pubkey } = authorKey(8);
    await admin.result("banpubkey", pubkey, "spam");
    const note = makeNote(8);
    const run = (...flags: string[]) =>
      runNandu(["import", `--data-dir=${dataDir}`, ...flags], { stdin: JSON.stringify(note) });
    expect((await run("--show-rejected")).stderr).toStartWith("stdin:1: blocked: spam\n");
    expect(await (clients[0] as Client).query({ ids: [note.id] })).toEqual([]);
    const why = await runNandu(["why", `--data-dir=${dataDir}`, JSON.stringify(note)]);
    expect(why.stdout).toContain("it would be refused: blocked: spam\n");
    expect((await run("--no-bans")).stderr).toContain("1 stored");
    expect(await (clients[0] as Client).query({ ids: [note.id] })).toEqual([note]);
  });
});

test("a restart changes nothing, and an authorization that was used stays used", async () => {
  const { pubkey } = authorKey(10);
  const event = makeNote(11);
  await admin.result("banpubkey", pubkey, "spam");
  await admin.result("banevent", event.id, "no");
  await admin.result("changerelaydescription", "after all");
  await admin.result("blockip", "192.0.2.0/24");
  await admin.result("disallowkind", 9);
  const body = JSON.stringify({ method: "listblockedips", params: [] });
  const url = relay.url.replace("ws", "http");
  const authorization = authorizationOf(httpAuthEvent(ADMIN, url, body));
  const used = {
    status: 401,
    body: { error: "this event of the Authorization header was used before" },
  };
  expect((await admin.send(body, { authorization })).status).toBe(200);
  expect(await admin.send(body, { authorization })).toEqual(used);

  expect(await relay.stop()).toBe(0);
  await start();
  expect(await admin.send(body, { authorization })).toEqual(used);
  expect(await publishEach(10)).toEqual(blocked("spam"));
  for (const client of clients) {
    expect(await client.publish(event)).toEqual(refused(event, "blocked: no"));
  }
  expect((await information())["description"]).toBe("after all");
  expect([await handshakeFrom("192.0.2.8"), await handshakeFrom("198.51.100.8")]).toEqual([
    403, 101,
  ]);
  expect(await publishEach(11, 9)).toEqual(blocked("events of kind 9 are not accepted here"));
});

test("the log has every change, by whom and when", async () => {
  const before = nowSeconds();
  const { pubkey } = authorKey(9);
  await moderator.result("banpubkey", pubkey, "a\tb");
  await admin.call("unblockip", "203.0.113.1");
  await admin.result("listblockedips");
  const { stdout } = await runNandu(["audit", `--data-dir=${dataDir}`, "--since=1h"]);
  const lines = stdout.trimEnd().split("\n");
  const rest = lines.slice(-2).map((line) => line.split("\t").slice(1));
  expect(rest).toEqual([
    [authorKey(MODERATOR).pubkey, "banpubkey", JSON.stringify([pubkey, "a\tb"]), "true"],
    [authorKey(ADMIN).pubkey, "unblockip", '["203.0.113.1"]', "that address is not blocked"],
  ]);
  const json = await runNandu(["audit", `--data-dir=${dataDir}`, "--since=1h", "--json"]);
  const last = JSON.parse(json.stdout.trimEnd().split("\n").at(-1) as string);
  expect(last.at).toBeGreaterThanOrEqual(before);
  expect(last).toEqual({
    at: last.at,
    actor: authorKey(ADMIN).pubkey,
    method: "unblockip",
    params: '["203.0.113.1"]',
    result: "that address is not blocked",
  });
  expect(lines.length).toBe(json.stdout.trimEnd().split("\n").length);
});
