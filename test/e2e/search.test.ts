// NIP-50 over the wire: what a search finds, stored and live, in which order, and with each other
// key of a filter. Events are found as soon as they have their OK; they are ranked once they are
// indexed, for which tests ask again until they are.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { SearchReader } from "../../src/store/search-reader.ts";
import { Client } from "../support/client.ts";
import { authorKey } from "../support/events.ts";
import { makeTempDir, RelayProcess, removeTempDir, runNandu } from "../support/relay-process.ts";
import { newestFirst, nowSeconds, ok, Topic } from "../support/topic.ts";

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

async function publish(...events: NostrEvent[]): Promise<void> {
  expect(await client.publishAll(events)).toEqual(events.map((event) => ok(event)));
}

/** Asks until the answer is the expected one, or the test has taken too long. */
async function becomes(ask: () => Promise<unknown>, expected: unknown): Promise<void> {
  for (;;) if (Bun.deepEquals(await ask(), expected)) return;
}

const note = (topic: Topic, content: string, more: object = {}) => topic.make({ content, ...more });

test("the best come first, once they are indexed", async () => {
  const topic = new Topic("ranked");
  const long = note(topic, `quokka ${"and more ".repeat(40)}`);
  const twice = note(topic, "quokka quokka");
  const title = topic.make({
    kind: 30_023,
    content: "x",
    tags: [
      ["title", "The quokka"],
      ["d", ""],
    ],
  });
  const others = Array.from({ length: 8 }, (_, i) => note(topic, `none ${i}`));
  await publish(title, twice, long, ...others);
  const ranked = [title, twice, long];
  expect(newestFirst(await client.query({ search: "quokka" }))).toEqual(newestFirst(ranked));
  await becomes(() => client.query({ search: "quokka" }), ranked);
  expect(await client.query({ search: "quokka", limit: 2 })).toEqual([title, twice]);
});

describe("a search and", () => {
  const topic = new Topic("combined");
  const word = "wombat";
  const a = note(topic, `${word} one`, { created_at: 1_700_000_000 });
  const b = note(topic, `${word} two`, { created_at: 1_700_000_100, author: 1 });
  const c = topic.make({
    kind: 1111,
    content: `${word} three`,
    created_at: 1_700_000_200,
    author: 2,
  });
  const d = note(topic, `${word} four`, {
    created_at: 1_700_000_300,
    tags: [["p", authorKey(2).pubkey]],
  });
  const all = [a, b, c, d];

  beforeAll(async () => {
    await publish(...all);
    await becomes(async () => (await client.query({ search: word })).length, all.length);
  });

  const rows: [desc: string, others: Record<string, unknown>, expected: NostrEvent[]][] = [
    ["ids", { ids: [a.id, c.id] }, [a, c]],
    ["authors", { authors: [b.pubkey, c.pubkey] }, [b, c]],
    ["kinds", { kinds: [1111, 7] }, [c]],
    ["a tag", { "#p": [authorKey(2).pubkey] }, [d]],
    ["a tag of all of them", topic.filter, all],
    ["since", { since: 1_700_000_100 }, [b, c, d]],
    ["until", { until: 1_700_000_100 }, [a, b]],
    [
      "all of these",
      { kinds: [1], since: 1_700_000_050, authors: [b.pubkey], ...topic.filter },
      [b],
    ],
    ["what nothing has", { authors: [authorKey(9).pubkey] }, []],
    ["an empty list", { kinds: [] }, []],
    ["kinds that are not searched", { kinds: [7] }, []],
  ];
  for (const [desc, others, expected] of rows) {
    test(`${desc}: found and counted`, async () => {
      const filter = { search: word, ...others };
      expect(newestFirst(await client.query(filter))).toEqual(newestFirst(expected));
      const [type, id, result] = await client.count("n", filter);
      const { hll, ...counted } = result as { count: number; hll?: string }; // see count.test.ts
      expect([type, id, counted]).toEqual(["COUNT", "n", { count: expected.length }]);
      expect(hll !== undefined).toBe(Object.keys(others).some((key) => key.startsWith("#")));
    });
  }

  test("a limit, with a hint whether there is more", async () => {
    const end = async (limit: number) =>
      (await client.request("h", { search: word, limit })).at(-1);
    expect(await end(3)).toEqual(["EOSE", "h", ["more"]]);
    expect(await end(4)).toEqual(["EOSE", "h", ["finish"]]);
    expect(await end(0)).toEqual(["EOSE", "h"]);
    client.send("CLOSE", "h");
  });

  test("other filters: each event once, what was searched for first", async () => {
    const filters = [{ ...topic.filter }, { search: `${word} three` }, { search: "one" }];
    const found = await client.query(...filters);
    expect(found.slice(0, 2)).toEqual([c, a]);
    expect(found.slice(2)).toEqual([d, b]);
  });
});

