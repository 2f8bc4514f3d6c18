import { describe, expect, test } from "bun:test";
import { Doorbell } from "../../src/ring/doorbell.ts";
import { Outbox } from "../../src/ring/outbox.ts";
import { createRing, RingConsumer, RingProducer } from "../../src/ring/ring.ts";
import { IngesterFeed } from "../../src/workers/ingester-feed.ts";
import { MAIL, readClientText, readConnId, readRef } from "../../src/workers/mail.ts";
import { testRandomly } from "../support/random.ts";

const MIB = 1024 * 1024;

/** A feed and the other end of its ring, which is small. */
function makeFeed(): { feed: IngesterFeed; receive: () => string[] } {
  const shared = createRing(1024);
  const [own, consumerBell] = [new Doorbell(), new Doorbell()];
  const feed = new IngesterFeed(new Outbox(new RingProducer(shared), consumerBell, own));
  const ring = new RingConsumer(shared, own);
  const receive = (): string[] => {
    const got: string[] = [];
    ring.refresh();
    while (ring.advance()) got.push(describeMail(ring));
    ring.release();
    return got;
  };
  return { feed, receive };
}

function describeMail(ring: RingConsumer): string {
  switch (ring.type) {
    case MAIL.clientText: {
      const { connId, text } = readClientText(ring);
      return `${connId} says ${text}`;
    }
    case MAIL.clientGone:
      return `${readConnId(ring)} has gone`;
    case MAIL.subscriptionEnded: {
      const { connId, slot, gen } = readRef(ring);
      return `${connId} ${slot} ${gen} has ended`;
    }
    case MAIL.stop:
      return "stop";
    default:
      throw new Error(`mail of type ${ring.type}`);
  }
}

function fill(feed: IngesterFeed): number {
  let count = 0;
  while (!feed.isFull) {
    expect(feed.sendText(1, "fill", 4)).toBe(true);
    count += 1;
  }
  return count;
}

testRandomly("everything arrives in order, whenever there is room for it", (random) => {
  const { feed, receive } = makeFeed();
  const sent: string[] = [];
  const got: string[] = [];
  for (let i = 0; i < 20_000; i++) {
    const connId = random.below(2 ** 32);
    switch (random.below(8)) {
      case 0:
        got.push(...receive());
        break;
      case 1:
        feed.retry();
        break;
      case 2:
        feed.sendGone(connId);
        sent.push(`${connId} has gone`);
        break;
      case 3: {
        const ref = { connId, slot: random.below(200), gen: 2 ** 33 + i };
        feed.sendEnded(ref);
        sent.push(`${connId} ${ref.slot} ${ref.gen} has ended`);
        break;
      }
      default: {
        const text = random.text(30);
        expect(feed.sendText(connId, text, Buffer.byteLength(text))).toBe(true);
        sent.push(`${connId} says ${text}`);
      }
    }
  }
  feed.sendStop();
  sent.push("stop");
  while (feed.isFull) {
    got.push(...receive());
    feed.retry();
  }
  got.push(...receive());
  expect(got).toEqual(sent);
});

describe("what finds the ring full", () => {
  test("is kept until it has gone, and what comes after it as well, room or not", () => {
    const { feed, receive } = makeFeed();
    const count = fill(feed);
    expect(receive().length).toBe(count - 1); // the last one is kept
    feed.sendText(2, "later", 5);
    expect(receive()).toEqual([]);
    expect(feed.isFull).toBe(true);
    feed.retry();
    expect(feed.isFull).toBe(false);
    expect(receive()).toEqual(["1 says fill", "2 says later"]);
  });

  test("is kept up to a number of bytes; texts beyond it are refused, no other mail is", () => {
    const { feed } = makeFeed();
    fill(feed); // of which 4 bytes are kept
    expect(feed.sendText(1, "", 60 * MIB)).toBe(true);
    expect(feed.sendText(1, "", 4 * MIB)).toBe(false);
    expect(feed.sendText(1, "", 4 * MIB - 4)).toBe(true);
    expect(feed.sendText(1, "", 1)).toBe(false);
    feed.sendGone(1);
    feed.sendEnded({ connId: 1, slot: 0, gen: 0 });
    feed.sendStop();
    expect(feed.sendText(1, "", 1)).toBe(false);
  });

  test("gives its bytes back when it has gone", () => {
    const { feed, receive } = makeFeed();
    for (let round = 0; round < 300; round++) {
      fill(feed);
      // Kept texts of 400 bytes each: more than the limit, were they counted for ever.
      for (let i = 0; i < 600; i++) expect(feed.sendText(1, "x".repeat(400), 400)).toBe(true);
      while (feed.isFull) {
        receive();
        feed.retry();
      }
      receive();
    }
  });
});
