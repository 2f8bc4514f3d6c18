// Every message between threads goes into a ring and comes out of it as it was, whatever it holds.

import { describe, expect, test } from "bun:test";
import { type Filter, MATCH_ALL, UNTIL_MAX } from "../../src/protocol/filter.ts";
import { NOBODY } from "../../src/protocol/visibility.ts";
import { Doorbell } from "../../src/ring/doorbell.ts";
import { Outbox } from "../../src/ring/outbox.ts";
import { createRing, RingConsumer, RingProducer } from "../../src/ring/ring.ts";
import { candidateOf } from "../../src/store/candidate.ts";
import {
  encodeFilters,
  encodeQuery,
  MAIL,
  NO_SLOT,
  readClientText,
  readConnId,
  readCredit,
  readDone,
  readQuery,
  readRef,
  parseSubscribe,
  sendClose,
  sendDone,
  sendGate,
  sendGone,
  sendQuery,
  sendStop,
  sendStopped,
  sendSubscribe,
  type SubscriptionRef,
  trySendClientGone,
  trySendClientText,
  trySendCredit,
  trySendStop,
  trySendSubscriptionEnded,
  type SubscribeMail,
} from "../../src/workers/mail.ts";
import {
  eventMailBytes,
  readEvent,
  sendEvent,
  trySendEvent,
} from "../../src/workers/mail-event.ts";
import {
  eachFrame,
  eachRecipient,
  FRAMES,
  readFramesHeader,
  recipientBytes,
  sendEventFrames,
  sendFanout,
  sendFrame,
} from "../../src/workers/mail-frames.ts";
import { type Random, testRandomly } from "../support/random.ts";
import { Dice, randomEvent } from "../support/unsigned-events.ts";

const CAPACITY = 1 << 20;

/** Both ends of a ring that a single thread uses by turns. */
class Post {
  readonly out: Outbox;
  private readonly ring: RingConsumer;

  constructor(capacity = CAPACITY) {
    const shared = createRing(capacity);
    const bell = new Doorbell();
    this.out = new Outbox(new RingProducer(shared), bell, bell);
    this.ring = new RingConsumer(shared, bell);
  }

  /** The one record that has been sent; its room is given back. */
  receive<T>(type: number, read: (ring: RingConsumer) => T): T {
    const { ring } = this;
    ring.refresh();
    expect(ring.advance()).toBe(true);
    expect(ring.type).toBe(type);
    const result = read(ring);
    expect(ring.advance()).toBe(false);
    ring.release();
    return result;
  }
}

function u32(random: Random): number {
  return random.pick([0, 1, 2 ** 31, 2 ** 32 - 1, random.next()]);
}

/** Beyond 2^32 as well. */
function large(random: Random): number {
  return random.pick([0, 1, 2 ** 32, Number.MAX_SAFE_INTEGER, random.next() * 2 ** 20]);
}

function makeRef(random: Random): SubscriptionRef {
  const slot = random.oneIn(3) ? NO_SLOT : random.below(200);
  return { connId: u32(random), slot, gen: large(random) };
}

function makeFilter(random: Random): Filter {
  const maybe = <T>(make: () => T): T | null => (random.oneIn(2) ? make() : null);
  const set = <T>(make: () => T) => new Set(random.list(1 + random.below(5), make));
  return {
    ...MATCH_ALL,
    ids: maybe(() => set(() => random.hex(64))),
    authors: maybe(() => set(() => random.hex(64))),
    kinds: maybe(() => set(() => random.below(65_536))),
    tags: random.list(random.below(3), () => ({
      letter: random.pick([..."aeptzAEPTZ"]),
      values: set(() => random.text(20)),
    })),
    since: large(random),
    until: random.pick([UNTIL_MAX, large(random)]),
    limit: maybe(() => large(random)),
  };
}

const post = new Post();
const ROUNDS = 300;

function eachRound(name: string, body: (random: Random) => void): void {
  testRandomly(name, (random) => {
    for (let round = 0; round < ROUNDS; round++) body(random);
  });
}

function readWholeSubscribe({ bytes, offset, length }: RingConsumer) {
  return parseSubscribe(bytes.subarray(offset, offset + length));
}

