// An upgrade without a gap: a second process shares the first one's port and database, SIGUSR1
// sends new clients to the second, and the first ends with its last client.

import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { databasePath } from "../../src/store/schema.ts";
import { checkIndex } from "../support/check-index.ts";
import { Client } from "../support/client.ts";
import { EventFactory } from "../support/events.ts";
import { Publisher } from "../support/publisher.ts";
import { testRandomly } from "../support/random.ts";
import { makeTempDir, RelayProcess, removeTempDir } from "../support/relay-process.ts";
import { ok, refused } from "../support/topic.ts";

const SENTINEL_KIND = 9;
const FLAGS = [
  "--relay-limit-max=50000",
  "--relay-limit-default=50000",
  "--store-tail-events=300",
  "--log-level=debug",
];

/** A folder for as long as the block lasts, whatever becomes of the relays in it. */
function sharedFolder(): { path: string; [Symbol.dispose]: () => void } {
  const path = makeTempDir();
  return { path, [Symbol.dispose]: () => removeTempDir(path) };
}

function countOpened(relay: RelayProcess): number {
  return relay.log.filter((line) => / websocket: connection \d+ opened /.test(line)).length;
}

/** A client that subscribes to everything, and to the event that ends the test. */
async function watch(url: string): Promise<Client> {
  const client = await Client.connect(url);
  await client.request("sentinel", { kinds: [SENTINEL_KIND] });
  await client.request("all", { kinds: [1] });
  return client;
}

/** How often each event came, and whether it was what had been published. */
function received(client: Client, published: ReadonlyMap<string, NostrEvent>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [type, subscription, value] of client.frames) {
    if (type !== "EVENT" || subscription !== "all") continue;
    const event = value as NostrEvent;
    expect(event).toEqual(published.get(event.id) as NostrEvent);
    counts.set(event.id, (counts.get(event.id) ?? 0) + 1);
  }
  return counts;
}

describe("with SIGUSR1 while clients publish through both", () => {
  testRandomly(
    "nothing with an OK is missing, and every subscriber of either gets it exactly once",
    async (random) => {
      using dir = sharedFolder();
      const options = { dataDir: dir.path, flags: FLAGS };
      await using first = await RelayProcess.start(options);
      const published = new Map<string, NostrEvent>();
      const factory = new EventFactory(random);
      let isOver = false;
      const next = (): NostrEvent | null => {
        if (isOver) return null;
        const event = factory.makeDistinct({ kind: 1 });
        published.set(event.id, event);
        return event;
      };
      const publishers: Publisher[] = [];
      const running: Promise<void>[] = [];
      const addPublishers = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i++) {
          const publisher = await Publisher.connect(first.url);
          publishers.push(publisher);
          running.push(publisher.run(next, 10));
        }
      };

      await addPublishers(2);
      const watchers = [await watch(first.url), await watch(first.url)];
      await using second = await RelayProcess.start({ ...options, port: first.port });
      await addPublishers(4); // on either
      watchers.push(await watch(first.url), await watch(first.url));
      first.process.kill("SIGUSR1");
      await first.logged(/ SIGUSR1: serving \d+ connections /);
      const before = [countOpened(first), countOpened(second)] as const;
      await addPublishers(2);
      for (let i = 0; i < 4; i++) watchers.push(await watch(first.url));
      expect(countOpened(first)).toBe(before[0]);
      expect(countOpened(second)).toBe(before[1] + 6);

      isOver = true;
      await Promise.all(running);
      const accepted = new Set<string>();
      for (const { answers } of publishers) {
        for (const [id, answer] of answers) {
          expect(answer).toEqual([true, ""]);
          accepted.add(id);
        }
      }
      expect([...accepted].toSorted()).toEqual([...published.keys()].toSorted());
      const sentinel = factory.make({ kind: SENTINEL_KIND });
      expect(await watchers.at(-1)?.publish(sentinel)).toEqual(ok(sentinel));
      const once = new Map([...accepted].map((id) => [id, 1]));
      for (const watcher of watchers) {
        await watcher.find("EVENT", "sentinel", sentinel);
        expect(received(watcher, published)).toEqual(once);
      }

      for (const client of [...watchers, ...publishers]) client.close();
      expect(await first.process.exited).toBe(0);
      expect(await second.stop()).toBe(0);
      using db = new Database(databasePath(dir.path));
      expect(db.query("SELECT count(*) FROM event").values()).toEqual([[accepted.size + 1]]);
      expect(checkIndex(db)).toEqual([]);
    },
    60_000,
  );
});

