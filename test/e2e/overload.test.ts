// What one client may do to the others: costly subscriptions and counts slow themselves, events
// that another process stored with larger limits harm nobody, who is answered late is answered.

import { afterEach, expect, test } from "bun:test";
import { Client } from "../support/client.ts";
import { authorKey, EventFactory, signEvent } from "../support/events.ts";
import { RelayProcess, runNandu } from "../support/relay-process.ts";

const TIMEOUT_MS = 60_000;
const nowSeconds = (): number => Math.floor(Date.now() / 1000);

let relay: RelayProcess;

afterEach(async () => {
  await relay.stop();
});

async function many(count: number): Promise<Client[]> {
  return Promise.all(Array.from({ length: count }, () => Client.connect(relay.url)));
}

test(
  "thousands of filters that every event is held against keep no OK back",
  async () => {
    relay = await RelayProcess.start({
      flags: ["--relay-connection-filter-values-max=2000000"],
    });
    const broad = Array.from({ length: 100 }, (_, i) => ({ until: 1 + i }));
    const attackers = await many(5);
    for (const client of attackers) {
      for (let i = 0; i < 20; i++) client.send("REQ", `s${i}`, ...broad);
      expect(await client.request("last", { ids: [] })).toEqual([["EOSE", "last", ["finish"]]]);
    }
    const [writer] = await many(1);
    const events = new EventFactory(7).makeMany(2000, { kind: 1 });
    const answers = await writer!.publishAll(events);
    expect(answers.every(([, , accepted]) => accepted === true)).toBe(true);
    for (const client of [...attackers, writer!]) client.close();
  },
  TIMEOUT_MS,
);

test(
  "hundreds of costly COUNTs are answered one and all, and others in between",
  async () => {
    relay = await RelayProcess.start();
    const [counter, other] = await many(2);
    const authors = Array.from({ length: 15_000 }, (_, i) => i.toString(16).padStart(64, "0"));
    for (let i = 0; i < 40; i++) counter!.send("COUNT", `c${i}`, { authors });
    expect(await other!.request("r", { limit: 1 })).toEqual([["EOSE", "r", ["finish"]]]);
    for (let i = 0; i < 40; i++) {
      expect(await counter!.find("COUNT", `c${i}`)).toEqual(["COUNT", `c${i}`, { count: 0 }]);
    }
    for (const client of [counter!, other!]) client.close();
  },
  TIMEOUT_MS,
);

test(
  "a REQ whose filters grow past the rings is refused, and the relay goes on",
  async () => {
    relay = await RelayProcess.start({ flags: ["--relay-message-bytes-max=1038080"] });
    const [client] = await many(1);
    const filter = { kinds: [10_000, 10_001, 10_002, 10_003, 10_004, 10_005], "#a": ["x"] };
    const filters: object[] = Array.from({ length: 99 }, () => filter);
    const bare = JSON.stringify(["REQ", "s", ...filters, { "#t": [""] }]).length;
    filters.push({ "#t": ["z".repeat(1_038_000 - bare)] });
    const [frame] = await client!.request("s", ...filters);
    expect([
      ["EOSE", "s", ["finish"]],
      ["CLOSED", "s", "invalid: the filters are too long"],
    ]).toContainEqual(frame as never);
    expect(await client!.request("after", { ids: [] })).toEqual([["EOSE", "after", ["finish"]]]);
    client!.close();
  },
  TIMEOUT_MS,
);

test(
  "an event larger than this process can send, stored by another, is passed over",
  async () => {
    relay = await RelayProcess.start();
    const [client] = await many(1);
    await client!.request("live", { kinds: [1] });
    const template = { kind: 1, tags: [], created_at: nowSeconds() };
    const large = signEvent({ ...template, content: "x".repeat(3_000_000) }, authorKey(0));
    const small = signEvent({ ...template, content: "small" }, authorKey(0));
    const result = await runNandu(["import", `--data-dir=${relay.dataDir}`], {
      stdin: `${JSON.stringify(large)}\n${JSON.stringify(small)}\n`,
      env: {
        NANDU_EVENTS_BYTES_MAX: "4000000",
        NANDU_EVENTS_CONTENT_BYTES_MAX: "4000000",
        NANDU_RELAY_MESSAGE_BYTES_MAX: "4000000",
      },
    });
    expect(result.code).toBe(0);
    expect(await client!.find("EVENT", "live")).toEqual(["EVENT", "live", small]);
    expect(await client!.query({ kinds: [1] })).toEqual([small]);
    client!.close();
  },
  TIMEOUT_MS,
);

test(
  "ephemeral events that come while a REQ still reads are sent after its EOSE",
  async () => {
    relay = await RelayProcess.start();
    const [busy, listener, publisher] = await many(3);
    const authors = Array.from({ length: 10_000 }, (_, i) => i.toString(16).padStart(64, "0"));
    for (let round = 0; round < 20; round++) {
      const id = `round ${round}`;
      for (let i = 0; i < 3; i++) busy!.send("COUNT", `${id} ${i}`, { authors });
      // Both on one connection, so that the relay takes the REQ before the event.
      const event = signEvent(
        { kind: 24_133, tags: [], content: id, created_at: nowSeconds() },
        authorKey(1),
      );
      listener!.send("REQ", id, { kinds: [24_133], authors: [event.pubkey] });
      expect(await listener!.publish(event)).toEqual(["OK", event.id, true, ""]);
      expect(await listener!.find("EVENT", id)).toEqual(["EVENT", id, event]);
      listener!.send("CLOSE", id);
    }
    for (const client of [busy!, listener!, publisher!]) client.close();
  },
  TIMEOUT_MS,
);

test(
  "queries under way when the relay stops are answered",
  async () => {
    relay = await RelayProcess.start();
    const [client] = await many(1);
    const authors = Array.from({ length: 15_000 }, (_, i) => i.toString(16).padStart(64, "0"));
    for (let i = 0; i < 30; i++) client!.send("COUNT", `c${i}`, { authors });
    await client!.find("COUNT");
    relay.process.kill("SIGTERM");
    await client!.closed;
    const ends = client!.frames.map(([type, id, what]) => [type, id, what]);
    const answered = new Set(ends.map(([, id]) => id));
    const closed = ends.filter(([type]) => type === "CLOSED");
    for (const [, , reason] of closed) expect(reason).toBe("error: the relay stops");
    expect(answered.size).toBe(ends.length); // nothing was answered twice
    expect(ends.length).toBeGreaterThan(0);
  },
  TIMEOUT_MS,
);

test(
  "ephemeral events from before a REQ was taken are not sent to it",
  async () => {
    relay = await RelayProcess.start();
    const [client] = await many(1);
    for (let round = 0; round < 300; round++) {
      const event = signEvent(
        { kind: 24_133, tags: [], content: `${round}`, created_at: nowSeconds() },
        authorKey(2),
      );
      expect(await client!.publish(event)).toEqual(["OK", event.id, true, ""]);
      const id = `round ${round}`;
      expect(await client!.request(id, { kinds: [24_133] })).toEqual([["EOSE", id, ["finish"]]]);
      client!.send("CLOSE", id);
    }
    await client!.settle();
    expect(client!.frames.filter(([type]) => type === "EVENT")).toEqual([]);
    client!.close();
  },
  TIMEOUT_MS,
);
