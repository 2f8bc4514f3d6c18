// NIP-67 over the wire: when EOSE says "finish", when "more", and what a client that pages by
// `until` gets. The limits are small, so that few events reach them.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client, type Frame } from "../support/client.ts";
import { EventFactory } from "../support/events.ts";
import { type Random, testRandomly } from "../support/random.ts";
import { naiveScan, type RawFilter } from "../support/random-filters.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { parseInformation } from "../support/schemas.ts";
import { newestFirst, Topic } from "../support/topic.ts";

const LIMITS = { limitDefault: 5, limitMax: 8, tiesMax: 4 };

let relay: RelayProcess;
let client: Client;

beforeAll(async () => {
  relay = await RelayProcess.start({
    flags: [
      `--relay-limit-default=${LIMITS.limitDefault}`,
      `--relay-limit-max=${LIMITS.limitMax}`,
      `--relay-limit-ties-max=${LIMITS.tiesMax}`,
    ],
  });
  client = await Client.connect(relay.url);
});

afterAll(async () => {
  client.close();
  expect(await relay.stop()).toBe(0);
});

function frames(id: string, events: readonly NostrEvent[], hint: string | null): Frame[] {
  const eose = hint === null ? ["EOSE", id] : ["EOSE", id, [hint]];
  return [...events.map((event) => ["EVENT", id, event]), eose];
}

/** A topic with events at these seconds, stored; newest first. */
async function store(name: string, times: readonly number[], kind = 1) {
  const topic = new Topic(name);
  const events = topic.makeAt(times, { kind });
  await client.publishAll(events);
  return { filter: topic.filter, events: newestFirst(events) };
}

describe("one filter", () => {
  /** Events at these seconds, asked for with this limit: so many come, with this hint. */
  const rows: [string, number[], number | null, number, string | null][] = [
    ["no event", [], 3, 0, "finish"],
    ["fewer than the limit", [1, 2], 3, 2, "finish"],
    ["as many as the limit", [1, 2, 3], 3, 3, "finish"],
    ["one more", [1, 2, 3, 4], 3, 3, "more"],
    ["as many as the default limit", [1, 2, 3, 4, 5], null, 5, "finish"],
    ["one more than the default limit", [1, 2, 3, 4, 5, 6], null, 5, "more"],
    ["as many as the largest limit", [1, 2, 3, 4, 5, 6, 7, 8], 1000, 8, "finish"],
    ["one more than the largest limit", [1, 2, 3, 4, 5, 6, 7, 8, 9], 1000, 8, "more"],
    ["a limit of 1 and one event", [1], 1, 1, "finish"],
    ["a limit of 1 and two", [1, 2], 1, 1, "more"],
    ["ties beyond the limit, to the last event", [9, 5, 5, 5], 2, 4, "finish"],
    ["ties beyond the limit, and an older event", [9, 5, 5, 5, 4], 2, 4, "more"],
    ["ties within the limit only", [9, 5, 5, 4], 3, 3, "more"],
    ["only ties, as many as fit beyond the limit", [5, 5, 5, 5, 5, 5], 2, 6, "finish"],
    ["more ties than fit beyond the limit", [5, 5, 5, 5, 5, 5, 5], 2, 6, "more"],
    ["a limit of 0", [1, 2], 0, 0, null],
    ["a limit of 0 and no event", [], 0, 0, null],
  ];
  test.each(rows)("%s", async (desc, times, limit, count, hint) => {
    const { filter, events } = await store(`one filter: ${desc}`, times);
    const asked = limit === null ? filter : { ...filter, limit };
    expect(await client.request("s", asked)).toEqual(frames("s", events.slice(0, count), hint));
  });
});

describe("several filters", () => {
  test("finish only when all of them have", async () => {
    const a = await store("several a", [1, 2, 3]);
    const b = await store("several b", [4, 5, 6]);
    const all = newestFirst([...a.events, ...b.events]);
    const of = (aLimit: number, bLimit: number) => [
      { ...a.filter, limit: aLimit },
      { ...b.filter, limit: bLimit },
    ];
    const without = (...gone: (NostrEvent | undefined)[]) => all.filter((e) => !gone.includes(e));
    const [lastA, lastB] = [a.events[2], b.events[2]];
    expect(await client.request("s", ...of(3, 3))).toEqual(frames("s", all, "finish"));
    expect(await client.request("s", ...of(2, 3))).toEqual(frames("s", without(lastA), "more"));
    expect(await client.request("s", ...of(3, 2))).toEqual(frames("s", without(lastB), "more"));
    expect(await client.request("s", ...of(2, 2))).toEqual(
      frames("s", without(lastA, lastB), "more"),
    );
  });

  test("each filter has its own limit, and what two of them match counts for both", async () => {
    const { filter, events } = await store("overlap", [1, 2, 3, 4]);
    const ids = events.map(({ id }) => id);
    expect(await client.request("s", { ...filter, limit: 2 }, { ids, limit: 4 })).toEqual(
      frames("s", events, "more"),
    );
    expect(await client.request("s", filter, { ids })).toEqual(frames("s", events, "finish"));
  });

  test("one whose limit is 0 leaves the hint out, unless another has more", async () => {
    const { filter, events } = await store("zero and other", [1, 2]);
    const none = { ...filter, limit: 0 };
    expect(await client.request("s", none, filter)).toEqual(frames("s", events, null));
    expect(await client.request("s", { ...filter, limit: 1 }, none)).toEqual(
      frames("s", events.slice(0, 1), "more"),
    );
  });

  test("one that can match nothing changes nothing", async () => {
    const { filter, events } = await store("empty and other", [1, 2]);
    const empty = [{ ids: [] }, { since: 2, until: 1 }, { kinds: [], limit: 0 }];
    expect(await client.request("s", ...empty, filter)).toEqual(frames("s", events, "finish"));
    expect(await client.request("s", ...empty)).toEqual(frames("s", [], "finish"));
  });
});

