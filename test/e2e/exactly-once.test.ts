// Exactly once, whatever the timing: while writers publish at full speed, subscriptions of all
// kinds open, close and replace each other, driven by the publishing itself. Those that stay must
// have got each matching event once, stored or live; those that went, nothing more once the relay
// has answered a later message.

import { describe, expect } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { EventFactory } from "../support/events.ts";
import { Publisher } from "../support/publisher.ts";
import { type Random, testRandomly } from "../support/random.ts";
import { naiveMatches, randomFilter, type RawFilter } from "../support/random-filters.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { parseFrame } from "../support/schemas.ts";
import { Dice } from "../support/unsigned-events.ts";

const WRITERS = 4;
const SUBSCRIPTIONS_MAX = 12;
const LIMIT = 50_000;
/** A subscription that replaces another asks for the other half, so that events tell them apart. */
const HALVES = [
  [1, 6],
  [7, 1984],
] as const;
const SENTINEL_KIND = 9;
/** When a subscription has its EOSE, so many events are looked for that must have come before. */
const STORED_LOOKED_AT = 200;
/** When nothing has come for so long, nothing will: a thread sleeps for a second at most. */
const SILENCE_MS = 20_000;
const SENTINEL_START = '["EVENT","sentinel"';

interface Subscription {
  readonly id: string;
  readonly filters: readonly RawFilter[];
  /** Which half of the kinds it is bound to; null for those that are never replaced. */
  readonly half: number | null;
  readonly counts: Map<string, number>;
  /** How many events had their OK when it was asked for: EOSE comes after these. */
  readonly storedCount: number;
  /** Perhaps: an EOSE came that may have been that of the subscription it replaces. */
  isCaughtUp: boolean | "perhaps";
}

/** A subscription that was replaced, and of which something may still come. */
interface Fading {
  readonly kinds: ReadonlySet<number>;
  readonly wasCaughtUp: boolean;
}

/** Knows every event by its JSON, so that frames are compared as they came. */
class Catalogue {
  readonly events = new Map<string, NostrEvent>();
  /** Those that got their OK, in the order of it. */
  readonly stored: NostrEvent[] = [];
  private readonly texts = new Map<string, string>();

  add(event: NostrEvent): NostrEvent {
    this.events.set(event.id, event);
    this.texts.set(event.id, JSON.stringify(event));
    return event;
  }

  markStored(id: string): void {
    this.stored.push(this.events.get(id) as NostrEvent);
  }

  /** The event of an EVENT frame, which must be as it was published. */
  eventOf(frame: string, subscriptionId: string): NostrEvent {
    const prefix = `["EVENT","${subscriptionId}",`;
    const id = frame.slice(prefix.length + 7, prefix.length + 71);
    expect(frame).toBe(`${prefix}${this.texts.get(id)}]`);
    return this.events.get(id) as NostrEvent;
  }
}

/** One connection with its subscriptions, and everything that is wrong with what it receives. */
class Watcher {
  readonly problems: string[] = [];
  /** Frames that came. */
  received = 0;
  readonly open = new Map<string, Subscription>();
  private readonly catalogue: Catalogue;
  private readonly dice: Dice;
  private readonly sample: readonly NostrEvent[];
  private readonly makeEvent: () => NostrEvent;
  private readonly socket: WebSocket;
  /** By the frame's start: what to do when it comes. */
  private readonly awaited = new Map<string, () => void>();
  private readonly answers: Promise<void>[] = [];
  private readonly fading = new Map<string, Fading>();
  private readonly closing = new Set<string>();
  private count = 0;

  private constructor(
    socket: WebSocket,
    dice: Dice,
    catalogue: Catalogue,
    sample: readonly NostrEvent[],
    makeEvent: () => NostrEvent,
  ) {
    this.socket = socket;
    this.makeEvent = makeEvent;
    this.dice = dice;
    this.catalogue = catalogue;
    this.sample = sample;
    socket.onmessage = ({ data }) => this.onFrame(data as string);
    socket.onclose = ({ code, reason }) => this.problems.push(`closed: ${code} ${reason}`);
  }

