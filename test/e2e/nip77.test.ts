// NIP-77 over the wire: syncs with nostr-tools' client, both ways; who is told what; how a sync is
// opened, replaced, refused and closed. Limits and time-outs are in nip77-limits.test.ts.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { authorKey, EventFactory } from "../support/events.ts";
import { chooseSeed } from "../support/random.ts";
import { naiveMatches, randomFilter, type RawFilter } from "../support/random-filters.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { sync, syncedIds } from "../support/sync-client.ts";
import { Topic } from "../support/topic.ts";
import { Dice } from "../support/unsigned-events.ts";

let relay: RelayProcess;
let client: Client;

beforeAll(async () => {
  relay = await RelayProcess.start({
    flags: ["--threads-negentropy=2", "--threads-ingester=2", "--store-tail-events=300"],
  });
  client = await Client.connect(relay.url);
});

afterAll(async () => {
  client.send("NEG-OPEN", "left open", {}, "61");
  expect(await client.find("NEG-MSG")).toEqual(["NEG-MSG", "left open", "61"]);
  expect(await relay.stop()).toBe(0);
});

async function connected<T>(body: (own: Client) => Promise<T>): Promise<T> {
  const own = await Client.connect(relay.url);
  const result = await body(own);
  own.close();
  return result;
}

/** So that the next frame is not the OK. */
async function signIn(own: Client, author: number): Promise<void> {
  const frame = await own.signIn(author);
  expect(await own.next()).toEqual(["OK", frame[1], true, ""]);
}

function idsOf(events: readonly { id: string }[]): string[] {
  return events.map(({ id }) => id).sort();
}

/** An empty set as its fingerprint: whoever has something answers with what that is. */
const NOTHING = `6100000200`;

describe("random sets, random filters", () => {
  const seed = chooseSeed();
  const dice = new Dice(seed);
  const factory = new EventFactory(dice);
  const make = (count: number): NostrEvent[] =>
    dice.list(count, () => factory.makeDistinct({ kind: dice.pick([1, 1, 7, 1984]) }));
  const [shared, ofRelay, ofClient] = [make(400), make(150), make(120)];
  const known = [...shared, ...ofClient];
  const all = [...known, ...ofRelay];

  beforeAll(async () => {
    await client.publishAll([...shared, ...ofRelay]);
  });

  test("have and need are exact", () =>
    connected(async (own) => {
      for (let i = 0; i < 25; i++) {
        const { limit: _, ...filter } = randomFilter(dice, all, 1);
        const wanted = (event: NostrEvent): boolean => naiveMatches(filter, event);
        const frameBytesMax = dice.pick([4096, 60_000]);
        const { have, need } = await sync(own, filter, known.filter(wanted), frameBytesMax);
        const expected = [idsOf(ofClient.filter(wanted)), idsOf(ofRelay.filter(wanted))];
        expect([seed, filter, have, need]).toEqual([seed, filter, ...expected]);
      }
    }));

  test("with what they say, both sides come to have the same", () =>
    connected(async (own) => {
      const filter: RawFilter = { kinds: [1, 7, 1984], until: 1_800_000_000 };
      const { have, need } = await sync(own, filter, known);
      const got = await client.query({ ids: need });
      expect(idsOf(got)).toEqual(need);
      await client.publishAll(ofClient.filter(({ id }) => have.includes(id)));
      const { rounds: _, answerBytes: _b, ...left } = await sync(own, filter, [...known, ...got]);
      expect(left).toEqual({ have: [], need: [] });
    }));

  test("a limit asks for the newest, as of a REQ", () =>
    connected(async (own) => {
      const filter = { kinds: [7], limit: 20 };
      const newest = (await client.query(filter)).slice(0, 20);
      expect(await syncedIds(own, filter)).toEqual(idsOf(newest));
      expect(await syncedIds(own, { kinds: [7], limit: 0 })).toEqual([]);
    }));
});

describe("what is there", () => {
  test("is what is stored when the sync is opened: from its OK until it is deleted", () =>
    connected(async (own) => {
      const topic = new Topic("there and gone");
      const events = topic.makeAt([1000, 1001, 1002], { author: 3 });
      for (const [i, event] of events.entries()) {
        await client.publish(event);
        expect(await syncedIds(own, topic.filter)).toEqual(idsOf(events.slice(0, i + 1)));
      }
      const [first, second, third] = events as [NostrEvent, NostrEvent, NostrEvent];
      const deletion = topic.make({ kind: 5, author: 3, tags: [["e", second.id]] });
      await client.publish(deletion);
      expect(await syncedIds(own, topic.filter)).toEqual(idsOf([first, third, deletion]));
    }));
});

