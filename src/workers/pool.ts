// The worker threads of a relay process and the rings between them and the main thread. A worker
// that fails takes the process with it: a relay that has lost a thread must not limp on.
//
//   main ─▶ ingester ─▶ writer ─▶ monitor ─▶ main      every role also has a ring to main;
//     └─(credit)─▶ reader ◀─ ingester                   reader ─▶ monitor, ingester ─▶ monitor;
//   ingester ─▶ negentropy                            writer ─▶ indexer, to stop it;
//   main ─▶ router ◀─▶ writer                         the router never waits for a ring either

import { cpus } from "node:os";
import { Worker } from "node:worker_threads";
import type { Settings } from "../config/options.ts";
import { searchKinds } from "../config/search-kinds.ts";
import { describeError, log } from "../config/log.ts";
import { Doorbell } from "../ring/doorbell.ts";
import type { Inbox } from "../ring/inbox.ts";
import type { Outbox } from "../ring/outbox.ts";
import { createRing, ringCapacityFor } from "../ring/ring.ts";
import { ControlVersion } from "../policy/control.ts";
import { GroupsVersion } from "../policy/groups/view.ts";
import { KeyFilter } from "../store/key-filter.ts";
import { makeChallengeSecret } from "./challenge.ts";
import { Changes } from "./changes.ts";
import { RecentIds } from "./recent-ids.ts";
import { HandledRemovers } from "./removers.ts";
import { eventMailBytesMax } from "./mail-event.ts";
import { openInbox, openOutbox, type RingEnd, type RoleName, type Station } from "./thread.ts";

export const EXIT_WORKER_FAILED = 70;
const RING_BYTES_MIN = 1 << 20;
/** What a record adds to a client's message or an event: headers, the frame around it. */
const RECORD_OVERHEAD_BYTES = 4096;
/** A key that a client has signed in with travels with its queries, twice at most. */
const KEY_BYTES = 2 * 67;
/** `{}` with all its fields, most of them null; and, of one that searches, each of the kinds. */
const FILTER_BYTES = 64;
const KIND_BYTES = 6;

export interface ThreadCounts {
  readonly ingester: number;
  readonly reader: number;
  readonly monitor: number;
  readonly negentropy: number;
}

/** The main thread's ends. */
export interface Pool {
  readonly inbox: Inbox;
  readonly ingesters: readonly Outbox[];
  readonly readers: readonly Outbox[];
  /** None or one. */
  readonly routers: readonly Outbox[];
  readonly threadCount: number;
  readonly challengeSecret: string;
}

/** One each on two cores. More ingesters first: they hash and verify, the most work there is. */
export function threadCounts(settings: Settings, cores = cpus().length): ThreadCounts {
  const spare = Math.max(1, cores - 2); // the main thread and the writer want one each
  return {
    ingester: settings["threads.ingester"] || Math.min(16, Math.max(1, Math.ceil(spare / 2))),
    reader: settings["threads.reader"] || Math.min(16, Math.max(1, Math.floor(spare / 2))),
    monitor: settings["threads.monitor"] || Math.min(8, Math.max(1, Math.floor(spare / 4))),
    negentropy: settings["negentropy.enabled"]
      ? settings["threads.negentropy"] || Math.min(4, Math.max(1, Math.floor(spare / 8)))
      : 0,
  };
}

/** What has nothing to do for the first clients: what comes meanwhile waits in their rings. */
const LATE: ReadonlySet<RoleName> = new Set(["negentropy", "indexer", "router"]);

/** Room for two of the largest records, so that any one always fits (see ring.ts). */
function ringCapacity(settings: Settings): number {
  const filterBytes = FILTER_BYTES + KIND_BYTES * searchKinds(settings).size;
  const queryBytes =
    settings["relay.message_bytes_max"] +
    filterBytes * settings["relay.filters_max"] +
    KEY_BYTES * settings["auth.keys_max"];
  const largest = Math.max(queryBytes, eventMailBytesMax(settings));
  return Math.max(RING_BYTES_MIN, ringCapacityFor(largest + RECORD_OVERHEAD_BYTES));
}

