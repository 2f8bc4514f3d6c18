// Everything at once, as on a relay's ordinary day: events come in, clients ask, subscribers get
// what they wait for, each at a fixed and moderate rate. The figures are how long each waits.

import { type Dataset, freshLines } from "./dataset-file.ts";
import { eventTapes, type Tape } from "./frames.ts";
import { Deliveries, LiveNotes, publishAtRate, subscribePlain } from "./live-events.ts";
import {
  closeAll,
  concat,
  connectMany,
  isAccepted,
  requestAll,
  requestTape,
  until,
} from "./load.ts";
import { LoadSocket, MESSAGE } from "./load-socket.ts";
import { mixedFilters } from "./queries.ts";
import {
  type Bench,
  costFigures,
  expectCount,
  type Figures,
  latencyFigures,
  measure,
  memoryFigures,
  type Row,
  type Scenario,
  withRelay,
} from "./scenario.ts";

const EVENTS_PER_SECOND = 2000;
const REQS_PER_SECOND = 400;
const NOTES_PER_SECOND = 30;
const PUBLISHERS = 4;
const READERS = 4;
const SUBSCRIBERS_MAX = 300;
const WARM_UP_SHARE = 0.3;

/** Sends so many a second, whatever is unanswered; returns how long each OK took. */
async function publishSteadily(
  socket: LoadSocket,
  tape: Tape,
  perSecond: number,
): Promise<Float64Array> {
  const sentAt = new Float64Array(tape.count);
  const times = new Float64Array(tape.count);
  let answered = 0;
  let refused = 0;
  socket.onMessage = (type, bytes, at) => {
    if (type !== MESSAGE.ok) return;
    times[answered] = performance.now() - (sentAt[answered] as number);
    answered += 1;
    if (!isAccepted(bytes, at)) refused += 1;
  };
  await pace(tape.count, perSecond, (from, to) => {
    sentAt.fill(performance.now(), from, to);
    socket.write(tape.slice(from, to));
  });
  await until(() => answered === tape.count, "OKs");
  expectCount("refused events", refused, 0);
  return times;
}

/** Calls `send` with what has become due, until `count` are sent. */
async function pace(
  count: number,
  perSecond: number,
  send: (from: number, to: number) => void,
): Promise<void> {
  const startedAt = performance.now();
  let sent = 0;
  while (sent < count) {
    const due = Math.floor(((performance.now() - startedAt) * perSecond) / 1000) + 1;
    const to = Math.min(count, due);
    if (to > sent) send(sent, to);
    sent = to;
    if (sent === count) break;
    await Bun.sleep(Math.max(0, startedAt + (sent * 1000) / perSecond - performance.now()));
  }
}

/** One REQ after the other, at a steady rate unless the relay takes longer. */
async function askSteadily(
  socket: LoadSocket,
  dataset: Dataset,
  count: number,
  seed: number,
): Promise<Float64Array> {
  const times: Float64Array[] = [];
  const startedAt = performance.now();
  for (const [i, filter] of mixedFilters(dataset, count, seed).entries()) {
    const due = startedAt + (i * 1000 * READERS) / REQS_PER_SECOND;
    await Bun.sleep(Math.max(0, due - performance.now()));
    const results = await requestAll(socket, requestTape([[filter]]));
    expectCount("refused requests", results.refused, 0);
    times.push(results.timesMs);
  }
  return concat(times);
}

function named(prefix: string, figures: Figures): Figures {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [prefix + name, value]));
}

async function mixedLoad(bench: Bench): Promise<Row[]> {
  const { dataset, sizes, target } = bench;
  const subscriberCount = Math.min(SUBSCRIBERS_MAX, sizes.subscribers[0] as number);
  return withRelay(bench, await target.preparedCopy(dataset), async (relay) => {
    const publishers = await connectMany(relay.port, PUBLISHERS);
    const readers = await connectMany(relay.port, READERS);
    const author = await LoadSocket.connect(relay.port);
    const subscribers = await Promise.all(
      Array.from({ length: subscriberCount }, (_, i) => subscribePlain(relay.port, i)),
    );
    const play = async (seconds: number, seed: number): Promise<[Figures, number]> => {
      const count = Math.ceil(EVENTS_PER_SECOND * seconds);
      const tapes = eventTapes(freshLines(seed, count), PUBLISHERS);
      const notes = new LiveNotes(seed, Math.ceil(NOTES_PER_SECOND * seconds));
      const deliveries = new Deliveries(notes, subscriberCount);
      subscribers.forEach((subscriber, i) => {
        subscriber.onNote = (key) => deliveries.take(i, key);
      });
      const expected = notes.tape.count * subscriberCount;
      const asks = Math.ceil((REQS_PER_SECOND * seconds) / READERS);
      let answers: Float64Array[] = [];
      let requests: Float64Array[] = [];
      const cost = await measure(relay, async () => {
        [answers, requests] = await Promise.all([
          Promise.all(
            publishers.map((socket, i) =>
              publishSteadily(socket, tapes[i] as Tape, EVENTS_PER_SECOND / PUBLISHERS),
            ),
          ),
          Promise.all(readers.map((socket, i) => askSteadily(socket, dataset, asks, seed + i))),
          publishAtRate(author, notes, NOTES_PER_SECOND),
        ]);
        await until(() => deliveries.count >= expected, "deliveries");
      });
      expectCount("deliveries", deliveries.count, expected);
      expectCount("deliveries out of order", deliveries.wrong, 0);
      const figures = {
        ...named("ok_", latencyFigures(concat(answers))),
        ...named("req_", latencyFigures(concat(requests))),
        ...named("live_", latencyFigures(deliveries.timesMs)),
        cpuShare: cost.cpuUs / 1000 / cost.wallMs,
        ...costFigures(cost, count),
      };
      return [figures, count];
    };
    await play(sizes.mixedS * WARM_UP_SHARE, 100);
    const [figures] = await play(sizes.mixedS, 200);
    const row = {
      name: "mixed load",
      unit: "event",
      figures: { ...figures, ...memoryFigures(relay) },
    };
    closeAll([...publishers, ...readers, author]);
    for (const subscriber of subscribers) subscriber.close();
    return [row];
  });
}

export const mixedScenarios: readonly Scenario[] = [
  { name: "mixed", about: "ingest, REQ and live together, at fixed rates", run: mixedLoad },
];
