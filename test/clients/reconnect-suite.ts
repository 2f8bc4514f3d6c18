// A relay that goes and comes back at the same address: clients that reconnect by themselves hear
// of what is published afterwards, on the subscription they opened before.

import { expect, test } from "bun:test";
import { Client } from "../support/client.ts";
import { makeTempDir, RelayProcess, removeTempDir } from "../support/relay-process.ts";
import { nowSeconds, Topic } from "../support/topic.ts";
import { type ClientUnderTest, Listener } from "./client-suite.ts";

/** Declares the test; `open` connects to the relay. */
export function testReconnect(
  name: string,
  open: (url: string) => Promise<ClientUnderTest> | ClientUnderTest,
  flags: readonly string[] = [],
): void {
  test(`${name} is back, subscribed, when the relay is`, async () => {
    const dataDir = makeTempDir();
    const first = await RelayProcess.start({ dataDir, flags });
    const client = await open(first.url);
    const topic = new Topic("before and after");
    const listener = new Listener();
    const close = client.subscribe(topic.filter, listener);
    await listener.eose;
    const [before, after] = topic.makeAt([nowSeconds(), nowSeconds() + 1]);
    await publish(first.url, before as NonNullable<typeof before>);
    await listener.wait(before as NonNullable<typeof before>);
    await first.kill(); // a close frame would tell some of them that all is said
    const second = await RelayProcess.start({ dataDir, flags, port: first.port });
    await publish(second.url, after as NonNullable<typeof after>);
    await listener.wait(after as NonNullable<typeof after>);
    close();
    await client.close();
    expect(await second.stop()).toBe(0);
    removeTempDir(dataDir);
  }, 20_000);
}

async function publish(url: string, event: { id: string }): Promise<void> {
  const client = await Client.connect(url);
  expect(await client.publish(event)).toEqual(["OK", event.id, true, ""]);
  client.close();
}
