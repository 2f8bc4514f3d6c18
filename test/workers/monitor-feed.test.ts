import { expect, test } from "bun:test";
import { Doorbell } from "../../src/ring/doorbell.ts";
import { Outbox } from "../../src/ring/outbox.ts";
import { createRing, RingConsumer, RingProducer } from "../../src/ring/ring.ts";
import { candidateOf } from "../../src/store/candidate.ts";
import { readEvent } from "../../src/workers/mail-event.ts";
import { MonitorFeed } from "../../src/workers/monitor-feed.ts";
import { TestStore } from "../support/test-store.ts";
import { forEachSeed, makeEvent, randomEvent } from "../support/unsigned-events.ts";

/** A feed over a small ring, and what has come out of it, by `seq`. */
function makeFeed(sentSeq: number): { feed: MonitorFeed; receive: () => [number, string][] } {
  const shared = createRing(8192);
  const [own, consumerBell] = [new Doorbell(), new Doorbell()];
  const outbox = new Outbox(new RingProducer(shared), consumerBell, own);
  const ring = new RingConsumer(shared, own);
  const receive = (): [number, string][] => {
    const got: [number, string][] = [];
    ring.refresh();
    while (ring.advance()) {
      const { seq, id } = readEvent(ring);
      got.push([seq, id]);
    }
    ring.release();
    return got;
  };
  return { feed: new MonitorFeed(outbox, sentSeq), receive };
}

test("a monitor hears of every commit once and in order, whoever made it", () => {
  forEachSeed(30, (dice) => {
    using store = new TestStore();
    const reader = store.openReader();
    const other = store.openWriter();
    const spread = { authors: 9, kinds: [1, 7], seconds: 1000 };
    const { feed, receive } = makeFeed(0);
    const got: [number, string][] = [];
    const committed = new Map<number, string>();
    for (let step = 0; step < 300; step++) {
      const batch = dice.list(1 + dice.below(5), () => candidateOf(randomEvent(dice, spread)));
      const isOwn = dice.chance(0.7);
      const { verdicts } = (isOwn ? store.writer : other).write(batch);
      for (const [i, { seq }] of verdicts.entries()) {
        const candidate = batch[i]!;
        if (seq === 0) continue;
        committed.set(seq, candidate.id);
        if (isOwn) feed.offer(candidate, seq);
      }
      if (dice.chance(0.4)) got.push(...receive());
      if (dice.chance(0.4) && feed.isBehind(reader.head())) feed.catchUp(reader, reader.head());
    }
    while (feed.isBehind(reader.head())) {
      feed.catchUp(reader, reader.head());
      got.push(...receive());
    }
    got.push(...receive());
    expect(got).toEqual([...committed]);
  });
}, 30_000);

test("commits that are gone again are passed over, the last ones as well", () => {
  using store = new TestStore();
  const { feed, receive } = makeFeed(0);
  const events = Array.from({ length: 10 }, (_, i) => makeEvent({ created_at: i }));
  store.write(...events);
  store.writer.remove([1, 4, 5, 9, 10]);
  const reader = store.openReader();
  expect(feed.isBehind(reader.head())).toBe(true);
  expect(feed.catchUp(reader, reader.head())).toBe(true);
  expect(feed.isBehind(reader.head())).toBe(false);
  expect(receive().map(([seq]) => seq)).toEqual([2, 3, 6, 7, 8]);
});

test("says that it got nowhere while there is no room", () => {
  using store = new TestStore();
  const { feed, receive } = makeFeed(0);
  store.write(...Array.from({ length: 100 }, (_, i) => makeEvent({ created_at: i })));
  const reader = store.openReader();
  expect(feed.catchUp(reader, 100)).toBe(true);
  expect(feed.catchUp(reader, 100)).toBe(false);
  expect(feed.isBehind(100)).toBe(true);
  expect(receive().length).toBeGreaterThan(0);
  expect(feed.catchUp(reader, 100)).toBe(true);
});
