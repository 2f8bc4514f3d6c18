// What goes to the clients, with sockets in the test's hands: when a reader gets its credit, and
// what becomes of a socket that the runtime forgets.

import { expect, test } from "bun:test";
import { setting } from "../../src/config/current.ts";
import { Doorbell } from "../../src/ring/doorbell.ts";
import { Outbox } from "../../src/ring/outbox.ts";
import { createRing, RingConsumer, RingProducer } from "../../src/ring/ring.ts";
import { Connection, type Socket } from "../../src/workers/connection.ts";
import { readCredit } from "../../src/workers/mail.ts";
import { Sender } from "../../src/workers/sender.ts";

/** Takes `room` bytes and holds the rest back. */
class FakeSocket {
  readonly data = { isCompressing: false };
  room = 0;
  buffered = 0;
  pings = 0;
  onClose = (): void => {};

  cork(body: () => void): void {
    body();
  }

  sendText(text: string): number {
    this.buffered += text.length;
    this.flush();
    return this.buffered > 0 ? -1 : text.length;
  }

  terminate(): void {
    this.onClose();
  }

  ping(): void {
    this.pings += 1;
    if (this.room > 0) this.flush();
    if (this.buffered > 0) this.buffered += 2;
  }

  getBufferedAmount(): number {
    return this.buffered;
  }

  flush(): void {
    const taken = Math.min(this.room, this.buffered);
    this.buffered -= taken;
    this.room -= taken;
  }
}

function open() {
  const [bell, other] = [new Doorbell(), new Doorbell()];
  const ring = createRing(1 << 16);
  const sender = new Sender([new Outbox(new RingProducer(ring), bell, other)]);
  const socket = new FakeSocket();
  const connection = new Connection(0, socket as unknown as Socket);
  const consumer = new RingConsumer(ring, other);
  const credits = (): number[] => {
    const found: number[] = [];
    consumer.refresh();
    while (consumer.advance()) found.push(readCredit(consumer).bytes);
    consumer.release();
    return found;
  };
  const send = (...texts: string[]): void => {
    for (const text of texts) {
      connection.storedBytes += text.length;
      sender.queue(connection, text, text.length);
    }
    sender.flush();
  };
  return { sender, socket, connection, credits, send };
}

test("credit is given when all has left, at once or later", () => {
  const { sender, socket, connection, credits, send } = open();
  socket.room = 100;
  send("a".repeat(40), "b".repeat(40));
  expect(credits()).toEqual([80]);
  send("c".repeat(40));
  expect(credits()).toEqual([]);
  socket.room = 10;
  socket.flush();
  sender.onDrain(connection); // of a part
  expect(credits()).toEqual([]);
  socket.room = 10;
  socket.flush();
  sender.onDrain(connection);
  expect(credits()).toEqual([40]);
  sender.nudge();
  expect([socket.pings, credits()]).toEqual([0, []]);
});

/** More than it takes until a socket is pinged. */
const LOOKS = 20;

test("a socket that the runtime forgets is written to again", () => {
  const { sender, socket, credits, send } = open();
  send("a".repeat(40));
  socket.room = 1000; // and no drain
  sender.nudge();
  expect([socket.pings, credits()]).toEqual([0, []]); // it may be about to come
  for (let i = 0; i < LOOKS; i++) sender.nudge();
  expect([socket.pings, credits()]).toEqual([1, [40]]);
});

test("credit is not lost when only the word of the drain is", () => {
  const { sender, socket, credits, send } = open();
  send("a".repeat(40));
  socket.room = 1000;
  socket.flush();
  sender.nudge();
  expect([socket.pings, credits()]).toEqual([0, [40]]);
});

test("who reads slowly isn't pinged while it reads, and now and then when it doesn't", () => {
  const { sender, socket, credits, send } = open();
  send("a".repeat(400));
  sender.nudge();
  for (let i = 0; i < LOOKS; i++) {
    socket.room = 10;
    socket.flush();
    sender.nudge();
  }
  expect(socket.pings).toBe(0);
  for (let i = 0; i < 3 * LOOKS; i++) sender.nudge();
  expect(socket.pings).toBeGreaterThan(2);
  expect(socket.pings).toBeLessThan(LOOKS);
  expect(credits()).toEqual([]);
});

test("it looks by itself, while there is something to look at", async () => {
  const { socket, credits, send } = open();
  send("a".repeat(40));
  socket.room = 1000;
  socket.flush();
  while (credits().length === 0) await Bun.sleep(1);
});

test("a live event that is held back is looked after as well, and is nobody's credit", () => {
  const { sender, socket, connection, credits } = open();
  sender.queue(connection, "a".repeat(40), 40);
  sender.flush();
  socket.room = 1000;
  for (let i = 0; i < LOOKS; i++) sender.nudge();
  expect([socket.pings, socket.buffered, credits()]).toEqual([1, 0, []]);
});

test("who is cut off for not reading is looked at no more", () => {
  const { sender, socket, connection, send } = open();
  socket.onClose = () => {
    connection.isClosed = true;
    sender.forget(connection);
  };
  const most = "a".repeat(setting("relay.outbound_bytes_max"));
  send(most, "and one more");
  expect(connection.endReason).toStartWith("slow reader: more than ");
  for (let i = 0; i < LOOKS; i++) sender.nudge();
  expect(socket.pings).toBe(0);
});

test("a connection that has gone is forgotten", () => {
  const { sender, socket, connection, send } = open();
  send("a".repeat(40));
  sender.forget(connection);
  for (let i = 0; i < LOOKS; i++) sender.nudge();
  expect(socket.pings).toBe(0);
});