class Wiring {
  private readonly capacity: number;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** A ring from each of `producers` to each of `consumers`. */
  connect(producers: readonly Doorbell[], consumers: readonly Doorbell[]): Link {
    const rings = producers.map(() => consumers.map(() => createRing(this.capacity)));
    const ringOf = (p: number, c: number) => (rings[p] as SharedArrayBuffer[])[c]!;
    return {
      outOf: (p) => consumers.map((bell, c) => ({ ring: ringOf(p, c), bell: bell.shared })),
      into: (c) => producers.map((bell, p) => ({ ring: ringOf(p, c), bell: bell.shared })),
    };
  }
}

interface Link {
  readonly outOf: (producer: number) => RingEnd[];
  readonly into: (consumer: number) => RingEnd[];
}

function bells(count: number): Doorbell[] {
  return Array.from({ length: count }, () => new Doorbell());
}

/** All doorbells, and all rings between them. */
function wire(settings: Settings) {
  const counts = threadCounts(settings);
  const bell = {
    main: bells(1),
    ingester: bells(counts.ingester),
    writer: bells(1),
    reader: bells(counts.reader),
    monitor: bells(counts.monitor),
    negentropy: bells(counts.negentropy),
    indexer: bells(searchKinds(settings).size > 0 ? 1 : 0),
    router: bells(settings["router.file"] === "" ? 0 : 1),
  };
  const wiring = new Wiring(ringCapacity(settings));
  return {
    bell,
    mainIngester: wiring.connect(bell.main, bell.ingester),
    mainReader: wiring.connect(bell.main, bell.reader),
    mainRouter: wiring.connect(bell.main, bell.router),
    ingesterWriter: wiring.connect(bell.ingester, bell.writer),
    ingesterReader: wiring.connect(bell.ingester, bell.reader),
    ingesterMonitor: wiring.connect(bell.ingester, bell.monitor),
    ingesterNegentropy: wiring.connect(bell.ingester, bell.negentropy),
    readerMonitor: wiring.connect(bell.reader, bell.monitor),
    writerMonitor: wiring.connect(bell.writer, bell.monitor),
    writerIndexer: wiring.connect(bell.writer, bell.indexer),
    writerRouter: wiring.connect(bell.writer, bell.router),
    routerWriter: wiring.connect(bell.router, bell.writer),
    toMain: {
      ingester: wiring.connect(bell.ingester, bell.main),
      reader: wiring.connect(bell.reader, bell.main),
      monitor: wiring.connect(bell.monitor, bell.main),
      negentropy: wiring.connect(bell.negentropy, bell.main),
      writer: wiring.connect(bell.writer, bell.main),
      indexer: wiring.connect(bell.indexer, bell.main),
      router: wiring.connect(bell.router, bell.main),
    },
  };
}

type Wired = ReturnType<typeof wire>;

/**
 * Starts all workers; resolves once those run that clients wait for. The database must be there.
 */
export async function startPool(settings: Settings): Promise<Pool> {
  const wired = wire(settings);
  const challengeSecret = makeChallengeSecret();
  const stations = makeStations(settings, wired, challengeSecret);
  const isLate = ({ role }: Station): boolean => LATE.has(role);
  await Promise.all(stations.filter((station) => !isLate(station)).map(startWorker));
  for (const station of stations.filter(isLate)) void startWorker(station);
  const { toMain, mainIngester, mainReader, mainRouter } = wired;
  const main = wired.bell.main[0] as Doorbell;
  return {
    inbox: openInbox(main, [
      ...toMain.router.into(0),
      ...toMain.ingester.into(0),
      ...toMain.reader.into(0),
      ...toMain.negentropy.into(0),
      ...toMain.writer.into(0),
      ...toMain.monitor.into(0),
      ...toMain.indexer.into(0),
    ]),
    ingesters: mainIngester.outOf(0).map((end) => openOutbox(end, main)),
    readers: mainReader.outOf(0).map((end) => openOutbox(end, main)),
    routers: mainRouter.outOf(0).map((end) => openOutbox(end, main)),
    threadCount: stations.length,
    challengeSecret,
  };
}

