/**
 * Rings: both sides in one thread against a list that can't be wrong, then two threads and two
 * million records, all with cursors that pass 2^32.
 */

import { describe, expect, test } from "bun:test";
import { Doorbell } from "../../src/ring/doorbell.ts";
import {
  createRing,
  recordBytesMax,
  RingConsumer,
  ringCapacityFor,
  RingProducer,
} from "../../src/ring/ring.ts";
import { type Random, testRandomly } from "../support/random.ts";
import { runPeer } from "./peer.ts";
import { createRingAt, Traffic, trafficBytesMax } from "./traffic.ts";

interface Ends {
  producer: RingProducer;
  consumer: RingConsumer;
  producerBell: Doorbell;
}

function openRing(shared: SharedArrayBuffer): Ends {
  const producerBell = new Doorbell();
  const producer = new RingProducer(shared);
  return { producer, consumer: new RingConsumer(shared, producerBell), producerBell };
}

/** Sends the text, or returns false when the ring is full. */
function send(producer: RingProducer, type: number, text: string): boolean {
  const at = producer.reserve(Buffer.byteLength(text));
  if (at < 0) return false;
  producer.commit(type, producer.bytes.write(text, at));
  return true;
}

/** Everything committed up to now. */
function receive(consumer: RingConsumer): [type: number, text: string][] {
  const records: [number, string][] = [];
  consumer.refresh();
  while (consumer.advance()) {
    const { bytes, offset, length, type } = consumer;
    records.push([type, bytes.toString("utf8", offset, offset + length)]);
  }
  return records;
}

describe("createRing", () => {
  const capacities: { capacity: number; isGood: boolean }[] = [
    { capacity: 1024, isGood: true },
    { capacity: 2048, isGood: true },
    { capacity: 2 ** 20, isGood: true },
    { capacity: 512, isGood: false },
    { capacity: 0, isGood: false },
    { capacity: -1024, isGood: false },
    { capacity: 1025, isGood: false },
    { capacity: 1024.5, isGood: false },
    { capacity: 3 * 1024, isGood: false },
    { capacity: 2 ** 32, isGood: false },
    { capacity: 3 * 2 ** 31, isGood: false },
    { capacity: Number.NaN, isGood: false },
    { capacity: Number.POSITIVE_INFINITY, isGood: false },
  ];
  for (const { capacity, isGood } of capacities) {
    test(`${isGood ? "makes" : "asserts against"} a ring of ${capacity} bytes`, () => {
      const make = () => openRing(createRing(capacity)).producer.capacity;
      if (isGood) expect(make()).toBe(capacity);
      else expect(make).toThrow(`assert: ring capacity ${capacity} is not a power of two`);
    });
  }
});

test("records arrive in order, with type, length and content", () => {
  const { producer, consumer } = openRing(createRing(1024));
  const records: [number, string][] = [
    [0, ""],
    [1, "a"],
    [0xffffffff, "1234567"],
    [7, "12345678"],
    [7, "123456789"],
    [2, "ñandú 🦤"],
  ];
  for (const [type, text] of records) expect(send(producer, type, text)).toBe(true);
  expect(receive(consumer)).toEqual(records);
  expect(receive(consumer)).toEqual([]);
});

test("what is committed is seen after a refresh, not before", () => {
  const { producer, consumer } = openRing(createRing(1024));
  expect(consumer.advance()).toBe(false);
  send(producer, 1, "a");
  expect(consumer.advance()).toBe(false);
  consumer.refresh();
  send(producer, 2, "b");
  expect([consumer.advance(), consumer.type, consumer.advance()]).toEqual([true, 1, false]);
  expect(receive(consumer)).toEqual([[2, "b"]]);
});

test("the capacity for a record is the smallest that takes it", () => {
  for (const bytes of [0, 1, 503, 504, 505, 1016, 1017, 100_000, 2 ** 20 - 8, 2 ** 20]) {
    const capacity = ringCapacityFor(bytes);
    createRing(capacity);
    expect(recordBytesMax(capacity)).toBeGreaterThanOrEqual(bytes);
    if (capacity > 1024) expect(recordBytesMax(capacity / 2)).toBeLessThan(bytes);
  }
});

test("a full ring says so, loses nothing, and goes on when room is released", () => {
  const { producer, consumer } = openRing(createRing(1024));
  const sent: [number, string][] = [];
  while (send(producer, sent.length, `record ${sent.length}`)) {
    sent.push([sent.length, `record ${sent.length}`]);
  }
  expect(sent).toHaveLength(46); // 10 of 16 bytes, 36 of 24
  expect(producer.reserve(10)).toBe(-1);
  const received = receive(consumer);
  expect(received).toEqual(sent);
  expect(producer.reserve(10)).toBe(-1);
  expect(consumer.isHolding).toBe(true);
  consumer.release();
  expect(consumer.isHolding).toBe(false);
  expect(send(producer, 99, "after")).toBe(true);
  expect(receive(consumer)).toEqual([[99, "after"]]);
});

