// A sync (NIP-77) of sets that differ nearly everywhere begins by running sums and ends without
// them: what it finds is the same.

import { expect, test } from "bun:test";
import { Client } from "../support/client.ts";
import { RelayProcess, runNandu } from "../support/relay-process.ts";
import { sync } from "../support/sync-client.ts";
import { makeEvent } from "../support/unsigned-events.ts";

const COUNT = 24_000;
const HOUR_S = 3600;

test("sets that differ in every hour", async () => {
  await using relay = await RelayProcess.start({ flags: ["--log-level=debug"] });
  const all = Array.from({ length: COUNT }, (_, i) =>
    makeEvent({ created_at: 1_500_000_000 + Math.floor(i / 4) * HOUR_S + i, content: `${i}` }),
  );
  const stdin = all.map((event) => JSON.stringify(event)).join("\n");
  const args = ["import", "--no-verify", "--data-dir", relay.dataDir];
  expect((await runNandu(args, { stdin })).code).toBe(0);
  const dir = ["--data-dir", relay.dataDir];
  expect((await runNandu(["negentropy", "build", "0", ...dir])).code).toBe(0);
  const client = await Client.connect(relay.url);
  const known = all.filter((_, i) => i % 4 !== 0);
  const { have, need } = await sync(client, {}, known);
  expect(have).toEqual([]);
  expect(need).toEqual(
    all
      .filter((_, i) => i % 4 === 0)
      .map(({ id }) => id)
      .sort(),
  );
  await relay.logged(/ differs in much: all is read$/);
  client.close();
  expect(await relay.stop()).toBe(0);
}, 60_000);
