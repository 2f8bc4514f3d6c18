// NIP-09 over the wire. Every test has a topic of its own, for they share one relay; the authors
// are two throughout.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { authorKey, type EventOptions } from "../support/events.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { newestFirst, ok, refused, Topic } from "../support/topic.ts";

const BLOCKED = "blocked: this event was deleted by its author";
const DUPLICATE = "duplicate: already have this event";
const AUTHOR = 1;
const OTHER = 2;
const { pubkey } = authorKey(AUTHOR);

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

/** A topic whose events are the author's and of second 1000 unless said otherwise. */
class AuthorsTopic extends Topic {
  override make(options: EventOptions = {}): NostrEvent {
    return super.make({ author: AUTHOR, created_at: 1000, ...options });
  }

  /** A deletion request for these tags. */
  deletion(tags: readonly (readonly string[])[], options: EventOptions = {}): NostrEvent {
    return this.make({ kind: 5, tags, ...options });
  }
}

async function publish(...events: NostrEvent[]): Promise<void> {
  for (const event of events) expect(await client.publish(event)).toEqual(ok(event));
}

async function expectStored(topic: Topic, ...events: NostrEvent[]): Promise<void> {
  expect(await client.query(topic.filter)).toEqual(newestFirst(events));
  expect(await client.count("n", topic.filter)).toEqual(topic.counted("n", events));
}

describe("by e tag", () => {
  test("the author's events go, whenever they were made, and the request stays", async () => {
    const topic = new AuthorsTopic("by e");
    const [earlier, same, later, kept] = [999, 1000, 1001, 1000].map((created_at) =>
      topic.make({ created_at }),
    ) as [NostrEvent, NostrEvent, NostrEvent, NostrEvent];
    await publish(earlier, same, later, kept);
    const targets = [earlier, same, later];
    const deletion = topic.deletion([...targets.map(({ id }) => ["e", id]), ["k", "1"]]);
    await publish(deletion);
    await expectStored(topic, kept, deletion);
    for (const event of targets) {
      expect(await client.query({ ids: [event.id] })).toEqual([]);
      expect(await client.publish(event)).toEqual(refused(event, BLOCKED));
    }
    await expectStored(topic, kept, deletion);
  });

  test("an event that comes after the request for its deletion is refused", async () => {
    const topic = new AuthorsTopic("request first");
    const event = topic.make({ created_at: 5000 });
    const deletion = topic.deletion([["e", event.id]]);
    await publish(deletion);
    expect(await client.publish(event)).toEqual(refused(event, BLOCKED));
    await expectStored(topic, deletion);
  });

  test("in one burst each message sees what came before it", async () => {
    const topic = new AuthorsTopic("burst");
    const own = await Client.connect(relay.url);
    const deletions: NostrEvent[] = [];
    for (let round = 0; round < 50; round++) {
      const event = topic.make({ content: `${round}` });
      const deletion = topic.deletion([["e", event.id]], { created_at: 5000 - round });
      deletions.push(deletion);
      for (const one of [event, deletion, event, deletion]) own.send("EVENT", one);
      const answers = await own.take(4);
      const of = (one: NostrEvent) => answers.filter(([, id]) => id === one.id);
      expect(of(event)).toEqual([ok(event), refused(event, BLOCKED)] as never);
      // A duplicate is answered by whoever sees it first, perhaps before the answer it repeats.
      expect(of(deletion).toSorted()).toEqual([ok(deletion), ok(deletion, DUPLICATE)] as never);
    }
    await expectStored(topic, ...deletions);
    own.close();
  });

  const kinds: [number, string[][]][] = [
    [0, []],
    [1, []],
    [3, []],
    [10_002, []],
    [30_023, [["d", "x"]]],
    [65_535, []],
  ];
  test.each(kinds)("events of kind %i go", async (kind, tags) => {
    const topic = new AuthorsTopic(`by e, kind ${kind}`);
    const event = topic.make({ kind, tags });
    const deletion = topic.deletion([["e", event.id]]);
    await publish(event, deletion);
    await expectStored(topic, deletion);
    expect(await client.publish(event)).toEqual(refused(event, BLOCKED));
  });

  test("a version that was deleted by its id keeps older ones out, not newer ones", async () => {
    const topic = new AuthorsTopic("other versions");
    const tags = [["d", "other versions"]];
    const versions = [1000, 1001, 1002].map((created_at) =>
      topic.make({ kind: 30_023, tags, created_at }),
    ) as [NostrEvent, NostrEvent, NostrEvent];
    const deletion = topic.deletion([["e", versions[1].id]], { created_at: 2000 });
    await publish(versions[1], deletion);
    const reason = "blocked: a newer version of this event was deleted by its author";
    expect(await client.publish(versions[0])).toEqual(refused(versions[0], reason));
    await expectStored(topic, deletion);
    await publish(versions[2]);
    await expectStored(topic, versions[2], deletion);
  });
});

