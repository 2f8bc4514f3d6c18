// The reader on its own, its rings in the test's hands: whose REQ it answers first.

import { afterAll, expect, test } from "bun:test";
import { current, install } from "../../src/config/current.ts";
import { defaultSettings } from "../../src/config/options.ts";
import { type Filter, parseFilter } from "../../src/protocol/filter.ts";
import { NOBODY } from "../../src/protocol/visibility.ts";
import { Doorbell } from "../../src/ring/doorbell.ts";
import { createRing, RingConsumer } from "../../src/ring/ring.ts";
import { encodeFilters, encodeQuery, sendQuery, sendStop } from "../../src/workers/mail.ts";
import { eachFrame } from "../../src/workers/mail-frames.ts";
import { Reader } from "../../src/workers/reader.ts";
import { openInbox, openOutbox, type RingEnd } from "../../src/workers/thread.ts";
import { testStation } from "../support/station.ts";
import { TestStore } from "../support/test-store.ts";
import { makeEvent } from "../support/unsigned-events.ts";

const RING_BYTES = 1 << 22;
const saved = current.settings;

afterAll(() => install(saved));

test("connections take turns, and each has its answers in the order it asked", () => {
  using store = new TestStore();
  store.write(makeEvent());
  install({ ...defaultSettings(), data_dir: store.options.dataDir });
  const [bell, other] = [new Doorbell(), new Doorbell()];
  const [inbound, fromMain, websocket, monitor] = [0, 1, 2, 3].map(() => createRing(RING_BYTES));
  const to = (ring: SharedArrayBuffer | undefined): RingEnd => {
    return { ring: ring as SharedArrayBuffer, bell: other.shared };
  };
  const input = openOutbox({ ...to(inbound), bell: bell.shared }, other);
  const inbox = openInbox(bell, [to(inbound), to(fromMain)]);
  const output = new RingConsumer(to(websocket).ring, other);
  const station = testStation(bell, {
    role: "reader",
    inbound: [to(inbound), to(fromMain)],
    websocket: to(websocket),
    monitors: [to(monitor)],
  });
  const reader = new Reader(station, bell);
  let gen = 0;
  const ask = (connId: number, id: string): void => {
    const filters = encodeFilters([parseFilter({ kinds: [1] }) as Filter]);
    const body = encodeQuery(input, id, filters, NOBODY) as Buffer;
    const ref = { connId, slot: gen, gen: ++gen, takenAtMs: 0, changes: 0 };
    sendQuery(input, { ...ref, isCount: false, isReplacement: false, messageBytes: 0 }, body);
  };
  for (const id of ["a1", "a2", "a3"]) ask(1, id);
  for (const id of ["b1", "b2"]) ask(2, id);
  ask(3, "c1");
  inbox.drain(reader.visit);
  inbox.release();
  const ended: string[] = [];
  for (let turns = 0; turns < 6; turns++) {
    reader.turn();
    output.refresh();
    while (output.advance()) {
      eachFrame(output, (frame) => {
        const [type, id] = JSON.parse(frame) as [string, string];
        if (type === "EOSE") ended.push(id);
      });
    }
    output.release();
  }
  expect(ended.join(" ")).toBe("a1 b1 c1 a2 b2 a3");
  sendStop(input);
  inbox.drain(reader.visit);
  reader.turn();
  expect(reader.isStopped).toBe(true);
  reader.stop();
});
