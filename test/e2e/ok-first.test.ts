// A client that publishes and subscribes on one connection.

import { expect, test } from "bun:test";
import { Client } from "../support/client.ts";
import { EventFactory } from "../support/events.ts";
import { RelayProcess } from "../support/relay-process.ts";

test("who publishes hears OK before the event itself, however often", async () => {
  await using relay = await RelayProcess.start();
  const client = await Client.connect(relay.url);
  const factory = new EventFactory(5);
  client.send("REQ", "sub", { kinds: [1042] });
  expect((await client.next())[0]).toBe("EOSE");
  const events = factory.makeMany(2000, { kind: 1042 });
  const heard: string[] = [];
  for (let i = 0; i < events.length; i += 20) {
    const some = events.slice(i, i + 20);
    for (const event of some) client.send("EVENT", event);
    for (let n = 0; n < 2 * some.length; n++) {
      const message = await client.next();
      if (message[0] === "OK") heard.push(message[1] as string);
      else expect(heard).toContain((message[2] as { id: string }).id);
    }
  }
  expect(heard.length).toBe(events.length);
  client.close();
});
