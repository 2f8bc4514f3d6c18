// Back-pressure in both directions: clients that don't read, or slowly; clients that send faster
// than can be dealt with; and messages as large as the options allow. Nobody else notices, memory
// stays within bounds, and who reads at all gets everything.

import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { authorKey, EventFactory, signEvent } from "../support/events.ts";
import { clientFrame, messageFrame, OPCODE, RawSocket } from "../support/raw-socket.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { ok } from "../support/topic.ts";

const MIB = 1024 * 1024;

function large(factory: EventFactory, bytes: number): NostrEvent {
  const content = `${factory.random.hex(16)} ${"x".repeat(bytes)}`;
  return factory.make({ kind: 1, content, tags: [] });
}

function makeLarge(seed: number, count: number, bytes: number): NostrEvent[] {
  const factory = new EventFactory(seed);
  return Array.from({ length: count }, () => large(factory, bytes));
}

function openFiles(relay: RelayProcess): number {
  return readdirSync(`/proc/${relay.process.pid}/fd`).length;
}

/** A socket that reads nothing from now on. */
async function openDeaf(relay: RelayProcess): Promise<RawSocket> {
  const socket = await RawSocket.open(relay.port);
  socket.pause();
  return socket;
}

describe("a client that never reads", () => {
  test("and asks for everything again and again pauses its own scans, at little cost", async () => {
    await using relay = await RelayProcess.start();
    const client = await Client.connect(relay.url);
    const events = makeLarge(1, 200, 50_000);
    await client.publishAll(events);
    const before = relay.anonymousBytes();
    const deaf: RawSocket[] = [];
    for (let i = 0; i < 30; i++) {
      const socket = await openDeaf(relay);
      deaf.push(socket);
      for (let n = 0; n < 400; n++) socket.write(messageFrame("REQ", `s${n % 150}`, {}, {}));
      await socket.flushed();
      expect((await client.query({ limit: 50 })).length).toBe(50);
    }
    const event = large(new EventFactory(2), 100);
    expect(await client.publish(event)).toEqual(ok(event));
    // Hundreds of gigabytes are asked for, and many scans have found their first events.
    expect(relay.anonymousBytes() - before).toBeLessThan(700 * MIB);
    for (const socket of deaf) socket.destroy();
    client.close();
    expect(await relay.stop()).toBe(0);
  }, 60_000);

  test("and subscribes to live events is cut off at its limit, with all it held", async () => {
    // Without threads that open files at any time.
    const flags = [
      "--relay-outbound-bytes-max=2097152",
      "--search-kinds=",
      "--negentropy-enabled=false",
    ];
    await using relay = await RelayProcess.start({ flags });
    const client = await Client.connect(relay.url);
    const factory = new EventFactory(3);
    const files = openFiles(relay);
    const before = relay.anonymousBytes();
    for (let round = 1; round <= 3; round++) {
      const deaf = await Promise.all(Array.from({ length: 20 }, () => openDeaf(relay)));
      for (const socket of deaf)
        socket.write(messageFrame("REQ", "live", { kinds: [1], limit: 0 }));
      await Promise.all(deaf.map((socket) => socket.flushed()));
      const cutOff = / \(slow reader: more than 2097152 bytes unread\): received 1 messages, /;
      const count = () => relay.log.filter((line) => cutOff.test(line)).length;
      // The buffers of the system come first: how much they take is not ours to say.
      while (count() < 20 * round) {
        const event = large(factory, 200_000);
        expect(await client.publish(event)).toEqual(ok(event));
      }
      expect(openFiles(relay)).toBeLessThanOrEqual(files);
      for (const socket of deaf) socket.destroy();
    }
    expect(relay.anonymousBytes() - before).toBeLessThan(500 * MIB);
    client.close();
    expect(await relay.stop()).toBe(0);
  }, 60_000);

  test("and sends without end is paused, then cut off at its limit", async () => {
    await using relay = await RelayProcess.start({ flags: ["--relay-outbound-bytes-max=1048576"] });
    const client = await Client.connect(relay.url);
    const before = relay.anonymousBytes();
    const socket = await openDeaf(relay);
    const frames = Buffer.concat(Array<Buffer>(1000).fill(messageFrame("?")));
    while (!socket.isClosed) {
      socket.write(frames);
      await Promise.race([socket.flushed(), socket.closed]);
    }
    await relay.logged(/ \(slow reader: more than 1048576 bytes unread\): /);
    expect(relay.anonymousBytes() - before).toBeLessThan(200 * MIB);
    expect(await client.query({ kinds: [1] })).toEqual([]);
    client.close();
    expect(await relay.stop()).toBe(0);
  }, 60_000);
});

