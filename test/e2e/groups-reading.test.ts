// NIP-29 over the wire: who may read what of groups, stored, live and counted.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import type { Client, Frame } from "../support/client.ts";
import {
  ADMIN,
  groupEvent,
  GroupRelay,
  MEMBER,
  MODERATOR,
  pubkeyOf,
  STRANGER,
} from "../support/group-relay.ts";
import { negentropyOf, syncedIds } from "../support/sync-client.ts";
import { newestFirst, nowSeconds } from "../support/topic.ts";

const SIGN_IN = "auth-required: the events of a private group are for its members";
const JOIN = "restricted: the events of a private group are for its members";

let relay: GroupRelay;
let nobody: Client;
let stranger: Client;
let member: Client;
let moderator: Client;

beforeAll(async () => {
  relay = await GroupRelay.start();
  nobody = await relay.connect();
  stranger = await relay.connect(STRANGER);
  member = await relay.connect(MEMBER);
  moderator = await relay.connect(MODERATOR);
});

afterAll(async () => {
  for (const client of [nobody, stranger, member, moderator]) client.close();
  await relay.stop();
});

function eventsOf(id: string, frames: readonly Frame[]): NostrEvent[] {
  const events = frames.filter(([type, of]) => type === "EVENT" && of === id);
  return events.map(([, , event]) => event as NostrEvent);
}

async function countOf(client: Client, filter: Record<string, unknown>): Promise<number> {
  const [type, id, result] = await client.count("c", filter);
  expect([type, id]).toEqual(["COUNT", "c"]);
  return (result as { count: number }).count;
}

