// The management API's messages between threads come out of a ring as they went in, and an answer
// longer than any record comes in pieces.

import { expect, test } from "bun:test";
import { Doorbell } from "../../src/ring/doorbell.ts";
import { Outbox } from "../../src/ring/outbox.ts";
import { createRing, RingConsumer, RingProducer } from "../../src/ring/ring.ts";
import { MAIL } from "../../src/workers/mail.ts";
import {
  readControlMail,
  readManagement,
  readManagementAnswer,
  readManagementCall,
  sendControl,
  sendManagementAnswer,
  sendManagementCall,
  trySendManagement,
} from "../../src/workers/mail-management.ts";
import { testRandomly } from "../support/random.ts";

const shared = createRing(1 << 20);
const bell = new Doorbell();
const out = new Outbox(new RingProducer(shared), bell, bell);
const ring = new RingConsumer(shared, bell);

function receive<T>(type: number, read: (ring: RingConsumer) => T): T[] {
  const found: T[] = [];
  ring.refresh();
  while (ring.advance()) {
    expect(ring.type).toBe(type);
    found.push(read(ring));
  }
  ring.release();
  return found;
}

testRandomly("a request, whatever its body and header", (random) => {
  for (let round = 0; round < 100; round++) {
    const request = {
      requestId: random.next(),
      method: "POST",
      authorization: random.text(200),
      body: Buffer.from(random.bytes(random.below(500))),
    };
    expect(trySendManagement(out, request)).toBe(true);
    expect(receive(MAIL.management, readManagement)).toEqual([request]);
  }
});

testRandomly("a call, and what main has to know", (random) => {
  const auth = { pubkey: random.hex(64), id: random.hex(64), until: 1_700_000_000 };
  const params = [random.text(100), null, 5, { a: [] }];
  const call = { requestId: random.next(), auth, caller: auth.pubkey, method: "x", params };
  sendManagementCall(out, call);
  expect(receive(MAIL.managementCall, readManagementCall)).toEqual([call]);
  const control = { self: auth.pubkey, blockedIps: ["::1"], texts: { name: random.text(50) } };
  sendControl(out, control);
  expect(receive(MAIL.control, readControlMail)).toEqual([control]);
});

test("an answer comes whole, in as many pieces as it takes", () => {
  for (const length of [0, 65_534, 65_535, 300_000]) {
    const answer = "ñ".repeat(length);
    sendManagementAnswer(out, 7, 200, answer);
    const pieces = receive(MAIL.managementAnswer, readManagementAnswer);
    expect(pieces.map(({ requestId, status }) => [requestId, status])).toEqual(
      pieces.map(() => [7, 200]),
    );
    expect(pieces.map(({ isLast }) => isLast)).toEqual(
      pieces.map((_, i) => i === pieces.length - 1),
    );
    const whole = Buffer.concat(pieces.map(({ piece }) => piece)).toString();
    expect(JSON.parse(whole) === answer).toBe(true);
  }
});