test("words of languages without spaces, folded and with accents, are found", async () => {
  const topic = new Topic("languages");
  const rows: [content: string, searches: string[]][] = [
    ["我喜欢比特币和闪电网络", ["比特币", "闪电", "网"]],
    ["ビットコインは自由だ", ["ビットコイン", "自由", "ﾋﾞｯﾄ"]],
    ["บิตคอยน์คือเสรีภาพ", ["เสรีภาพ", "บิตคอยน์"]],
    ["비트코인은 자유다", ["비트코인", "자유"]],
    ["Señor Übergröße", ["senor", "UBERGROSSE", "über*"]],
  ];
  const events = rows.map(([content]) => note(topic, content));
  await publish(...events);
  for (const [i, [, searches]] of rows.entries()) {
    for (const search of searches) {
      const found = await client.query({ search, ...topic.filter });
      expect({ search, found }).toEqual({ search, found: [events[i] as NostrEvent] });
    }
  }
});

test("extensions are honoured or ignored; a search without words is none", async () => {
  const topic = new Topic("extensions");
  const warned = note(topic, "numbat", {
    tags: [["content-warning", "x"]],
    created_at: 1_700_000_000,
  });
  const clean = note(topic, "numbat", { created_at: 1_700_000_001 });
  const liked = topic.make({ kind: 7, content: "+", created_at: 1_700_000_002 });
  await publish(warned, clean, liked);
  const ask = (search: string) => client.query({ search, ...topic.filter });
  expect(await ask("numbat nsfw:false")).toEqual([clean]);
  expect(newestFirst(await ask("numbat language:de include:spam nsfw:true"))).toEqual([
    clean,
    warned,
  ]);
  expect(await ask("language:de")).toEqual([liked, clean, warned]);
  expect(await ask("")).toEqual([liked, clean, warned]);
  expect(await ask("nsfw:false")).toEqual([liked, clean]);
});

test("what is deleted, replaced or expired is not found, what is private never is", async () => {
  const topic = new Topic("gone");
  const word = "thylacine";
  const deleted = note(topic, `${word} deleted`, { author: 21 });
  const passing = note(topic, word, { tags: [["expiration", String(nowSeconds() + 1)]] });
  const old = topic.make({
    kind: 0,
    author: 20,
    created_at: 1_700_000_000,
    content: `{"name":"${word} old"}`,
  });
  const sealed = topic.make({ kind: 4, content: word, tags: [["p", authorKey(3).pubkey]] });
  await publish(deleted, passing, old, sealed);
  await becomes(async () => (await client.query({ search: `${word} old` })).length, 1);
  const newer = topic.make({
    kind: 0,
    author: 20,
    created_at: 1_700_000_001,
    content: `{"name":"${word} new"}`,
  });
  await publish(newer, topic.make({ kind: 5, author: 21, tags: [["e", deleted.id]] }));
  expect(await client.query({ search: `${word} deleted` })).toEqual([]);
  expect(await client.query({ search: `${word} old` })).toEqual([]);
  await becomes(() => client.query({ search: word }), [newer]);
  expect(await client.count("gone", { search: word })).toEqual(["COUNT", "gone", { count: 1 }]);
});

test("an open search gets new events that match all of it", async () => {
  const topic = new Topic("live search");
  const live = await Client.connect(relay.url);
  live.send("REQ", "s", { search: '"tiger cat" -dog', kinds: [1], limit: 0 }, { search: "quoll*" });
  await live.find("EOSE", "s");
  const matching = [
    note(topic, "A Tiger-Cat!"),
    note(topic, "quolls"),
    note(topic, "quoll tiger cat"),
  ];
  const others = [
    note(topic, "cat tiger"),
    note(topic, "tiger cat dog"),
    topic.make({ kind: 1111, content: "tiger cat" }),
    topic.make({ kind: 7, content: "quoll" }),
  ];
  const last = note(topic, "quoll");
  await publish(...others, ...matching);
  await publish(last);
  await live.find("EVENT", "s", last);
  const events = live.frames.filter(([type]) => type === "EVENT").map((frame) => frame[2]);
  expect(events).toEqual([...matching, last]);
  live.close();
});

