// The relay's own key: `self` of NIP-11, kept over restarts; a relay whose key can't be used does
// not start. And what it publishes of itself by it (NIP-66).

import { expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { verifyEvent } from "nostr-tools";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { makeTempDir, RelayProcess, removeTempDir, runNandu } from "../support/relay-process.ts";

const SECRET = "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa";
const PUBKEY = "7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e";

async function informationOf(relay: RelayProcess): Promise<Record<string, unknown>> {
  const headers = { accept: "application/nostr+json" };
  const response = await fetch(relay.url.replace("ws", "http"), { headers });
  return (await response.json()) as Record<string, unknown>;
}

test("a relay publishes what it is at each start, by the key that it is given", async () => {
  const dir = makeTempDir();
  const keyFile = join(dir, "secret");
  writeFileSync(keyFile, SECRET, { mode: 0o600 });
  const flags = [
    `--relay-key-file=${keyFile}`,
    "--monitor-publish-interval-s=3600",
    "--relay-urls=wss://relay.example.com",
  ];
  const before = new Set<string>();
  for (let round = 0; round < 2; round++) {
    const relay = await RelayProcess.start({ dataDir: dir, flags });
    const information = await informationOf(relay);
    expect(information["self"]).toBe(PUBKEY);
    expect(information["supported_nips"]).toContain(66);
    const client = await Client.connect(relay.url);
    const kinds = [0, 10002, 10166, 30166];
    const isNew = ({ id }: NostrEvent): boolean => !before.has(id);
    let events: NostrEvent[];
    do events = (await client.query({ authors: [PUBKEY], kinds })).filter(isNew);
    while (events.length < 4);
    expect(events.map(({ kind }) => kind).sort((a, b) => a - b)).toEqual(kinds);
    for (const event of events) expect(verifyEvent(structuredClone(event) as never)).toBe(true);
    const discovery = events.find(({ kind }) => kind === 30166) as NostrEvent;
    expect(JSON.parse(discovery.content)).toEqual(information);
    expect(discovery.tags.slice(0, 2)).toEqual([
      ["d", "wss://relay.example.com/"],
      ["n", "clearnet"],
    ]);
    expect(await client.query({ authors: [PUBKEY] })).toHaveLength(4);
    for (const { id } of events) before.add(id);
    expect(await relay.stop()).toBe(0);
  }
  removeTempDir(dir);
});

test("a relay whose key others may read, or is none, says so and ends", async () => {
  const dir = makeTempDir();
  const keyFile = join(dir, "relay.key");
  const run = () => runNandu(["relay", `--data-dir=${dir}`, "--relay-port=0"]);
  writeFileSync(keyFile, "nothing", { mode: 0o600 });
  const nothing = await run();
  writeFileSync(keyFile, SECRET);
  chmodSync(keyFile, 0o644);
  const open = await run();
  const lastLine = ({ stderr }: { stderr: string }) => stderr.trimEnd().split("\n").at(-1);
  expect([nothing.code, lastLine(nothing)]).toEqual([
    1,
    `nandu: the relay's key ${keyFile}: it holds neither 64 lower-case hex digits nor an nsec`,
  ]);
  expect([open.code, lastLine(open)]).toEqual([
    1,
    `nandu: the relay's key ${keyFile}: others may use it (mode 644): chmod 600 it`,
  ]);
  removeTempDir(dir);
});
