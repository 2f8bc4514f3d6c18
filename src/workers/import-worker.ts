// The entry point of an import's threads: see import-pool.ts. Anything thrown here ends the thread
// and, with it, the import.

import { workerData } from "node:worker_threads";
import { install } from "../config/current.ts";
import { Doorbell } from "../ring/doorbell.ts";
import { RingProducer } from "../ring/ring.ts";
import { BlockOutbox, Checker } from "./import-checker.ts";
import { Feeder } from "./import-feeder.ts";
import type { ImportStation } from "./import-pool.ts";
import { openInbox, openOutbox, runThread } from "./thread.ts";

function main(station: ImportStation): void {
  install(station.settings);
  const bell = new Doorbell(station.bell);
  const { lineBytesMax } = station;
  if (station.role === "feeder") {
    const checkers = station.checkers.map((end) => openOutbox(end, bell));
    new Feeder(checkers, lineBytesMax).run(station.inputs);
    return;
  }
  const { main: end, isVerifying } = station;
  const outbox = new BlockOutbox(new RingProducer(end.ring), new Doorbell(end.bell), bell);
  const inbox = openInbox(bell, [station.feeder]);
  runThread(inbox, new Checker(outbox, lineBytesMax, isVerifying));
}

main(workerData as ImportStation);
