/** Inboxes: order within a batch, room given back, and causes before their effects. */

import { expect, test } from "bun:test";
import { Doorbell } from "../../src/ring/doorbell.ts";
import { Inbox } from "../../src/ring/inbox.ts";
import { createRing, RingConsumer, RingProducer } from "../../src/ring/ring.ts";
import { LOST_MS, PatientBell, runPeer } from "./peer.ts";

interface Line {
  producer: RingProducer;
  consumer: RingConsumer;
}

function openLine(capacity = 1024): Line {
  const shared = createRing(capacity);
  const producer = new RingProducer(shared);
  return { producer, consumer: new RingConsumer(shared, new Doorbell()) };
}

function send({ producer }: Line, type: number): boolean {
  if (producer.reserve(0) < 0) return false;
  producer.commit(type, 0);
  return true;
}

/** The batch as [index of the ring, type of the record]. */
function drain(inbox: Inbox): [number, number][] {
  const visits: [number, number][] = [];
  const count = inbox.drain((ring, ringIndex) => {
    visits.push([ringIndex, ring.type]);
  });
  expect(count).toBe(visits.length);
  return visits;
}

const openInbox = (...lines: Line[]) =>
  new Inbox(
    new Doorbell(),
    lines.map(({ consumer }) => consumer),
  );

test("rings are handled in the order they were given in, each in its own order", () => {
  const [a, b, c] = [openLine(), openLine(), openLine()];
  const inbox = openInbox(a, b, c);
  expect(drain(inbox)).toEqual([]);
  send(c, 1);
  send(a, 2);
  send(b, 3);
  send(a, 4);
  send(c, 5);
  expect(drain(inbox)).toEqual([
    [0, 2],
    [0, 4],
    [1, 3],
    [2, 1],
    [2, 5],
  ]);
  expect(drain(inbox)).toEqual([]);
});

test("the visitor is given the ring of the record and its place in the inbox", () => {
  const [a, b] = [openLine(), openLine()];
  send(b, 7);
  openInbox(a, b).drain((ring, ringIndex) => {
    expect(ring).toBe(b.consumer);
    expect(ringIndex).toBe(1);
  });
});

test("what is committed while a batch is handled waits for the next one", () => {
  const [a, b] = [openLine(), openLine()];
  const inbox = openInbox(a, b);
  send(a, 1);
  const visits: number[] = [];
  const visit = (ring: RingConsumer) => {
    visits.push(ring.type);
    if (ring.type < 3) {
      send(a, ring.type + 1);
      send(b, 10 * ring.type);
    }
  };
  expect(inbox.drain(visit)).toBe(1);
  expect(visits).toEqual([1]);
  expect(inbox.drain(visit)).toBe(2);
  expect(visits).toEqual([1, 2, 10]);
});

test("room comes back with release, for all rings at once", () => {
  const [a, b] = [openLine(), openLine()];
  const inbox = openInbox(a, b);
  for (const line of [a, b]) while (send(line, 1));
  expect(drain(inbox)).toHaveLength(256);
  expect([send(a, 2), send(b, 2)]).toEqual([false, false]);
  inbox.release();
  expect([send(a, 3), send(b, 3)]).toEqual([true, true]);
  inbox.release(); // holds nothing
  expect(drain(inbox)).toEqual([
    [0, 3],
    [1, 3],
  ]);
});

test("a visitor may give the room of its record back at once", () => {
  const line = openLine();
  const inbox = openInbox(line);
  while (send(line, 1));
  let sent = 0;
  inbox.drain((ring) => {
    ring.release();
    if (send(line, 2)) sent += 1;
  });
  expect(sent).toBe(128);
  expect(drain(inbox)).toHaveLength(128);
});

test("an effect that comes between two looks is not seen before its cause", () => {
  for (const stepsBefore of [0, 1, 2]) {
    const [direct, relayed] = [openLine(), openLine()];
    const inbox = openInbox(direct, relayed);
    let looks = 0;
    const tell = () => {
      send(direct, 1);
      send(relayed, 2);
    };
    for (const { consumer } of [direct, relayed]) {
      const refresh = consumer.refresh.bind(consumer);
      consumer.refresh = () => {
        if (looks === stepsBefore) tell();
        looks += 1;
        refresh();
      };
    }
    const seen = [...drain(inbox), ...drain(inbox)];
    expect(seen).toEqual([
      [0, 1],
      [1, 2],
    ]);
  }
});

test("A tells C, then B, who tells C: C hears of it from A first", async () => {
  const count = 300_000;
  const [aBell, bBell] = [new Doorbell().shared, new Doorbell().shared];
  const cBell = new PatientBell();
  const [direct, toB, relayed] = [createRing(2 ** 16), createRing(1024), createRing(2 ** 16)];
  const peers = Promise.all([
    runPeer({
      role: "tellBoth",
      ownBell: aBell,
      direct,
      directBell: cBell.shared,
      relayed: toB,
      relayedBell: bBell,
      count,
    }),
    runPeer({
      role: "handOn",
      ownBell: bBell,
      from: toB,
      fromBell: aBell,
      to: relayed,
      toBell: cBell.shared,
      count,
    }),
  ]);
  // Idle rings in between make the two looks as far apart as they can be.
  const idle = Array.from({ length: 300 }, () => openLine().consumer);
  const inbox = new Inbox(cBell, [
    new RingConsumer(direct, new Doorbell(aBell)),
    ...idle,
    new RingConsumer(relayed, new Doorbell(bBell)),
  ]);
  const heard = [-1, -1] as [number, number];
  let early = 0;
  while (heard[1] < count - 1) {
    const seen = cBell.sequence();
    const drained = inbox.drain((ring, from) => {
      const at = from === 0 ? 0 : 1;
      if (ring.type !== heard[at] + 1) throw new Error(`${ring.type} after ${heard[at]}`);
      heard[at] = ring.type;
      if (heard[1] > heard[0]) early += 1;
    });
    inbox.release();
    if (drained === 0) await cBell.waitAsync(seen, LOST_MS);
  }
  await peers;
  expect(heard).toEqual([count - 1, count - 1]);
  expect(early).toBe(0);
}, 30_000);