test("a consumer that keeps up is sent everything in the first part of the ring", () => {
  const { producer, consumer } = openRing(createRing(4096));
  let end = 0;
  for (let i = 0; i < 1000; i++) {
    const text = "x".repeat(i % 90);
    expect(send(producer, i, text)).toBe(true);
    expect(receive(consumer)).toEqual([[i, text]]);
    end = Math.max(end, consumer.offset + consumer.length);
    consumer.release();
  }
  expect(end).toBeLessThan(512 + 100);
  // All of it is there for one who doesn't.
  let count = 0;
  while (send(producer, 2, "z".repeat(100))) count += 1;
  expect(count).toBeGreaterThanOrEqual(36);
  expect(receive(consumer)).toHaveLength(count);
});

test("what was reserved for a short record and left may be reserved anew for the longest", () => {
  const { producer, consumer } = openRing(createRing(4096));
  for (let start = 0; start < 4096; start += 40) {
    send(producer, 1, "x".repeat(32));
    receive(consumer);
    consumer.release();
    const longest = recordBytesMax(4096);
    expect(producer.reserve(8)).toBeGreaterThan(0);
    const at = producer.reserve(longest);
    expect(at).toBeGreaterThan(0);
    producer.bytes.fill("a", at, at + longest);
    producer.commit(2, longest);
    expect(receive(consumer).map(([type, { length }]) => [type, length])).toEqual([[2, longest]]);
    consumer.release();
  }
});

test("a batch stays in place until it is released, though the producer goes on", () => {
  const { producer, consumer } = openRing(createRing(1024));
  send(producer, 1, "held");
  consumer.refresh();
  consumer.advance();
  const { offset, length } = consumer;
  while (send(producer, 2, "x".repeat(100)));
  receive(consumer);
  expect(consumer.bytes.toString("utf8", offset, offset + length)).toBe("held");
});

test("a record of the longest length fits at every place of an empty ring", () => {
  for (const capacity of [1024, 4096]) {
    const text = "x".repeat(recordBytesMax(capacity));
    for (let at = 0; at < capacity; at += 8) {
      for (const base of [0, 2 ** 32 - capacity]) {
        const { producer, consumer } = openRing(createRingAt(capacity, base + at));
        expect([at, send(producer, at, text)]).toEqual([at, true]);
        expect(receive(consumer)).toEqual([[at, text]]);
        consumer.release();
      }
    }
  }
});

describe("our own faults are asserts", () => {
  const capacity = 1024;
  const max = recordBytesMax(capacity);
  const open = () => openRing(createRing(capacity)).producer;

  for (const bytes of [max + 1, capacity, 2 ** 32, -1, Number.NaN]) {
    test(`reserving ${bytes} bytes`, () => {
      const text = `assert: a record of ${bytes} bytes in a ring of 1024`;
      expect(() => open().reserve(bytes)).toThrow(text);
    });
  }

  for (const bytes of [11, max, -1, Number.NaN]) {
    test(`committing ${bytes} bytes where 10 are reserved`, () => {
      const producer = open();
      producer.reserve(10);
      expect(() => producer.commit(1, bytes)).toThrow(
        `assert: ${bytes} bytes committed, 10 reserved`,
      );
    });
  }

  test("committing what was never reserved, or twice", () => {
    const producer = open();
    expect(() => producer.commit(1, 0)).toThrow("assert: 0 bytes committed, 0 reserved");
    producer.reserve(10);
    producer.commit(1, 10);
    expect(() => producer.commit(1, 10)).toThrow("assert: 10 bytes committed, 10 reserved");
  });

  test("a length in shared memory that no producer wrote", () => {
    const { producer, consumer } = openRing(createRing(capacity));
    send(producer, 1, "a");
    producer.view.setUint32(0, max + 1, true);
    consumer.refresh();
    expect(() => consumer.advance()).toThrow(
      `assert: a record of ${max + 1} bytes in a ring of 1024`,
    );
  });
});

