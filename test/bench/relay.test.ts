// `bun test test/bench`: what the relay costs, in CPU of its own process and in wall time. Prints a
// table; asserts only that everything asked for was done. As part of the whole suite it runs with
// sizes too small to say anything about speed, to show that it still works.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { AUTHORS_COUNT, authorKey, signEvent } from "../support/events.ts";
import { Random } from "../support/random.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { LoadConnection, makeLoad } from "./load.ts";
import { anonymousBytes, cpuMs, figure, percentile } from "./meter.ts";

const SEED = 20_260;
const isMeasuring =
  process.env["NANDU_BENCH"] === "1" ||
  readFileSync("/proc/self/cmdline", "utf8").includes("test/bench");
const SIZE = isMeasuring
  ? { events: 50_000, requests: 2000, subscribers: 300, live: 500, idle: 5000 }
  : { events: 400, requests: 40, subscribers: 20, live: 10, idle: 50 };
const LIVE_PER_SECOND = 100;
const TIMEOUT_MS = 300_000;

const rows: string[] = [];
let relay: RelayProcess;
let events: NostrEvent[] = [];

function report(name: string, text: string): void {
  rows.push(`${name.padEnd(34)} ${text}`);
}

/** Runs `body` and returns the relay's CPU and the wall time it took, both in ms. */
async function measure(body: () => Promise<void>): Promise<{ cpu: number; wall: number }> {
  const cpu = cpuMs(relay.process.pid);
  const startedAt = performance.now();
  await body();
  return { cpu: cpuMs(relay.process.pid) - cpu, wall: performance.now() - startedAt };
}

function perUnit(cost: { cpu: number; wall: number }, count: number): string {
  const perSecond = figure((count / cost.wall) * 1000);
  return `${perSecond}/s, ${figure((cost.cpu * 1000) / count)} µs CPU each`;
}

beforeAll(async () => {
  events = makeLoad(SEED, SIZE.events);
  relay = await RelayProcess.start();
}, TIMEOUT_MS);

afterAll(async () => {
  await relay.stop();
  console.log(
    `\n${isMeasuring ? "" : "(smoke sizes: the figures mean nothing)\n"}${rows.join("\n")}`,
  );
});

