// How cost grows: with stored events, open subscriptions, connections, tags of an event, authors of
// a filter. Each chart is one thing that grows and what it costs at each step; plot.ts draws them.

import { authorKey, signEvent } from "../support/events.ts";
import { Random } from "../support/random.ts";
import type { RelayProcess } from "../support/relay-process.ts";
import { AUTHORS, END_S, SEED } from "./dataset.ts";
import { type Dataset, freshLines } from "./dataset-file.ts";
import { eventTapes, frameOf, Tape } from "./frames.ts";
import { deliver, subscribeMany } from "./live.ts";
import { LiveNotes } from "./live-events.ts";
import { closeAll, connectMany, publishAll } from "./load.ts";
import { LoadSocket, MESSAGE } from "./load-socket.ts";
import { median, readMemory } from "./meter.ts";
import { authors, mixedFilters } from "./queries.ts";
import { measureRequests } from "./requests.ts";
import { type Bench, expectCount, measure, type Sizes, withRelay } from "./scenario.ts";
import type { Target } from "./target.ts";

export interface Steps {
  readonly events: readonly number[];
  readonly subscriptions: readonly number[];
  readonly connections: readonly number[];
  readonly tags: readonly number[];
  readonly authors: readonly number[];
  /** Events published, and requests sent, at each step. */
  readonly published: number;
  readonly requests: number;
  readonly liveS: number;
}

export const GROWING: Steps = {
  events: [10_000, 30_000, 100_000, 300_000, 1_000_000],
  subscriptions: [10, 100, 1000, 10_000, 30_000, 100_000],
  connections: [10, 100, 1000, 2000, 5000],
  tags: [1, 3, 10, 30, 100, 300, 1000],
  authors: [1, 3, 10, 30, 100, 300, 1000],
  published: 10_000,
  requests: 3300,
  liveS: 2,
};

export const GROWING_SMOKE: Steps = {
  events: [60],
  subscriptions: [12],
  connections: [3],
  tags: [3],
  authors: [10],
  published: 40,
  requests: 22,
  liveS: 0.1,
};

export interface Line {
  readonly name: string;
  /** Pairs of what grows and what it costs: medians of the rounds. */
  readonly points: readonly (readonly [number, number])[];
}

export interface Chart {
  /** The name of its file, and for `--only`. */
  readonly name: string;
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly lines: readonly Line[];
}

export interface GrowthOptions {
  readonly target: Target;
  readonly sizes: Sizes;
  readonly steps: Steps;
  readonly rounds: number;
  readonly openDataset: (count: number) => Dataset;
  /** Told before each step. */
  readonly onStep: (chart: string, step: number) => void;
}

/** By line: what one step costs. */
type Measured = Record<string, number>;

interface Growth {
  readonly name: string;
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly stepsOf: (steps: Steps) => readonly number[];
  readonly measure: (options: GrowthOptions, step: number) => Promise<Measured>;
}

const CONNECTIONS = 8;
const IN_FLIGHT = 32;
const WARM_UP = { from: 0, to: 0.2 };
const REST = { from: 0.2, to: 1 };

function benchOf({ target, sizes }: GrowthOptions, dataset: Dataset): Bench {
  return { target, sizes, dataset };
}

/** CPU µs of the whole relay, and of its monitor, for each event of the tapes. */
async function publishCost(
  relay: RelayProcess,
  sockets: readonly LoadSocket[],
  tapes: readonly Tape[],
): Promise<{ all: number; monitor: number }> {
  await publishAll(sockets, tapes, WARM_UP, IN_FLIGHT);
  let accepted = 0;
  const cost = await measure(relay, async () => {
    const answers = await publishAll(sockets, tapes, REST, IN_FLIGHT);
    accepted = answers.accepted;
    expectCount("refused events", answers.refused, 0);
  });
  const monitor = cost.cpuUsByThread.get("monitor") ?? Number.NaN;
  return { all: cost.cpuUs / accepted, monitor: monitor / accepted };
}

async function storedEvents(options: GrowthOptions, count: number): Promise<Measured> {
  const { target, steps, openDataset } = options;
  const dataset = openDataset(count);
  const bench = benchOf(options, dataset);
  const req = await withRelay(bench, await target.prepared(dataset), async (relay) => {
    await measureRequests(relay, mixedFilters(dataset, steps.requests, 1), 4);
    return (await measureRequests(relay, mixedFilters(dataset, steps.requests, 2), 4)).figures;
  });
  const tapes = eventTapes(freshLines(3, steps.published), CONNECTIONS);
  const ingest = await withRelay(bench, await target.preparedCopy(dataset), async (relay) => {
    const sockets = await connectMany(relay.port, CONNECTIONS);
    const cost = await publishCost(relay, sockets, tapes);
    closeAll(sockets);
    return cost;
  });
  return {
    "a new event": ingest.all,
    "an event sent for a REQ": req["cpuUsPerEvent"] as number,
  };
}