describe("a reservation", () => {
  test("may be larger than what is committed, and the rest is free again", () => {
    const { producer, consumer } = openRing(createRing(1024));
    for (let i = 0; i < 60; i++) {
      const at = producer.reserve(400);
      if (at < 0) break;
      producer.bytes.fill(0xee, at, at + 400);
      producer.bytes.write("ok", at);
      producer.commit(i, 2);
    }
    expect(receive(consumer)).toEqual(Array.from({ length: 39 }, (_, i) => [i, "ok"]));
  });

  test("that is not committed is seen by nobody and made anew, also where it skipped", () => {
    for (const used of [0, 600, 1000]) {
      const { producer, consumer } = openRing(createRingAt(1024, used));
      for (let i = 0; i < 3; i++) {
        const at = producer.reserve(504);
        producer.bytes.fill(0xee, at, at + 504);
        expect(receive(consumer)).toEqual([]);
      }
      expect(send(producer, 1, "kept")).toBe(true);
      expect(receive(consumer)).toEqual([[1, "kept"]]);
    }
  });

  test("that found no room leaves the one before it good", () => {
    const { producer, consumer } = openRing(createRing(1024));
    send(producer, 1, "x".repeat(504));
    send(producer, 1, "");
    const at = producer.reserve(2);
    expect(producer.reserve(504)).toBe(-1);
    producer.bytes.write("ok", at);
    producer.commit(2, 2);
    expect(receive(consumer).at(-1)).toEqual([2, "ok"]);
  });
});

describe("the producer's bell", () => {
  test("rings once when room is released after it was asked for, and not otherwise", () => {
    const { producer, consumer, producerBell } = openRing(createRing(1024));
    const rings = () => producerBell.sequence();
    send(producer, 1, "a");
    receive(consumer);
    consumer.release();
    expect(rings()).toBe(0);
    producer.wantRoom();
    consumer.release(); // nothing is held
    expect(rings()).toBe(0);
    send(producer, 1, "b");
    receive(consumer);
    expect(rings()).toBe(0);
    consumer.release();
    expect(rings()).toBe(1);
    send(producer, 1, "c");
    receive(consumer);
    consumer.release();
    expect(rings()).toBe(1);
  });
});

/** Random steps of both sides; each is held against a plain list. */
function compareWithList(random: Random, capacity: number, cursor: number): void {
  const { producer, consumer } = openRing(createRingAt(capacity, cursor));
  const seed = random.next();
  const sent = new Traffic(seed, trafficBytesMax(createRing(capacity)));
  const received = new Traffic(seed, trafficBytesMax(createRing(capacity)));
  let visible = -1;
  let fullCount = 0;
  sent.next();
  for (let step = 0; step < 20_000; step++) {
    const isSending = step % 500 < 250 && !random.oneIn(4);
    switch (isSending ? 0 : random.below(4)) {
      case 0: {
        const at = producer.reserve(sent.reserveBytes());
        if (at < 0) {
          fullCount += 1;
          // Full is full only while something is held.
          expect(received.index < sent.index - 1 || consumer.isHolding).toBe(true);
          break;
        }
        sent.write(producer.bytes, at);
        if (random.oneIn(5)) break;
        producer.commit(sent.type, sent.length);
        sent.next();
        break;
      }
      case 1:
        consumer.refresh();
        visible = sent.index - 1;
        break;
      case 2: {
        const isThere = received.index < visible;
        expect(consumer.advance()).toBe(isThere);
        if (!isThere) break;
        received.next();
        received.check(consumer);
        break;
      }
      default:
        if (random.oneIn(3)) consumer.release();
    }
  }
  expect(received.index).toBeGreaterThan(1000);
  expect(fullCount).toBeGreaterThan(10);
}

testRandomly(
  "a ring behaves like a list, whatever the order of steps",
  (random) => {
    for (const capacity of [1024, 2048, 8192]) {
      compareWithList(random, capacity, 0);
      compareWithList(random, capacity, 2 ** 32 - 8 * random.below(5000));
      compareWithList(random, capacity, 2 ** 31 - 8 * random.below(5000));
    }
  },
  10_000,
);

/** From thread to thread, and then that nothing but the four words of the header was touched. */
async function exchange(seed: number, capacity: number, cursor: number, count: number) {
  const ring = createRingAt(capacity, cursor);
  const producerBell = new Doorbell().shared;
  const consumerBell = new Doorbell().shared;
  const progress = new SharedArrayBuffer(4);
  await Promise.all([
    runPeer({ role: "produce", ring, ownBell: producerBell, consumerBell, seed, count, progress }),
    runPeer({ role: "consume", ring, ownBell: consumerBell, producerBell, seed, count }),
  ]);
  expect(new Int32Array(progress)[0]).toBe(count);
  const words = new Int32Array(ring, 0, 64);
  expect(words[0]).toBe(words[16] ?? Number.NaN);
  const rest = words.filter((_, i) => i % 16 !== 0);
  expect([...rest]).toEqual(Array(60).fill(0));
}

testRandomly(
  "two million records go from thread to thread past 2^32, none lost or damaged",
  (random) => exchange(random.next(), 2 ** 18, 2 ** 32 - 2 ** 20, 2_000_000),
  30_000,
);

testRandomly(
  "a small ring, full most of the time, loses no wake-up",
  (random) => exchange(random.next(), 1024, 2 ** 32 - 2 ** 15, 100_000),
  30_000,
);
