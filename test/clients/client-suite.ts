// What every client is for, asked of each in its own words: publish, ask, listen, stop. The events
// come from outside, signed, so that what a client passes on can be compared with what was made.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { authorKey } from "../support/events.ts";
import type { RawFilter } from "../support/random-filters.ts";
import { newestFirst, Topic } from "../support/topic.ts";
import type { SharedRelay } from "./shared-relay.ts";

/** A client library behind the few verbs that the tests use. */
export interface ClientUnderTest {
  /** Resolves with what the relay said: its OK's last element, and whether it took the event. */
  publish(event: NostrEvent): Promise<{ isAccepted: boolean; reason: string }>;
  /** The stored events, up to EOSE. */
  query(filter: RawFilter): Promise<NostrEvent[]>;
  /** Stored events, then live ones, until the function that it returns is called. */
  subscribe(filter: RawFilter, heard: Heard): () => void;
  count?(filter: RawFilter): Promise<number>;
  /** The relay information document (NIP-11), as far as it is looked at here. */
  information?(): Promise<Information | null | undefined>;
  close(): Promise<void> | void;
}

interface Information {
  name?: string | undefined;
  supported_nips?: readonly number[] | undefined;
}

export interface Heard {
  onEvent(event: NostrEvent): void;
  onEose(): void;
}

/** What a subscription has heard, and promises of what it is yet to hear. */
export class Listener implements Heard {
  readonly events: NostrEvent[] = [];
  readonly eose: Promise<void>;
  readonly onEose: () => void;
  private readonly waiting = new Map<string, () => void>();

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.eose = promise;
    this.onEose = resolve;
  }

  onEvent(event: NostrEvent): void {
    this.events.push(plain(event));
    this.waiting.get(event.id)?.();
  }

  /** Resolves when that event has come. */
  wait({ id }: NostrEvent): Promise<void> {
    if (this.events.some((event) => event.id === id)) return Promise.resolve();
    return new Promise((resolve) => this.waiting.set(id, resolve));
  }
}

/** Without what clients leave on events: marks of a checked signature, methods, relays' names. */
export function plain(event: NostrEvent): NostrEvent {
  const { id, pubkey, created_at, kind, tags, content, sig } = event;
  return { id, pubkey, created_at, kind, tags: tags.map((tag) => [...tag]), content, sig };
}

export const ACCEPTED = { isAccepted: true, reason: "" };

const HEX = "5c83da77af1dec6d7289834998ad7aafbd9e2191396d75ec3cc27f5a77226f36";
const AT = 1_700_000_000;

/** What else the library has: COUNT (NIP-45), the relay information document (NIP-11). */
interface Abilities {
  readonly canCount: boolean;
  readonly canInform: boolean;
}

