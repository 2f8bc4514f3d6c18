// The instrument itself: whatever pieces the bytes of a connection come in, the messages are the
// same, and what is sent is what RFC 6455 calls a frame.

import { describe, expect, test } from "bun:test";
import type { Random } from "../support/random.ts";
import { testRandomly } from "../support/random.ts";
import { Tape } from "./frames.ts";
import { LoadSocket, MESSAGE } from "./load-socket.ts";

/** A text frame as a server sends it: not masked. */
function serverFrame(text: string): Buffer {
  const body = Buffer.from(text);
  if (body.length < 126) return Buffer.concat([Buffer.from([0x81, body.length]), body]);
  const header = Buffer.alloc(body.length < 65_536 ? 4 : 10);
  header[0] = 0x81;
  header[1] = body.length < 65_536 ? 126 : 127;
  if (body.length < 65_536) header.writeUInt16BE(body.length, 2);
  else header.writeBigUInt64BE(BigInt(body.length), 2);
  return Buffer.concat([header, body]);
}

function randomMessage(random: Random): [type: number, text: string] {
  const filling = "x".repeat(random.pick([0, 20, 90, 125, 200, 5000, 65_535, 70_000]));
  return random.pick([
    [MESSAGE.ok, `["OK","${filling}",true,""]`],
    [MESSAGE.event, `["EVENT","s",{"id":"${filling}"}]`],
    [MESSAGE.eose, `["EOSE","${filling}"]`],
    [MESSAGE.closed, `["CLOSED","s","${filling}"]`],
    [MESSAGE.count, `["COUNT","s",{"count":1}]`],
    [MESSAGE.other, `["NOTICE","${filling}"]`],
  ]);
}

describe("a load socket", () => {
  testRandomly("finds the same messages in whatever pieces they come", (random) => {
    for (let i = 0; i < 50; i++) {
      const messages = random.list(20, () => randomMessage(random));
      const bytes = Buffer.concat(messages.map(([, text]) => serverFrame(text)));
      const socket = new LoadSocket();
      const found: [number, string][] = [];
      socket.onMessage = (type, chunk, at) =>
        found.push([type, chunk.toString("utf8", at, at + 10)]);
      for (let at = 0; at < bytes.length;) {
        const length = 1 + random.below(random.pick([3, 200, 3000, 100_000]));
        socket.take(bytes.subarray(at, at + length));
        at += length;
      }
      expect(found).toEqual(messages.map(([type, text]) => [type, text.slice(0, 10)]));
    }
  });
});

describe("a tape", () => {
  test("holds frames that a server understands, one after the other", async () => {
    const texts = [0, 1, 125, 126, 65_535, 65_536].map((length) => "é".repeat(length / 2));
    const tape = new Tape();
    for (const text of texts) tape.push(text.slice(0, 10), Buffer.from(text.slice(10)));
    const received: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request, self) => (self.upgrade(request) ? undefined : new Response()),
      websocket: {
        message(_, text) {
          received.push(String(text));
          if (received.length === texts.length) resolve();
        },
      },
    });
    const socket = await LoadSocket.connect(server.port as number);
    socket.write(tape.slice(0, 2));
    socket.write(tape.slice(2, tape.count));
    await promise;
    expect(received).toEqual(texts);
    socket.close();
  });
});