describe("SIGUSR1", () => {
  test("ends a relay that nobody is connected to at once", async () => {
    await using relay = await RelayProcess.start();
    const client = await Client.connect(relay.url);
    client.close();
    await client.closed;
    relay.process.kill("SIGUSR1");
    expect(await relay.process.exited).toBe(0);
    await relay.logged(/ relay: the last connection has gone: finishing what is queued$/);
  });

  test("leaves those who are connected everything they had, until the last has gone", async () => {
    await using relay = await RelayProcess.start();
    const [client, other] = [await Client.connect(relay.url), await Client.connect(relay.url)];
    await client.request("live", { kinds: [1] });
    relay.process.kill("SIGUSR1");
    await relay.logged(/ SIGUSR1: serving 2 connections for 3600 s at most$/);
    await expect(Client.connect(relay.url)).rejects.toThrow();
    const [event, second] = new EventFactory(1).makeMany(2, { kind: 1 }) as [
      NostrEvent,
      NostrEvent,
    ];
    expect(await other.publish(event)).toEqual(ok(event));
    expect(await client.find("EVENT", "live")).toEqual(["EVENT", "live", event]);
    other.close();
    await other.closed;
    expect(await client.publish(second)).toEqual(ok(second));
    expect(await client.query({ ids: [event.id] })).toEqual([event]);
    client.close();
    expect(await relay.process.exited).toBe(0);
  });

  test("closes those who stay beyond relay.drain_deadline_s with 1001", async () => {
    await using relay = await RelayProcess.start({ flags: ["--relay-drain-deadline-s=1"] });
    const client = await Client.connect(relay.url);
    relay.process.kill("SIGUSR1");
    expect(await client.closed).toEqual({ code: 1001, reason: "the relay stops" });
    expect(await relay.process.exited).toBe(0);
    await relay.logged(/ relay: drain deadline: finishing what is queued$/);
  });

  test("twice is as good as once, and SIGTERM after it stops the relay", async () => {
    await using relay = await RelayProcess.start();
    const client = await Client.connect(relay.url);
    relay.process.kill("SIGUSR1");
    relay.process.kill("SIGUSR1");
    await relay.logged(/ SIGUSR1: serving 1 connections /);
    relay.process.kill("SIGUSR1");
    relay.process.kill("SIGTERM");
    expect(await client.closed).toEqual({ code: 1001, reason: "the relay stops" });
    expect(await relay.process.exited).toBe(0);
  });
});

describe("what one process does is known to the other", () => {
  test("an event deleted, or replaced, through it is no duplicate", async () => {
    using dir = sharedFolder();
    await using one = await RelayProcess.start({ dataDir: dir.path });
    await using two = await RelayProcess.start({ dataDir: dir.path });
    const [here, there] = [await Client.connect(one.url), await Client.connect(two.url)];
    await here.request("live", { kinds: [0, 5] });
    const factory = new EventFactory(7);
    for (let i = 0; i < 20; i++) {
      const note = factory.make({ kind: 1, author: 1 });
      const old = factory.make({ kind: 0, author: 2, created_at: 1_700_000_000 + 2 * i });
      const newer = factory.make({ kind: 0, author: 2, created_at: 1_700_000_001 + 2 * i });
      const deletion = factory.make({ kind: 5, author: 1, tags: [["e", note.id]] });
      expect(await here.publish(note)).toEqual(ok(note));
      expect(await here.publish(note)).toEqual(ok(note, "duplicate: already have this event"));
      expect(await here.publish(old)).toEqual(ok(old));
      expect(await there.publish(newer)).toEqual(ok(newer));
      expect(await there.publish(deletion)).toEqual(ok(deletion));
      await here.find("EVENT", "live", deletion);
      expect(await here.publish(note)).toEqual(
        refused(note, "blocked: this event was deleted by its author"),
      );
      expect(await here.publish(old)).toEqual(
        refused(old, "duplicate: a newer version of this event is stored"),
      );
      expect(await here.query({ ids: [note.id, old.id] })).toEqual([]);
      expect(await there.query({ ids: [note.id, old.id] })).toEqual([]);
    }
    for (const client of [here, there]) client.close();
    expect(await one.stop()).toBe(0);
    expect(await two.stop()).toBe(0);
  });

  test("they may start at the same moment over a folder that is not there", async () => {
    for (let round = 0; round < 4; round++) {
      using dir = sharedFolder();
      const dataDir = `${dir.path}/new/folder`;
      const flags = [`--data-dir=${dataDir}`];
      const start = () => RelayProcess.start({ dataDir: dir.path, flags });
      const relays = await Promise.all([start(), start(), start()]);
      const clients = await Promise.all(relays.map(({ url }) => Client.connect(url)));
      const events = new EventFactory(round).makeMany(3, { kind: 1 });
      for (const [i, event] of events.entries()) {
        expect(await clients[i]?.publish(event)).toEqual(ok(event));
      }
      for (const client of clients) {
        const ids = (await client.query({ kinds: [1] })).map(({ id }) => id);
        expect(ids.toSorted()).toEqual(events.map(({ id }) => id).toSorted());
        client.close();
      }
      for (const relay of relays) expect(await relay.stop()).toBe(0);
    }
  }, 30_000);

  test("one may be killed at any moment without the other's noticing", async () => {
    using dir = sharedFolder();
    await using stays = await RelayProcess.start({ dataDir: dir.path, flags: FLAGS });
    const client = await Client.connect(stays.url);
    await client.request("live", { kinds: [1] });
    const factory = new EventFactory(11);
    const accepted: string[] = [];
    for (let round = 0; round < 5; round++) {
      await using dies = await RelayProcess.start({ dataDir: dir.path });
      const publisher = await Publisher.connect(dies.url);
      let left = 100 + 150 * round;
      const running = publisher.run(() => {
        left -= 1;
        if (left === 0) dies.process.kill("SIGKILL");
        return factory.makeDistinct({ kind: 1 });
      });
      await running;
      for (const [id, [isAccepted]] of publisher.answers) if (isAccepted) accepted.push(id);
      const event = factory.makeDistinct({ kind: 1 });
      expect(await client.publish(event)).toEqual(ok(event));
      accepted.push(event.id);
    }
    const last = factory.makeDistinct({ kind: 1 });
    expect(await client.publish(last)).toEqual(ok(last));
    await client.find("EVENT", "live", last);
    const counts = new Map<string, number>();
    for (const [type, , event] of client.frames) {
      if (type !== "EVENT") continue;
      const { id } = event as NostrEvent;
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    expect([...counts.values()].every((count) => count === 1)).toBe(true);
    expect(accepted.filter((id) => !counts.has(id))).toEqual([]);
    client.close();
    expect(await stays.stop()).toBe(0);
  }, 30_000);
});
