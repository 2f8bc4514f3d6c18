// The ingester on its own, its rings in the test's hands: whom it takes first, and whom last.

import { afterAll, expect, test } from "bun:test";
import { current, install } from "../../src/config/current.ts";
import { defaultSettings } from "../../src/config/options.ts";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Doorbell } from "../../src/ring/doorbell.ts";
import type { Inbox } from "../../src/ring/inbox.ts";
import { createRing, RingConsumer } from "../../src/ring/ring.ts";
import { challengeOf } from "../../src/workers/challenge.ts";
import { Ingester } from "../../src/workers/ingester.ts";
import { MAIL, sendStop, trySendClientGone, trySendClientText } from "../../src/workers/mail.ts";
import { readEvent } from "../../src/workers/mail-event.ts";
import { eachFrame, readFramesHeader } from "../../src/workers/mail-frames.ts";
import { openInbox, openOutbox, type RingEnd } from "../../src/workers/thread.ts";
import { EventFactory } from "../support/events.ts";
import { testStation } from "../support/station.ts";
import { TestStore } from "../support/test-store.ts";

const RING_BYTES = 1 << 22;
const saved = current.settings;

afterAll(() => install(saved));

class TestIngester {
  readonly store = new TestStore();
  /** What has left it, in order: `<connection> <what>`. */
  readonly sent: string[] = [];
  readonly input;
  private readonly inbox: Inbox;
  private readonly ingester: Ingester;
  private readonly outputs: readonly RingConsumer[];

  constructor() {
    install({ ...defaultSettings(), data_dir: this.store.options.dataDir });
    const [bell, other] = [new Doorbell(), new Doorbell()];
    const [inbound, websocket, writer, reader] = [0, 1, 2, 3].map(() => createRing(RING_BYTES));
    const to = (ring: SharedArrayBuffer | undefined): RingEnd => {
      return { ring: ring as SharedArrayBuffer, bell: other.shared };
    };
    this.input = openOutbox({ ...to(inbound), bell: bell.shared }, other);
    this.inbox = openInbox(bell, [to(inbound)]);
    this.outputs = [websocket, writer, reader].map((ring) => new RingConsumer(to(ring).ring, bell));
    const station = testStation(bell, {
      role: "ingester",
      inbound: [to(inbound)],
      websocket: to(websocket),
      writer: to(writer),
      readers: [to(reader)],
    });
    this.ingester = new Ingester(station, bell);
  }

  say(connId: number, ...message: unknown[]): void {
    const text = JSON.stringify(message);
    expect(trySendClientText(this.input, connId, text, Buffer.byteLength(text))).toBe(true);
  }

  publish(connId: number, event: NostrEvent): void {
    this.say(connId, "EVENT", event);
  }

  gone(connId: number): void {
    expect(trySendClientGone(this.input, connId)).toBe(true);
  }

  /** Hands it all that was sent, before it takes a turn. */
  drain(): void {
    this.inbox.drain(this.ingester.visit);
    this.keep();
  }

  /** Handles all that was sent, and takes what that leads to. Returns for how long it may sleep. */
  run(): number {
    this.drain();
    const sleepMs = this.ingester.turn();
    this.inbox.release();
    this.keep();
    return sleepMs;
  }

  [Symbol.dispose](): void {
    sendStop(this.input);
    this.run();
    expect(this.ingester.isStopped).toBe(true);
    this.ingester.stop();
    this.store[Symbol.dispose]();
  }

  private keep(): void {
    for (const output of this.outputs) {
      output.refresh();
      while (output.advance()) this.keepOne(output);
      output.release();
    }
  }

  private keepOne(output: RingConsumer): void {
    const connId = output.length < 4 ? 0 : output.view.getUint32(output.offset, true);
    if (output.type === MAIL.event) {
      const mail = readEvent(output);
      this.sent.push(`${mail.connId} ${mail.id}`);
    } else if (output.type === MAIL.frames) {
      const ref = readFramesHeader(output);
      eachFrame(output, (frame) => {
        const [type, subject] = JSON.parse(frame) as [string, string];
        this.sent.push(`${ref.connId} ${type} ${subject}`);
      });
    } else if (output.type === MAIL.query) this.sent.push(`${connId} query`);
    else if (output.type === MAIL.gone) this.sent.push(`${connId} gone`);
  }
}

function forged(event: NostrEvent): NostrEvent {
  return { ...event, sig: `${event.sig.slice(0, -1)}${event.sig.endsWith("0") ? "1" : "0"}` };
}

const [FORGER, HONEST, READER] = [1, 2, 3];