describe("between the main thread and the ingesters", () => {
  eachRound("clientText", (random) => {
    const [connId, text] = [u32(random), random.text(300)];
    expect(trySendClientText(post.out, connId, text, Buffer.byteLength(text))).toBe(true);
    expect(post.receive(MAIL.clientText, readClientText)).toEqual({ connId, text });
  });

  eachRound("clientGone", (random) => {
    const connId = u32(random);
    expect(trySendClientGone(post.out, connId)).toBe(true);
    expect(post.receive(MAIL.clientGone, readConnId)).toBe(connId);
  });

  eachRound("subscriptionEnded", (random) => {
    const ref = makeRef(random);
    expect(trySendSubscriptionEnded(post.out, ref)).toBe(true);
    expect(post.receive(MAIL.subscriptionEnded, readRef)).toEqual(ref);
  });

  eachRound("gate", (random) => {
    const ref = makeRef(random);
    sendGate(post.out, ref);
    expect(post.receive(MAIL.gate, readRef)).toEqual(ref);
  });

  eachRound("done", (random) => {
    const done = { connId: u32(random), messages: u32(random), bytes: u32(random) };
    sendDone(post.out, done);
    expect(post.receive(MAIL.done, readDone)).toEqual(done);
  });

  eachRound("credit", (random) => {
    const [connId, bytes] = [u32(random), u32(random)];
    expect(trySendCredit(post.out, connId, bytes)).toBe(true);
    expect(post.receive(MAIL.credit, readCredit)).toEqual({ connId, bytes });
  });

  test("stop and stopped", () => {
    sendStop(post.out);
    expect(post.receive(MAIL.stop, ({ length }) => length)).toBe(0);
    expect(trySendStop(post.out)).toBe(true);
    expect(post.receive(MAIL.stop, ({ length }) => length)).toBe(0);
    sendStopped(post.out);
    expect(post.receive(MAIL.stopped, ({ length }) => length)).toBe(0);
  });
});

describe("on the road of subscriptions", () => {
  eachRound("query", (random) => {
    const filters = random.list(random.below(5), () => makeFilter(random));
    const query = {
      ...makeRef(random),
      isCount: random.oneIn(2),
      isReplacement: random.oneIn(2),
      messageBytes: u32(random),
      takenAtMs: large(random),
      changes: u32(random) | 0,
    };
    const id = random.text(64);
    const viewer = new Set(random.list(random.below(3), () => random.text(64)));
    const before = viewer.size === 0 || random.oneIn(2) ? null : new Set([...viewer].slice(1));
    const body = encodeQuery(post.out, id, encodeFilters(filters), viewer, before) as Buffer;
    sendQuery(post.out, query, body);
    const more = { id, filters, viewer, before, body };
    expect(post.receive(MAIL.query, readQuery)).toEqual({ ...query, ...more });
  });

  test("a query too long for the rings is told from the longest, which goes all the way", () => {
    const small = new Post(1024);
    const filterOf = (length: number): Filter => ({
      ...MATCH_ALL,
      tags: [{ letter: "t", values: new Set(["x".repeat(length)]) }],
    });
    const encode = (filters: Filter[]) => {
      return encodeQuery(small.out, "x", encodeFilters(filters), NOBODY);
    };
    const fits = (length: number) => encode([filterOf(length)]) !== null;
    const longest = Array.from({ length: 512 }, (_, i) => i).findLastIndex(fits);
    expect(longest).toBeGreaterThan(300);
    expect(Array.from({ length: longest }, (_, i) => fits(i)).every(Boolean)).toBe(true);
    const mail = { connId: 1, slot: 2, gen: 3, headSeq: 4, takenAtMs: 5, isWidening: false };
    const filters = [filterOf(longest)];
    const body = encode(filters) as Buffer;
    sendSubscribe(small.out, mail, body);
    expect(small.receive(MAIL.subscribe, readWholeSubscribe)).toEqual({
      ...mail,
      text: body.toString(),
      id: "x",
      filters,
      viewer: NOBODY,
      before: null,
    } as SubscribeMail);
  });

  eachRound("subscribe", (random) => {
    const times = { headSeq: large(random), takenAtMs: large(random) };
    const mail = { ...makeRef(random), ...times, isWidening: random.oneIn(2) };
    const viewer = new Set(random.list(random.below(3), () => random.text(64)));
    const id = random.text(64);
    const filters = random.list(random.below(5), () => makeFilter(random));
    const body = encodeQuery(post.out, id, encodeFilters(filters), viewer) as Buffer;
    sendSubscribe(post.out, mail, body);
    expect(post.receive(MAIL.subscribe, readWholeSubscribe)).toEqual({
      ...mail,
      text: body.toString(),
      id,
      filters,
      viewer,
      before: null,
    } as SubscribeMail);
  });

  eachRound("close", (random) => {
    const ref = makeRef(random);
    sendClose(post.out, ref);
    expect(post.receive(MAIL.close, readRef)).toEqual(ref);
  });

  eachRound("gone", (random) => {
    const connId = u32(random);
    sendGone(post.out, connId);
    expect(post.receive(MAIL.gone, readConnId)).toBe(connId);
  });
});

