// nostr-tools' SimplePool and Relay.

import { expect, test } from "bun:test";
import { nip77 } from "nostr-tools";
import type { EventTemplate, VerifiedEvent } from "nostr-tools/core";
import {
  computeOffset,
  estimateCount,
  feedEvent,
  hllDecode,
  hllEncode,
  newHll,
} from "nostr-tools/nip45";
import { fetchRelayInformation } from "nostr-tools/nip11";
import { SimplePool, useWebSocketImplementation } from "nostr-tools/pool";
import { Relay, useWebSocketImplementation as useInRelay } from "nostr-tools/relay";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { EventFactory } from "../support/events.ts";
import { newestFirst, Topic } from "../support/topic.ts";
import { sha256Hex } from "../support/unsigned-events.ts";
import { checkWebSockets } from "../support/checked-web-socket.ts";
import { type ClientUnderTest, plain, testClient } from "./client-suite.ts";
import { testReconnect } from "./reconnect-suite.ts";
import { signAsOwner, testSignIn } from "./sign-in-suite.ts";
import { SharedRelay } from "./shared-relay.ts";

checkWebSockets();
useWebSocketImplementation(WebSocket);
useInRelay(WebSocket);

type Event = Parameters<Relay["publish"]>[0];
type Filter = Parameters<Relay["subscribe"]>[0][number];

async function openRelay(url: string): Promise<ClientUnderTest> {
  const relay = await Relay.connect(url, { enableReconnect: true });
  relay.resubscribeBackoff = [50];
  const pool = new SimplePool();
  return {
    publish: (event) => outcomeOf(relay.publish(event as Event)),
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
    information: () => fetchRelayInformation(url),
    close: () => {
      relay.close();
      pool.destroy();
    },
  };
}

/** `onauth` signs in once the relay has said `auth-required:`, and asks again. */
function openSignedIn(url: string): ClientUnderTest {
  const pool = new SimplePool();
  return {
    publish: (event) => {
      const [answer] = pool.publish([url], event as Event, { onauth: sign });
      return outcomeOf(answer as Promise<string>);
    },
    query: (filter) =>
      new Promise((resolve) => {
        const found: NostrEvent[] = [];
        pool.subscribeEose([url], filter as Filter, {
          onauth: sign,
          onevent: (event) => found.push(plain(event as NostrEvent)),
          onclose: () => resolve(found),
        });
      }),
    subscribe: (filter, heard) => {
      const subscription = pool.subscribe([url], filter as Filter, {
        onauth: sign,
        onevent: (event) => heard.onEvent(event as NostrEvent),
        oneose: () => heard.onEose(),
      });
      return () => subscription.close();
    },
    close: () => pool.destroy(),
  };
}

/** `automaticallyAuth` answers the challenge that a connection begins with. */
async function openAuthenticated(url: string): Promise<ClientUnderTest> {
  const pool = new SimplePool();
  const { promise, resolve } = Promise.withResolvers<void>();
  pool.automaticallyAuth = () => async (template) => {
    resolve();
    return sign(template);
  };
  const relay = await pool.ensureRelay(url);
  await promise;
  await relay.auth(sign); // the one under way
  return {
    publish: (event) => outcomeOf(pool.publish([url], event as Event)[0] as Promise<string>),
    query: async (filter) => {
      const events = await pool.querySync([url], filter as Filter);
      return events.map((event) => plain(event as NostrEvent));
    },
    subscribe: (filter, heard) => {
      const subscription = pool.subscribe([url], filter as Filter, {
        onevent: (event) => heard.onEvent(event as NostrEvent),
        oneose: () => heard.onEose(),
      });
      return () => subscription.close();
    },
    close: () => pool.destroy(),
  };
}

function outcomeOf(answer: Promise<string>): Promise<{ isAccepted: boolean; reason: string }> {
  return answer.then(
    (reason) => ({ isAccepted: true, reason }),
    ({ message }: Error) => ({ isAccepted: false, reason: message }),
  );
}

