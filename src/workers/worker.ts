// The entry point of every worker thread. Its station says which role it plays. Anything thrown
// here ends the thread and, with it, the process: see pool.ts.

import { parentPort, workerData } from "node:worker_threads";
import { install } from "../config/current.ts";
import { Doorbell } from "../ring/doorbell.ts";
import { Indexer } from "./indexer.ts";
import { Ingester } from "./ingester.ts";
import { Monitor } from "./monitor.ts";
import { Negentropy } from "./negentropy.ts";
import { Reader } from "./reader.ts";
import { openInbox, type Role, runThread, type Station } from "./thread.ts";
import { Writer } from "./writer.ts";

function openRole(station: Station, bell: Doorbell): Role {
  switch (station.role) {
    case "ingester":
      return new Ingester(station, bell);
    case "writer":
      return new Writer(station, bell);
    case "reader":
      return new Reader(station, bell);
    case "monitor":
      return new Monitor(station, bell);
    case "negentropy":
      return new Negentropy(station, bell);
    case "indexer":
      return new Indexer(station, bell);
  }
}

function main(station: Station): void {
  install(station.settings);
  const bell = new Doorbell(station.bell);
  const inbox = openInbox(bell, station.inbound);
  const role = openRole(station, bell);
  parentPort?.postMessage("ready");
  runThread(inbox, role);
}

main(workerData as Station);
