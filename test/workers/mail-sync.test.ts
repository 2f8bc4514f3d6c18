// The messages of syncs between threads come out of a ring as they went in; what is too long for it
// stays out.

import { expect, test } from "bun:test";
import { Doorbell } from "../../src/ring/doorbell.ts";
import { Outbox } from "../../src/ring/outbox.ts";
import { createRing, RingConsumer, RingProducer } from "../../src/ring/ring.ts";
import { MAIL } from "../../src/workers/mail.ts";
import { readSync, sendSync, type SyncMail } from "../../src/workers/mail-sync.ts";
import { testRandomly } from "../support/random.ts";

const shared = createRing(1 << 16);
const bell = new Doorbell();
const out = new Outbox(new RingProducer(shared), bell, bell);
const ring = new RingConsumer(shared, bell);

function receive(): [type: number, mail: SyncMail][] {
  const found: [number, SyncMail][] = [];
  ring.refresh();
  while (ring.advance()) found.push([ring.type, readSync(ring)]);
  ring.release();
  return found;
}

testRandomly("whatever they carry", (random) => {
  const types = [MAIL.syncOpen, MAIL.syncMessage, MAIL.syncRefused, MAIL.syncClose];
  for (let round = 0; round < 200; round++) {
    const mail = {
      connId: random.next(),
      messageBytes: random.next(),
      head: Buffer.from(random.text(random.below(60))),
      rest: Buffer.from(random.bytes(random.below(500))),
    };
    const type = random.pick(types);
    expect(sendSync(out, type, mail)).toBe(true);
    expect(receive()).toEqual([[type, mail]]);
  }
});

test("what is too long is not sent", () => {
  const head = Buffer.from("id");
  const longest = out.recordBytesMax - 12 - head.length;
  for (const [length, isSent] of [
    [longest, true],
    [longest + 1, false],
  ] as const) {
    const mail = { connId: 1, messageBytes: 2, head, rest: Buffer.alloc(length) };
    expect(sendSync(out, MAIL.syncMessage, mail)).toBe(isSent);
    expect(receive()).toHaveLength(isSent ? 1 : 0);
  }
});