describe("a private group", () => {
  test("is synced by members only, whatever the filter", async () => {
    const group = await relay.group("synced", ["private"]);
    const event = await relay.must(9, ADMIN, group);
    for (const filter of [{}, { kinds: [9] }, { authors: [event.pubkey] }, { ids: [event.id] }]) {
      const seenBy = async (author: number | null): Promise<boolean> => {
        const own = await relay.connect(author);
        if (author !== null) await own.next(); // the OK
        const ids = await syncedIds(own, filter);
        own.close();
        return ids.includes(event.id);
      };
      expect(await Promise.all([MEMBER, STRANGER, null].map(seenBy))).toEqual([true, false, false]);
    }
  });

  test("is read by members, asked for by its id; others are told what they lack", async () => {
    const group = await relay.group("private", ["private"]);
    const event = await relay.must(9, ADMIN, group);
    const filter = { kinds: [9], "#h": [group] };
    expect(await nobody.request("r", filter)).toEqual([["CLOSED", "r", SIGN_IN]]);
    expect(await stranger.request("r", filter)).toEqual([["CLOSED", "r", JOIN]]);
    expect(await member.request("r", filter)).toEqual([
      ["EVENT", "r", event],
      ["EOSE", "r", ["finish"]],
    ]);
    expect(await nobody.count("c", filter)).toEqual(["CLOSED", "c", SIGN_IN]);
    expect(await stranger.count("c", filter)).toEqual(["CLOSED", "c", JOIN]);
    expect(await countOf(member, filter)).toBe(1);
  });

  test("leaves no trace in what else is asked for: neither limit, count nor hint", async () => {
    const group = await relay.group("traceless", ["private"]);
    const open = await relay.group("traceless, open");
    const now = nowSeconds();
    const fields = (created_at: number) => ({ tags: [["t", "trace"]], created_at });
    const shown = await relay.must(9, MEMBER, open, fields(now - 10));
    const newer = [1, 2, 3, 4, 5].map((age) => groupEvent(9, MEMBER, group, fields(now - age)));
    const hidden = await relay.client.publishAll(newer);
    const ids = [shown.id, ...hidden.map(([, id]) => id as string)];
    const seen = [
      ["EVENT", "r", shown],
      ["EOSE", "r", ["finish"]],
    ];
    for (const filter of [
      { "#t": ["trace"] },
      { "#t": ["trace"], limit: 1 },
      { ids },
      { kinds: [9], "#h": [group, open] },
      { "#t": ["trace"], authors: [pubkeyOf(MEMBER)] },
    ]) {
      for (const client of [nobody, stranger]) {
        expect(await client.request("r", filter)).toEqual(seen as never);
        expect(await countOf(client, filter)).toBe(1);
      }
      const expected = Math.min(6, filter.limit ?? 6);
      expect((await member.query(filter)).length).toBe(expected);
      expect(await countOf(member, filter)).toBe(expected);
    }
    const [one] = hidden.map(([, id]) => id as string) as [string];
    expect(await stranger.request("r", { ids: [one] })).toEqual([["EOSE", "r", ["finish"]]]);
  });

  test("is in no count that the index could tell", async () => {
    const group = await relay.group("uncounted", ["private"]);
    const open = await relay.group("uncounted, open");
    const note = await relay.must(11, ADMIN, open);
    const react = { tags: [["e", note.id]], content: "+" };
    const shown = await relay.must(7, MEMBER, open, react);
    await relay.must(7, MODERATOR, group, react);
    const filter = { kinds: [7], "#e": [note.id] };
    const counts = (filter: Record<string, unknown>) =>
      Promise.all([nobody, stranger, member].map((client) => countOf(client, filter)));
    expect(await counts(filter)).toEqual([1, 1, 2]);
    expect(await nobody.query(filter)).toEqual([shown]);
    const metadata = { kinds: [39_000], authors: [relay.self] };
    const before = await counts(metadata);
    await relay.group("uncounted, hidden", ["hidden"]);
    const after = await counts(metadata);
    expect(after.map((count, i) => count - (before[i] as number))).toEqual([0, 0, 1]);
  });

  test("is found by a search of members only", async () => {
    const group = await relay.group("searched", ["private"]);
    const event = await relay.must(11, ADMIN, group, { content: "quokka" });
    const filter = { search: "quokka" };
    for (let found: unknown[] = []; found.length === 0;) found = await member.query(filter);
    expect(await member.query(filter)).toEqual([event]);
    expect(await stranger.query(filter)).toEqual([]);
    expect(await countOf(nobody, filter)).toBe(0);
  });

  test("is delivered live to members only, for as long as they are", async () => {
    const group = await relay.group("live", ["private"]);
    const open = await relay.group("live, open");
    const clients = [nobody, stranger, member];
    // The stranger's filter asks for more, so that it isn't refused.
    for (const client of clients) await client.request("live", { kinds: [9], "#h": [group, open] });
    const sent: NostrEvent[] = [];
    const send = async (id: string): Promise<void> => {
      sent.push(await relay.must(9, ADMIN, id));
    };
    const membership = (kind: number) =>
      relay.must(kind, ADMIN, group, { tags: [["p", pubkeyOf(STRANGER)]] });
    await send(group);
    await membership(9000);
    await send(group);
    // What is on its way when somebody is removed may be kept from them.
    await stranger.find("EVENT", "live", sent.at(-1) as NostrEvent);
    await membership(9001);
    await send(group);
    await send(open);
    const last = sent.at(-1) as NostrEvent;
    for (const client of clients) await client.find("EVENT", "live", last);
    const seen = clients.map((client) => eventsOf("live", client.frames));
    expect(seen).toEqual([[last], [sent[1] as NostrEvent, last], sent]);
    for (const client of clients) client.send("CLOSE", "live");
  });

  test("keeps its ephemeral events to members, and who may not write has none", async () => {
    const group = await relay.group("ephemeral", ["private"]);
    const open = await relay.group("ephemeral, open");
    const filter = { kinds: [20_009], "#h": [group, open] };
    for (const client of [nobody, member]) await client.request("e", filter);
    const hidden = await relay.must(20_009, ADMIN, group);
    const shown = await relay.must(20_009, ADMIN, open);
    for (const client of [nobody, member]) await client.find("EVENT", "e", shown);
    expect(eventsOf("e", nobody.frames)).toEqual([shown]);
    expect(eventsOf("e", member.frames)).toEqual([hidden, shown]);
    for (const client of [nobody, member]) client.send("CLOSE", "e");
  });

  test("comes to an open subscription when its client signs in", async () => {
    const group = await relay.group("sign-in", ["private"]);
    const open = await relay.group("sign-in, open");
    const hidden = await relay.must(9, ADMIN, group);
    const shown = await relay.must(9, ADMIN, open);
    const client = await relay.connect();
    const filter = { kinds: [9], "#h": [group, open] };
    expect(await client.request("s", filter)).toEqual([
      ["EVENT", "s", shown],
      ["EOSE", "s", ["finish"]],
    ]);
    await client.signIn(MEMBER);
    await client.find("EVENT", "s", hidden);
    const live = await relay.must(9, ADMIN, group);
    await client.find("EVENT", "s", live);
    expect(eventsOf("s", client.frames)).toEqual([shown, hidden, live]);
    client.close();
  });

  test("tells who was added or removed, and nobody else", async () => {
    const group = await relay.group("told", ["private"]);
    const tags = [["p", pubkeyOf(STRANGER)]];
    const put = await relay.must(9000, MODERATOR, group, { tags });
    const removal = await relay.must(9001, MODERATOR, group, { tags });
    const filter = { kinds: [9000, 9001], "#h": [group] };
    const own = newestFirst([put, removal]);
    expect(newestFirst(await stranger.query(filter))).toEqual(own);
    expect(await nobody.request("r", filter)).toEqual([["CLOSED", "r", SIGN_IN]]);
    expect((await member.query(filter)).length).toBe(4);
  });

  test("shows what it is to all, but its members and pins to members", async () => {
    const group = await relay.group("shown", ["private"], ["name", "Secret"]);
    for (const client of [nobody, stranger]) {
      expect(await relay.metadata(39_000, group, client)).toEqual([
        ["name", "Secret"],
        ["private"],
      ]);
      expect(await relay.metadata(39_001, group, client)).not.toBeNull();
      expect(await relay.metadata(39_002, group, client)).toBeNull();
    }
    const members = [ADMIN, MODERATOR, MEMBER].map((author) => ["p", pubkeyOf(author)]);
    expect(await relay.metadata(39_002, group, member)).toEqual(members);
  });

  test("that is made private is so for what was written before", async () => {
    const group = await relay.group("made private");
    const event = await relay.must(9, MEMBER, group);
    expect(await nobody.query({ ids: [event.id] })).toEqual([event]);
    await relay.must(9002, ADMIN, group, { tags: [["private"]] });
    expect(await nobody.query({ ids: [event.id] })).toEqual([]);
    expect(await member.query({ ids: [event.id] })).toEqual([event]);
    await relay.must(9002, ADMIN, group);
    expect(await nobody.query({ ids: [event.id] })).toEqual([event]);
  });

  test("that is made private ends the syncs of those who saw it, and of nobody else", async () => {
    const group = await relay.group("synced before");
    await relay.must(9, MEMBER, group);
    const open = async (author: number | null): Promise<Client> => {
      const own = await relay.connect(author);
      if (author !== null) await own.next(); // the OK
      own.send("NEG-OPEN", "n", {}, negentropyOf([], 60_000).initiate());
      expect((await own.next())[0]).toBe("NEG-MSG");
      return own;
    };
    const clients = await Promise.all([null, STRANGER, MEMBER].map(open));
    await relay.must(9002, ADMIN, group, { tags: [["private"]] });
    await relay.must(9, MEMBER, group);
    const answers = clients.map((own) => {
      own.send("NEG-MSG", "n", negentropyOf([], 60_000).initiate());
      return own.next();
    });
    const ended = "closed: what you may see has changed, please open the sync anew";
    const [ofNobody, ofStranger, ofMember] = await Promise.all(answers);
    expect([ofNobody, ofStranger]).toEqual([
      ["NEG-ERR", "n", ended],
      ["NEG-ERR", "n", ended],
    ]);
    expect(ofMember?.[0]).toBe("NEG-MSG");
    for (const own of clients) own.close();
  });
});

