/** Doorbells: who rings is heard, on workers and on the main thread, and nobody else is. */

import { expect, test } from "bun:test";
import { Doorbell } from "../../src/ring/doorbell.ts";
import { LOST_MS, PatientBell, runPeer } from "./peer.ts";

test("each ring raises the sequence, for all who share the memory", () => {
  const bell = new Doorbell();
  const same = new Doorbell(bell.shared);
  expect([bell.sequence(), same.sequence()]).toEqual([0, 0]);
  bell.ring();
  same.ring();
  expect([bell.sequence(), same.sequence()]).toEqual([2, 2]);
});

test("a ring between the look and the wait is not slept through", async () => {
  const bell = new Doorbell();
  const seen = bell.sequence();
  bell.ring();
  bell.wait(seen, LOST_MS);
  await bell.waitAsync(seen, LOST_MS);
  expect(bell.sequence()).toBe(seen + 1);
});

test("the sequence may pass 2^31 and 2^32", async () => {
  for (const start of [0x7fffffff, -1]) {
    const bell = new Doorbell();
    new Int32Array(bell.shared)[0] = start;
    const seen = bell.sequence();
    bell.ring();
    expect(bell.sequence()).toBe((seen + 1) | 0);
    bell.wait(seen, LOST_MS);
    await bell.waitAsync(seen, LOST_MS);
  }
});

test("waiting ends without a ring when the time is up", async () => {
  const bell = new Doorbell();
  bell.wait(bell.sequence(), 1);
  await bell.waitAsync(bell.sequence(), 1);
  expect(bell.sequence()).toBe(0);
});

test("one thread rings itself awake", async () => {
  const bell = new Doorbell();
  const waiting = bell.waitAsync(bell.sequence(), LOST_MS);
  bell.ring();
  await waiting;
  expect(bell.sequence()).toBe(1);
});

test("who is awake is not notified, who sleeps is", async () => {
  const bell = new Doorbell();
  const sleeping = () => new Int32Array(bell.shared)[16];
  expect(sleeping()).toBe(0);
  const waiting = bell.waitAsync(bell.sequence(), LOST_MS);
  expect(sleeping()).toBe(1);
  bell.ring();
  await waiting;
  expect(sleeping()).toBe(0);
  bell.wait(bell.sequence(), 1);
  expect(sleeping()).toBe(0);
});

test("three threads take 100,000 turns, the main one asleep in its event loop", async () => {
  const count = 100_000;
  const [main, first, second] = [new PatientBell(), new Doorbell(), new Doorbell()];
  const turn = new SharedArrayBuffer(4);
  const word = new Int32Array(turn);
  const shared = { role: "takeTurns", turn, count: count / 4 } as const;
  const peers = Promise.all([
    runPeer({ ...shared, ownBell: first.shared, nextBell: main.shared, own: 1, next: 2 }),
    runPeer({ ...shared, ownBell: second.shared, nextBell: main.shared, own: 3, next: 0 }),
  ]);
  let ownTurns = 0;
  while (ownTurns < count / 2) {
    const seen = main.sequence();
    const now = Atomics.load(word, 0);
    if (now % 2 === 0) {
      ownTurns += 1;
      Atomics.store(word, 0, now + 1);
      (now === 0 ? first : second).ring();
      continue;
    }
    await main.waitAsync(seen, LOST_MS);
  }
  await peers;
  expect(word[0]).toBe(0);
}, 30_000);

test("a hint raises the sequence only for who is eager", () => {
  const bell = new Doorbell();
  bell.hint();
  expect(bell.sequence()).toBe(0);
  bell.setEager(true);
  expect(bell.sequence()).toBe(1); // one more look before it sleeps
  bell.setEager(true);
  bell.hint();
  expect(bell.sequence()).toBe(2);
  bell.setEager(false);
  bell.hint();
  expect(bell.sequence()).toBe(2);
});

test("only the first ring of a sleep wakes", async () => {
  const bell = new Doorbell();
  const sleeping = () => new Int32Array(bell.shared)[16];
  const waiting = bell.waitAsync(bell.sequence(), LOST_MS);
  bell.ring();
  expect(sleeping()).toBe(0); // the second makes no system call
  bell.ring();
  await waiting;
  expect(bell.sequence()).toBe(2);
});