const SUBSCRIPTIONS_PER_CONNECTION = 200;
const RECIPIENTS = 10;
/** Room for 100,000 filters, which count for 20 values each at least. */
const MANY_FILTERS = [
  "--relay-total-filter-values-max=10000000",
  `--relay-subscriptions-max=${SUBSCRIPTIONS_PER_CONNECTION}`,
];

/** Opens subscriptions that no event of the data sets matches. */
async function subscribeInVain(socket: LoadSocket, count: number, random: Random): Promise<void> {
  const tape = new Tape();
  for (let i = 0; i < count; i++) {
    const followed = random.list(5, () => random.hex(64));
    tape.push(JSON.stringify(["REQ", `s${i}`, { kinds: [1, 6], authors: followed, limit: 0 }]));
  }
  await new Promise<void>((resolve, reject) => {
    let open = 0;
    socket.onMessage = (type) => {
      if (type === MESSAGE.eose) open += 1;
      else reject(new Error("a subscription was refused"));
      if (open === count) resolve();
    };
    socket.write(tape.slice(0, count));
  });
}

/** All but ten wait for authors that never write; the ten get every event. */
async function openSubscriptions(options: GrowthOptions, count: number): Promise<Measured> {
  const { target, steps, openDataset } = options;
  const bench = benchOf(options, openDataset(steps.events[0] as number));
  const tapes = eventTapes(freshLines(4, steps.published), 1);
  const run = async (relay: RelayProcess): Promise<Measured> => {
    const random = new Random(SEED);
    const waiting: LoadSocket[] = [];
    for (let left = count - RECIPIENTS; left > 0; left -= SUBSCRIPTIONS_PER_CONNECTION) {
      const socket = await LoadSocket.connect(relay.port);
      await subscribeInVain(socket, Math.min(left, SUBSCRIPTIONS_PER_CONNECTION), random);
      waiting.push(socket);
    }
    const recipients = await connectMany(relay.port, RECIPIENTS);
    let delivered = 0;
    for (const socket of recipients) {
      socket.onMessage = (type) => {
        if (type === MESSAGE.event) delivered += 1;
      };
      socket.write(frameOf("REQ", "all", { limit: 0 }));
    }
    const [publisher] = await connectMany(relay.port, 1);
    const cost = await publishCost(relay, [publisher as LoadSocket], tapes);
    if (delivered === 0) throw new Error("nobody has received anything");
    closeAll([...waiting, ...recipients, publisher as LoadSocket]);
    return { "all threads": cost.all, "the monitor": cost.monitor };
  };
  return withRelay(bench, target.makeFolder(), run, MANY_FILTERS);
}

const NOTES_PER_SECOND = 20;

async function connections(options: GrowthOptions, count: number): Promise<Measured> {
  const { target, steps, openDataset } = options;
  const bench = benchOf(options, openDataset(steps.events[0] as number));
  return withRelay(bench, target.makeFolder(), async (relay) => {
    const subscribers = await subscribeMany(relay.port, count, false);
    const publisher = await LoadSocket.connect(relay.port);
    const notes = Math.max(1, Math.floor(NOTES_PER_SECOND * steps.liveS));
    await deliver(relay, publisher, subscribers, new LiveNotes(1, notes), NOTES_PER_SECOND);
    const more = new LiveNotes(2, notes);
    const figures = await deliver(relay, publisher, subscribers, more, NOTES_PER_SECOND);
    for (const subscriber of subscribers) subscriber.close();
    publisher.close();
    return { "a delivery (20 notes/s)": figures["cpuUs"] as number };
  });
}

async function connectionMemory(options: GrowthOptions, count: number): Promise<Measured> {
  const { target, steps, openDataset, sizes } = options;
  const bench = benchOf(options, openDataset(steps.events[0] as number));
  return withRelay(bench, target.makeFolder(), async (relay) => {
    await Bun.sleep(sizes.settleS * 1000);
    const before = readMemory(relay.process.pid).rssAnonBytes;
    const subscribers = await subscribeMany(relay.port, count, false);
    await Bun.sleep(sizes.settleS * 1000);
    const grown = readMemory(relay.process.pid).rssAnonBytes - before;
    for (const subscriber of subscribers) subscriber.close();
    return { "a subscribed connection": grown / count };
  });
}

