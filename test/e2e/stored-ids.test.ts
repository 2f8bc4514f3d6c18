// An event that is stored already is answered before its signature is looked at, also when it was
// stored long ago, by a process before this one. Shown by signatures that are wrong.

import { expect, test } from "bun:test";
import { Client } from "../support/client.ts";
import { RelayProcess, runNandu } from "../support/relay-process.ts";
import { TempDir } from "../support/temp-dir.ts";
import { ok, Topic } from "../support/topic.ts";

const TAILS = [
  ["in the index", ["--store-tail-events=1"]],
  ["in the index's tail", []],
] as const;
const STORED = [true, "duplicate: already have this event"];

test.each(TAILS)("after a restart, what is %s needs no signature", async (_, flags) => {
  using dir = new TempDir();
  const topic = new Topic("stored ids");
  const events = Array.from({ length: 50 }, (_, i) => topic.make({ content: `${i}` }));
  const forged = events.map((event) => ({ ...event, sig: event.sig.replace(/.$/, "x") }));
  const unknown = { ...topic.make({ content: "never published" }), sig: "00".repeat(64) };
  {
    const relay = await RelayProcess.start({ dataDir: dir.path, flags });
    const client = await Client.connect(relay.url);
    await client.publishAll(events);
    client.close();
    expect(await relay.stop()).toBe(0);
  }
  await using relay = await RelayProcess.start({ dataDir: dir.path, flags });
  const client = await Client.connect(relay.url);
  for (const event of forged) {
    // The writer learns what is stored while it is idle: not all at once.
    for (;;) {
      const [, , accepted, reason] = await client.publish(event as never);
      if (accepted) {
        expect([accepted, reason]).toEqual(STORED as [boolean, string]);
        break;
      }
      expect(reason).toStartWith("invalid: ");
      await Bun.sleep(5);
    }
  }
  expect((await client.publish(unknown))[2]).toBe(false);
  const fresh = topic.make();
  expect((await client.publish(fresh)) as unknown).toEqual(ok(fresh));
  client.close();
});

test.each(TAILS)("an event %s that another process deletes is no duplicate", async (_, flags) => {
  using dir = new TempDir();
  await using relay = await RelayProcess.start({ dataDir: dir.path, flags });
  const client = await Client.connect(relay.url);
  const topic = new Topic("deleted ids");
  const event = topic.make();
  await client.publish(event);
  const filter = JSON.stringify({ ids: [event.id] });
  const args = ["delete", `--data-dir=${dir.path}`, "--filter", filter];
  expect((await runNandu(args)).code).toBe(0);
  for (;;) {
    const [, , accepted, reason] = await client.publish(event);
    expect(accepted).toBe(true);
    if (reason === "") break; // stored again
    await Bun.sleep(5); // within the 50 ms until the relay has noticed
  }
  expect(await client.query(topic.filter)).toEqual([event]);
  client.close();
});
