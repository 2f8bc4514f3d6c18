// Syncs (NIP-77) of sets that differ nearly everywhere begin by running sums. They end without
// them, where there is room for all of the set; what they find is the same in either case.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { Client } from "../support/client.ts";
import { makeTempDir, RelayProcess, removeTempDir, runNandu } from "../support/relay-process.ts";
import { sync } from "../support/sync-client.ts";
import { makeEvent } from "../support/unsigned-events.ts";

const COUNT = 24_000;
const HOUR_S = 3600;
const EVENTS = Array.from({ length: COUNT }, (_, i) =>
  makeEvent({ created_at: 1_500_000_000 + Math.floor(i / 4) * HOUR_S + i, content: `${i}` }),
);
const dataDir = makeTempDir();

beforeAll(async () => {
  const stdin = EVENTS.map((event) => JSON.stringify(event)).join("\n");
  const folder = ["--data-dir", dataDir];
  expect((await runNandu(["import", "--no-verify", ...folder], { stdin })).code).toBe(0);
  expect((await runNandu(["negentropy", "build", "0", ...folder])).code).toBe(0);
});

afterAll(() => removeTempDir(dataDir));

test.each([
  ["read it all when there is room for it", [], true],
  ["go on by sums when it is more than one may hold", ["--negentropy-items-max=20000"], false],
  [
    "go on by sums when it is more than all may hold",
    ["--negentropy-total-items-max=40000"],
    false,
  ],
])("sets that differ in every hour %s", async (_, flags, isAllRead) => {
  await using relay = await RelayProcess.start({ dataDir, flags: ["--log-level=debug", ...flags] });
  const client = await Client.connect(relay.url);
  const [known, unknown] = [0, 1].map((part) =>
    EVENTS.filter((_event, i) => (i % 4 === 0) === (part === 1)),
  ) as [typeof EVENTS, typeof EVENTS];
  const { have, need } = await sync(client, {}, known);
  expect(have).toEqual([]);
  expect(need).toEqual(unknown.map(({ id }) => id).sort());
  expect(relay.log.some((line) => line.endsWith(" differs in much: all is read"))).toBe(isAllRead);
  client.close();
  expect(await relay.stop()).toBe(0);
});
