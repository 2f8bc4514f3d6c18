// Clients that mean harm, or behave as if they did. Whatever they do, the relay stays up, its
// memory stays within bounds, and a well-behaved client's messages are answered.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { deflateRawSync } from "node:zlib";
import { Client } from "../support/client.ts";
import { EventFactory } from "../support/events.ts";
import {
  clientFrame,
  type FrameOptions,
  messageFrame,
  OPCODE,
  RawSocket,
} from "../support/raw-socket.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { ok } from "../support/topic.ts";

const MIB = 1024 * 1024;
const MESSAGE_BYTES_MAX = MIB;

let relay: RelayProcess;
let wellBehaved: Client;
const factory = new EventFactory(1);

beforeAll(async () => {
  relay = await RelayProcess.start({ flags: ["--relay-connection-filter-values-max=60000"] });
  wellBehaved = await Client.connect(relay.url);
});

afterAll(async () => {
  wellBehaved.close();
  expect(await relay.stop()).toBe(0);
});

/** The relay serves: an event is stored, found, and delivered. */
async function expectServing(client = wellBehaved): Promise<void> {
  const event = factory.make({ kind: 1 });
  await client.request("live", { ids: [event.id] });
  expect(await client.publish(event)).toEqual(ok(event));
  expect(await client.find("EVENT", "live", event)).toEqual(["EVENT", "live", event]);
  expect(await client.query({ ids: [event.id] })).toEqual([event]);
}

async function open(headers = ""): Promise<RawSocket> {
  return RawSocket.open(relay.port, headers);
}

/** Everything the relay says up to the end of the connection. */
async function messagesUntilEnd(socket: RawSocket): Promise<unknown[]> {
  const messages: unknown[] = [];
  for (;;) {
    const message = await socket.nextMessage();
    if (message === null) break;
    messages.push(message);
  }
  socket.destroy();
  await socket.closed;
  return messages;
}

describe("frames that break RFC 6455 end their connection without an answer", () => {
  const { text, binary, continuation, close, ping } = OPCODE;
  const hello = JSON.stringify(["REQ", "x", { ids: [] }]);
  const frame = (opcode: number, payload: string | Uint8Array, options: FrameOptions = {}) =>
    clientFrame(opcode, payload, options);
  const rows: [string, Buffer[]][] = [
    ["a reserved opcode", [frame(3, hello)]],
    ["a reserved control opcode", [frame(0xb, hello)]],
    ["a reserved bit", [frame(text, hello, { reserved: 0x20 })]],
    ["compression that was not agreed on", [frame(text, hello, { reserved: 0x40 })]],
    ["no mask", [frame(text, hello, { masked: false }), frame(text, hello)]],
    ["a continuation of nothing", [frame(continuation, hello)]],
    ["a message within a message", [frame(text, "[", { fin: false }), frame(text, hello)]],
    ["a ping in pieces", [frame(ping, "", { fin: false })]],
    ["a ping longer than 125 bytes", [frame(ping, "x".repeat(126))]],
    ["a close code of one byte", [frame(close, "x")]],
    ["text that is not UTF-8", [frame(text, Buffer.from([0x22, 0xff, 0xfe, 0x22]))]],
    ["text that ends within a character", [frame(text, Buffer.from([0x22, 0xe2, 0x82]))]],
    ["an overlong form", [frame(text, Buffer.from([0x22, 0xc0, 0x80, 0x22]))]],
    ["a surrogate in UTF-8", [frame(text, Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]))]],
    ["a length of 2^62", [frame(text, "x", { length: 2n ** 62n })]],
    ["a length of 2^63 + 1", [frame(text, "x", { length: 2n ** 63n + 1n })]],
    ["a length one above the limit", [frame(text, "x", { length: BigInt(MIB) + 1n })]],
    ["a binary length above the limit", [frame(binary, "x", { length: 2n ** 40n })]],
  ];
  test.each(rows)("%s", async (_, frames) => {
    const socket = await open();
    for (const bytes of frames) socket.write(bytes);
    expect(await messagesUntilEnd(socket)).toEqual([]);
    await expectServing();
  });

  test("10 MB in one message, sent to the end", async () => {
    const socket = await open();
    socket.write(clientFrame(text, "x".repeat(10 * MIB)));
    expect(await messagesUntilEnd(socket)).toEqual([]);
    await expectServing();
  });

  test("10 MB in one message of small pieces", async () => {
    const socket = await open();
    socket.write(clientFrame(text, "[", { fin: false }));
    for (let i = 0; i < 1000; i++) {
      socket.write(clientFrame(continuation, " ".repeat(10_000), { fin: false }));
    }
    expect(await messagesUntilEnd(socket)).toEqual([]);
    await expectServing();
  });

  test("a megabyte that inflates to a gigabyte", async () => {
    const before = relay.anonymousBytes();
    const bomb = deflateRawSync(Buffer.alloc(1024 * MIB), { level: 9 });
    expect(bomb.length).toBeLessThan(1.1 * MIB);
    const socket = await open("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    socket.write(clientFrame(text, bomb.subarray(0, MIB - 1), { reserved: 0x40 }));
    expect(await messagesUntilEnd(socket)).toEqual([]);
    await expectServing();
    expect(relay.anonymousBytes() - before).toBeLessThan(100 * MIB);
  }, 30_000);
});

