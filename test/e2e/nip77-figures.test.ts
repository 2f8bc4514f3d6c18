// What a sync of many events costs over the wire. NANDU_TEST_FIGURES=1 prints it; takes a minute.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { EventFactory } from "../support/events.ts";
import { makeTempDir, RelayProcess, removeTempDir, runNandu } from "../support/relay-process.ts";
import { sync } from "../support/sync-client.ts";

const isWanted = process.env["NANDU_TEST_FIGURES"] !== undefined;
const COUNT = 100_000;
/** Of these, so many are only the relay's, and only the client's. */
const SHARE = 0.005;

/** In ms, of all threads. Linux only. */
function cpuMs(relay: RelayProcess): number {
  const fields = readFileSync(`/proc/${relay.process.pid}/stat`, "utf8").split(") ")[1]?.split(" ");
  return 10 * (Number(fields?.[11]) + Number(fields?.[12]));
}

test.skipIf(!isWanted)(
  "syncs of 100,000 events",
  async () => {
    const factory = new EventFactory(77);
    const events = factory.random.list(COUNT, (): NostrEvent =>
      factory.makeDistinct({
        kind: 1,
        created_at: 1_650_000_000 + factory.random.below(50_000_000),
      }),
    );
    const differing = COUNT * SHARE;
    const [ofRelay, ofClient] = [events.slice(0, differing), events.slice(-differing)];
    const dataDir = makeTempDir();
    const stdin = events.slice(0, -differing).map((event) => `${JSON.stringify(event)}\n`);
    await runNandu(["import", `--data-dir=${dataDir}`], { stdin: stdin.join("") });
    const relay = await RelayProcess.start({ dataDir });
    const client = await Client.connect(relay.url);
    const rows: Record<string, unknown>[] = [];
    for (const [what, known] of [
      ["identical", events.slice(0, -differing)],
      ["1 % differing", events.slice(differing)],
    ] as const) {
      for (const filter of [{}, { kinds: [1] }]) {
        for (const frameBytesMax of [60_000, 500_000]) {
          const [started, cpu] = [performance.now(), cpuMs(relay)];
          const { have, need, rounds, answerBytes } = await sync(
            client,
            filter,
            known,
            frameBytesMax,
          );
          rows.push({
            what,
            filter: JSON.stringify(filter),
            frame: frameBytesMax,
            rounds,
            answerBytes,
            ms: Math.round(performance.now() - started),
            "relay's CPU ms": cpuMs(relay) - cpu,
            "RSS MB": Math.round(relay.anonymousBytes() / 1e6),
          });
          const isSame = what === "identical";
          const idsOf = (some: NostrEvent[]) => (isSame ? [] : some.map(({ id }) => id).sort());
          expect(have).toEqual(idsOf(ofClient));
          expect(need).toEqual(idsOf(ofRelay));
        }
      }
    }
    console.table(rows);
    await Bun.sleep(3000);
    console.log(`${Math.round(relay.anonymousBytes() / 1e6)} MB with all syncs closed`);
    expect(await relay.stop()).toBe(0);
    removeTempDir(dataDir);
  },
  300_000,
);
