// A relay that goes and comes back at the same address: clients that reconnect by themselves hear
// of what is published afterwards, on the subscription they opened before.

import { expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { nowSeconds, ok, Topic } from "../support/topic.ts";
import { type ClientUnderTest, Listener } from "./client-suite.ts";
import type { SharedRelay } from "./shared-relay.ts";

/** Declares the test; `open` connects to the relay. */
export function testReconnect(
  name: string,
  relay: SharedRelay,
  open: (url: string) => Promise<ClientUnderTest> | ClientUnderTest,
): void {
  test(`${name} is back, subscribed, when the relay is`, async () => {
    const client = await open(relay.url);
    const topic = new Topic("before and after");
    const listener = new Listener();
    const close = client.subscribe(topic.filter, listener);
    await listener.eose;
    const now = nowSeconds();
    const [before, after] = topic.makeAt([now, now + 1]) as [NostrEvent, NostrEvent];
    await publish(relay.url, before);
    await listener.wait(before);
    await relay.killAndRestart();
    await publish(relay.url, after);
    await listener.wait(after);
    close();
    await client.close();
  }, 20_000);
}

async function publish(url: string, event: NostrEvent): Promise<void> {
  const client = await Client.connect(url);
  expect(await client.publish(event)).toEqual(ok(event));
  client.close();
}