describe("a hidden group", () => {
  test("shows its metadata to members, stored and live, and its messages to all", async () => {
    const group = await relay.group("hidden", ["hidden"], ["name", "Hidden"]);
    const open = await relay.group("hidden, open");
    const event = await relay.must(9, MEMBER, group);
    const filter = { kinds: [39_000, 9002], "#d": [group, open] };
    for (const client of [nobody, stranger]) {
      for (const kind of [39_000, 39_001, 39_002, 39_003]) {
        expect(await relay.metadata(kind, group, client)).toBeNull();
      }
      expect(await client.query({ kinds: [9002], "#h": [group] })).toEqual([]);
      expect(await client.query({ kinds: [9], "#h": [group] })).toEqual([event]);
      await client.request("m", { ...filter, limit: 0 });
    }
    expect(await relay.metadata(39_000, group, member)).toEqual([["name", "Hidden"], ["hidden"]]);
    await member.request("m", { ...filter, limit: 0 });
    await relay.must(9002, ADMIN, group, { tags: [["hidden"], ["name", "New"]] });
    await relay.must(9002, ADMIN, open, { tags: [["name", "Open"]] });
    const [shown] = await nobody.query({ kinds: [39_000], "#d": [open] });
    for (const client of [nobody, stranger, member]) await client.find("EVENT", "m", shown);
    expect(eventsOf("m", nobody.frames)).toEqual([shown as NostrEvent]);
    expect(eventsOf("m", stranger.frames)).toEqual([shown as NostrEvent]);
    expect(eventsOf("m", member.frames).length).toBe(2);
  });
});

test("invite codes are for those who make them, and for who has used them", async () => {
  const group = await relay.group("codes", ["closed"]);
  const invite = await relay.must(9009, ADMIN, group, { tags: [["code", "secret"]] });
  const join = await relay.must(9021, STRANGER, group, { tags: [["code", "secret"]] });
  const filter = { kinds: [9009, 9021], "#h": [group] };
  expect(await nobody.query(filter)).toEqual([]);
  expect(await member.query(filter)).toEqual([]);
  expect(await stranger.query(filter)).toEqual([join]);
  expect(newestFirst(await moderator.query(filter))).toEqual(newestFirst([invite, join]));
});

test("a deletion comes live to who is subscribed, and is the last that comes", async () => {
  const group = await relay.group("ended");
  await nobody.request("g", { "#h": [group], limit: 0 });
  const deletion = await relay.must(9008, ADMIN, group);
  await nobody.find("EVENT", "g", deletion);
  expect(eventsOf("g", nobody.frames)).toEqual([deletion]);
  nobody.send("CLOSE", "g");
});
