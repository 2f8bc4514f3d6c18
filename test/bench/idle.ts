// What connections cost that only wait: memory each, with one subscription like a home feed that no
// event matches, and the CPU of doing nothing.

import { authorKey } from "../support/events.ts";
import { Random } from "../support/random.ts";
import { AUTHORS, SEED } from "./dataset.ts";
import { frameOf } from "./frames.ts";
import { closeAll, connectMany } from "./load.ts";
import { type LoadSocket, MESSAGE } from "./load-socket.ts";
import { readMemory } from "./meter.ts";
import {
  type Bench,
  measure,
  memoryFigures,
  type Row,
  type Scenario,
  withRelay,
} from "./scenario.ts";

const FOLLOWED = 5;
const SUBSCRIBING_MAX = 200;

function subscribe(socket: LoadSocket, random: Random): Promise<void> {
  const authors = random.list(FOLLOWED, () => authorKey(random.below(AUTHORS)).pubkey);
  return new Promise((resolve, reject) => {
    socket.onEnd = () => reject(new Error("the relay has closed an idle connection"));
    socket.onMessage = (type) => {
      if (type === MESSAGE.eose) resolve();
      else reject(new Error("a subscription was refused"));
    };
    socket.write(frameOf("REQ", "home", { kinds: [1, 6], authors }));
  });
}

async function idleConnections(bench: Bench): Promise<Row[]> {
  const count = bench.sizes.idle;
  return withRelay(bench, bench.target.makeFolder(), async (relay) => {
    const random = new Random(SEED);
    await Bun.sleep(bench.sizes.settleS * 1000); // threads may still be starting
    const before = readMemory(relay.process.pid);
    const sockets = await connectMany(relay.port, count);
    for (let i = 0; i < count; i += SUBSCRIBING_MAX) {
      const some = sockets.slice(i, i + SUBSCRIBING_MAX);
      await Promise.all(some.map((socket) => subscribe(socket, random)));
    }
    await Bun.sleep(bench.sizes.collectS * 1000);
    const memory = memoryFigures(relay);
    const grown = readMemory(relay.process.pid).rssAnonBytes - before.rssAnonBytes;
    const cost = await measure(relay, () => Bun.sleep(bench.sizes.idleS * 1000));
    closeAll(sockets);
    const figures = {
      anonBytesPerConnection: grown / count,
      idleCpuShare: cost.cpuUs / 1000 / cost.wallMs,
      ...memory,
    };
    const name = `${count.toLocaleString("en")} idle subscribed connections`;
    return [{ name, unit: "connection", figures }];
  });
}

export const idleScenarios: readonly Scenario[] = [
  { name: "idle", about: "subscribed connections that wait", run: idleConnections },
];