async function sign(template: EventTemplate): Promise<VerifiedEvent> {
  return signAsOwner(template) as VerifiedEvent;
}

const relay = new SharedRelay();

testClient("nostr-tools", relay, openRelay, { canCount: true, canInform: true });
testSignIn("nostr-tools, told to by the relay,", relay, openSignedIn);
testSignIn("nostr-tools, asked by nobody,", relay, openAuthenticated);
testReconnect("nostr-tools", relay, openRelay);

test("nostr-tools searches (NIP-50), by words and by the rest of the filter", async () => {
  const client = await openRelay(relay.url);
  const factory = new EventFactory(50);
  const words = ["tamandua in the garden", "a Tamandúa!", "no such animal"];
  const notes = words.map((content, i) =>
    factory.make({ kind: 1, tags: [], content, author: i, created_at: 1000 + i }),
  );
  for (const note of notes) expect((await client.publish(note)).isAccepted).toBe(true);
  const [garden, cry] = notes as [NostrEvent, NostrEvent];
  const search = (words: string, more: object = {}) =>
    client.query({ search: words, ...more } as {});
  const found = await search("tamandua");
  expect(new Set(found.map(({ id }) => id))).toEqual(new Set([garden.id, cry.id]));
  expect(await search("tamandua -garden", { authors: [cry.pubkey] })).toEqual([cry]);
  client.close();
});

test("nostr-tools makes out of a COUNT's registers how many have reacted (NIP-45)", async () => {
  const client = await Relay.connect(relay.url);
  const factory = new EventFactory(45);
  const target = sha256Hex("a note that many react to");
  const reactions = Array.from({ length: 20 }, (_, author) =>
    factory.make({ author, kind: 7, tags: [["e", target]], content: "+" }),
  );
  for (const reaction of reactions) await client.publish(reaction as Event);
  const filter = { kinds: [7], "#e": [target] };
  const { count, hll } = await client.countWithHLL([filter], {});
  expect(count).toBe(20);
  const registers = newHll();
  for (const reaction of reactions) {
    feedEvent(registers, reaction as Event, computeOffset(target));
  }
  expect(hll).toBe(hllEncode(registers));
  expect(estimateCount(hllDecode(hll as string) as Uint8Array)).toBe(20);
  client.close();
});

test("nostr-tools syncs (NIP-77), and both sides come to have the same", async () => {
  const topic = new Topic("synced by nostr-tools");
  const all = topic.makeAt(Array.from({ length: 150 }, (_, i) => 1_700_000_000 + (i >> 1)));
  const other = await Client.connect(relay.url);
  await other.publishAll(all.filter((_, i) => i % 3 !== 1));
  const known = new Map(all.filter((_, i) => i % 3 !== 0).map((event) => [event.id, event]));
  const client = await Relay.connect(relay.url);
  const compare = async (): Promise<{ have: Set<string>; need: Set<string> }> => {
    const storage = new nip77.NegentropyStorageVector();
    for (const { id, created_at } of known.values()) storage.insert(created_at, id);
    storage.seal();
    const [have, need] = [new Set<string>(), new Set<string>()];
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const sync = new nip77.NegentropySync(client, storage, topic.filter as Filter, {
      onhave: (id) => void have.add(id),
      onneed: (id) => void need.add(id),
      onclose: resolve,
    });
    await sync.start();
    expect(await promise).toBeUndefined();
    return { have, need };
  };

  const { have, need } = await compare();
  expect([have.size, need.size]).toEqual([50, 50]);
  for (const id of have) await client.publish(known.get(id) as Event);
  const pool = new SimplePool();
  for (const event of await pool.querySync([relay.url], { ids: [...need] })) {
    known.set(event.id, plain(event as NostrEvent));
  }
  expect(newestFirst([...known.values()])).toEqual(newestFirst(all));
  expect(await other.query(topic.filter)).toEqual(newestFirst(all));
  expect(await compare()).toEqual({ have: new Set(), need: new Set() });
  pool.destroy();
  client.close();
  other.close();
});