describe("frames that are unusual and right", () => {
  const answer = ["EOSE", "x", ["finish"]];
  const request = JSON.stringify(["REQ", "x", { ids: [] }]);

  test("a message in a thousand pieces, with pings between them", async () => {
    const socket = await open();
    const padded = request + " ".repeat(1000 - request.length);
    for (const [i, character] of [...padded].entries()) {
      const opcode = i === 0 ? OPCODE.text : OPCODE.continuation;
      socket.write(clientFrame(opcode, character, { fin: i === padded.length - 1 }));
      if (i % 100 === 50) socket.write(clientFrame(OPCODE.ping, "p"));
    }
    expect(await socket.nextMessage()).toEqual(answer);
    socket.destroy();
  });

  test("a message one byte at a time", async () => {
    const socket = await open();
    for (const byte of messageFrame("REQ", "x", { ids: [] })) {
      socket.write(Uint8Array.of(byte));
      await socket.flushed();
    }
    expect(await socket.nextMessage()).toEqual(answer);
    socket.destroy();
  });

  test("binary messages get a NOTICE each, and the next text its answer", async () => {
    const socket = await open();
    for (let i = 0; i < 100; i++) socket.write(clientFrame(OPCODE.binary, request));
    socket.write(clientFrame(OPCODE.text, request));
    for (let i = 0; i < 100; i++) {
      const notice = ["NOTICE", "invalid: messages must be text, not binary"];
      expect(await socket.nextMessage()).toEqual(notice);
    }
    expect(await socket.nextMessage()).toEqual(answer);
    socket.destroy();
  });
});

describe("JSON as deep as a message is long", () => {
  const fill = (head: string, tail: string): string => {
    const depth = Math.floor((MESSAGE_BYTES_MAX - head.length - tail.length) / 2);
    return head + "[".repeat(depth) + "]".repeat(depth) + tail;
  };
  const { id } = new EventFactory(2).make();
  const bad = ["NOTICE", "invalid: not JSON"];
  const rows: [string, string, (unknown[] | null)[]][] = [
    [
      "alone",
      fill("", ""),
      [["NOTICE", "invalid: a message must be an array that starts with its type"], bad],
    ],
    ["unfinished", "[".repeat(MESSAGE_BYTES_MAX), [bad]],
    ["objects", '{"a":'.repeat(MESSAGE_BYTES_MAX / 5), [bad]],
    [
      "in a filter",
      fill('["REQ","x",{"ids":', "}]"),
      [["CLOSED", "x", "invalid: ids must be an array of 64 lower-case hex digits each"], bad],
    ],
    [
      "in an event",
      fill(`["EVENT",{"id":"${id}","tags":`, "}]"),
      [["OK", id, false, "invalid: pubkey must be 64 lower-case hex digits"], bad],
    ],
  ];
  for (const [desc, message, answers] of rows) {
    test(`${desc}: is refused`, async () => {
      const socket = await open();
      socket.write(clientFrame(OPCODE.text, message));
      expect(answers).toContainEqual(await socket.nextMessage());
      socket.destroy();
      await expectServing();
    });
  }
});

