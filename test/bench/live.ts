// What it costs to deliver new events to those who wait for them: 300 and 2,000 subscribers, at 1
// and 100 notes a second and as fast as they can be published, plain and compressed. Every delivery
// is counted and must be the note that was due.

import type { RelayProcess } from "../support/relay-process.ts";
import {
  Deliveries,
  LiveNotes,
  publishAtRate,
  type Subscriber,
  subscribeCompressed,
  subscribePlain,
} from "./live-events.ts";
import { publish, until } from "./load.ts";
import { LoadSocket } from "./load-socket.ts";
import {
  type Bench,
  costFigures,
  expectCount,
  latencyFigures,
  measure,
  memoryFigures,
  type Row,
  type Scenario,
  withRelay,
} from "./scenario.ts";

const CONNECTING_MAX = 100;
const IN_FLIGHT = 256;
const RATES = [1, 100] as const;
const FULL = "full rate";
/** A second delivery of a note would come at once. */
const EXCESS_MS = 20;
/** So that compressing is measured with the same notes: the default leaves small ones alone. */
const COMPRESS_ALL = ["--relay-compression-bytes-min=0"];
const AT_FULL_RATE_MIN = 20;

export async function subscribeMany(
  port: number,
  count: number,
  compressed: boolean,
): Promise<Subscriber[]> {
  const subscribe = compressed ? subscribeCompressed : subscribePlain;
  const subscribers: Subscriber[] = [];
  while (subscribers.length < count) {
    const from = subscribers.length;
    const some = Math.min(CONNECTING_MAX, count - from);
    const opened = Array.from({ length: some }, (_, i) => subscribe(port, from + i));
    subscribers.push(...(await Promise.all(opened)));
  }
  return subscribers;
}

/** `perSecond` null publishes as fast as the relay answers. */
export async function deliver(
  relay: RelayProcess,
  publisher: LoadSocket,
  subscribers: readonly Subscriber[],
  notes: LiveNotes,
  perSecond: number | null,
): Promise<Row["figures"]> {
  const deliveries = new Deliveries(notes, subscribers.length);
  subscribers.forEach((subscriber, i) => {
    subscriber.onNote = (key) => deliveries.take(i, key);
  });
  const count = notes.tape.count;
  const expected = count * subscribers.length;
  const cost = await measure(relay, async () => {
    if (perSecond === null) {
      const onSend = (from: number, to: number): void => {
        notes.sentAt.fill(performance.now(), from, to);
      };
      const all = { from: 0, to: count };
      const answers = await publish(publisher, notes.tape, all, IN_FLIGHT, onSend);
      expectCount("refused notes", answers.refused, 0);
    } else {
      await publishAtRate(publisher, notes, perSecond);
    }
    await until(() => deliveries.count >= expected, "deliveries");
  });
  await Bun.sleep(EXCESS_MS);
  expectCount("deliveries", deliveries.count, expected);
  expectCount("deliveries out of order", deliveries.wrong, 0);
  return {
    ...costFigures(cost, expected),
    ...latencyFigures(deliveries.timesMs),
    ...memoryFigures(relay),
  };
}

async function liveDelivery(bench: Bench, count: number, compressed: boolean): Promise<Row[]> {
  const { sizes, target } = bench;
  const flags = compressed ? COMPRESS_ALL : [];
  const start = `live, ${count.toLocaleString("en")} subscribers`;
  const end = compressed ? ", compressed" : "";
  const run = async (relay: RelayProcess): Promise<Row[]> => {
    const subscribers = await subscribeMany(relay.port, count, compressed);
    const publisher = await LoadSocket.connect(relay.port);
    const full = Math.max(AT_FULL_RATE_MIN, Math.ceil(sizes.deliveries / count));
    await deliver(relay, publisher, subscribers, new LiveNotes(1, 2 * full), null);
    const rows: Row[] = [];
    for (const rate of RATES) {
      const seconds = rate === 1 ? sizes.slowLiveS : sizes.liveS;
      const notes = new LiveNotes(10 + rate, Math.max(1, Math.floor(rate * seconds)));
      const figures = await deliver(relay, publisher, subscribers, notes, rate);
      rows.push({ name: `${start}, ${rate}/s${end}`, unit: "delivery", figures });
    }
    const notes = new LiveNotes(2, full);
    const figures = await deliver(relay, publisher, subscribers, notes, null);
    rows.push({ name: `${start}, ${FULL}${end}`, unit: "delivery", figures });
    for (const subscriber of subscribers) subscriber.close();
    publisher.close();
    return rows;
  };
  return withRelay(bench, target.makeFolder(), run, flags);
}

async function eachCount(bench: Bench, compressed: boolean): Promise<Row[]> {
  const rows: Row[] = [];
  for (const count of bench.sizes.subscribers) {
    rows.push(...(await liveDelivery(bench, count, compressed)));
  }
  return rows;
}

export const liveScenarios: readonly Scenario[] = [
  {
    name: "live",
    about: "live delivery at 1/s, 100/s and full rate, uncompressed",
    run: (bench) => eachCount(bench, false),
  },
  {
    name: "compressed",
    about: "live delivery, every message compressed",
    run: (bench) => eachCount(bench, true),
  },
];