describe("private events", () => {
  const topic = new Topic("private syncs");
  const [alice, bob, mallory] = [21, 22, 23];
  const to = (author: number) => [["p", authorKey(author).pubkey]];
  const note = topic.make({ author: alice });
  const sent = topic.make({ kind: 4, author: alice, tags: to(bob) });
  const wrap = topic.make({ kind: 1059, author: mallory, tags: to(alice) });
  const all = [note, sent, wrap];
  const reason =
    "auth-required: private events are only for their authors and recipients, sign in first";

  beforeAll(async () => {
    await client.publishAll(all);
  });

  const everything = { since: 0, ...topic.filter };
  const viewers: [who: string, author: number | null, seen: NostrEvent[]][] = [
    ["nobody", null, [note]],
    ["their author", alice, [note, sent, wrap]],
    ["the one they are for", bob, [note, sent]],
    ["somebody else", 24, [note]],
  ];
  test.each(viewers)("%s is told of their own only", (_, author, seen) =>
    connected(async (own) => {
      if (author !== null) await signIn(own, author);
      expect(await syncedIds(own, everything)).toEqual(idsOf(seen));
      const ids = idsOf(all);
      expect(await syncedIds(own, { ids })).toEqual(idsOf(seen));
      const whole = await syncedIds(own, {});
      expect(ids.filter((id) => whole.includes(id))).toEqual(idsOf(seen));
      const privately = await syncedIds(own, { kinds: [4, 1059, 1], authors: [note.pubkey] });
      expect(ids.filter((id) => privately.includes(id))).toEqual(
        idsOf(seen.filter((event) => event !== wrap)),
      );
    }),
  );

  test("to ask for nothing else takes a sign-in", () =>
    connected(async (own) => {
      own.send("NEG-OPEN", "n", { kinds: [4, 1059] }, NOTHING);
      expect(await own.next()).toEqual(["NEG-ERR", "n", reason]);
      await signIn(own, bob);
      const need = await syncedIds(own, { kinds: [4, 1059], ...topic.filter });
      expect(need).toEqual([sent.id]);
    }));

  test("what a sign-in makes visible is the next sync's", () =>
    connected(async (own) => {
      own.send("NEG-OPEN", "n", topic.filter, NOTHING);
      const [, , first] = await own.next();
      await signIn(own, alice);
      own.send("NEG-MSG", "n", NOTHING);
      expect(await own.next()).toEqual(["NEG-MSG", "n", first]);
      expect(await syncedIds(own, topic.filter)).toEqual(idsOf(all));
    }));
});

describe("syncs", () => {
  const closed = (id: string) => ["NEG-ERR", id, "closed: no sync of this id is open"];

  test("have ids of their own, apart from subscriptions", () =>
    connected(async (own) => {
      const topic = new Topic("two of one id");
      const event = topic.make();
      await own.request("same", topic.filter);
      own.send("NEG-OPEN", "same", topic.filter, "61");
      expect(await own.find("NEG-MSG")).toEqual(["NEG-MSG", "same", "61"]);
      await own.publish(event);
      expect(await own.find("EVENT", "same")).toEqual(["EVENT", "same", event]);
      own.send("NEG-CLOSE", "same");
      own.send("NEG-MSG", "same", "61");
      expect(await own.find("NEG-ERR")).toEqual(closed("same"));
    }));

  test("are replaced by another of the same id", () =>
    connected(async (own) => {
      const [one, other] = [new Topic("replaced"), new Topic("replacing")];
      const [first, second] = [one.make({ created_at: 5 }), other.make({ created_at: 5 })];
      await client.publishAll([first, second]);
      own.send("NEG-OPEN", "n", one.filter, NOTHING);
      own.send("NEG-OPEN", "n", other.filter, NOTHING);
      // The first may have been answered already.
      const last = ["NEG-MSG", "n", `6100000201${second.id}`];
      const frames = [await own.next()];
      if (!Bun.deepEquals(frames[0], last)) frames.push(await own.next());
      expect(frames.at(-1)).toEqual(last);
      own.send("NEG-MSG", "n", NOTHING);
      expect(await own.next()).toEqual(last);
    }));

  test("end with a refused message of their id", () =>
    connected(async (own) => {
      for (const message of [
        ["NEG-OPEN", "n", { ids: 1 }, "61"],
        ["NEG-MSG", "n", "6"],
        ["NEG-MSG", "n", "6102"],
        ["NEG-OPEN", "n", { kinds: [4] }, "61"],
      ]) {
        own.send("NEG-OPEN", "n", {}, "61");
        expect(await own.next()).toEqual(["NEG-MSG", "n", "61"]);
        own.send(...message);
        expect((await own.next())[0]).toBe("NEG-ERR");
        own.send("NEG-MSG", "n", "61");
        expect(await own.next()).toEqual(closed("n"));
      }
    }));

  test("are of one connection", () =>
    connected(async (own) => {
      own.send("NEG-OPEN", "n", {}, "61");
      expect(await own.next()).toEqual(["NEG-MSG", "n", "61"]);
      client.send("NEG-MSG", "n", "61");
      expect(await client.find("NEG-ERR", "n")).toEqual(closed("n"));
    }));

  test("answer an unknown version with the one that is known", () =>
    connected(async (own) => {
      own.send("NEG-OPEN", "n", { ids: [] }, "62000000");
      expect(await own.next()).toEqual(["NEG-MSG", "n", "61"]);
      own.send("NEG-MSG", "n", NOTHING);
      expect(await own.next()).toEqual(["NEG-MSG", "n", NOTHING]);
    }));

  test("answer thousands of ranges that differ within the limit", () =>
    connected(async (own) => {
      const range = (i: number): string => `${i === 0 ? "01" : "02"}0001${"ab".repeat(16)}`;
      const ranges = Array.from({ length: 20_000 }, (_, i) => range(i)).join("");
      own.send("NEG-OPEN", "n", {}, `61${ranges}`);
      const [type, id, hex] = (await own.next()) as [string, string, string];
      expect([type, id]).toEqual(["NEG-MSG", "n"]);
      expect(hex.length).toBeLessThanOrEqual(1_000_000);
    }));
});
