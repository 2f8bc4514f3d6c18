// Signing in (NIP-42), and what it is for: private kinds (NIP-04, 17, 59), protected events
// (NIP-70), and what the options ask of readers and writers. Whole messages over real sockets.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { defaultSettings } from "../../src/config/options.ts";
import { searchKinds } from "../../src/config/search-kinds.ts";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { type Filter, parseFilter } from "../../src/protocol/filter.ts";
import { encodeFilters } from "../../src/workers/mail.ts";
import { filterResult } from "../support/naive-hll.ts";
import { Client, type Frame } from "../support/client.ts";
import { authorKey, EventFactory, type EventOptions, signInEvent } from "../support/events.ts";
import { RelayProcess } from "../support/relay-process.ts";

const PRIVATE =
  "auth-required: private events are only for their authors and recipients, sign in first";

const factory = new EventFactory(42);
let relay: RelayProcess;

beforeAll(async () => {
  relay = await RelayProcess.start({ flags: ["--threads-reader=2", "--threads-monitor=2"] });
});

afterAll(async () => {
  await relay[Symbol.asyncDispose]();
});

async function connected(url: string, ...authors: number[]): Promise<Client> {
  const client = await Client.connect(url);
  for (const author of authors) expect((await client.signIn(author))[2]).toBe(true);
  return client;
}

/** An event to author `to`, from author `from`. */
function message(from: number, to: number, options: EventOptions = {}): NostrEvent {
  const tags = [["p", authorKey(to).pubkey]];
  return factory.makeDistinct({ author: from, kind: 4, tags, ...options });
}

const ids = (frames: readonly Frame[]): string[] =>
  frames.filter(([type]) => type === "EVENT").map((frame) => (frame[2] as NostrEvent).id);

describe("the challenge", () => {
  test("is each connection's own, and hard to guess", async () => {
    const clients = await Promise.all([1, 2, 3].map(() => Client.connect(relay.url)));
    const challenges = clients.map(({ challenge }) => challenge);
    expect(new Set(challenges).size).toBe(3);
    for (const challenge of challenges) expect(challenge).toMatch(/^[0-9a-f]{32}$/);
  });

  test("answered rightly signs in, as often as one likes", async () => {
    const client = await Client.connect(relay.url);
    const event = signInEvent(1, client.challenge, relay.url);
    expect(await client.ask(event.id, "AUTH", event)).toEqual(["OK", event.id, true, ""]);
    expect(await client.ask(event.id, "AUTH", event)).toEqual(["OK", event.id, true, ""]);
  });

  const good = (client: Client) => signInEvent(1, client.challenge, relay.url);
  const rows: [string, (client: Client) => NostrEvent, string][] = [
    [
      "of another connection",
      () => signInEvent(1, "0".repeat(32), relay.url),
      "invalid: the challenge is not the one this connection got",
    ],
    [
      "for another relay",
      (client) => signInEvent(1, client.challenge, "wss://relay.example.com"),
      "invalid: the relay tag names another relay",
    ],
    [
      "in an old event",
      (client) => signInEvent(1, client.challenge, relay.url, { created_at: 1_700_000_000 }),
      "invalid: created_at must be within 600 seconds of now",
    ],
    [
      "in a note",
      (client) => signInEvent(1, client.challenge, relay.url, { kind: 1 }),
      "invalid: AUTH must carry an event of kind 22242",
    ],
    [
      "with a forged signature",
      (client) => ({
        ...good(client),
        sig: good(client).sig.replace(/^./, "0").replace(/.$/, "0"),
      }),
      "invalid: bad signature",
    ],
    [
      "in somebody else's name",
      (client) => ({ ...good(client), pubkey: authorKey(2).pubkey }),
      "invalid: the id is not the hash of the event",
    ],
  ];
  test.each(rows)("answered %s signs nobody in", async (_, make, reason) => {
    const client = await Client.connect(relay.url);
    const event = make(client);
    expect(await client.ask(event.id, "AUTH", event)).toEqual(["OK", event.id, false, reason]);
    expect(await client.request("s", { kinds: [4] })).toEqual([["CLOSED", "s", PRIVATE]]);
    client.close();
  });

  test("answered with too many keys is refused", async () => {
    const client = await connected(relay.url, ...Array.from({ length: 16 }, (_, i) => i));
    const reason = "restricted: more than 16 keys on this connection";
    expect((await client.signIn(16)).slice(2)).toEqual([false, reason]);
    expect((await client.signIn(3)).slice(2)).toEqual([true, ""]);
    client.close();
  });
});

