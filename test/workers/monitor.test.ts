// The monitor on its own, its rings in the test's hands: whatever the order in which commits and
// subscriptions reach it, each subscription gets each event that its filters match, after the last
// commit of its reader, exactly once. The oracle is a list searched from end to end.

import { afterAll, describe, expect, test } from "bun:test";
import { current, install } from "../../src/config/current.ts";
import { defaultSettings } from "../../src/config/options.ts";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { type Filter, parseFilter } from "../../src/protocol/filter.ts";
import { NOBODY, type Viewer } from "../../src/protocol/visibility.ts";
import { Doorbell } from "../../src/ring/doorbell.ts";
import type { Inbox } from "../../src/ring/inbox.ts";
import { createRing, RingConsumer } from "../../src/ring/ring.ts";
import { candidateOf } from "../../src/store/candidate.ts";
import {
  encodeFilters,
  encodeQuery,
  MAIL,
  sendClose,
  sendGone,
  sendStop,
  sendSubscribe,
} from "../../src/workers/mail.ts";
import { trySendEvent } from "../../src/workers/mail-event.ts";
import { eachFrame, eachRecipient, readFramesHeader } from "../../src/workers/mail-frames.ts";
import { Monitor } from "../../src/workers/monitor.ts";
import { openInbox, openOutbox, type RingEnd } from "../../src/workers/thread.ts";
import { naiveMatches, randomFilter, type RawFilter } from "../support/random-filters.ts";
import { testStation } from "../support/station.ts";
import { TestStore } from "../support/test-store.ts";
import {
  author,
  type Dice,
  forEachSeed,
  makeEvent,
  randomEvent,
} from "../support/unsigned-events.ts";

const RING_BYTES = 1 << 22;
const saved = current.settings;

afterAll(() => install(saved));

/** A monitor with a store of its own; what it sends is kept by subscription. */
class TestMonitor {
  readonly store = new TestStore();
  /** By "connection slot gen": the frames, in order. */
  readonly sent = new Map<string, string[]>();
  readonly fromIngester;
  readonly fromReader;
  readonly fromWriter;
  private readonly inbox: Inbox;
  private readonly monitor: Monitor;
  private readonly output: RingConsumer;

  /** What another process commits after the writer's start and before the monitor's. */
  readonly early: [seq: number, event: NostrEvent][];

  constructor(early: readonly NostrEvent[] = []) {
    this.early = this.commit(early);
    install({ ...defaultSettings(), data_dir: this.store.options.dataDir });
    const [bell, other] = [new Doorbell(), new Doorbell()];
    const rings = [1, 2, 3].map(() => createRing(RING_BYTES));
    const into = (i: number): RingEnd => ({ ring: rings[i]!, bell: bell.shared });
    this.fromIngester = openOutbox(into(0), other);
    this.fromReader = openOutbox(into(1), other);
    this.fromWriter = openOutbox(into(2), other);
    const inbound = rings.map((ring) => ({ ring, bell: other.shared }));
    const websocket = { ring: createRing(RING_BYTES), bell: other.shared };
    this.inbox = openInbox(bell, inbound);
    this.output = new RingConsumer(websocket.ring, bell);
    const station = testStation(bell, { role: "monitor", inbound, websocket });
    this.monitor = new Monitor(station, bell);
  }

  /** Stores events and returns each with its `seq`, those that were stored. */
  commit(events: readonly NostrEvent[]): [seq: number, event: NostrEvent][] {
    const { verdicts } = this.store.write(...events);
    return events.flatMap((event, i) => {
      const seq = verdicts[i]?.seq ?? 0;
      return seq === 0 ? [] : [[seq, event] as [number, NostrEvent]];
    });
  }

  /** As the writer does after the commit; `seq` 0 is an ephemeral event. */
  tell(seq: number, event: NostrEvent): void {
    const from = seq === 0 ? this.fromIngester : this.fromWriter;
    expect(trySendEvent(from, candidateOf(event), seq, 0, 0)).toBe(true);
  }

  /** `viewer`: the keys of its client; a subscription that is open is widened to them. */
  subscribe(
    ref: Ref,
    filters: readonly RawFilter[],
    headSeq: number,
    viewer: Viewer = NOBODY,
    isWidening = false,
  ): void {
    const parsed = filters.map((filter) => parseFilter(filter) as Filter);
    const takenAtMs = Number.MAX_SAFE_INTEGER; // no ephemeral event from before is wanted
    const id = subscriptionId(ref);
    const body = encodeQuery(this.fromReader, id, encodeFilters(parsed), viewer) as Buffer;
    sendSubscribe(this.fromReader, { ...ref, headSeq, takenAtMs, isWidening }, body);
  }