  static async connect(
    url: string,
    dice: Dice,
    catalogue: Catalogue,
    sample: readonly NostrEvent[],
    makeEvent: () => NostrEvent,
  ): Promise<Watcher> {
    const socket = new WebSocket(url, { perMessageDeflate: false } as never);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    return new Watcher(socket, dice, catalogue, sample, makeEvent);
  }

  /** Opens, closes or replaces a subscription. */
  act(): void {
    const { dice } = this;
    const chosen = this.open.size === 0 ? null : dice.pick([...this.open.values()]);
    if (chosen === null || (this.open.size < SUBSCRIPTIONS_MAX && dice.chance(0.6))) {
      this.subscribe(this.newId(), dice.chance(0.5) ? dice.below(2) : null);
    } else if (chosen.half !== null && !this.fading.has(chosen.id) && dice.chance(0.5)) {
      this.replace(chosen);
    } else if (!this.fading.has(chosen.id)) {
      this.unsubscribe(chosen);
    }
  }

  /** Resolves when all that are open have had their EOSE, and all messages their answers. */
  async caughtUp(): Promise<void> {
    await Promise.all(this.answers);
    for (const subscription of this.open.values()) {
      if (subscription.isCaughtUp === "perhaps") this.unsubscribe(subscription);
    }
    await Promise.all(this.answers); // an event among them is to be stored before the last one
    for (const { id, isCaughtUp } of this.open.values()) {
      if (!isCaughtUp) await this.frame(`["EOSE","${id}"`);
    }
  }

  /** Resolves when a frame comes that starts like this. */
  frame(start: string): Promise<void> {
    return new Promise((resolve) => this.awaited.set(start, resolve));
  }

  send(...message: unknown[]): void {
    this.socket.send(JSON.stringify(message));
  }

  /** What the subscriptions that are still open have missed, or got more than once. */
  check(): string[] {
    const { problems } = this;
    for (const { id, filters, counts } of this.open.values()) {
      for (const event of this.catalogue.events.values()) {
        if (event.kind === SENTINEL_KIND) continue; // its other copies may be on their way
        const expected = filters.some((filter) => naiveMatches(filter, event)) ? 1 : 0;
        const count = counts.get(event.id) ?? 0;
        if (count === expected) continue;
        problems.push(`${JSON.stringify(filters)} (${id}): ${count} times ${event.id}`);
      }
    }
    return problems;
  }

  /** What it still waits for, for a test that would else say no more than that it took too long. */
  waitsFor(): string {
    const late = [...this.open.values()].filter(({ isCaughtUp }) => isCaughtUp !== true);
    const ids = late.map(({ id, isCaughtUp }) => `${id} (${isCaughtUp})`);
    return [...this.awaited.keys(), ...ids, ...this.problems].join(", ");
  }

  close(): void {
    this.socket.onclose = null;
    this.socket.close();
  }

  /** Ids that were closed come again, so that their slots do, too. */
  private newId(): string {
    const id = `s${this.dice.below(2 * SUBSCRIPTIONS_MAX)}`;
    return this.open.has(id) || this.closing.has(id) ? `u${this.count++}` : id;
  }

  private subscribe(id: string, half: number | null): void {
    const filters = this.makeFilters(half);
    const storedCount = this.catalogue.stored.length;
    const counts = new Map<string, number>();
    this.open.set(id, { id, filters, half, counts, storedCount, isCaughtUp: false });
    this.send("REQ", id, ...filters);
  }

  private replace(old: Subscription): void {
    const half = 1 - (old.half as number);
    const kinds = new Set<number>(HALVES[1 - half]);
    this.fading.set(old.id, { kinds, wasCaughtUp: old.isCaughtUp === true });
    // A refused REQ can't have been the one that is replaced: a later answer ends the old one.
    this.subscribe(old.id, half);
    this.afterAnswer(() => this.fading.delete(old.id));
  }

  private unsubscribe({ id }: Subscription): void {
    this.open.delete(id);
    this.closing.add(id);
    this.send("CLOSE", id);
    this.afterAnswer(() => this.closing.delete(id));
  }

