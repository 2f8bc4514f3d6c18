// The entry point of every worker thread. Its station says which role it plays, and only that
// role's code is loaded: each thread has all of what it loads to itself. Anything thrown here ends
// the thread and, with it, the process: see pool.ts.

import { parentPort, workerData } from "node:worker_threads";
import { install } from "../config/current.ts";
import { Doorbell } from "../ring/doorbell.ts";
import { openInbox, type Role, type RoleName, runThread, type Station } from "./thread.ts";

type MakeRole = new (station: Station, bell: Doorbell) => Role;

async function loadRole(role: Exclude<RoleName, "router">): Promise<MakeRole> {
  switch (role) {
    case "ingester":
      return (await import("./ingester.ts")).Ingester;
    case "writer":
      return (await import("./writer.ts")).Writer;
    case "reader":
      return (await import("./reader.ts")).Reader;
    case "monitor":
      return (await import("./monitor.ts")).Monitor;
    case "negentropy":
      return (await import("./negentropy.ts")).Negentropy;
    case "indexer":
      return (await import("./indexer.ts")).Indexer;
  }
}

async function main(station: Station): Promise<void> {
  const { role } = station;
  if (role === "router") await mainOfRouter(station);
  else await mainOfRole(station, role);
}

async function mainOfRole(station: Station, name: Exclude<RoleName, "router">): Promise<void> {
  const Made = await loadRole(name);
  install(station.settings);
  const bell = new Doorbell(station.bell);
  const inbox = openInbox(bell, station.inbound);
  const role = new Made(station, bell);
  parentPort?.postMessage("ready");
  runThread(inbox, role);
}

/** The one that has sockets, and so an event loop. */
async function mainOfRouter(station: Station): Promise<void> {
  const { RouterThread } = await import("./router-thread.ts");
  install(station.settings);
  const bell = new Doorbell(station.bell);
  const thread = new RouterThread(station, bell);
  parentPort?.postMessage("ready");
  await thread.run(openInbox(bell, station.inbound));
}

await main(workerData as Station);