describe("private events", () => {
  const [from, to, other] = [3, 4, 5] as const;
  let sent: NostrEvent[];
  let scope: Record<string, unknown>;

  beforeAll(async () => {
    sent = [4, 1059].map((kind) => message(from, to, { kind }));
    const publisher = await Client.connect(relay.url);
    for (const event of sent)
      expect(await publisher.publish(event)).toEqual(["OK", event.id, true, ""]);
    scope = { ids: sent.map(({ id }) => id) };
  });

  test("asked for alone are refused until somebody signs in", async () => {
    const client = await Client.connect(relay.url);
    expect(await client.request("s", { kinds: [4, 1059] })).toEqual([["CLOSED", "s", PRIVATE]]);
    expect(await client.count("n", { kinds: [1059] })).toEqual(["CLOSED", "n", PRIVATE]);
    client.close();
  });

  test.each([
    ["author", from, true],
    ["recipient", to, true],
    ["somebody else", other, false],
  ] as const)("for the %s", async (_, author, isFor) => {
    const client = await connected(relay.url, author);
    const expected = isFor ? sent.map(({ id }) => id).toSorted() : [];
    for (const filter of [
      scope,
      { ...scope, kinds: [4, 1059] },
      { ...scope, kinds: [1, 4, 1059] },
    ]) {
      const frames = await client.request("s", filter);
      expect(ids(frames).toSorted()).toEqual(expected);
      expect(frames.at(-1)).toEqual(["EOSE", "s", ["finish"]]);
      expect(await client.count("n", filter)).toEqual([
        "COUNT",
        "n",
        filterResult(filter, isFor ? sent : []),
      ]);
    }
    client.close();
  });

  test("without a sign-in, or by id, leave no trace", async () => {
    const client = await Client.connect(relay.url);
    for (const filter of [scope, { ...scope, kinds: [1, 4, 1059] }]) {
      expect(await client.request("s", filter)).toEqual([["EOSE", "s", ["finish"]]]);
      expect(await client.count("n", filter)).toEqual(["COUNT", "n", filterResult(filter, [])]);
    }
    client.close();
  });

  test("use up no limit, and are in no hint", async () => {
    const tag = ["t", "limits"];
    const at = (created_at: number) => ({ kind: 1, tags: [tag], created_at });
    const notes = [10, 20].map((seconds) => factory.makeDistinct({ author: from, ...at(seconds) }));
    const hidden = [30, 25, 20, 15, 5].map((seconds) =>
      message(from, to, { tags: [tag, ["p", authorKey(to).pubkey]], created_at: seconds }),
    );
    const client = await Client.connect(relay.url);
    for (const answer of await client.publishAll([...notes, ...hidden]))
      expect(answer[2]).toBe(true);
    const asked = { "#t": ["limits"], limit: 2 };
    expect((await client.request("s", asked)).map((frame) => frame[2])).toEqual([
      notes[1],
      notes[0],
      ["finish"],
    ]);
    const counted = filterResult(asked, notes);
    expect(await client.count("n", { "#t": ["limits"] })).toEqual(["COUNT", "n", counted]);
    client.close();
  });

  test("come live to those concerned only", async () => {
    const clients = await Promise.all([
      connected(relay.url),
      connected(relay.url, other),
      connected(relay.url, from),
      connected(relay.url, to),
      connected(relay.url, other, to),
    ]);
    const topic = ["t", "live to those concerned"];
    for (const client of clients) await client.request("s", { "#t": [topic[1]], limit: 10 });
    const private_ = message(from, to, { tags: [topic, ["p", authorKey(to).pubkey]] });
    const ephemeral = message(from, to, {
      kind: 21_059,
      tags: [topic, ["p", authorKey(to).pubkey]],
    });
    const last = factory.makeDistinct({ kind: 1, tags: [topic] });
    const publisher = await Client.connect(relay.url);
    for (const event of [private_, ephemeral, last]) await publisher.publish(event);
    for (const [i, client] of clients.entries()) {
      await client.find("EVENT", "s", last);
      const expected = i < 2 ? [last.id] : [private_.id, ephemeral.id, last.id];
      expect(ids(client.frames).toSorted()).toEqual(expected.toSorted());
      client.close();
    }
  });
});

