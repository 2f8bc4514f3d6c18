// NDK: subscriptions that are merged and kept by a pool, with events as objects of their own.

import NDK, { NDKEvent, NDKRelaySet, NDKSubscriptionCacheUsage } from "@nostr-dev-kit/ndk";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { checkWebSockets } from "../support/checked-web-socket.ts";
import { type ClientUnderTest, plain, testClient } from "./client-suite.ts";

checkWebSockets();

const options = { cacheUsage: NDKSubscriptionCacheUsage.ONLY_RELAY, groupable: false };

async function openNdk(url: string): Promise<ClientUnderTest> {
  const ndk = new NDK({ explicitRelayUrls: [url], enableOutboxModel: false });
  await ndk.connect(2000);
  const relays = NDKRelaySet.fromRelayUrls([url], ndk);
  const [relay] = relays.relays;
  const plainOf = (event: NDKEvent): NostrEvent => plain(event.rawEvent() as NostrEvent);
  return {
    publish: (event) =>
      (relay as NonNullable<typeof relay>).publish(new NDKEvent(ndk, event as never)).then(
        (isAccepted) => ({ isAccepted, reason: "" }),
        ({ message }: Error) => ({ isAccepted: false, reason: message }),
      ),
    query: async (filter) => {
      const events = await ndk.fetchEvents(filter as never, options, relays);
      return [...events].map(plainOf);
    },
    subscribe: (filter, heard) => {
      const subscription = ndk.subscribe(filter as never, {
        ...options,
        closeOnEose: false,
        onEvent: (event) => heard.onEvent(plainOf(event)),
        onEose: () => heard.onEose(),
      });
      return () => subscription.stop();
    },
    count: async (filter) => (await ndk.count(filter as never, {}, relays)).count,
    close: () => relay?.disconnect(),
  };
}

testClient("NDK", openNdk, { canCount: true });
