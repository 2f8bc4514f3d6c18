// NDK: subscriptions that are merged and kept by a pool, with events as objects of their own. Its
// own NIP-77 (@nostr-dev-kit/sync) compares what its cache has with what the relay has.

import NDK, {
  type NDKCacheAdapter,
  NDKEvent,
  NDKPrivateKeySigner,
  NDKRelayAuthPolicies,
  NDKRelaySet,
  type NDKSubscription,
  NDKSubscriptionCacheUsage,
} from "@nostr-dev-kit/ndk";
import { NDKSync } from "@nostr-dev-kit/sync";
import { expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { matchesFilter, parseFilter, type Filter } from "../../src/protocol/filter.ts";
import { checkWebSockets } from "../support/checked-web-socket.ts";
import { Client } from "../support/client.ts";
import { newestFirst, Topic } from "../support/topic.ts";
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

/** What an application has kept, as NDK asks for it and adds to it. */
class MemoryCache implements NDKCacheAdapter {
  readonly locking = true;
  readonly events = new Map<string, NostrEvent>();

  query(subscription: NDKSubscription): NDKEvent[] {
    const filters = subscription.filters.map((filter) => parseFilter(filter) as Filter);
    const found = [...this.events.values()].filter((event) =>
      filters.some((filter) => matchesFilter(filter, event)),
    );
    return found.map((event) => new NDKEvent(subscription.ndk, event as never));
  }

  async setEvent(event: NDKEvent): Promise<void> {
    this.keep(plain(event.rawEvent() as NostrEvent));
  }

  keep(event: NostrEvent): void {
    this.events.set(event.id, event);
  }
}

/** It fetches what it needs by itself; what it has, it names, and its user publishes. */
test("NDK syncs (NIP-77): its cache gets what the relay has, the relay what it has", async () => {
  const topic = new Topic("synced by NDK");
  const all = topic.makeAt(Array.from({ length: 150 }, (_, i) => 1_700_000_000 + (i >> 1)));
  const known = all.filter((_, i) => i % 3 !== 0);
  const stored = all.filter((_, i) => i % 3 !== 1);
  const other = await Client.connect(relay.url);
  await other.publishAll(stored);
  const cacheAdapter = new MemoryCache();
  for (const event of known) cacheAdapter.keep(event);
  const ndk = new NDK({ explicitRelayUrls: [relay.url], enableOutboxModel: false, cacheAdapter });
  await ndk.connect(2000);
  const sync = new NDKSync(ndk);

  const { events, need, have } = await sync.sync(topic.filter as never);
  const idsOf = (list: readonly { id: string }[]): string[] => list.map(({ id }) => id).sort();
  const onlyStored = all.filter((_, i) => i % 3 === 0);
  const onlyKnown = all.filter((_, i) => i % 3 === 1);
  expect([...need].sort()).toEqual(idsOf(onlyStored));
  expect(idsOf(events)).toEqual(idsOf(onlyStored));
  expect([...have].sort()).toEqual(idsOf(onlyKnown));
  expect(newestFirst([...cacheAdapter.events.values()])).toEqual(newestFirst(all));

  const [ownRelay] = NDKRelaySet.fromRelayUrls([relay.url], ndk).relays;
  for (const id of have) {
    await ownRelay?.publish(new NDKEvent(ndk, cacheAdapter.events.get(id) as never));
  }
  expect(await other.query(topic.filter)).toEqual(newestFirst(all));
  const { need: needed, have: had } = await sync.sync(topic.filter as never);
  expect([...needed, ...had]).toEqual([]);
  ownRelay?.disconnect();
  other.close();
});
