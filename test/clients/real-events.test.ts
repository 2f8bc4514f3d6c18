// nostr-tools, unmodified, as many clients use it: everything that real clients once published goes
// in over four connections and comes back by every kind of filter, and live. With Bun's WebSocket
// and with the ws package, whose compression and framing are each their own.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { SimplePool, useWebSocketImplementation } from "nostr-tools/pool";
// @ts-expect-error: it has no types; and by its name alone Bun would give its own instead.
import PackageWebSocket from "../../node_modules/ws/wrapper.mjs";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { EventFactory, readRealEvents } from "../support/events.ts";
import { naiveMatches, type RawFilter } from "../support/random-filters.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { newestFirst } from "../support/topic.ts";

const CONNECTIONS = 4;
const events = readRealEvents();

type Event = Parameters<SimplePool["publish"]>[1];
type Filter = Parameters<SimplePool["querySync"]>[1];

/** Without the mark that nostr-tools leaves on events whose signature it has checked. */
function plain(event: Event): NostrEvent {
  return JSON.parse(JSON.stringify(event)) as NostrEvent;
}

/** Subscribes to everything below the pool, which would hide an event that comes twice. */
class Listener {
  readonly received: NostrEvent[] = [];
  private readonly waiting = new Map<string, () => void>();

  static async open(pool: SimplePool, url: string): Promise<Listener> {
    const listener = new Listener();
    const relay = await pool.ensureRelay(url);
    await new Promise<void>((oneose) => {
      relay.subscribe([{}], { oneose, onevent: (event) => listener.onEvent(event) });
    });
    return listener;
  }

  /** Resolves when that event comes. */
  wait(id: string): Promise<void> {
    return new Promise((resolve) => this.waiting.set(id, resolve));
  }

  private onEvent(event: Event): void {
    this.received.push(plain(event));
    this.waiting.get(event.id)?.();
  }
}

/** What of `letter` tags occurs in the events, the most frequent first. */
function valuesOf(letter: string): string[] {
  const counts = new Map<string, number>();
  for (const { tags } of events) {
    for (const [name, value] of tags) {
      if (name === letter && value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
    }
  }
  return [...counts].toSorted((a, b) => b[1] - a[1]).map(([value]) => value);
}

function makeFilters(): [string, RawFilter][] {
  const times = events.map(({ created_at }) => created_at).sort((a, b) => a - b);
  const at = (part: number): number => times[Math.floor(part * (times.length - 1))] as number;
  const authors = [...new Set(events.map(({ pubkey }) => pubkey))];
  const hex = (letter: string) => valuesOf(letter).filter((value) => /^[0-9a-f]{64}$/.test(value));
  const largest = events.toSorted((a, b) => b.content.length - a.content.length);
  const mostTags = events.toSorted((a, b) => b.tags.length - a.tags.length);
  const lists: [string, RawFilter][] = [
    [
      "the largest and those with most tags",
      { ids: idsOf([...largest.slice(0, 5), ...mostTags.slice(0, 5)]) },
    ],
    ["many authors", { authors: authors.slice(0, 200) }],
    ["one author", { authors: authors.slice(5, 6) }],
    ["several kinds", { kinds: [6, 7, 42, 1063] }],
    ["authors and kinds", { authors: authors.slice(0, 50), kinds: [0, 7] }],
    ["many e tags", { "#e": hex("e").slice(0, 100) }],
    ["the most frequent p tag", { "#p": hex("p").slice(0, 1) }],
    ["p tags of a kind", { "#p": hex("p").slice(0, 20), kinds: [7] }],
    ["e and p tags", { "#e": hex("e").slice(0, 50), "#p": hex("p").slice(0, 50) }],
    ["the last quarter", { since: at(0.75) }],
    ["the first tenth", { until: at(0.1) }],
    ["some in the middle", { since: at(0.4), until: at(0.6), kinds: [1, 7] }],
    ["one second", { since: at(0.5), until: at(0.5) }],
  ];
  for (const kind of [3, 5, 40, 41, 1065, 1311, 1984, 30_000, 30_078]) {
    lists.push([`kind ${kind}`, { kinds: [kind] }]);
  }
  for (const letter of ["t", "r", "d", "a", "q", "k", "m"]) {
    lists.push([`${letter} tags`, { [`#${letter}`]: valuesOf(letter).slice(0, 10) }]);
  }
  return lists;
}

function idsOf(list: readonly NostrEvent[]): string[] {
  return list.map(({ id }) => id);
}

describe.skipIf(events.length === 0)("nostr-tools' SimplePool", () => {
  describe.each([
    ["Bun's WebSocket", WebSocket],
    ["the ws package", PackageWebSocket as typeof WebSocket],
  ])("over %s", (_, implementation) => {
    let relay: RelayProcess;
    let pools: SimplePool[];
    let listener: Listener;

    beforeAll(async () => {
      const flags = ["--relay-limit-max=2000", "--relay-limit-default=2000"];
      relay = await RelayProcess.start({ flags });
      useWebSocketImplementation(implementation);
      pools = Array.from({ length: CONNECTIONS + 1 }, () => new SimplePool());
      listener = await Listener.open(pools[CONNECTIONS] as SimplePool, relay.url);
    });

    afterAll(async () => {
      for (const pool of pools) pool.destroy();
      expect(await relay.stop()).toBe(0);
    });

    function publish(event: NostrEvent, index: number): Promise<string>[] {
      return (pools[index % CONNECTIONS] as SimplePool).publish([relay.url], event as Event);
    }

    test("every event is accepted", async () => {
      expect(await Promise.all(events.flatMap(publish))).toEqual(events.map(() => ""));
    }, 20_000);

    test("a live subscriber has got each once", async () => {
      const last = new EventFactory(1).make({ kind: 20_000 });
      const arrival = listener.wait(last.id);
      await Promise.all(publish(last, 0));
      await arrival;
      expect(newestFirst(listener.received)).toEqual(newestFirst([...events, last]));
    }, 20_000);

    test("all come back by their ids, in order", async () => {
      const filter = { ids: idsOf(events) };
      const found = await pools[0]?.querySync([relay.url], filter);
      expect(found?.map(plain)).toEqual(newestFirst(events));
    }, 20_000);

    test.each(events.length === 0 ? [] : makeFilters())("query: %s", async (_desc, filter) => {
      const expected = newestFirst(events.filter((event) => naiveMatches(filter, event)));
      expect(expected.length).toBeGreaterThan(0);
      const found = await pools[1]?.querySync([relay.url], filter as Filter);
      expect(found?.map(plain)).toEqual(expected);
    });

    test("a limit gives the newest", async () => {
      const found = await pools[2]?.querySync([relay.url], { kinds: [0], limit: 25 });
      const profiles = newestFirst(events.filter(({ kind }) => kind === 0));
      const last = profiles[24]?.created_at ?? 0;
      const count = profiles.filter(({ created_at }) => created_at >= last).length;
      expect(found?.map(plain)).toEqual(profiles.slice(0, count));
    });

    test("publishing again says that they are duplicates", async () => {
      const again = await Promise.all(events.slice(0, 100).flatMap(publish));
      expect(again).toEqual(again.map(() => "duplicate: already have this event"));
    });
  });
});