describe("by a tag", () => {
  const rows: [string, number, string[][], string][] = [
    ["a replaceable event", 10_002, [], `10002:${pubkey}:`],
    ["a profile", 0, [], `0:${pubkey}:`],
    ["an addressable event", 30_023, [["d", "x"]], `30023:${pubkey}:x`],
    ["one whose d is empty", 30_024, [["d", ""]], `30024:${pubkey}:`],
    ["one without a d tag", 30_025, [], `30025:${pubkey}:`],
    ["one whose d has colons", 30_026, [["d", ":a:b:"]], `30026:${pubkey}::a:b:`],
    ["one whose d is long", 30_027, [["d", "ñ".repeat(500)]], `30027:${pubkey}:${"ñ".repeat(500)}`],
    ["one whose d has control characters", 30_028, [["d", "\u0000\n"]], `30028:${pubkey}:\u0000\n`],
  ];
  test.each(rows)("%s goes up to the request's second", async (desc, kind, tags, address) => {
    const topic = new AuthorsTopic(`by a: ${desc}`);
    const [older, same, newer] = [1999, 2000, 2001].map((created_at) =>
      topic.make({ kind, tags, created_at }),
    ) as [NostrEvent, NostrEvent, NostrEvent];
    const deletion = topic.deletion([["a", address]], { created_at: 2000 });
    await publish(same, deletion);
    await expectStored(topic, deletion);
    expect(await client.publish(same)).toEqual(refused(same, BLOCKED));
    expect(await client.publish(older)).toEqual(refused(older, BLOCKED));
    await publish(newer);
    await expectStored(topic, newer, deletion);
  });

  test("a version newer than the request survives it", async () => {
    const topic = new AuthorsTopic("newer survives");
    const newer = topic.make({ kind: 30_030, tags: [["d", "x"]], created_at: 1001 });
    const deletion = topic.deletion([["a", `30030:${pubkey}:x`]]);
    await publish(newer, deletion);
    await expectStored(topic, newer, deletion);
  });

  test("other addresses are left alone", async () => {
    const topic = new AuthorsTopic("other addresses");
    const events = [
      topic.make({ kind: 30_031, tags: [["d", "x"]] }),
      topic.make({ kind: 30_031, tags: [["d", "X"]] }),
      topic.make({ kind: 30_031, tags: [] }),
      topic.make({ kind: 30_032, tags: [["d", "xx"]] }),
      topic.make({ kind: 1, tags: [["d", "xx"]] }),
      topic.make({ kind: 10_003, tags: [["d", "xx"]] }),
    ];
    const deletion = topic.deletion([
      ["a", `30031:${pubkey}:xx`],
      ["a", `1:${pubkey}:xx`],
      ["a", `1:${pubkey}:`],
      ["a", `10003:${pubkey}:xx`],
      ["a", `10003:${pubkey}`],
      ["a", `010003:${pubkey}:`],
      ["a", `30031:${pubkey.toUpperCase()}:x`],
      ["a", `30031:x`],
      ["a", ""],
      ["a"],
      ["A", `30031:${pubkey}:x`],
    ]);
    await publish(...events, deletion);
    await expectStored(topic, ...events, deletion);
  });
});