function makeStations(settings: Settings, wired: Wired, challengeSecret: string): Station[] {
  const { ingesterWriter, ingesterReader, ingesterMonitor, readerMonitor, writerMonitor } = wired;
  const recentIds = new RecentIds().shared;
  const changes = new Changes().shared;
  const keyFilter = new KeyFilter().shared;
  const control = new ControlVersion().shared;
  const groups = new GroupsVersion().shared;
  const removers = new HandledRemovers(wired.bell.ingester.length).shared;
  const make = (role: RoleName, wiresOf: (index: number) => Wires): Station[] =>
    wired.bell[role].map((bell, index) => {
      const wires = wiresOf(index);
      return {
        role,
        index,
        roleCount: wired.bell[role].length,
        settings,
        bell: bell.shared,
        recentIds,
        changes,
        keyFilter,
        removers,
        control,
        groups,
        challengeSecret,
        websocket: wired.toMain[role].outOf(index)[0] as RingEnd,
        inbound: wires.inbound,
        writer: wires.writer ?? null,
        readers: wires.readers ?? [],
        monitors: wires.monitors ?? [],
        negentropies: wires.negentropies ?? [],
        indexers: wires.indexers ?? [],
        routers: wires.routers ?? [],
      };
    });
  return [
    ...make("writer", (i) => ({
      inbound: [...ingesterWriter.into(i), ...wired.routerWriter.into(i)],
      monitors: writerMonitor.outOf(i),
      indexers: wired.writerIndexer.outOf(i),
      routers: wired.writerRouter.outOf(i),
    })),
    ...make("monitor", (i) => ({
      inbound: [...ingesterMonitor.into(i), ...readerMonitor.into(i), ...writerMonitor.into(i)],
    })),
    ...make("reader", (i) => ({
      inbound: [...ingesterReader.into(i), ...wired.mainReader.into(i)],
      monitors: readerMonitor.outOf(i),
    })),
    ...make("ingester", (i) => ({
      inbound: wired.mainIngester.into(i),
      writer: ingesterWriter.outOf(i)[0] as RingEnd,
      readers: ingesterReader.outOf(i),
      monitors: ingesterMonitor.outOf(i),
      negentropies: wired.ingesterNegentropy.outOf(i),
    })),
    ...make("negentropy", (i) => ({ inbound: wired.ingesterNegentropy.into(i) })),
    ...make("indexer", (i) => ({ inbound: wired.writerIndexer.into(i) })),
    ...make("router", (i) => ({
      inbound: [...wired.mainRouter.into(i), ...wired.writerRouter.into(i)],
      writer: wired.routerWriter.outOf(i)[0] as RingEnd,
    })),
  ];
}

interface Wires {
  readonly inbound: readonly RingEnd[];
  readonly writer?: RingEnd;
  readonly readers?: readonly RingEnd[];
  readonly monitors?: readonly RingEnd[];
  readonly negentropies?: readonly RingEnd[];
  readonly indexers?: readonly RingEnd[];
  readonly routers?: readonly RingEnd[];
}

function startWorker(station: Station): Promise<void> {
  const name = `${station.role} ${station.index}`;
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: station });
  worker.on("error", (error) => fail(name, describeError(error)));
  worker.on("exit", (code) => {
    if (code !== 0) fail(name, `exit code ${code}`);
  });
  return new Promise((resolve) => {
    worker.once("message", () => resolve());
  });
}

function fail(name: string, why: string): never {
  log("error", "pool", `the ${name} thread has failed, the relay stops: ${why}`);
  process.exit(EXIT_WORKER_FAILED);
}