test("a client that reads slowly gets everything, whatever its window", async () => {
  const flags = ["--relay-outbound-bytes-max=10485760", "--relay-scan-bytes-max=8388608"];
  await using relay = await RelayProcess.start({ flags });
  const client = await Client.connect(relay.url);
  const events = makeLarge(4, 150, 100_000);
  await client.publishAll(events);
  const socket = await openDeaf(relay);
  const ids = ["a", "b", "c"];
  for (const id of ids) socket.write(messageFrame("REQ", id, { kinds: [1] }));
  await client.query({ kinds: [1] }); // its window is full by now
  socket.readSlowly();
  const counts = new Map<string, number>();
  for (let ends = 0; ends < ids.length;) {
    const [type, id] = (await socket.nextMessage()) ?? ["the connection has ended"];
    if (type === "EOSE") ends += 1;
    else if (type === "EVENT") counts.set(id as string, (counts.get(id as string) ?? 0) + 1);
    else throw new Error(String(type));
  }
  expect(counts).toEqual(new Map(ids.map((id) => [id, 150])));
  socket.destroy();
  client.close();
  expect(await relay.stop()).toBe(0);
}, 60_000);

test("clients that send more than can be dealt with are answered to the last message", async () => {
  await using relay = await RelayProcess.start();
  const client = await Client.connect(relay.url);
  const before = relay.anonymousBytes();
  const pad = "x".repeat(MIB - 100);
  const flood = async (message: Buffer, count: number): Promise<void> => {
    const socket = await RawSocket.open(relay.port);
    for (let i = 0; i < count; i++) socket.write(message);
    const notice = ["NOTICE", 'unsupported: unknown message type "?"'];
    for (let i = 0; i < count; i++) expect(await socket.nextMessage()).toEqual(notice);
    socket.destroy();
  };
  const floods: Promise<void>[] = [];
  for (let i = 0; i < 6; i++) {
    floods.push(flood(messageFrame("?", pad), 40));
    floods.push(flood(messageFrame("?"), 20_000));
  }
  const event = large(new EventFactory(5), 100);
  expect(await client.publish(event)).toEqual(ok(event));
  expect(await client.query({ kinds: [1] })).toEqual([event]);
  await Promise.all(floods);
  expect(relay.anonymousBytes() - before).toBeLessThan(500 * MIB);
  client.close();
  expect(await relay.stop()).toBe(0);
}, 60_000);