/** Declares the tests; `open` connects to the relay. */
export function testClient(
  name: string,
  relay: SharedRelay,
  open: (url: string) => Promise<ClientUnderTest> | ClientUnderTest,
  { canCount, canInform }: Abilities,
): void {
  describe(name, () => {
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

    test("publishes events and hears of each that it was taken", async () => {
      const topic = new Topic("published");
      const events = topic.makeAt(Array.from({ length: 50 }, (_, i) => AT + (i >> 1)));
      const answers = await Promise.all(events.map((event) => client.publish(event)));
      expect(answers).toEqual(events.map(() => ACCEPTED));
      expect(await other.query(topic.filter)).toEqual(newestFirst(events));
    });

    test("hears why an event was refused", async () => {
      const { old, recent } = versions("refused", 10_000, []);
      expect(await client.publish(recent)).toEqual(ACCEPTED);
      expect(await client.publish(old)).toEqual({
        isAccepted: false,
        reason: "duplicate: a newer version of this event is stored",
      });
    });

    test("finds stored events by every field of a filter", async () => {
      const topic = new Topic("stored");
      const tags = [
        ["e", HEX],
        ["p", authorKey(3).pubkey],
        ["r", "ñandú"],
      ];
      const wanted = topic.make({ kind: 7, author: 3, tags, created_at: AT });
      const unwanted = topic.make({ kind: 1, author: 4, created_at: AT - 10 });
      await other.publishAll([wanted, unwanted]);
      const filters: RawFilter[] = [
        { ids: [wanted.id] },
        { authors: [wanted.pubkey] },
        { kinds: [7] },
        { "#e": [HEX] },
        { "#p": [authorKey(3).pubkey] },
        { "#r": ["ñandú"] },
        { since: AT },
        { limit: 1 },
        { kinds: [1, 7], authors: [wanted.pubkey], since: AT, until: AT },
      ];
      for (const filter of filters) {
        expect(await client.query({ ...topic.filter, ...filter })).toEqual([wanted]);
      }
      expect(await client.query({ ...topic.filter, until: AT - 1 })).toEqual([unwanted]);
      expect(await client.query({ ...topic.filter, kinds: [3] })).toEqual([]);
    });

    test("gets stored events, EOSE, live events, and nothing after it has closed", async () => {
      const topic = new Topic("listened to");
      const stored = topic.makeAt([AT, AT + 1, AT + 2]);
      await other.publishAll(stored);
      const listener = new Listener();
      const close = client.subscribe(topic.filter, listener);
      await listener.eose;
      expect(newestFirst(listener.events)).toEqual(newestFirst(stored));
      const live = topic.makeAt([AT + 3, AT - 3]);
      for (const event of live) {
        await other.publish(event);
        await listener.wait(event);
      }
      close();
      const last = topic.make({ created_at: AT + 4 });
      expect(await client.publish(last)).toEqual(ACCEPTED);
      expect(await client.query({ ids: [last.id] })).toEqual([last]);
      expect(newestFirst(listener.events)).toEqual(newestFirst([...stored, ...live]));
    });

    const replaceables: [number, string[][]][] = [
      [0, []],
      [10_002, [["r", "wss://relay.example"]]],
      [30_023, [["d", "article"]]],
    ];
    test.each(replaceables)("replaces its event of kind %i", async (kind, tags) => {
      const { topic, old, recent } = versions(`replaced ${kind}`, kind, tags);
      const listener = new Listener();
      const close = client.subscribe(topic.filter, listener);
      await listener.eose;
      for (const event of [old, recent]) {
        expect(await client.publish(event)).toEqual(ACCEPTED);
        await listener.wait(event);
      }
      expect(await client.query(topic.filter)).toEqual([recent]);
      close();
    });

    test("deletes its event", async () => {
      const topic = new Topic("deleted");
      const event = topic.make({ author: 5, created_at: AT });
      const tags = [["e", event.id]];
      const deletion = topic.make({ kind: 5, author: 5, tags, created_at: AT + 1 });
      expect(await client.publish(event)).toEqual(ACCEPTED);
      expect(await client.publish(deletion)).toEqual(ACCEPTED);
      expect(await client.query(topic.filter)).toEqual([deletion]);
      expect(await client.publish(event)).toEqual({
        isAccepted: false,
        reason: "blocked: this event was deleted by its author",
      });
    });

    if (canInform) {
      test("reads the relay information document", async () => {
        const information = await client.information?.();
        expect(information?.name).toBe("nandu");
        expect(information?.supported_nips).toContain(1);
      });
    }

    if (canCount) {
      test("counts", async () => {
        const topic = new Topic("counted");
        await other.publishAll(topic.makeAt([AT, AT + 1, AT + 2]));
        expect(await client.count?.({ ...topic.filter, since: AT + 1 })).toBe(2);
      });
    }
  });
}

/** Two versions of one replaceable event. */
function versions(name: string, kind: number, tags: string[][]) {
  const topic = new Topic(name);
  const [old, recent] = topic.makeAt([AT, AT + 1], { kind, author: 6, tags });
  return { topic, old: old as NostrEvent, recent: recent as NostrEvent };
}
