// Signing in (NIP-42) as each client does it by itself, once it has been given a key: nobody calls
// anything, the challenge is answered, and what is for the key's owner only comes.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { authorKey, type EventTemplate, signEvent } from "../support/events.ts";
import { newestFirst, nowSeconds, Topic } from "../support/topic.ts";
import { ACCEPTED, type ClientUnderTest, Listener } from "./client-suite.ts";
import type { SharedRelay } from "./shared-relay.ts";

/** The author whose key the client has. */
export const OWNER = 20;
const [FRIEND, STRANGER] = [21, 22];

/** What a client signs with. */
export function signAsOwner(template: EventTemplate): NostrEvent {
  return signEvent(template, authorKey(OWNER));
}

export function ownerSecretHex(): string {
  return Buffer.from(authorKey(OWNER).secret).toString("hex");
}

/** A message of NIP-04 or a gift wrap (NIP-59), which only the two of them may read. */
function makePrivate(topic: Topic, kind: number, from: number, to: number, at: number): NostrEvent {
  const tags = [["p", authorKey(to).pubkey]];
  return topic.make({ kind, author: from, tags, created_at: at });
}

/** Declares the tests; `open` connects to the relay with OWNER's key. */
export function testSignIn(
  name: string,
  relay: SharedRelay,
  open: (url: string) => Promise<ClientUnderTest> | ClientUnderTest,
): void {
  describe(`${name} signs in by itself`, () => {
    let other: Client;
    let client: ClientUnderTest;

    beforeAll(async () => {
      other = await Client.connect(relay.url);
      client = await open(relay.url);
    });

    afterAll(async () => {
      await client.close();
      other.close();
    });

    test("and reads its own messages, stored and live, and nobody else's", async () => {
      const topic = new Topic(`private ${name}`);
      const now = nowSeconds();
      const own = [
        makePrivate(topic, 4, FRIEND, OWNER, now - 10),
        makePrivate(topic, 4, OWNER, FRIEND, now - 9),
        makePrivate(topic, 1059, STRANGER, OWNER, now - 8),
      ];
      const foreign = [
        makePrivate(topic, 4, FRIEND, STRANGER, now - 7),
        makePrivate(topic, 1059, FRIEND, STRANGER, now - 6),
      ];
      await other.publishAll([...own, ...foreign]);
      const filter = { ...topic.filter, kinds: [4, 1059] };
      expect(newestFirst(await client.query(filter))).toEqual(newestFirst(own));
      const listener = new Listener();
      const close = client.subscribe(filter, listener);
      await listener.eose;
      const live = [
        makePrivate(topic, 1059, FRIEND, STRANGER, now - 2),
        makePrivate(topic, 1059, FRIEND, OWNER, now - 1),
        makePrivate(topic, 4, STRANGER, OWNER, now),
      ] as const;
      await other.publishAll(live);
      await Promise.all([listener.wait(live[1]), listener.wait(live[2])]);
      close();
      expect(newestFirst(listener.events)).toEqual(newestFirst([...own, live[1], live[2]]));
    });

    test("and publishes an event that only its author may publish (NIP-70)", async () => {
      const topic = new Topic(`protected ${name}`);
      const event = topic.make({ author: OWNER, tags: [["-"]], created_at: nowSeconds() });
      expect(await client.publish(event)).toEqual(ACCEPTED);
      expect(await other.query(topic.filter)).toEqual([event]);
    });
  });
}