describe("events", () => {
  eachRound("go to the writer and the monitors with all that these need of them", (random) => {
    const spread = { authors: 9, kinds: [0, 1, 5, 7, 30_023], seconds: 10_000 };
    const candidate = candidateOf(randomEvent(new Dice(random.next()), spread));
    const [connId, messageBytes] = [u32(random), u32(random)];
    const seq = random.oneIn(2) ? 0 : large(random);
    if (seq === 0) sendEvent(post.out, candidate, connId, messageBytes);
    else expect(trySendEvent(post.out, candidate, seq, connId, messageBytes)).toBe(true);
    post.receive(MAIL.event, (ring) => {
      expect(ring.length).toBe(eventMailBytes(candidate));
      const { text, ...fields } = candidate;
      const mail = readEvent(ring);
      expect(mail).toMatchObject({ ...fields, seq, connId, messageBytes });
      expect(Buffer.from(mail.text)).toEqual(Buffer.from(text));
    });
  });

  test("are told that there is no room", () => {
    const small = new Post(4096);
    const candidate = candidateOf(randomEvent(new Dice(1), { authors: 1, kinds: [1], seconds: 1 }));
    let sent = 0;
    while (trySendEvent(small.out, candidate, 1, 0, 0)) sent += 1;
    expect(sent).toBeGreaterThan(2);
  });
});

describe("frames", () => {
  const kinds = Object.values(FRAMES);

  eachRound("of one text", (random) => {
    const ref = makeRef(random);
    const [kind, text] = [random.pick(kinds), random.text(200)];
    const doneBytes = random.oneIn(2) ? 0 : u32(random);
    sendFrame(post.out, ref, kind, text, doneBytes);
    post.receive(MAIL.frames, (ring) => {
      const messagesDone = doneBytes > 0 ? 1 : 0;
      expect(readFramesHeader(ring)).toEqual({ ...ref, messagesDone, bytesDone: doneBytes, kind });
      const frames: unknown[] = [];
      eachFrame(ring, (frame, bytes) => frames.push([frame, bytes]));
      expect(frames).toEqual([[text, Buffer.byteLength(text)]]);
    });
  });

  eachRound("of stored events", (random) => {
    const ref = makeRef(random);
    const prefix = `["EVENT",${JSON.stringify(random.text(20))},`;
    const texts = random.list(random.below(20), () => JSON.stringify(random.text(100)));
    const buffers = texts.map((text) => Buffer.from(text));
    sendEventFrames(post.out, ref, Buffer.from(prefix), buffers);
    post.receive(MAIL.frames, (ring) => {
      const header = { ...ref, messagesDone: 0, bytesDone: 0, kind: FRAMES.stored };
      expect(readFramesHeader(ring)).toEqual(header);
      const frames: unknown[] = [];
      eachFrame(ring, (frame, bytes) => frames.push([frame, bytes]));
      const whole = texts.map((text) => `${prefix}${text}]`);
      expect(frames).toEqual(whole.map((frame) => [frame, Buffer.byteLength(frame)]));
    });
  });

  eachRound("of one live event for many", (random) => {
    const ids = random.list(3, () => JSON.stringify(random.text(20)));
    const recipients = random.list(random.below(40), () => ({
      ...makeRef(random),
      prefix: Buffer.from(`["EVENT",${random.pick(ids)},`),
    }));
    const text = JSON.stringify(random.text(300));
    const bytes = recipients.reduce((sum, recipient) => sum + recipientBytes(recipient), 0);
    sendFanout(post.out, recipients, bytes, Buffer.from(text));
    post.receive(MAIL.fanout, (ring) => {
      const seen: unknown[] = [];
      eachRecipient(ring, (...parts) => seen.push(parts));
      const frameOf = (prefix: Buffer) => `${prefix.toString()}${text}]`;
      expect(seen).toEqual(
        recipients.map(({ connId, slot, gen, prefix }) => {
          const frame = frameOf(prefix);
          return [connId, slot, gen, frame, Buffer.byteLength(frame)];
        }),
      );
    });
  });
});
