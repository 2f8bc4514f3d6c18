// What the log says of a connection when it ends: bytes before compression, and on the wire.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { Client } from "../support/client.ts";
import { clientFrame, messageFrame, OPCODE, RawSocket } from "../support/raw-socket.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { Topic } from "../support/topic.ts";

const OFFER = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
const CLOSE_FRAME_BYTES = 4;
/** The end of a TCP stream counts as one, if it has come already. */
const FIN_BYTES = 1;

let relay: RelayProcess;
const topic = new Topic("wire");

beforeAll(async () => {
  relay = await RelayProcess.start();
  const client = await Client.connect(relay.url);
  await client.publishAll([topic.make({ content: "a".repeat(50_000) })]);
  client.close();
  await closed(1);
});

afterAll(async () => {
  expect(await relay.stop()).toBe(0);
});

/** Asks for the one event and waits for its EOSE: three messages in all. */
async function ask(raw: RawSocket): Promise<void> {
  raw.write(messageFrame("REQ", "q", topic.filter));
  for (let i = 0; i < 2; i++) await raw.nextFrame();
}

interface Statistics {
  readonly sentBytes: number;
  readonly compressed: number;
  readonly wire: { isWhole: boolean; received: number; sent: number } | null;
}

function closings(): string[] {
  return relay.log.filter((line) => line.includes(" closed after "));
}

async function closed(count: number): Promise<string> {
  while (closings().length < count) await Bun.sleep(5);
  return closings()[count - 1] as string;
}

/** Of the connection that was the `count`th to close. */
async function statistics(count: number): Promise<Statistics> {
  const line = await closed(count);
  const sent = /sent \d+ messages, (\d+) bytes, (\d+) compressed/.exec(line);
  const wire = /on the wire (at least )?(\d+) bytes received, (\d+) sent$/.exec(line);
  return {
    sentBytes: Number(sent?.[1]),
    compressed: Number(sent?.[2]),
    wire:
      wire === null
        ? null
        : { isWhole: wire[1] === undefined, received: Number(wire[2]), sent: Number(wire[3]) },
  };
}

test.each([
  ["compressed", OFFER, 1],
  ["as it is", "", 0],
])("%s: what the kernel counted is what the client counts", async (_, offer, compressed) => {
  const before = closings().length;
  const others = await Promise.all([1, 2, 3].map(() => RawSocket.open(relay.port)));
  const raw = await RawSocket.open(relay.port, offer);
  await ask(raw);
  const { received } = raw.traffic;
  raw.write(clientFrame(OPCODE.close, Buffer.of(3, 232)));
  await raw.closed;
  const found = await statistics(before + 1);
  expect(found.compressed).toBe(compressed);
  expect(found.sentBytes).toBeGreaterThan(50_000);
  expect(found.wire?.isWhole).toBe(true);
  const { sent } = raw.traffic;
  expect([sent, sent + FIN_BYTES]).toContain(found.wire?.received as number);
  expect([received, received + CLOSE_FRAME_BYTES]).toContain(found.wire?.sent as number);
  if (compressed === 1) expect(received).toBeLessThan(found.sentBytes / 10);
  else expect(received).toBeGreaterThan(found.sentBytes);
  for (const other of others) other.write(clientFrame(OPCODE.close, Buffer.of(3, 232)));
  await closed(before + 1 + others.length);
});

test("a connection that is dropped has the figures of a moment before", async () => {
  for (let ms = 100; ; ms *= 2) {
    const before = closings().length;
    const raw = await RawSocket.open(relay.port);
    await ask(raw);
    await Bun.sleep(ms);
    const { received, sent } = raw.traffic;
    raw.destroy();
    const { wire } = await statistics(before + 1);
    // Dropped before the relay looked, or looked again: then for longer, until it has.
    if (wire === null || wire.sent < received) continue;
    expect(wire).toEqual({ isWhole: false, received: sent, sent: received });
    break;
  }
});