describe("the relay's cost of", () => {
  test(
    "new durable events, 8 connections with 32 in flight",
    async () => {
      const messages = events.map((event) => JSON.stringify(["EVENT", event]));
      const clients = await connectMany(8);
      let refused = 0;
      const cost = await measure(async () => {
        const results = await Promise.all(
          clients.map((client, c) => client.sendAll(every(messages, 8, c), 32)),
        );
        refused = results.reduce((a, b) => a + b, 0);
      });
      report("new durable events, 8×32", perUnit(cost, messages.length));
      expect(refused).toBe(0);

      const again = await measure(async () => {
        await Promise.all(clients.map((client, c) => client.sendAll(every(messages, 8, c), 32)));
      });
      report("duplicates, 8×32", perUnit(again, messages.length));
      closeAll(clients);
    },
    TIMEOUT_MS,
  );

  test(
    "one connection, one event in flight",
    async () => {
      const fresh = makeLoad(SEED + 1, Math.ceil(SIZE.events / 50));
      const [client] = await connectMany(1);
      const times: number[] = [];
      for (const event of fresh) {
        const startedAt = performance.now();
        const refused = await client!.sendAll([JSON.stringify(["EVENT", event])], 1);
        times.push(performance.now() - startedAt);
        expect(refused).toBe(0);
      }
      report("one connection, one in flight", latencies(times));
      closeAll([client!]);
    },
    TIMEOUT_MS,
  );

  test(
    "a mix of REQs at 1, 4 and 16 connections",
    async () => {
      for (const count of [1, 4, 16]) {
        const clients = await connectMany(count);
        const random = new Random(SEED);
        const times: number[] = [];
        let sent = 0;
        const cost = await measure(async () => {
          await Promise.all(
            clients.map(async (client) => {
              for (let i = 0; i < SIZE.requests / count; i++) {
                const result = await client.request(`r${i}`, mixedFilter(random));
                times.push(result.ms);
                sent += result.events;
              }
            }),
          );
        });
        const each = figure((cost.cpu * 1000) / sent);
        const text = `${figure((times.length / cost.wall) * 1000)} REQ/s, ${each} µs CPU per event`;
        report(`REQ mix, ${count} connections`, `${text}, ${latencies(times)}`);
        expect(sent).toBeGreaterThan(0);
        closeAll(clients);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "an empty answer",
    async () => {
      const [client] = await connectMany(1);
      const random = new Random(SEED);
      const cost = await measure(async () => {
        for (let i = 0; i < SIZE.requests; i++) {
          const { events: count } = await client!.request("e", { ids: [random.hex(64)] });
          expect(count).toBe(0);
        }
      });
      report("REQ without an answer", perUnit(cost, SIZE.requests));
      closeAll([client!]);
    },
    TIMEOUT_MS,
  );

  test(
    "live delivery to 300 subscribers at 100 events a second, and at full rate",
    async () => {
      const subscribers = await connectMany(SIZE.subscribers);
      const sentAt = new Map<string, number>();
      const times: number[] = [];
      let delivered = 0;
      for (const client of subscribers) {
        await client.request("live", { kinds: [30_078], limit: 0 });
        client.socket.send(JSON.stringify(["REQ", "live", { kinds: [1042], limit: 0 }]));
        client.onFrame = (text) => {
          if (!text.startsWith('["EVENT"')) return;
          delivered += 1;
          const at = sentAt.get(text.slice(23, 87));
          if (at !== undefined) times.push(performance.now() - at);
        };
      }
      const [publisher] = await connectMany(1);
      await publisher!.request("settle", { ids: [] });
      const slow = makeLive(1, SIZE.live);
      const expected = SIZE.live * SIZE.subscribers;
      const cost = await measure(async () => {
        for (const event of slow) {
          sentAt.set(event.id, performance.now());
          publisher!.socket.send(JSON.stringify(["EVENT", event]));
          await Bun.sleep(1000 / LIVE_PER_SECOND);
        }
        await until(() => delivered === expected);
      });
      const each = figure((cost.cpu * 1000) / expected);
      report(
        `live, ${SIZE.subscribers} subscribers, 100/s`,
        `${each} µs CPU each, ${latencies(times)}`,
      );
      delivered = 0;
      sentAt.clear();
      const fast = makeLive(2, SIZE.live).map((event) => JSON.stringify(["EVENT", event]));
      const rush = await measure(async () => {
        await publisher!.sendAll(fast, 64);
        await until(() => delivered === expected);
      });
      report(`live, ${SIZE.subscribers} subscribers, full rate`, perUnit(rush, expected));
      expect(delivered).toBe(expected);
      closeAll([...subscribers, publisher!]);
    },
    TIMEOUT_MS,
  );

  test(
    "idle subscribed connections",
    async () => {
      const before = anonymousBytes(relay.process.pid);
      const clients = await connectMany(SIZE.idle);
      const random = new Random(SEED);
      await Promise.all(
        clients.map((client) => {
          const authors = random.list(5, () => authorKey(random.below(AUTHORS_COUNT)).pubkey);
          client.socket.send(JSON.stringify(["REQ", "home", { kinds: [9999], authors }]));
          return new Promise<void>((resolve) => {
            client.onFrame = () => resolve();
          });
        }),
      );
      const each = (anonymousBytes(relay.process.pid) - before) / SIZE.idle;
      report(`${SIZE.idle} idle subscribed connections`, `${figure(each / 1024)} KiB each`);
      const cost = await measure(() => Bun.sleep(isMeasuring ? 3000 : 10));
      report("… for 3 s", `${figure(cost.cpu)} ms CPU`);
      closeAll(clients);
    },
    TIMEOUT_MS,
  );
});

function every<T>(items: readonly T[], step: number, from: number): T[] {
  return items.filter((_, i) => i % step === from);
}

function latencies(times: readonly number[]): string {
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => figure(percentile(times, share)));
  return `p50 ${p50} ms, p95 ${p95} ms, p99 ${p99} ms`;
}

async function connectMany(count: number): Promise<LoadConnection[]> {
  const clients: LoadConnection[] = [];
  while (clients.length < count) {
    const some = Math.min(100, count - clients.length);
    const opened = Array.from({ length: some }, () => LoadConnection.connect(relay.url));
    clients.push(...(await Promise.all(opened)));
  }
  return clients;
}

function closeAll(clients: readonly LoadConnection[]): void {
  for (const client of clients) client.socket.close();
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await Bun.sleep(1);
}

function makeLive(seed: number, count: number): NostrEvent[] {
  const now = Math.floor(Date.now() / 1000);
  const content = "a live note that somebody has been waiting for, with some text in it ".repeat(3);
  return Array.from({ length: count }, (_, i) =>
    signEvent(
      { kind: 1042, created_at: now, tags: [["t", "live"]], content: `${seed} ${i} ${content}` },
      authorKey(i % AUTHORS_COUNT),
    ),
  );
}

function mixedFilter(random: Random): unknown {
  const author = (): string => authorKey(random.below(AUTHORS_COUNT)).pubkey;
  const some = random.pick(events);
  switch (random.below(8)) {
    case 0:
      return { ids: [some.id] };
    case 1:
      return { kinds: [0], authors: [author()], limit: 1 };
    case 2:
      return { kinds: [1], authors: [author()], limit: 50 };
    case 3:
      return { kinds: [1, 6], authors: random.list(20, author), limit: 100 };
    case 4:
      return { kinds: [1, 7], "#e": [some.id], limit: 100 };
    case 5:
      return { kinds: [1], "#t": ["nostr"], limit: 50 };
    case 6:
      return { "#p": [author()], limit: 50 };
    default:
      return { kinds: [1], limit: 100, until: some.created_at };
  }
}
