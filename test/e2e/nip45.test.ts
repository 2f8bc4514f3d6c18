// NIP-45 over the wire: what clients ask counts of, with the registers that merge with those of
// other relays, on a relay that has moved most of it into its index already.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { authorKey, EventFactory } from "../support/events.ts";
import { countResult } from "../support/naive-hll.ts";
import { makeTempDir, RelayProcess, removeTempDir, runNandu } from "../support/relay-process.ts";
import { nowSeconds, ok } from "../support/topic.ts";
import { sha256Hex } from "../support/unsigned-events.ts";

const NOTE = sha256Hex("the note that is counted");
const FOLLOWED = authorKey(30).pubkey;
/** Enough for a tally. */
const MANY = 1300;

const factory = new EventFactory(45);
let dataDir: string;
let relay: RelayProcess;
let client: Client;
let stored: NostrEvent[];

function make(count: number, kind: number, tag: string, value: string): NostrEvent[] {
  return Array.from({ length: count }, () => factory.makeDistinct({ kind, tags: [[tag, value]] }));
}

const QUERIES: [what: string, kinds: number[], tag: string, value: string][] = [
  ["reactions", [7], "e", NOTE],
  ["reposts", [6], "e", NOTE],
  ["quotes", [1, 1111], "q", NOTE],
  ["quotes in notes", [1], "q", NOTE],
  ["replies", [1], "e", NOTE],
  ["comments", [1111], "E", NOTE],
  ["followers", [3], "p", FOLLOWED],
  ["notes with a hashtag", [1], "t", "nostr"],
];

async function expectCounts(): Promise<void> {
  for (const [what, kinds, tag, value] of QUERIES) {
    const matching = stored.filter(
      (event) =>
        kinds.includes(event.kind) && event.tags.some(([k, v]) => k === tag && v === value),
    );
    const answer = await client.count(what, { kinds, [`#${tag}`]: [value] });
    expect(answer).toEqual(["COUNT", what, countResult(value, matching)]);
  }
}

beforeAll(async () => {
  dataDir = makeTempDir();
  stored = [
    ...make(MANY, 7, "e", NOTE),
    ...make(40, 6, "e", NOTE),
    ...make(30, 1, "e", NOTE),
    ...make(900, 1, "q", NOTE),
    ...make(400, 1111, "q", NOTE),
    ...make(20, 1111, "E", NOTE),
    ...make(10, 1, "t", "nostr"),
    ...Array.from({ length: 20 }, (_, author) =>
      factory.makeDistinct({ author, kind: 3, tags: [["p", FOLLOWED]], created_at: 1000 }),
    ),
  ];
  const stdin = stored.map((event) => `${JSON.stringify(event)}\n`).join("");
  expect((await runNandu(["import", `--data-dir=${dataDir}`], { stdin })).code).toBe(0);
  relay = await RelayProcess.start({ dataDir });
  client = await Client.connect(relay.url);
});

afterAll(async () => {
  client.close();
  expect(await relay.stop()).toBe(0);
  removeTempDir(dataDir);
});

describe("what clients ask counts of", () => {
  test("is exact, with registers", expectCounts);

  test("stays so while events come, are replaced, and are deleted", async () => {
    const reactions = stored.filter(({ kind }) => kind === 7);
    const [special, ...more] = make(30, 7, "e", NOTE);
    const inGroup = factory.makeDistinct({ kind: 7, tags: [...special!.tags, ["h", "group"]] });
    const followers = [0, 1, 8].map((author) =>
      factory.makeDistinct({ author, kind: 3, tags: [["p", FOLLOWED]] }),
    );
    const unfollows = factory.makeDistinct({ author: 2, kind: 3, tags: [] });
    const { pubkey } = reactions[0] as NostrEvent;
    const author = [...Array(32).keys()].find((i) => authorKey(i).pubkey === pubkey) as number;
    const own = reactions.filter((event) => event.pubkey === pubkey);
    const tags = own.map(({ id }) => ["e", id]);
    const deletion = factory.makeDistinct({ author, kind: 5, tags, created_at: nowSeconds() });
    const news = [...more, inGroup, ...followers, unfollows, deletion];
    expect(await client.publishAll(news)).toEqual(news.map((event) => ok(event)));
    const isReplaced = ({ kind, pubkey: by }: NostrEvent): boolean =>
      kind === 3 && [...followers, unfollows].some((event) => event.pubkey === by);
    const kept = stored.filter((event) => !own.includes(event) && !isReplaced(event));
    stored = [...kept, ...news];
    await expectCounts();
  });

  test("stays so over a restart, and once it has all been moved", async () => {
    client.close();
    expect(await relay.stop()).toBe(0);
    relay = await RelayProcess.start({ dataDir, flags: ["--store-tail-events=1"] });
    client = await Client.connect(relay.url);
    await expectCounts();
    const news = make(3, 7, "e", NOTE);
    for (const event of news) {
      expect(await client.publish(event)).toEqual(ok(event));
      stored.push(event);
      await expectCounts();
    }
  });
});

describe("registers", () => {
  test("are of the first value of the first tag, whatever else is asked for", async () => {
    const reactions = stored.filter(({ kind }) => kind === 7);
    const { pubkey } = reactions[0] as NostrEvent;
    const own = reactions.filter((event) => event.pubkey === pubkey);
    const filters: [object, string, readonly NostrEvent[]][] = [
      [{ kinds: [7], "#e": [NOTE], authors: [pubkey] }, NOTE, own],
      [{ kinds: [7], "#e": [NOTE, FOLLOWED] }, NOTE, reactions],
      [{ kinds: [7], "#e": [FOLLOWED, NOTE] }, FOLLOWED, reactions],
      [{ kinds: [7], "#e": [NOTE], until: 1 }, NOTE, []],
    ];
    for (const [filter, value, events] of filters) {
      const answer = ["COUNT", "n", countResult(value, events)];
      expect(await client.count("n", filter)).toEqual(answer);
    }
  });

  test("are left out without a tag, with several filters, and when counting has stopped", () =>
    withLimit(10, async (limited) => {
      const reactions = { kinds: [7], "#e": [NOTE] };
      const kinds = stored.filter(({ kind }) => kind === 1111).length;
      expect(await client.count("n", { kinds: [1111] })).toEqual(["COUNT", "n", { count: kinds }]);
      const count = stored.filter(({ kind }) => kind === 7).length;
      expect(await client.count("n", reactions, reactions)).toEqual(["COUNT", "n", { count }]);
      const cut = ["COUNT", "n", { count: 10, approximate: true }];
      expect(await limited.count("n", { "#e": [NOTE] })).toEqual(cut);
      const answer = await client.count("n", reactions);
      expect(await limited.count("n", reactions)).toEqual(answer); // nothing has to be counted
    }));
});

/** A second relay on the same database, with another `relay.count_max`. */
async function withLimit(countMax: number, use: (client: Client) => Promise<void>): Promise<void> {
  await using other = await RelayProcess.start({
    dataDir,
    flags: [`--relay-count-max=${countMax}`],
  });
  const limited = await Client.connect(other.url);
  await use(limited);
  limited.close();
  expect(await other.stop()).toBe(0);
}