describe("with options that leave the rings no room to spare, the largest", () => {
  // Two messages and what goes with them are 2^21 bytes: a little more, and a ring would double.
  const messageBytesMax = 2 ** 20 - 4096;
  const tagsMax = 5000;
  const flags = [
    `--relay-message-bytes-max=${messageBytesMax}`,
    `--events-bytes-max=${messageBytesMax - 8 * tagsMax}`,
    `--events-content-bytes-max=${messageBytesMax}`,
    `--events-tags-max=${tagsMax}`,
    "--relay-filters-max=1000",
    "--relay-filter-values-max=1000000",
    "--relay-connection-filter-values-max=1000000",
    "--relay-scan-bytes-max=8388608",
  ];
  const id = "\u0001".repeat(64); // six bytes each, as JSON
  const sign = (kind: number, tags: string[][], content: string, created_at: number) =>
    signEvent({ kind, tags, content, created_at }, authorKey(0));

  test("event goes round, alone and behind others", async () => {
    await using relay = await RelayProcess.start({ flags });
    const client = await Client.connect(relay.url);
    await client.request(id, { kinds: [1] });
    const others = Array.from({ length: 200 }, (_, i) =>
      sign(1, [], `${i} ${"y".repeat(600)}`, 1_700_001_000 + i),
    );
    await client.publishAll(others);
    const spare = messageBytesMax - 8 * tagsMax - JSON.stringify(others[0]).length;
    const event = sign(1, [], "x".repeat(spare), 1_700_000_000);
    expect(await client.publish(event)).toEqual(ok(event));
    expect(await client.find("EVENT", id, event)).toEqual(["EVENT", id, event]);
    const frames = await client.request(id, { kinds: [1] });
    expect(frames.length).toBe(202);
    expect(frames.at(-2)).toEqual(["EVENT", id, event]);
    expect(frames.at(-1)).toEqual(["EOSE", id, ["finish"]]);
    client.close();
    expect(await relay.stop()).toBe(0);
  }, 30_000);

  test("deletion, with two keys for each of its tags, is stored and deletes", async () => {
    await using relay = await RelayProcess.start({ flags });
    const client = await Client.connect(relay.url);
    const note = sign(1, [], "", 1_700_000_000);
    expect(await client.publish(note)).toEqual(ok(note));
    const tags = Array.from({ length: tagsMax }, (_, i) => [
      "e",
      i === 0 ? note.id : i.toString(16).padStart(64, "0"),
    ]);
    const bare = JSON.stringify(sign(5, tags, "", 1_700_000_001)).length;
    const spare = messageBytesMax - 8 * tagsMax - bare;
    const deletion = sign(5, tags, "x".repeat(spare), 1_700_000_001);
    expect(await client.publish(deletion)).toEqual(ok(deletion));
    expect(await client.query({ authors: [note.pubkey] })).toEqual([deletion]);
    client.close();
    expect(await relay.stop()).toBe(0);
  }, 30_000);

  test("REQ of the most filters is answered", async () => {
    await using relay = await RelayProcess.start({ flags });
    const client = await Client.connect(relay.url);
    const event = sign(1, [], "", 1_700_000_000);
    expect(await client.publish(event)).toEqual(ok(event));
    const filters: unknown[] = Array.from({ length: 999 }, () => ({}));
    const bare = JSON.stringify(["REQ", "x", ...filters, { "#t": [""] }]).length;
    filters.push({ "#t": ["z".repeat(messageBytesMax - bare)] });
    expect(await client.request("x", ...filters)).toEqual([
      ["EVENT", "x", event],
      ["EOSE", "x", ["finish"]],
    ]);
    const count = await client.count("n", ...filters.slice(0, 999));
    expect(count).toEqual(["COUNT", "n", { count: 1 }]);
    client.close();
    expect(await relay.stop()).toBe(0);
  }, 30_000);

  test("message is taken, and one byte more ends the connection", async () => {
    await using relay = await RelayProcess.start({ flags });
    const socket = await RawSocket.open(relay.port);
    const message = JSON.stringify(["?"]);
    const most = message + " ".repeat(messageBytesMax - message.length);
    socket.write(clientFrame(OPCODE.text, most));
    const notice = ["NOTICE", 'unsupported: unknown message type "?"'];
    expect(await socket.nextMessage()).toEqual(notice);
    socket.write(clientFrame(OPCODE.text, `${most} `));
    expect(await socket.nextMessage()).toBe(null);
    socket.destroy();
    expect(await relay.stop()).toBe(0);
  });
});