test("without relay.eose_hints there are none, and NIP-11 says nothing of NIP-67", async () => {
  await using plain = await RelayProcess.start({ flags: ["--no-relay-eose-hints"] });
  const own = await Client.connect(plain.url);
  const topic = new Topic("no hints");
  const [older, newer] = topic.makeAt([1000, 1001]) as [NostrEvent, NostrEvent];
  await own.publishAll([older, newer]);
  const one = { ...topic.filter, limit: 1 };
  expect(await own.request("r", one)).toEqual([
    ["EVENT", "r", newer],
    ["EOSE", "r"],
  ]);
  expect(await own.request("r", { ids: [] })).toEqual([["EOSE", "r"]]);
  own.close();
  const headers = { accept: "application/nostr+json" };
  const response = await fetch(plain.url.replace("ws:", "http:"), { headers });
  const document = parseInformation(await response.text()) as { supported_nips: number[] };
  expect(document.supported_nips).not.toContain(67);
});

test("after a hint of either kind, new events come", async () => {
  const { filter } = await store("hint and live", [1, 2, 3]);
  for (const [id, limit, hint] of [
    ["more", 1, "more"],
    ["finish", 3, "finish"],
  ] as const) {
    const got = await client.request(id, { ...filter, limit });
    expect(got.at(-1)).toEqual(["EOSE", id, [hint]]);
  }
  const event = new Topic("hint and live").make();
  await client.publish(event);
  for (const id of ["more", "finish"]) {
    expect(await client.find("EVENT", id, event)).toEqual(["EVENT", id, event]);
  }
});

/** Pages as NIP-67 says: `until` is the oldest second got, until "finish". Returns what came. */
async function page(filter: RawFilter, pagesMax: number): Promise<NostrEvent[]> {
  const found = new Map<string, NostrEvent>();
  let until: number | undefined;
  for (let pages = 0; pages < pagesMax; pages++) {
    const answer = await client.request("p", until === undefined ? filter : { ...filter, until });
    const events = answer.slice(0, -1).map((frame) => frame[2] as NostrEvent);
    for (const event of events) found.set(event.id, event);
    const last = answer.at(-1) as Frame;
    if (Bun.deepEquals(last, ["EOSE", "p", ["finish"]])) return [...found.values()];
    expect(last).toEqual(["EOSE", "p", ["more"]]);
    const oldest = (events.at(-1) as NostrEvent).created_at;
    // A page that brings nothing new would come for ever.
    until = oldest === until ? oldest - 1 : oldest;
  }
  throw new Error(`not finished after ${pagesMax} pages`);
}

describe("a client that pages by until", () => {
  test("gets every event once the relay says finish, with ties on every border", async () => {
    const times = Array.from({ length: 60 }, (_, i) => 1000 + Math.floor(i / 3));
    const { filter, events } = await store("paging", times);
    for (const limit of [1, 2, 3, 4, 5, 7, 8]) {
      expect(newestFirst(await page({ ...filter, limit }, 61))).toEqual(events);
    }
  });

  test("needs one request when the number of events is the limit", async () => {
    const { filter, events } = await store("one page", [1, 2, 3]);
    expect(await page({ ...filter, limit: 3 }, 1)).toEqual(events);
  });

  testRandomly("gets every event of a random history", async (random: Random) => {
    const factory = new EventFactory(random);
    const topic = new Topic(`history ${random.hex(8)}`);
    const events = random.list(80, () =>
      factory.make({ kind: 1, tags: [topic.tag], created_at: 1000 + random.below(50) }),
    );
    await client.publishAll(events);
    // No second has more events than fit in one answer with ties.
    const filter = { ...topic.filter, limit: 8 };
    expect(newestFirst(await page(filter, 81))).toEqual(newestFirst(events));
  });

  testRandomly("gets what a naive scan of the history gives, hint included", async (random) => {
    const factory = new EventFactory(random);
    const topic = new Topic(`scan ${random.hex(8)}`);
    const events = random.list(60, () =>
      factory.makeDistinct({
        kind: random.pick([1, 7]),
        tags: [topic.tag],
        created_at: 1000 + random.below(12),
        author: random.below(3),
      }),
    );
    await client.publishAll(events);
    for (let round = 0; round < 40; round++) {
      const filters = random.list(random.between(1, 3), () => randomFilter(random, topic, events));
      const { ids, hint } = naiveScan(events, filters, LIMITS);
      const expected = ids.map((id) => events.find((event) => event.id === id) as NostrEvent);
      expect(await client.request("r", ...filters)).toEqual(frames("r", expected, hint));
    }
  });
});

function randomFilter(random: Random, topic: Topic, events: readonly NostrEvent[]): RawFilter {
  const filter: RawFilter = { ...topic.filter };
  if (random.oneIn(3)) filter.kinds = [random.pick([1, 7])];
  if (random.oneIn(3)) filter.authors = [random.pick(events).pubkey];
  if (random.oneIn(4)) filter.ids = random.list(10, () => random.pick(events).id);
  if (random.oneIn(3)) filter.since = 1000 + random.below(12);
  if (random.oneIn(3)) filter.until = (filter.since ?? 1000) + random.below(12);
  if (!random.oneIn(3)) filter.limit = random.below(12);
  return filter;
}
