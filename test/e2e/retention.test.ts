// How long events are kept (`store.retention_s`, `store.retention_kinds`): what is older is
// refused, removed, and told of in the relay information document.

import { expect, test } from "bun:test";
import { Client } from "../support/client.ts";
import { EventFactory } from "../support/events.ts";
import { makeTempDir, RelayProcess, removeTempDir } from "../support/relay-process.ts";

const HOUR = 3600;

test("what is too old is refused, and removed from a database that has it", async () => {
  const dataDir = makeTempDir();
  const factory = new EventFactory(11);
  const now = Math.floor(Date.now() / 1000);
  const make = (kind: number, age: number) =>
    factory.makeDistinct({ kind, tags: [], author: kind % 7, created_at: now - age });
  const notes = Array.from({ length: 300 }, () => make(1, 3 * HOUR));
  const [young, reaction, profile, oldList, deletion] = [
    make(1, HOUR),
    make(7, 2 * HOUR),
    make(0, 9 * HOUR),
    make(1005, 9 * HOUR),
    make(5, 9 * HOUR),
  ] as const;
  {
    await using relay = await RelayProcess.start({ dataDir });
    const client = await Client.connect(relay.url);
    const all = [...notes, young, reaction, profile, oldList, deletion];
    for (const answer of await client.publishAll(all)) expect(answer[2]).toBe(true);
  }
  const flags = [
    `--store-retention-s=${2 * HOUR + 600}`,
    `--store-retention-kinds=0:0,7:${HOUR},1000-1009:${8 * HOUR}`,
  ];
  await using relay = await RelayProcess.start({ dataDir, flags });
  const client = await Client.connect(relay.url);
  const kept = [young, profile, deletion].map(({ id }) => id).toSorted();
  for (let found = 0; found !== kept.length;) {
    found = ((await client.count("n", {}))[2] as { count: number }).count;
  }
  expect((await client.query({})).map(({ id }) => id).toSorted()).toEqual(kept);
  for (const [event, seconds] of [
    [notes[0]!, 2 * HOUR + 600],
    [reaction, HOUR],
    [oldList, 8 * HOUR],
  ] as const) {
    const kept = `events of this kind are kept for ${seconds} seconds`;
    const reason = `invalid: ${kept}, this one is older`;
    expect(await client.publish(event)).toEqual(["OK", event.id, false, reason]);
  }
  const http = await fetch(relay.url.replace("ws:", "http:"), {
    headers: { accept: "application/nostr+json" },
  });
  expect(await http.json()).toMatchObject({
    retention: [
      { kinds: [0], time: null },
      { kinds: [7], time: HOUR },
      { kinds: [[1000, 1009]], time: 8 * HOUR },
      { kinds: [5, 62], time: null },
      { time: 2 * HOUR + 600 },
    ],
  });
  removeTempDir(dataDir);
});