test("who forges waits for the others, keeps the order, and loses nothing", () => {
  using ingester = new TestIngester();
  const events = new EventFactory(1);
  const make = (): NostrEvent => events.makeDistinct({ kind: 1 });
  const bad = Array.from({ length: 61 }, () => forged(make()));
  const [good, late] = [make(), make()];

  ingester.publish(FORGER, bad[0]!);
  ingester.run();
  expect(ingester.sent.splice(0)).toEqual([`${FORGER} OK ${bad[0]!.id}`]);

  for (const event of bad.slice(1)) ingester.publish(FORGER, event);
  ingester.publish(FORGER, late);
  ingester.gone(FORGER);
  ingester.publish(HONEST, good);
  ingester.say(READER, "REQ", "a", {});
  expect(ingester.run()).toBe(0);
  const first = ingester.sent.splice(0);
  expect(first.slice(0, 2)).toEqual([`${HONEST} ${good.id}`, `${READER} query`]);
  const done = first.length - 1;
  expect(done).toBeGreaterThan(1);
  expect(done).toBeLessThan(30);
  expect(first.slice(2)).toEqual(bad.slice(1, done).map(({ id }) => `${FORGER} OK ${id}`));

  while (ingester.run() === 0);
  expect(ingester.sent.splice(0)).toEqual([
    ...bad.slice(done).map(({ id }) => `${FORGER} OK ${id}`),
    `${FORGER} ${late.id}`,
    `${FORGER} gone`,
  ]);
});

test("all that waits is dealt with before the end", () => {
  const events = new EventFactory(2);
  const bad = Array.from({ length: 30 }, () => forged(events.makeDistinct({ kind: 1 })));
  const ingester = new TestIngester();
  for (const event of bad.slice(0, 1)) ingester.publish(FORGER, event);
  ingester.run();
  for (const event of bad.slice(1)) ingester.publish(FORGER, event);
  ingester[Symbol.dispose]();
  expect(ingester.sent).toEqual(bad.map(({ id }) => `${FORGER} OK ${id}`));
});

test("who forges in order to sign in waits, too", () => {
  using ingester = new TestIngester();
  const events = new EventFactory(4);
  const tags = [
    ["relay", "ws://localhost:7777"],
    ["challenge", challengeOf("", FORGER)],
  ];
  const created_at = Math.floor(Date.now() / 1000);
  const auth = forged(events.make({ kind: 22_242, tags, created_at }));
  ingester.say(FORGER, "AUTH", auth);
  ingester.run();
  expect(ingester.sent.splice(0)).toEqual([`${FORGER} OK ${auth.id}`]);
  const [mine, other] = [0, 1].map(() => events.makeDistinct({ kind: 1 }));
  ingester.publish(FORGER, mine!);
  ingester.publish(HONEST, other!);
  ingester.run();
  expect(ingester.sent).toEqual([`${HONEST} ${other!.id}`, `${FORGER} ${mine!.id}`]);
});

test("what waits is bounded: beyond four megabytes it is taken as it comes", () => {
  using ingester = new TestIngester();
  const events = new EventFactory(5);
  const content = "x".repeat(40_000);
  const bad = Array.from({ length: 130 }, (_, i) =>
    forged(events.make({ kind: 1, content: `${i} ${content}`, tags: [] })),
  );
  for (const [i, event] of bad.entries()) {
    ingester.publish(FORGER, event);
    if (i === 0) ingester.run();
    else ingester.drain();
  }
  const early = ingester.sent.length;
  expect(early).toBeGreaterThan(1 + 15);
  expect(early).toBeLessThan(1 + 40);
  while (ingester.run() === 0);
  expect(ingester.sent).toEqual(bad.map(({ id }) => `${FORGER} OK ${id}`));
});

test("a good while of good events makes up for a forged one", () => {
  using ingester = new TestIngester();
  const events = new EventFactory(3);
  const make = (): NostrEvent => events.makeDistinct({ kind: 1 });
  /** Who comes first of the two, the one in question having written first. */
  const isServedFirst = (): boolean => {
    const [mine, other] = [make(), make()];
    ingester.publish(FORGER, mine);
    ingester.publish(HONEST, other);
    while (ingester.run() === 0);
    return ingester.sent.splice(0)[0] === `${FORGER} ${mine.id}`;
  };
  expect(isServedFirst()).toBe(true);
  ingester.publish(FORGER, forged(make()));
  ingester.run();
  ingester.sent.length = 0;
  for (let i = 0; i < 12; i++) expect(isServedFirst()).toBe(false);
  for (let i = 0; i < 4; i++) ingester.publish(FORGER, events.makeDistinct({ kind: 20_001 }));
  while (ingester.run() === 0);
  ingester.sent.length = 0;
  expect(isServedFirst()).toBe(true);
});