/** Signed here, so few where they are long: the tags make up the work. */
function taggedTapes(tags: number, published: number): Tape[] {
  const random = new Random(SEED + tags);
  const count = Math.max(CONNECTIONS * 5, Math.floor(published / (1 + tags / 20)));
  const lines = Array.from({ length: count }, (_, i) => {
    const event = signEvent(
      {
        kind: 1,
        tags: random.list(tags, () => ["p", authorKey(random.below(AUTHORS)).pubkey]),
        content: `${i} a note that mentions some`,
        created_at: END_S - random.below(1_000_000),
      },
      authorKey(random.below(AUTHORS)),
    );
    return Buffer.from(JSON.stringify(event));
  });
  return eventTapes(lines, CONNECTIONS);
}

async function tagsPerEvent(options: GrowthOptions, tags: number): Promise<Measured> {
  const { target, steps, openDataset } = options;
  const bench = benchOf(options, openDataset(steps.events[0] as number));
  const tapes = taggedTapes(tags, steps.published);
  return withRelay(bench, target.makeFolder(), async (relay) => {
    const sockets = await connectMany(relay.port, CONNECTIONS);
    const { all } = await publishCost(relay, sockets, tapes);
    closeAll(sockets);
    return { "a new event": all };
  });
}

async function authorsPerFilter(options: GrowthOptions, count: number): Promise<Measured> {
  const { target, sizes, steps, openDataset } = options;
  const dataset = openDataset(sizes.events);
  const asked = Math.ceil(steps.requests / 10);
  const filters = (seed: number): Record<string, unknown>[] => {
    const random = new Random(SEED + seed);
    const make = () => ({ kinds: [1, 6], authors: authors(random, count), limit: 100 });
    return Array.from({ length: asked }, make);
  };
  const bench = benchOf(options, dataset);
  return withRelay(bench, await target.prepared(dataset), async (relay) => {
    await measureRequests(relay, filters(1), 1);
    const { figures } = await measureRequests(relay, filters(2), 1);
    return {
      "a REQ": figures["cpuUs"] as number,
      "an event sent": figures["cpuUsPerEvent"] as number,
    };
  });
}

const CPU = "CPU µs";

export const GROWTHS: readonly Growth[] = [
  {
    name: "stored-events",
    title: "Cost by stored events",
    xLabel: "events stored",
    yLabel: CPU,
    stepsOf: ({ events }) => events,
    measure: storedEvents,
  },
  {
    name: "subscriptions",
    title: "Cost of a new event by open subscriptions",
    xLabel: "filters open, ten of them matching",
    yLabel: CPU,
    stepsOf: ({ subscriptions }) => subscriptions,
    measure: openSubscriptions,
  },
  {
    name: "connections",
    title: "Cost of a delivery by connections",
    xLabel: "subscribers",
    yLabel: CPU,
    stepsOf: ({ connections: all }) => all,
    measure: connections,
  },
  {
    name: "connection-memory",
    title: "Memory of a connection by connections",
    xLabel: "subscribed connections",
    yLabel: "RssAnon, bytes",
    stepsOf: ({ connections: all }) => all,
    measure: connectionMemory,
  },
  {
    name: "tags",
    title: "Cost of a new event by its tags",
    xLabel: "p tags",
    yLabel: CPU,
    stepsOf: ({ tags }) => tags,
    measure: tagsPerEvent,
  },
  {
    name: "authors",
    title: "Cost of a timeline by its authors",
    xLabel: "authors of the filter",
    yLabel: CPU,
    stepsOf: ({ authors: all }) => all,
    measure: authorsPerFilter,
  },
];

/** All steps of one chart; with several rounds, the steps are gone through as often. */
export async function grow(growth: Growth, options: GrowthOptions): Promise<Chart> {
  const { name, title, xLabel, yLabel } = growth;
  const steps = growth.stepsOf(options.steps);
  const values = new Map<string, number[][]>();
  for (let round = 0; round < options.rounds; round++) {
    for (const [i, step] of steps.entries()) {
      options.onStep(name, step);
      const measured = await growth.measure(options, step);
      options.target.cleanUp();
      for (const [line, value] of Object.entries(measured)) {
        const byStep = values.get(line) ?? steps.map(() => []);
        values.set(line, byStep);
        byStep[i]?.push(value);
      }
    }
  }
  const lines = [...values].map(([line, byStep]) => ({
    name: line,
    points: steps.map((step, i) => [step, median(byStep[i] ?? [])] as const),
  }));
  return { name, title, xLabel, yLabel, lines };
}