test("what another process imports is found, and the commands know of it", async () => {
  const topic = new Topic("imported");
  const events = [note(topic, "pademelon one"), note(topic, "pademelon two")];
  const flag = `--data-dir=${relay.dataDir}`;
  const stdin = events.map((event) => JSON.stringify(event)).join("\n");
  expect((await runNandu(["import", flag], { stdin })).code).toBe(0);
  await becomes(
    async () => newestFirst(await client.query({ search: "pademelon" })),
    newestFirst(events),
  );
  const found = await runNandu(["search", flag, "pademelon", "-one", "--limit=5"]);
  expect(found).toEqual({ code: 0, stdout: `${JSON.stringify(events[1])}\n`, stderr: "" });
  const filter = JSON.stringify({ until: 1 });
  const none = await runNandu(["search", flag, "pademelon", `--filter=${filter}`]);
  expect(none).toEqual({ code: 0, stdout: "", stderr: "" });
  const info = await runNandu(["info", flag]);
  expect(info.stdout).toMatch(/^search +[0-9]+ events indexed, [0-9]+ behind, [0-9.]+ MB$/m);
});

test("a search without a relay says how far its index is behind", async () => {
  const dataDir = makeTempDir();
  const topic = new Topic("no relay yet");
  const events = Array.from({ length: 1100 }, (_, i) => note(topic, `bandicoot ${i}`));
  const flag = `--data-dir=${dataDir}`;
  const stdin = events.map((event) => JSON.stringify(event)).join("\n");
  expect((await runNandu(["import", flag], { stdin })).code).toBe(0);
  const stderr = "nandu: the index is 1100 events behind: a relay that runs catches up by itself\n";
  expect(await runNandu(["search", flag, "bandicoot"])).toEqual({ code: 0, stdout: "", stderr });
  removeTempDir(dataDir);
});

test("without kinds there is no search, nor an index that would keep what is deleted", async () => {
  const { dataDir } = relay;
  const index = join(dataDir, "nandu-search.db");
  const off = await RelayProcess.start({ flags: ["--search-kinds="] });
  const other = await Client.connect(off.url);
  const reason = "unsupported: this relay has no search (NIP-50)";
  expect(await other.request("s", { search: "x" })).toEqual([["CLOSED", "s", reason]]);
  expect(await other.count("n", { search: "x" })).toEqual(["CLOSED", "n", reason]);
  const response = await fetch(off.url.replace("ws:", "http:"), {
    headers: { accept: "application/nostr+json" },
  });
  expect(((await response.json()) as { supported_nips: number[] }).supported_nips).not.toContain(
    50,
  );
  expect(await Bun.file(join(off.dataDir, "nandu-search.db")).exists()).toBe(false);
  other.close();
  expect(await off.stop()).toBe(0);
  expect(await Bun.file(index).exists()).toBe(true);
});

test("the index is made anew when it was deleted, is damaged, or of other kinds", async () => {
  const topic = new Topic("index anew");
  const event = note(topic, "bilby");
  await using own = await RelayProcess.start();
  const other = await Client.connect(own.url);
  expect(await other.publish(event)).toEqual(ok(event));
  const path = join(own.dataDir, "nandu-search.db");
  const isIndexed = async (): Promise<boolean> => {
    await Bun.sleep(1); // the relay's turn
    const index = new SearchReader(own.dataDir);
    const count = index.count();
    index.close();
    return count === 1;
  };
  await becomes(isIndexed, true);
  const remove = () => ["", "-wal", "-shm"].forEach((end) => rmSync(path + end, { force: true }));
  remove();
  await becomes(isIndexed, true);
  expect(await other.query({ search: "bilby" })).toEqual([event]);
  other.close();
  expect(await stopAndKeep(own)).toBe(0);
  remove(); // the log alone would make up for a damaged file
  await Bun.write(path, "no database ".repeat(1000));
  await using again = await RelayProcess.start({ dataDir: own.dataDir });
  await again.logged(/search: the index is deleted, to be made anew: file is not a database/);
  await becomes(isIndexed, true);
  expect(await stopAndKeep(again)).toBe(0);
  const flags = ["--search-kinds=1"];
  await using third = await RelayProcess.start({ dataDir: own.dataDir, flags });
  await third.logged(/search: the index is deleted, to be made anew: it is of other kinds/);
  await becomes(isIndexed, true);
}, 15_000);

/** Its folder is removed with the relay itself. */
async function stopAndKeep(own: RelayProcess): Promise<number> {
  own.process.kill("SIGTERM");
  return own.process.exited;
}