describe("who signs in later", () => {
  const [from, to] = [6, 7] as const;

  test("is sent what that makes visible by what is open, and goes on", async () => {
    const topic = ["t", "signs in later"];
    const withTopic = { tags: [topic, ["p", authorKey(to).pubkey]] };
    const stored = message(from, to, withTopic);
    const note = factory.makeDistinct({ kind: 1, tags: [topic] });
    const client = await Client.connect(relay.url);
    await client.publish(stored);
    await client.publish(note);
    const filter = { "#t": [topic[1]] };
    expect(await client.request("s", filter)).toEqual([
      ["EVENT", "s", note],
      ["EOSE", "s", ["finish"]],
    ]);
    await client.request("others", { kinds: [1], "#t": [topic[1]] });
    await client.signIn(to);
    expect(await client.find("EVENT", "s", stored)).toEqual(["EVENT", "s", stored]);
    const live = message(from, to, withTopic);
    await client.publish(live);
    await client.find("EVENT", "s", live);
    // With another key that may see the same, nothing comes twice.
    await client.signIn(from);
    const last = factory.makeDistinct({ kind: 1, tags: [topic] });
    await client.publish(last);
    await client.find("EVENT", "s", last);
    await client.find("EVENT", "others", last);
    expect(ids(client.frames.filter((frame) => frame[1] === "s"))).toEqual([
      note.id,
      stored.id,
      live.id,
      last.id,
    ]);
    expect(ids(client.frames.filter((frame) => frame[1] === "others"))).toEqual([note.id, last.id]);
    client.close();
  });

  test("after CLOSE gets nothing more", async () => {
    const topic = ["t", "closed before"];
    const stored = message(from, to, { tags: [topic, ["p", authorKey(to).pubkey]] });
    const client = await Client.connect(relay.url);
    await client.publish(stored);
    await client.request("s", { "#t": [topic[1]] });
    client.send("CLOSE", "s");
    await client.signIn(to);
    await client.settle();
    expect(ids(client.frames)).toEqual([]);
    client.close();
  });
});

describe("protected events", () => {
  const own = factory.makeDistinct({ author: 8, kind: 1, tags: [["-"]] });

  test("are taken from their author only", async () => {
    const nobody = await Client.connect(relay.url);
    const auth = "auth-required: this event may only be published by its author";
    expect(await nobody.publish(own)).toEqual(["OK", own.id, false, auth]);
    const other = await connected(relay.url, 9);
    const restricted = "restricted: this event may only be published by its author";
    expect(await other.publish(own)).toEqual(["OK", own.id, false, restricted]);
    const self = await connected(relay.url, 9, 8);
    expect(await self.publish(own)).toEqual(["OK", own.id, true, ""]);
    expect(await nobody.query({ ids: [own.id] })).toEqual([own]); // anybody may read it
  });

  test("are not taken in a repost", async () => {
    const client = await connected(relay.url, 8);
    const repost = factory.makeDistinct({ author: 9, kind: 6, content: JSON.stringify(own) });
    const reason = "blocked: a repost must not embed a protected event";
    expect(await client.publish(repost)).toEqual(["OK", repost.id, false, reason]);
    client.close();
  });
});