  /** Handles all that was sent, and takes what that leads to. */
  run(): void {
    this.inbox.drain(this.monitor.visit);
    this.monitor.turn();
    this.inbox.release();
    const { output } = this;
    output.refresh();
    while (output.advance()) {
      if (output.type === MAIL.fanout) {
        eachRecipient(output, (connId, slot, gen, frame) =>
          this.keep({ connId, slot, gen }, frame),
        );
      } else if (output.type === MAIL.frames) {
        const ref = readFramesHeader(output);
        eachFrame(output, (frame) => this.keep(ref, frame));
      }
    }
    output.release();
  }

  framesOf(ref: Ref): string[] {
    return this.sent.get(refKey(ref)) ?? [];
  }

  [Symbol.dispose](): void {
    for (const outbox of [this.fromIngester, this.fromReader, this.fromWriter]) sendStop(outbox);
    this.run();
    expect(this.monitor.isStopped).toBe(true);
    this.monitor.stop();
    this.store[Symbol.dispose]();
  }

  private keep(ref: Ref, frame: string): void {
    const frames = this.sent.get(refKey(ref));
    if (frames === undefined) this.sent.set(refKey(ref), [frame]);
    else frames.push(frame);
  }
}

interface Ref {
  readonly connId: number;
  readonly slot: number;
  readonly gen: number;
}

function refKey({ connId, slot, gen }: Ref): string {
  return `${connId} ${slot} ${gen}`;
}

/** Shared by some, so that frames of several recipients are made once and of others not. */
function subscriptionId({ gen }: Ref): string {
  return `s"${gen % 3}`;
}

function eventFrame(ref: Ref, event: NostrEvent): string {
  return JSON.stringify(["EVENT", subscriptionId(ref), event]);
}

interface Open {
  readonly ref: Ref;
  readonly filters: readonly RawFilter[];
  readonly headSeq: number;
}

/** One history at random: commits, subscriptions that come early or late, closes, disconnects. */
function playAtRandom(dice: Dice): number {
  using monitor = new TestMonitor();
  const spread = { authors: 5, kinds: [1, 1, 7, 5, 1984], seconds: 60 };
  const pool = dice.list(300, () => randomEvent(dice, spread));
  const committed: [number, NostrEvent][] = [];
  let told = 0;
  let gen = 0;
  const open = new Map<string, Open>();
  const closed = new Map<string, number>();
  let checks = 0;
  const tellSome = (count: number): void => {
    for (const [seq, event] of committed.slice(told, told + count)) monitor.tell(seq, event);
    told = Math.min(committed.length, told + count);
  };
  const end = (key: string): void => {
    const gone = open.get(key);
    open.delete(key);
    if (gone === undefined) return;
    monitor.run();
    closed.set(refKey(gone.ref), monitor.framesOf(gone.ref).length);
  };
  for (let step = 0; step < 150; step++) {
    const [connId, slot] = [1 + dice.below(6), dice.below(6)];
    const key = `${connId} ${slot}`;
    switch (dice.below(8)) {
      case 0:
      case 1:
        committed.push(...monitor.commit(pool.splice(0, 1 + dice.below(4))));
        break;
      case 2:
      case 3:
        tellSome(1 + dice.below(8));
        break;
      case 4:
        monitor.run();
        break;
      case 5:
      case 6: {
        if (open.has(key)) sendClose(monitor.fromReader, { connId, slot, gen: ++gen });
        end(key);
        const ref = { connId, slot, gen: ++gen };
        const sample = committed.length > 0 ? committed.map(([, event]) => event) : pool;
        const filters = dice.list(1 + dice.below(3), () => randomFilter(dice, sample, 5));
        // A reader has seen any commit so far: one the monitor knows, or one that it will hear of.
        const last = committed.at(-1)?.[0] ?? 0;
        const headSeq = dice.chance(0.3) ? last : dice.below(last + 1);
        monitor.subscribe(ref, filters, headSeq);
        open.set(key, { ref, filters, headSeq });
        break;
      }
      default:
        if (dice.chance(0.2)) {
          sendGone(monitor.fromReader, connId);
          for (let other = 0; other < 6; other++) end(`${connId} ${other}`);
        } else if (open.has(key)) {
          sendClose(monitor.fromReader, { connId, slot, gen: ++gen });
          end(key);
        }
    }
  }
  tellSome(committed.length);
  monitor.run();
  for (const { ref, filters, headSeq } of open.values()) {
    const wanted = committed.filter(
      ([seq, event]) => seq > headSeq && filters.some((filter) => naiveMatches(filter, event)),
    );
    const frames = wanted.map(([, event]) => eventFrame(ref, event));
    expect(monitor.framesOf(ref)).toEqual(frames);
    checks += committed.length;
  }
  for (const [key, count] of closed) expect(monitor.sent.get(key)?.length ?? 0).toBe(count);
  return checks;
}