  /** Sends one more message, whose answer comes from one thread or another, and waits for it. */
  private afterAnswer(then: () => void): void {
    const id = `answer-${this.count++}`;
    const event = this.catalogue.add(this.makeEvent());
    const rows: [unknown[], string][] = [
      [["REQ", id, { ids: [] }], `["EOSE","${id}"`],
      [["COUNT", id, { ids: [] }], `["COUNT","${id}"`],
      [["EVENT", event], `["OK","${event.id}"`],
    ];
    const [message, answer] = this.dice.pick(rows);
    if (message[0] !== "EVENT") this.catalogue.events.delete(event.id);
    this.send(...message);
    const answered = this.frame(answer).then(() => {
      if (message[0] === "REQ") this.send("CLOSE", id);
      then();
    });
    this.answers.push(answered);
  }

  private onEose(subscription: Subscription): void {
    const isFirst = subscription.isCaughtUp === false;
    const mayBeOld = this.fading.get(subscription.id)?.wasCaughtUp === false;
    subscription.isCaughtUp = isFirst && mayBeOld ? "perhaps" : true;
    if (subscription.isCaughtUp === true) this.checkStored(subscription);
  }

  /** Everything that had its OK before the subscription was asked for has come before its EOSE. */
  private checkStored({ id, filters, counts, storedCount }: Subscription): void {
    const { dice, catalogue } = this;
    for (let looked = 0; looked < Math.min(storedCount, STORED_LOOKED_AT); looked++) {
      const event = catalogue.stored[dice.below(storedCount)] as NostrEvent;
      if (counts.has(event.id) || !filters.some((filter) => naiveMatches(filter, event))) continue;
      this.problems.push(`${JSON.stringify(filters)} (${id}): EOSE without ${event.id}`);
    }
  }

  private makeFilters(half: number | null): RawFilter[] {
    const { dice, sample } = this;
    return dice.list(1 + dice.below(3), () => {
      const filter = randomFilter(dice, sample, 1);
      delete filter.limit;
      if (dice.chance(0.3)) filter.limit = LIMIT;
      if (half !== null) filter.kinds = dice.chance(0.5) ? [...HALVES[half]!] : [HALVES[half]![0]];
      return filter;
    });
  }

  private onFrame(frame: string): void {
    this.received += 1;
    const idEnd = frame.indexOf('"', frame.indexOf(',"') + 2);
    const start = frame.slice(0, idEnd + 1);
    this.awaited.get(start)?.();
    this.awaited.delete(start);
    if (start === SENTINEL_START) return;
    if (!frame.startsWith('["EVENT"')) {
      parseFrame(frame);
      if (frame.startsWith('["CLOSED"')) this.problems.push(frame);
      const id = frame.startsWith('["EOSE"') ? frame.slice(9, idEnd) : "";
      const subscription = this.open.get(id);
      if (subscription !== undefined) this.onEose(subscription);
      return;
    }
    const id = frame.slice(10, idEnd);
    const event = this.catalogue.eventOf(frame, id);
    const subscription = this.open.get(id);
    if (this.fading.get(id)?.kinds.has(event.kind) === true) return;
    if (subscription === undefined) {
      if (!this.closing.has(id)) this.problems.push(`after the close of ${id}: ${event.id}`);
      return;
    }
    subscription.counts.set(event.id, (subscription.counts.get(event.id) ?? 0) + 1);
  }
}

interface Scale {
  readonly events: number;
  readonly connections: number;
  /** One subscription opens, closes or changes whenever so many events were sent. */
  readonly eventsPerAction: number;
}

