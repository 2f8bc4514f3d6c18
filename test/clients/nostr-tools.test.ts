// nostr-tools' SimplePool and Relay.

import { SimplePool } from "nostr-tools/pool";
import { Relay, useWebSocketImplementation } from "nostr-tools/relay";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { checkWebSockets } from "../support/checked-web-socket.ts";
import { type ClientUnderTest, plain, testClient } from "./client-suite.ts";

checkWebSockets();
useWebSocketImplementation(WebSocket);

type Event = Parameters<Relay["publish"]>[0];
type Filter = Parameters<Relay["subscribe"]>[0][number];

async function openRelay(url: string): Promise<ClientUnderTest> {
  const relay = await Relay.connect(url);
  const pool = new SimplePool();
  return {
    publish: (event) =>
      relay.publish(event as Event).then(
        (reason) => ({ isAccepted: true, reason }),
        ({ message }: Error) => ({ isAccepted: false, reason: message }),
      ),
    query: async (filter) =>
      (await pool.querySync([url], filter as Filter)).map((event) => plain(event as NostrEvent)),
    subscribe: (filter, heard) => {
      const subscription = relay.subscribe([filter as Filter], {
        onevent: (event) => heard.onEvent(event as NostrEvent),
        oneose: () => heard.onEose(),
      });
      return () => subscription.close();
    },
    count: (filter) => relay.count([filter as Filter], {}),
    close: () => {
      relay.close();
      pool.destroy();
    },
  };
}

testClient("nostr-tools", openRelay, { canCount: true });