describe("the monitor", () => {
  test("sends what a naive matcher finds, each once, in the order of commits", () => {
    let checks = 0;
    forEachSeed(60, (dice) => {
      checks += playAtRandom(dice);
    });
    if (process.env["NANDU_TEST_SEED"] === undefined) expect(checks).toBeGreaterThan(10_000);
  }, 60_000);

  const ref = { connId: 1, slot: 0, gen: 1 };
  const events = Array.from({ length: 5 }, (_, i) => makeEvent({ created_at: 1000 + i }));

  test("replays from the database what it has not been told of", () => {
    using monitor = new TestMonitor();
    const early = monitor.commit(events.slice(0, 3));
    const [late] = monitor.commit(events.slice(3, 4)) as [[number, NostrEvent]];
    // It hears of the last commit only; the reader has not even seen the second.
    monitor.tell(...late);
    monitor.run();
    monitor.subscribe(ref, [{}], early[0]?.[0] as number);
    monitor.run();
    const wanted = [...early.slice(1), late].map(([, event]) => eventFrame(ref, event));
    expect(monitor.framesOf(ref)).toEqual(wanted);
  });

  test("sends an event once to a subscription that came before the writer told of it", () => {
    using monitor = new TestMonitor();
    const committed = monitor.commit(events);
    monitor.subscribe(ref, [{}], 2); // the store has all five, and the monitor knows of none
    monitor.run();
    expect(monitor.framesOf(ref)).toEqual([]);
    for (const [seq, event] of committed) monitor.tell(seq, event);
    monitor.run();
    const wanted = events.slice(2).map((event) => eventFrame(ref, event));
    expect(monitor.framesOf(ref)).toEqual(wanted);
  });

  test("sends once what was committed between the writer's start and its own", () => {
    using monitor = new TestMonitor(events);
    monitor.subscribe(ref, [{}], monitor.early[1]?.[0] as number);
    monitor.run();
    for (const [seq, event] of monitor.early) monitor.tell(seq, event);
    monitor.run();
    const wanted = events.slice(2).map((event) => eventFrame(ref, event));
    expect(monitor.framesOf(ref)).toEqual(wanted);
  });

  test("sends what a sign-in makes visible once, though the reader is ahead or behind", () => {
    const [alice, bob] = [author(0), author(1)];
    const messages = events.map((_, i) =>
      makeEvent({ kind: 4, pubkey: bob, created_at: i, tags: [["p", alice]] }),
    );
    for (const heard of [0, 2, 5]) {
      for (const first of [0, 3, 5]) {
        for (const second of [3, 5]) {
          if (second < first) continue;
          using monitor = new TestMonitor();
          monitor.subscribe(ref, [{}], 0);
          monitor.run();
          const committed = monitor.commit(messages);
          for (const [seq, event] of committed.slice(0, heard)) monitor.tell(seq, event);
          monitor.run();
          expect(monitor.framesOf(ref)).toEqual([]);
          monitor.subscribe(ref, [{}], first, new Set([alice]), true);
          // With both keys nothing more is seen than with the first.
          monitor.subscribe(ref, [{}], second, new Set([alice, bob]), true);
          monitor.run();
          for (const [seq, event] of committed.slice(heard)) monitor.tell(seq, event);
          monitor.run();
          const wanted = messages.slice(first).map((event) => eventFrame(ref, event));
          expect(monitor.framesOf(ref)).toEqual(wanted);
        }
      }
    }
  });

  test("sends an ephemeral event once, by however many roads it comes", () => {
    using monitor = new TestMonitor();
    const event = makeEvent({ kind: 20_000, tags: [["t", "a"]] });
    monitor.subscribe(ref, [{ "#t": ["a"] }, { kinds: [20_000] }], Number.MAX_SAFE_INTEGER);
    monitor.run();
    monitor.tell(0, event);
    monitor.tell(0, event);
    monitor.run();
    monitor.tell(0, event);
    monitor.run();
    expect(monitor.framesOf(ref)).toEqual([eventFrame(ref, event)]);
  });

  test("sends one event to more subscriptions than fit into one record", () => {
    using monitor = new TestMonitor();
    const refs = Array.from({ length: 5000 }, (_, slot) => ({ connId: 1, slot, gen: slot + 1 }));
    for (const [i, each] of refs.entries()) {
      monitor.subscribe(each, [{ kinds: [1] }], 0);
      if (i % 500 === 0) monitor.run();
    }
    const [committed] = monitor.commit(events.slice(0, 1)) as [[number, NostrEvent]];
    monitor.tell(...committed);
    monitor.run();
    for (const each of refs) {
      expect(monitor.framesOf(each)).toEqual([eventFrame(each, committed[1])]);
    }
  });
});
