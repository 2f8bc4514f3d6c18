// Privacy through and through: clients with keys of their own, or none, subscribe, sign in at any
// time and close, while events of all kinds are published. In the end each subscription has been
// sent exactly what its client may see of what it asked for, each event once; and no other frame,
// count or hint says anything of the rest.

import { expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { filterResult } from "../support/naive-hll.ts";
import { Client } from "../support/client.ts";
import { authorKey, EventFactory } from "../support/events.ts";
import { naiveMatches, type RawFilter } from "../support/random-filters.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { chooseSeed } from "../support/random.ts";
import { Dice } from "../support/unsigned-events.ts";

const AUTHORS = 5;
const KINDS = [1, 1, 4, 1059, 21_059];
const PRIVATE = [4, 1059, 21_059];
const CLIENTS = 8;
const ROUNDS = 150;
const SENTINEL = 1999;

interface Watch {
  readonly id: string;
  readonly filter: RawFilter;
}

class Watcher {
  readonly client: Client;
  readonly keys = new Set<string>();
  readonly watches: Watch[] = [];

  constructor(client: Client) {
    this.client = client;
  }

  sees({ kind, pubkey, tags }: NostrEvent): boolean {
    if (!PRIVATE.includes(kind) || this.keys.has(pubkey)) return true;
    return tags.some(([name, value]) => name === "p" && this.keys.has(value ?? ""));
  }
}

function randomFilter(dice: Dice): RawFilter {
  const filter: RawFilter = {};
  const keys = () => dice.list(1 + dice.below(2), () => authorKey(dice.below(AUTHORS)).pubkey);
  if (dice.chance(0.5)) filter.kinds = [1, ...dice.some(PRIVATE, 1 + dice.below(2))];
  if (dice.chance(0.3)) filter.authors = keys();
  if (dice.chance(0.3)) filter["#p"] = keys();
  return filter;
}

test("a subscription is sent what its client may see, each event once", async () => {
  const seed = chooseSeed();
  const dice = new Dice(seed);
  const factory = new EventFactory(dice);
  const flags = ["--threads-ingester=2", "--threads-reader=2", "--threads-monitor=2"];
  await using relay = await RelayProcess.start({ flags });
  const publisher = await Client.connect(relay.url);
  const connect = async () => new Watcher(await Client.connect(relay.url));
  const watchers = await Promise.all(Array.from({ length: CLIENTS }, connect));
  const events: NostrEvent[] = [];
  const work: Promise<unknown>[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const watcher = dice.pick(watchers);
    if (dice.chance(0.25) && watcher.watches.length < 6) {
      const watch = { id: `w${watcher.watches.length}`, filter: randomFilter(dice) };
      watcher.watches.push(watch);
      watcher.client.send("REQ", watch.id, watch.filter);
    } else if (dice.chance(0.1)) {
      const author = dice.below(AUTHORS);
      watcher.keys.add(authorKey(author).pubkey);
      work.push(watcher.client.signIn(author));
    }
    for (let n = dice.below(4); n > 0; n--) {
      const kind = dice.pick(KINDS.slice(0, 4));
      const tags = dice.list(dice.below(3), () => ["p", authorKey(dice.below(AUTHORS)).pubkey]);
      const event = factory.makeDistinct({ kind, tags, author: dice.below(AUTHORS) });
      events.push(event);
      work.push(publisher.publish(event));
    }
    if (dice.chance(0.3)) await Promise.all(work.splice(0));
  }
  await Promise.all(work);
  // All are signed in now: what is ephemeral reaches whom it should.
  for (let n = 0; n < 20; n++) {
    const tags = [["p", authorKey(dice.below(AUTHORS)).pubkey]];
    const event = factory.makeDistinct({ kind: 21_059, tags, author: dice.below(AUTHORS) });
    events.push(event);
    await publisher.publish(event);
  }
  const last = factory.makeDistinct({ kind: SENTINEL, tags: [] });
  events.push(last);
  for (const { client } of watchers) await client.request("last", { kinds: [SENTINEL] });
  await publisher.publish(last);
  for (const watcher of watchers) {
    const { client } = watcher;
    await client.find("EVENT", "last", last);
    for (const { id, filter } of watcher.watches) {
      const wanted = events.filter((event) => naiveMatches(filter, event) && watcher.sees(event));
      for (const event of wanted) await client.find("EVENT", id, event);
      await client.settle();
      const own = client.frames.filter((frame) => frame[1] === id && frame[0] === "EVENT");
      const found = own.map((frame) => (frame[2] as NostrEvent).id);
      const expected = wanted.map((event) => event.id);
      expect([seed, filter, found.toSorted()]).toEqual([seed, filter, expected.toSorted()]);
      const stored = wanted.filter(({ kind }) => kind !== 21_059);
      const count = await client.count(`n${id}`, filter);
      expect(count).toEqual(["COUNT", `n${id}`, filterResult(filter, stored)]);
    }
    for (const frame of client.frames) {
      if (frame[0] === "EVENT") expect(watcher.sees(frame[2] as NostrEvent)).toBe(true);
    }
    client.close();
  }
}, 60_000);