describe("as the options say", () => {
  test("readers and writers must sign in", async () => {
    const flags = ["--auth-read=true", "--auth-write=true", "--relay-urls=wss://relay.example.com"];
    await using own = await RelayProcess.start({ flags });
    const client = await Client.connect(own.url);
    const note = factory.makeDistinct({ kind: 1 });
    const toRead = "auth-required: sign in to read from this relay";
    const toWrite = "auth-required: sign in to publish on this relay";
    expect(await client.request("s", {})).toEqual([["CLOSED", "s", toRead]]);
    expect(await client.count("n", {})).toEqual(["CLOSED", "n", toRead]);
    expect(await client.publish(note)).toEqual(["OK", note.id, false, toWrite]);
    expect((await client.signIn(1))[2]).toBe(false); // by the address of the machine
    expect((await client.signIn(1, "wss://RELAY.example.com/"))[2]).toBe(true);
    expect(await client.publish(note)).toEqual(["OK", note.id, true, ""]);
    expect(await client.request("s", {})).toEqual([
      ["EVENT", "s", note],
      ["EOSE", "s", ["finish"]],
    ]);
    const information = await fetch(own.url.replace("ws:", "http:"), {
      headers: { accept: "application/nostr+json" },
    });
    expect(await information.json()).toMatchObject({
      limitation: { auth_required: true, restricted_writes: true },
    });
  });

  test("some kinds only", async () => {
    const flags = ["--auth-read-kinds=7,1000-1009", "--auth-write-kinds=1984"];
    await using own = await RelayProcess.start({ flags: [...flags, "--auth-private-kinds=14"] });
    const client = await Client.connect(own.url);
    const [note, reaction, ranged, direct] = [1, 7, 1005, 4].map((kind) =>
      factory.makeDistinct({ author: 1, kind, created_at: 1000 + kind, tags: [] }),
    ) as [NostrEvent, NostrEvent, NostrEvent, NostrEvent];
    for (const event of [note, reaction, ranged, direct]) {
      expect(await client.publish(event)).toEqual(["OK", event.id, true, ""]);
    }
    const report = factory.makeDistinct({ kind: 1984, tags: [] });
    const toWrite = "auth-required: sign in to publish this kind";
    expect(await client.publish(report)).toEqual(["OK", report.id, false, toWrite]);
    const toRead = "auth-required: sign in to read these kinds";
    expect(await client.request("s", { kinds: [7] })).toEqual([["CLOSED", "s", toRead]]);
    expect(ids(await client.request("s", {}))).toEqual([direct.id, note.id]);
    await client.signIn(9);
    await client.find("EVENT", "s", reaction);
    await client.find("EVENT", "s", ranged);
    expect(await client.publish(report)).toEqual(["OK", report.id, true, ""]);
    expect(ids(await client.request("t", { kinds: [7, 1005] }))).toEqual([ranged.id, reaction.id]);
  });

  test("events need work", async () => {
    await using own = await RelayProcess.start({
      flags: ["--events-pow-min=6", "--events-pow-kinds=7:0"],
    });
    const client = await Client.connect(own.url);
    const note = factory.makeDistinct({ kind: 1, tags: [] });
    const [, , accepted, reason] = await client.publish(note);
    expect([accepted, reason]).toEqual([false, expect.stringMatching(/^pow: /)]);
    let mined = note;
    for (let nonce = 0; !mined.id.startsWith("00"); nonce++) {
      mined = factory.make({ author: 1, kind: 1, tags: [["nonce", `${nonce}`, "6"]] });
    }
    expect(await client.publish(mined)).toEqual(["OK", mined.id, true, ""]);
    const reaction = factory.makeDistinct({ kind: 7, tags: [] });
    expect(await client.publish(reaction)).toEqual(["OK", reaction.id, true, ""]);
  });
});

test("a sign-in finds room for the longest subscription, of filters that search", async () => {
  // Rings of 1 MiB that leave hardly more room than the options need: each filter travels with the
  // kinds that are searched, which its client hasn't sent.
  await using own = await RelayProcess.start({
    flags: [
      "--relay-message-bytes-max=454000",
      "--relay-filters-max=1000",
      "--relay-connection-filter-values-max=1000000",
    ],
  });
  const client = await Client.connect(own.url);
  const searches = Array.from({ length: 999 }, () => ({ search: "x" }));
  const encoded = searches.map((value) => parseFilter(value, searchKinds(defaultSettings())));
  const bytes = encodeFilters(encoded as Filter[]).length;
  const fill = "x".repeat(524_166 - bytes);
  expect(await client.request("s", ...searches, { "#t": [fill] })).toEqual([
    ["EOSE", "s", ["finish"]],
  ]);
  expect((await client.signIn(1))[2]).toBe(true);
  const tagged = factory.makeDistinct({ kind: 1, content: "x", tags: [] });
  expect(await client.publish(tagged)).toEqual(["OK", tagged.id, true, ""]);
  expect(await client.find("EVENT", "s")).toEqual(["EVENT", "s", tagged]);
  expect(await own.stop()).toBe(0);
});
