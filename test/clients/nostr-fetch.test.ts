// nostr-fetch, which reads everything there is, page by page: `until` moves back, the relay's limit
// cuts where it will, and no event may be lost or given twice, however many share a second.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { checkWebSockets } from "../support/checked-web-socket.ts";
import { Client } from "../support/client.ts";
import { authorKey } from "../support/events.ts";
import type { RawFilter } from "../support/random-filters.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { newestFirst, Topic } from "../support/topic.ts";
import { plain } from "./client-suite.ts";

checkWebSockets();

/** As far as the tests use it. Its own types lead to a source that is not checked as strictly. */
interface Fetcher {
  allEventsIterator(
    relays: string[],
    filter: RawFilter,
    range: RawFilter,
    options: { limitPerReq: number },
  ): AsyncIterable<NostrEvent>;
  fetchAllEvents(
    relays: string[],
    filter: RawFilter,
    range: RawFilter,
    options: { sort: boolean },
  ): Promise<NostrEvent[]>;
  fetchLatestEvents(relays: string[], filter: RawFilter, limit: number): Promise<NostrEvent[]>;
  fetchLastEvent(relays: string[], filter: RawFilter): Promise<NostrEvent | undefined>;
  fetchLatestEventsPerAuthor(
    authors: { authors: string[]; relayUrls: string[] },
    filter: RawFilter,
    limit: number,
  ): AsyncIterable<{ author: string; events: NostrEvent[] }>;
  shutdown(): void;
}
const { NostrFetcher } = (await import("nostr-fetch" as string)) as {
  NostrFetcher: { init(): Fetcher };
};

const LIMIT = 10;
const AT = 1_700_000_000;

let relay: RelayProcess;
let client: Client;
let fetcher: Fetcher;

beforeAll(async () => {
  const limits = [`--relay-limit-max=${LIMIT}`, `--relay-limit-default=${LIMIT}`];
  // It takes an EOSE of three elements for a broken one and goes on waiting.
  const flags = [...limits, "--no-relay-eose-hints"];
  relay = await RelayProcess.start({ flags });
  client = await Client.connect(relay.url);
  fetcher = NostrFetcher.init();
});

afterAll(async () => {
  fetcher.shutdown();
  client.close();
  expect(await relay.stop()).toBe(0);
});

/**
 * How many events there are in each second, the oldest first. It asks for the page before with the
 * `until` of the last event it has, so a second must have fewer events than a page: of a full one
 * it would get the same again, and stop.
 */
const histories: [string, number[]][] = [
  ["one event", [1]],
  ["a page, exactly", Array.from({ length: LIMIT }, () => 1)],
  ["pages of single events", Array.from({ length: 5 * LIMIT }, () => 1)],
  ["pairs across every border", Array.from({ length: 3 * LIMIT }, () => 2)],
  ["seconds of nearly a page", Array.from({ length: 5 }, () => LIMIT - 1)],
  ["seconds of all sizes", Array.from({ length: LIMIT }, (_, i) => (i * 7) % (LIMIT - 1))],
];

describe("all events are fetched, each once", () => {
  test.each(histories)("%s", async (name, counts) => {
    const topic = new Topic(name);
    const times = counts.flatMap((count, i) => Array.from({ length: count }, () => AT + i));
    const events = topic.makeAt(times);
    await client.publishAll(events);
    for (const limitPerReq of [3, LIMIT, 5000]) {
      if (limitPerReq <= Math.max(...counts)) continue;
      const iterator = fetcher.allEventsIterator([relay.url], topic.filter, {}, { limitPerReq });
      const found: NostrEvent[] = [];
      for await (const event of iterator) found.push(plain(event));
      expect(newestFirst(found)).toEqual(newestFirst(events));
    }
  });

  test("within a range of time, whose ends are full seconds", async () => {
    const topic = new Topic("a range");
    const times = Array.from({ length: 50 }, (_, i) => AT + Math.floor(i / 9));
    const events = topic.makeAt(times);
    await client.publishAll(events);
    const range = { since: AT + 1, until: AT + 3 };
    const found = await fetcher.fetchAllEvents([relay.url], topic.filter, range, { sort: true });
    const inRange = events.filter(({ created_at: at }) => at > AT && at < AT + 4);
    expect(newestFirst(found.map(plain))).toEqual(newestFirst(inRange));
  });
});

test("the newest of all, and of each author", async () => {
  const topic = new Topic("the newest");
  const events = [0, 1, 2].flatMap((author) =>
    topic.makeAt(
      Array.from({ length: 2 * LIMIT }, (_, i) => AT + 10 * i + author),
      { author },
    ),
  );
  await client.publishAll(events);
  const newest = newestFirst(events);
  const latest = await fetcher.fetchLatestEvents([relay.url], topic.filter, 8);
  expect(latest.map(plain)).toEqual(newest.slice(0, 8));
  const last = await fetcher.fetchLastEvent([relay.url], topic.filter);
  expect(last && plain(last)).toEqual(newest[0] as NostrEvent);
  const authors = [0, 1, 2].map((author) => authorKey(author).pubkey);
  const sets = { authors, relayUrls: [relay.url] };
  for await (const each of fetcher.fetchLatestEventsPerAuthor(sets, topic.filter, 8)) {
    const own = newest.filter(({ pubkey }) => pubkey === each.author);
    expect(each.events.map(plain)).toEqual(own.slice(0, 8));
  }
});
