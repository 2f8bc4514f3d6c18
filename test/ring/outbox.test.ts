/** Outboxes: a worker waits for room and goes on, the main thread is told and rung up later. */

import { describe, expect, test } from "bun:test";
import { Doorbell } from "../../src/ring/doorbell.ts";
import { Outbox } from "../../src/ring/outbox.ts";
import { createRing, RingConsumer, RingProducer } from "../../src/ring/ring.ts";
import { testRandomly } from "../support/random.ts";
import { LOST_MS, PatientBell, runPeer } from "./peer.ts";
import { Traffic, trafficBytesMax } from "./traffic.ts";

function open() {
  const shared = createRing(1024);
  const [consumerBell, ownBell] = [new Doorbell(), new Doorbell()];
  const outbox = new Outbox(new RingProducer(shared), consumerBell, ownBell);
  return { outbox, consumer: new RingConsumer(shared, ownBell), consumerBell, ownBell };
}

function readAll(consumer: RingConsumer): number {
  let count = 0;
  consumer.refresh();
  while (consumer.advance()) count += 1;
  return count;
}

test("each commit rings the consumer, a reservation doesn't", () => {
  const { outbox, consumer, consumerBell } = open();
  const at = outbox.reserve(5);
  expect(consumerBell.sequence()).toBe(0);
  outbox.bytes.write("hello", at);
  outbox.view.setUint8(at, 0x48);
  outbox.commit(9, 5);
  expect(consumerBell.sequence()).toBe(1);
  consumer.refresh();
  expect(consumer.advance()).toBe(true);
  const { bytes, offset, length, type } = consumer;
  expect([type, bytes.toString("utf8", offset, offset + length)]).toEqual([9, "Hello"]);
});

test("a full ring is -1 for the main thread, and its bell rings when there is room", async () => {
  const { outbox, consumer, ownBell } = open();
  while (outbox.tryReserve(100) >= 0) outbox.commit(1, 100);
  const seen = ownBell.sequence();
  expect(outbox.tryReserve(100)).toBe(-1);
  expect(outbox.tryReserve(504)).toBe(-1);
  const waiting = ownBell.waitAsync(seen, LOST_MS);
  expect(readAll(consumer)).toBe(9);
  expect(ownBell.sequence()).toBe(seen);
  consumer.release();
  await waiting;
  expect(ownBell.sequence()).toBe(seen + 1);
  expect(outbox.tryReserve(504)).toBeGreaterThan(0);
});

test("room that is released between the look and the wish is taken at once", () => {
  const { outbox, consumer } = open();
  while (outbox.tryReserve(100) >= 0) outbox.commit(1, 100);
  const { producer } = outbox;
  const wantRoom = producer.wantRoom.bind(producer);
  producer.wantRoom = () => {
    readAll(consumer);
    consumer.release();
    wantRoom();
  };
  expect(outbox.tryReserve(100)).toBeGreaterThan(0);
});

testRandomly(
  "a worker sleeps while the ring is full, and goes on when room is released",
  async (random) => {
    const count = 500;
    const seed = random.next();
    const ring = createRing(1024);
    const [ownBell, bell] = [new Doorbell(), new PatientBell()];
    const progress = new SharedArrayBuffer(4);
    const peer = runPeer({
      role: "produce",
      ring,
      ownBell: ownBell.shared,
      consumerBell: bell.shared,
      seed,
      count,
      progress,
    });
    // The worker sleeps: its bell says so, it is not done, and nobody has taken anything yet.
    const isAsleep = () => Atomics.load(new Int32Array(ownBell.shared), 16) === 1;
    while (!isAsleep()) await new Promise(setImmediate);
    const committed = Atomics.load(new Int32Array(progress), 0);
    expect(committed).toBeGreaterThan(0);
    expect(committed).toBeLessThan(count);
    const consumer = new RingConsumer(ring, ownBell);
    const traffic = new Traffic(seed, trafficBytesMax(ring));
    for (let isFirst = true; traffic.index < count - 1; isFirst = false) {
      const seen = bell.sequence();
      consumer.refresh();
      let received = 0;
      while (consumer.advance()) {
        traffic.next();
        traffic.check(consumer);
        received += 1;
      }
      if (isFirst) expect(received).toBe(committed);
      consumer.release();
      if (received === 0) await bell.waitAsync(seen, LOST_MS);
    }
    await peer;
    expect(Atomics.load(new Int32Array(progress), 0)).toBe(count);
  },
  20_000,
);

describe("what is committed quietly", () => {
  test("lies in the ring, in order, and rings nobody", () => {
    const { outbox, consumer, consumerBell } = open();
    outbox.reserve(8);
    outbox.commitQuietly(1, 8);
    expect(consumerBell.sequence()).toBe(0);
    outbox.reserve(8);
    outbox.commit(2, 8);
    expect(consumerBell.sequence()).toBe(1);
    consumer.refresh();
    expect([consumer.advance(), consumer.type]).toEqual([true, 1]);
    expect([consumer.advance(), consumer.type]).toEqual([true, 2]);
  });

  test("rings who is eager", () => {
    const { outbox, consumerBell } = open();
    consumerBell.setEager(true);
    const before = consumerBell.sequence();
    outbox.reserve(8);
    outbox.commitQuietly(1, 8);
    expect(consumerBell.sequence()).toBe(before + 1);
  });

  test("rings when it has become much, or the ring is full of it", () => {
    const shared = createRing(1 << 16);
    const [consumerBell, ownBell] = [new Doorbell(), new Doorbell()];
    const outbox = new Outbox(new RingProducer(shared), consumerBell, ownBell);
    let bytes = 0;
    for (; consumerBell.sequence() === 0; bytes += 100) {
      outbox.reserve(100);
      outbox.commitQuietly(1, 100);
    }
    expect(bytes).toBeGreaterThan(shared.byteLength / 16);
    expect(bytes).toBeLessThan(shared.byteLength / 4);
    const small = open();
    while (small.outbox.tryReserve(100) >= 0) small.outbox.commitQuietly(1, 100);
    expect(small.consumerBell.sequence()).toBeGreaterThan(0);
  });
});
