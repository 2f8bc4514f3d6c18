// NDK: subscriptions that are merged and kept by a pool, with events as objects of their own.

import NDK, {
  NDKEvent,
  NDKPrivateKeySigner,
  NDKRelayAuthPolicies,
  NDKRelaySet,
  NDKSubscriptionCacheUsage,
} from "@nostr-dev-kit/ndk";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { checkWebSockets } from "../support/checked-web-socket.ts";
import { type ClientUnderTest, plain, testClient } from "./client-suite.ts";
import { ownerSecretHex, testSignIn } from "./sign-in-suite.ts";
import { SharedRelay } from "./shared-relay.ts";

checkWebSockets();

const options = { cacheUsage: NDKSubscriptionCacheUsage.ONLY_RELAY, groupable: false };

function openNdk(url: string): Promise<ClientUnderTest> {
  return use(new NDK({ explicitRelayUrls: [url], enableOutboxModel: false }), url);
}

function openSignedIn(url: string): Promise<ClientUnderTest> {
  const signer = new NDKPrivateKeySigner(ownerSecretHex());
  const relayAuthDefaultPolicy = NDKRelayAuthPolicies.signIn({ signer });
  const options = { explicitRelayUrls: [url], enableOutboxModel: false };
  return use(new NDK({ ...options, signer, relayAuthDefaultPolicy }), url);
}

async function use(ndk: NDK, url: string): Promise<ClientUnderTest> {
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
    information: () => (relay as NonNullable<typeof relay>).fetchInfo(),
    close: () => relay?.disconnect(),
  };
}

const relay = new SharedRelay();

testClient("NDK", relay, openNdk, { canCount: true, canInform: true });
testSignIn("NDK", relay, openSignedIn);