describe("what nobody may delete", () => {
  test("another author's events, by e or by a", async () => {
    const topic = new AuthorsTopic("not the author");
    const note = topic.make();
    const article = topic.make({ kind: 30_023, tags: [["d", "mine"]] });
    const deletion = topic.deletion(
      [
        ["e", note.id],
        ["e", article.id],
        ["a", `30023:${pubkey}:mine`],
        ["p", pubkey],
      ],
      { author: OTHER, created_at: 9000 },
    );
    await publish(note, article, deletion);
    await expectStored(topic, note, article, deletion);
    for (const event of [note, article]) {
      expect(await client.publish(event)).toEqual(ok(event, DUPLICATE));
    }
  });

  test("another author's events that come after the request", async () => {
    const topic = new AuthorsTopic("not the author, before");
    const [note, article] = [topic.make(), topic.make({ kind: 30_023, tags: [["d", "later"]] })];
    const tags = [
      ["e", note.id],
      ["e", article.id],
      ["a", `30023:${pubkey}:later`],
    ];
    const deletion = topic.deletion(tags, { author: OTHER, created_at: 9000 });
    await publish(deletion, note, article);
    await expectStored(topic, note, article, deletion);
  });

  test("a deletion: a request against it has no effect", async () => {
    const topic = new AuthorsTopic("deletion of a deletion");
    const event = topic.make();
    const deletion = topic.deletion([["e", event.id]]);
    const second = topic.deletion([["e", deletion.id]], { created_at: 2000 });
    await publish(event, deletion, second);
    await expectStored(topic, deletion, second);
    expect(await client.publish(event)).toEqual(refused(event, BLOCKED));
    const third = topic.deletion([["e", event.id]], { content: "again" });
    const fourth = topic.deletion([["e", third.id]], { content: "first" });
    await publish(fourth, third);
    await expectStored(topic, deletion, second, third, fourth);
  });

  test("what a request without a good tag may mean", async () => {
    const topic = new AuthorsTopic("no good tag");
    const event = topic.make();
    const { id } = event;
    const tags = [
      ["e"],
      ["e", ""],
      ["e", id.toUpperCase()],
      ["e", "", id],
      ["E", id],
      ["q", id],
      [],
    ];
    const deletion = topic.deletion(tags);
    await publish(event, deletion, topic.deletion([]));
    expect(await client.query({ ids: [id] })).toEqual([event]);
    expect(await client.publish(event)).toEqual(ok(event, DUPLICATE));
  });
});

test("subscribers get the request, and nothing of what it has deleted", async () => {
  const topic = new AuthorsTopic("live deletion");
  const own = await Client.connect(relay.url);
  own.send("REQ", "s", topic.filter);
  await own.find("EOSE", "s");
  const [event, last] = [topic.make(), topic.make({ author: OTHER })];
  const deletion = topic.deletion([["e", event.id]]);
  await publish(event, deletion);
  expect(await client.publish(event)).toEqual(refused(event, BLOCKED));
  await publish(last);
  await own.find("EVENT", "s", last);
  expect(own.frames).toEqual([
    ["EOSE", "s", ["finish"]],
    ["EVENT", "s", event],
    ["EVENT", "s", deletion],
    ["EVENT", "s", last],
  ]);
  own.close();
});

test("a request for hundreds of events is carried out whole", async () => {
  const topic = new AuthorsTopic("hundreds");
  const events = Array.from({ length: 400 }, (_, i) => topic.make({ created_at: i }));
  expect(await client.publishAll(events)).toEqual(events.map((event) => ok(event)));
  const deletion = topic.deletion(events.map(({ id }) => ["e", id]));
  await publish(deletion);
  await expectStored(topic, deletion);
  const again = await client.publishAll(events);
  expect(again).toEqual(events.map((event) => refused(event, BLOCKED)));
});