describe("too many subscriptions", () => {
  test("100,000 REQs on one connection: each is answered, 200 are kept", async () => {
    const socket = await open();
    const count = 100_000;
    let sent = 0;
    const sendSome = () => {
      const frames: Buffer[] = [];
      for (let i = 0; i < 1000; i++)
        frames.push(messageFrame("REQ", `s${sent++}`, { kinds: [14] }));
      socket.write(Buffer.concat(frames));
    };
    sendSome();
    const reason = "rate-limited: more than 200 subscriptions on this connection";
    let refused = 0;
    const kept: unknown[] = [];
    for (let answers = 1; answers <= count; answers++) {
      const message = (await socket.nextMessage()) as unknown[];
      if (message[0] === "EOSE") kept.push(message[1]);
      else if (Bun.deepEquals(message, ["CLOSED", message[1], reason])) refused += 1;
      else expect(message).toEqual([]);
      if (answers % 1000 === 500 && sent < count) sendSome();
    }
    expect(kept.toSorted()).toEqual(Array.from({ length: 200 }, (_, i) => `s${i}`).toSorted());
    expect(refused).toBe(count - 200);
    await expectServing();
    socket.destroy();
  }, 60_000);

  test("filters of as many values as there may be, and of one more", async () => {
    const socket = await open();
    const tag = (from: number, count: number) => ({
      "#t": Array.from({ length: count }, (_, i) => `${from + i}`),
    });
    for (let i = 0; i < 3; i++) {
      socket.write(messageFrame("REQ", `${i}`, tag(20_000 * i, 20_000)));
      expect(await socket.nextMessage()).toEqual(["EOSE", `${i}`, ["finish"]]);
    }
    socket.write(messageFrame("REQ", "full", tag(0, 1)));
    const full = "rate-limited: more than 60000 filter values on this connection";
    expect(await socket.nextMessage()).toEqual(["CLOSED", "full", full]);
    socket.write(messageFrame("REQ", "0", tag(0, 20_001)));
    const large = "invalid: more than 20000 values in the filters";
    expect(await socket.nextMessage()).toEqual(["CLOSED", "0", large]);
    // The refused one has ended the old one, so there is room now.
    socket.write(messageFrame("REQ", "full", tag(0, 20_000)));
    expect(await socket.nextMessage()).toEqual(["EOSE", "full", ["finish"]]);
    await expectServing();
    socket.destroy();
  });
});

describe("connections", () => {
  test("hundreds of handshakes that never end", async () => {
    const sockets = await Promise.all(
      Array.from({ length: 500 }, () => RawSocket.connect(relay.port)),
    );
    for (const [i, socket] of sockets.entries()) {
      socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: webso".slice(0, 1 + (i % 40)));
    }
    await expectServing();
    for (const socket of sockets) {
      socket.write("x");
      socket.destroy();
    }
    await expectServing();
  });

  test("thousands opened and dropped in the middle of a message", async () => {
    const before = relay.anonymousBytes();
    const event = messageFrame("EVENT", factory.make({ kind: 1 }));
    const request = messageFrame("REQ", "x", {});
    for (let round = 0; round < 30; round++) {
      const sockets = await Promise.all(Array.from({ length: 100 }, () => open()));
      for (const [i, socket] of sockets.entries()) {
        socket.write(request);
        socket.write(event.subarray(0, (i * 7) % event.length));
        socket.destroy();
      }
    }
    await expectServing();
    // Each had a subscription; none of them has left anything behind.
    expect(relay.anonymousBytes() - before).toBeLessThan(200 * MIB);
  }, 60_000);

  test("as many as there are open files: the relay recovers when some have gone", async () => {
    const wrap = (command: readonly string[]) => [
      "sh",
      "-c",
      `ulimit -n 150; exec "$@"`,
      "sh",
      ...command,
    ];
    await using small = await RelayProcess.start({ wrap });
    const client = await Client.connect(small.url);
    const sockets = await Promise.all(
      Array.from({ length: 200 }, () => RawSocket.connect(small.port)),
    );
    await expectServing(client);
    for (const socket of sockets) socket.destroy();
    await Promise.all(sockets.map(({ closed }) => closed));
    const late = await Client.connect(small.url);
    await expectServing(late);
    for (const open of [client, late]) open.close();
    expect(await small.stop()).toBe(0);
  }, 30_000);
});