async function publishAndWatch(random: Random, flags: readonly string[], scale: Scale) {
  const limits = [`--relay-limit-max=${LIMIT}`, `--relay-limit-default=${LIMIT}`];
  // The test may read more slowly than the relay writes; that is another test's matter.
  await using relay = await RelayProcess.start({
    flags: [
      ...limits,
      "--relay-outbound-bytes-max=1073741824",
      "--store-tail-events=200",
      ...flags,
    ],
  });
  const dice = new Dice(random.next());
  const factory = new EventFactory(random);
  const makeEvent = () => factory.makeDistinct({ kind: random.pick([...HALVES[0], ...HALVES[1]]) });
  const events = random.list(scale.events, makeEvent);
  const catalogue = new Catalogue();
  for (const event of events) catalogue.add(event);
  const sample = dice.some(events, 60);
  const watchers: Watcher[] = [];
  const writers: Publisher[] = [];
  let sent = 0;
  const patience = new Patience(
    () => [...watchers, ...writers].reduce((sum, { received }) => sum + received, 0),
    () =>
      `${catalogue.stored.length} of ${sent} have their OK\n` +
      `${watchers.map((watcher) => watcher.waitsFor()).join("\n")}\n${relay.log.join("\n")}`,
  );

  const connect = () => Watcher.connect(relay.url, dice, catalogue, sample, makeEvent);
  const connected = Promise.all(Array.from({ length: scale.connections }, connect));
  watchers.push(...(await patience.wait("watchers", connected)));
  const ends = watchers.map((watcher) => {
    watcher.send("REQ", "sentinel", { kinds: [SENTINEL_KIND] });
    return watcher.frame(SENTINEL_START);
  });
  const connectWriter = () => Publisher.connect(relay.url);
  const writersConnected = Promise.all(Array.from({ length: WRITERS }, connectWriter));
  writers.push(...(await patience.wait("writers", writersConnected)));
  for (const writer of writers) writer.onOk = (id) => catalogue.markStored(id);

  const take = (): NostrEvent | null => {
    const event = events[sent] ?? null;
    if (event === null) return null;
    sent += 1;
    if (sent % scale.eventsPerAction === 0) dice.pick(watchers).act();
    return event;
  };
  await patience.wait("OKs", Promise.all(writers.map((writer) => writer.run(take, 50))));
  for (const { answers } of writers) {
    for (const answer of answers.values()) expect(answer).toEqual([true, ""]);
  }
  await patience.wait("answers", Promise.all(watchers.map((watcher) => watcher.caughtUp())));
  // A connection's live events come in the order of their commits: this is the last.
  const last = catalogue.add(factory.make({ kind: SENTINEL_KIND, tags: [] }));
  await patience.wait("the last OK", writers[0]!.run(takeOnce(last)));
  await patience.wait("the last event", Promise.all(ends));
  expect(watchers.flatMap((watcher) => watcher.check()).slice(0, 20)).toEqual([]);
  expect(watchers.some(({ open }) => open.size > 0)).toBe(true);
  for (const client of [...watchers, ...writers]) client.close();
  expect(await patience.wait("the relay's end", relay.stop())).toBe(0);
}

/** Waits as long as something comes; then it fails, and says what for, and how things stand. */
class Patience {
  private readonly received: () => number;
  private readonly state: () => string;

  constructor(received: () => number, state: () => string) {
    this.received = received;
    this.state = state;
  }

  async wait<T>(what: string, done: Promise<T>): Promise<T> {
    const late = Symbol("late");
    for (;;) {
      const before = this.received();
      const first = await Promise.race([done, Bun.sleep(SILENCE_MS).then(() => late)]);
      if (first !== late) return first as T;
      if (this.received() === before) throw new Error(`stuck, for ${what}: ${this.state()}`);
    }
  }
}

function takeOnce(event: NostrEvent): () => NostrEvent | null {
  let isTaken = false;
  return () => {
    if (isTaken) return null;
    isTaken = true;
    return event;
  };
}

describe("each subscription gets each matching event exactly once", () => {
  const one = ["--threads-ingester=1", "--threads-reader=1", "--threads-monitor=1"];
  const two = ["--threads-ingester=2", "--threads-reader=2", "--threads-monitor=2"];
  const rows: { desc: string; flags: string[]; scale: Scale }[] = [
    {
      desc: "with one thread of each role",
      flags: one,
      scale: { events: 4000, connections: 30, eventsPerAction: 4 },
    },
    {
      desc: "with two threads of each role",
      flags: two,
      scale: { events: 4000, connections: 30, eventsPerAction: 4 },
    },
    {
      desc: "with scans that pause after every event or two",
      flags: [...two, "--relay-query-slice-ms=1", "--relay-scan-bytes-max=1024"],
      scale: { events: 2000, connections: 20, eventsPerAction: 4 },
    },
    {
      desc: "with transactions of three events",
      flags: [...one, "--store-batch-events-max=3", "--relay-scan-bytes-max=20000"],
      scale: { events: 1500, connections: 20, eventsPerAction: 2 },
    },
  ];
  for (const { desc, flags, scale } of rows) {
    testRandomly(desc, (random) => publishAndWatch(random, flags, scale), 120_000);
  }
});
