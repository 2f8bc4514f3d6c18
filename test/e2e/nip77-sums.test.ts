// Syncs (NIP-77) by running sums, over the wire: of any size, though the relay holds few events for
// one, for everybody what they may see, while events come and go. And `nandu negentropy`, beside
// the relay that runs.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { ItemSum } from "../../src/negentropy/item-sum.ts";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { databasePath } from "../../src/store/schema.ts";
import { checkSums } from "../support/check-sums.ts";
import { Client } from "../support/client.ts";
import { authorKey, EventFactory } from "../support/events.ts";
import { naiveMatches, type RawFilter } from "../support/random-filters.ts";
import { RelayProcess, runNandu } from "../support/relay-process.ts";
import { negentropyOf, sync, syncedIds } from "../support/sync-client.ts";

const ITEMS_MAX = 100;
const factory = new EventFactory(770);
const [alice, bob] = [31, 32];
const START = 1_600_000_000;

/** Some in one second, some in one hour, some over years; kind 4 by and to authors. */
const EVENTS = factory.random.list(1500, (): NostrEvent => {
  const { random } = factory;
  const created_at = START + random.below(random.pick([1, 3000, 3_000_000, 100_000_000]));
  const [author, other] = random.pick([
    [alice, bob],
    [bob, 33],
    [33, 34],
  ]) as [number, number];
  const kind = random.pick([1, 1, 1, 1, 1, 1, 1, 7, 7, 7, 7, 4]);
  const tags = [
    ["p", authorKey(other).pubkey],
    ["t", random.pick(["x", "y"])],
  ];
  return factory.makeDistinct({ kind, author, created_at, tags });
});

let relay: RelayProcess;
let client: Client;
let db: Database;

beforeAll(async () => {
  relay = await RelayProcess.start({ flags: [`--negentropy-items-max=${ITEMS_MAX}`] });
  client = await Client.connect(relay.url);
  db = new Database(databasePath(relay.dataDir), { readonly: true });
  await client.publishAll(EVENTS);
  await summed(512);
});

afterAll(async () => {
  expect(checkSums(db)).toEqual([]);
  db.close();
  client.close();
  expect(await relay.stop()).toBe(0);
});

/** When each set has all but so many. */
async function summed(behindMax: number): Promise<void> {
  const sql = "SELECT (SELECT seq FROM head) - min(upto) FROM sum_set";
  while ((db.query(sql).values()[0]?.[0] as number) >= behindMax) await client.query({ limit: 1 });
}

async function connected<T>(author: number | null, body: (own: Client) => Promise<T>): Promise<T> {
  const own = await Client.connect(relay.url);
  if (author !== null) {
    const frame = await own.signIn(author);
    expect(await own.next()).toEqual(["OK", frame[1], true, ""]);
  }
  const result = await body(own);
  own.close();
  return result;
}

function idsOf(events: readonly NostrEvent[]): string[] {
  return events.map(({ id }) => id).sort();
}

function seenBy(author: number | null, filter: RawFilter): NostrEvent[] {
  const pubkey = author === null ? null : authorKey(author).pubkey;
  return EVENTS.filter((event) => {
    const isInvolved = event.pubkey === pubkey || event.tags.some(([, value]) => value === pubkey);
    return naiveMatches(filter, event) && (event.kind !== 4 || isInvolved);
  });
}

const FILTERS: RawFilter[] = [
  {},
  { since: START + 100 },
  { since: START + 50, until: START + 2_000_000 },
  { kinds: [1] },
  { kinds: [7, 1], until: START + 40_000_000 },
];

for (const author of [null, 33]) {
  test(`have and need are exact, for ${author === null ? "anybody" : "who has signed in"}`, () =>
    connected(author, async (own) => {
      for (const filter of FILTERS) {
        const seen = seenBy(author, filter);
        expect(seen.length).toBeGreaterThan(ITEMS_MAX);
        const known = seen.filter((_, i) => i % 7 !== 0);
        const mine = factory.random.list(20, () => factory.makeDistinct({ created_at: START + 5 }));
        const { have, need } = await sync(own, filter, [...known, ...mine], 4096);
        const missing = seen.filter((_, i) => i % 7 === 0);
        expect([filter, have, need]).toEqual([filter, idsOf(mine), idsOf(missing)]);
      }
    }));
}

test("private events are synced by those they are for, and leave no trace elsewhere", async () => {
  const own = EVENTS.filter(({ kind, pubkey }) => kind === 4 && pubkey === authorKey(alice).pubkey);
  expect(own.length).toBeGreaterThan(10);
  expect(own.length).toBeLessThan(ITEMS_MAX); // these are held
  for (const author of [null, alice, 35]) {
    await connected(author, async (one) => {
      expect(await syncedIds(one, {})).toEqual(idsOf(seenBy(author, {})));
    });
  }
  // Two who see the same are told the same, though one relay has more than the other could know.
  const answers = await Promise.all(
    [null, 35].map((author) =>
      connected(author, async (one) => {
        one.send("NEG-OPEN", "n", {}, negentropyOf([], 60_000).initiate());
        return (await one.next())[2];
      }),
    ),
  );
  expect(answers[0]).toBe(answers[1] as string);
});

test("while events come and go, what is there throughout is found", () =>
  connected(null, async (own) => {
    const seen = seenBy(null, {});
    const known = seen.filter((_, i) => i % 5 !== 0);
    const tools = negentropyOf(known, 4096);
    const removed = seen.filter(({ pubkey }, i) => i % 11 === 0 && pubkey === authorKey(33).pubkey);
    const [have, need, come] = [new Set<string>(), new Set<string>(), new Set<string>()];
    own.send("NEG-OPEN", "n", {}, tools.initiate());
    for (let round = 0; ; round++) {
      const [type, , hex] = await own.next();
      expect(type).toBe("NEG-MSG");
      const question = tools.reconcile(
        hex as string,
        (id) => have.add(id),
        (id) => need.add(id),
      );
      if (question === null) break;
      const victim = removed[round];
      const added = factory.makeDistinct({ author: 34, created_at: START + 7 * round });
      const tags = victim === undefined ? [] : [["e", victim.id]];
      const deletion = factory.makeDistinct({ kind: 5, author: 33, tags });
      for (const event of [added, deletion]) come.add(event.id);
      await client.publishAll([added, deletion]);
      own.send("NEG-MSG", "n", question);
    }
    const gone = new Set(removed.map(({ id }) => id));
    const missing = seen.filter(({ id }, i) => i % 5 === 0 && !gone.has(id));
    expect(missing.filter(({ id }) => !need.has(id))).toEqual([]);
    const right = new Set([...missing.map(({ id }) => id), ...gone, ...come]);
    expect([...need].filter((id) => !right.has(id))).toEqual([]);
    expect([...have].filter((id) => !gone.has(id))).toEqual([]);
    expect(removed.length).toBeGreaterThan(3);
    for (const { id } of removed)
      EVENTS.splice(
        EVENTS.findIndex((one) => one.id === id),
        1,
      );
    const left = await syncedIds(own, { kinds: [1, 7], until: START + 1_000_000_000 });
    const expected = new Set(idsOf(seenBy(null, { kinds: [1, 7] })));
    expect([...expected].filter((id) => !left.includes(id) && !gone.has(id))).toEqual([]);
  }));

function negentropy(...args: string[]) {
  return runNandu(["negentropy", ...args, `--data-dir=${relay.dataDir}`]);
}

test("an added filter is served from when it has been counted, until it is removed", () =>
  connected(null, async (own) => {
    const filter: RawFilter = { kinds: [7, 1], "#t": ["x"] };
    const blocked = ["NEG-ERR", "n", "blocked: this query is too big", ITEMS_MAX];
    const open = async (): Promise<unknown> => {
      own.send("NEG-OPEN", "n", filter, "61");
      return own.next();
    };
    expect(await open()).toEqual(blocked);
    const added = await negentropy("add", JSON.stringify(filter));
    expect([added.code, added.stdout]).toEqual([
      0,
      "created tree 1\n  to populate it at once: nandu negentropy build 1\n",
    ]);
    await summed(512);
    const since = START + 60;
    for (const asked of [filter, { ...filter, since }, { "#t": ["x"], kinds: [1] }]) {
      const there = await client.query(asked);
      expect(there.length).toBeGreaterThan(ITEMS_MAX);
      expect(await syncedIds(own, asked)).toEqual(idsOf(there));
    }
    const built = await negentropy("build", "1");
    const count = (await client.query(filter)).length;
    expect([built.code, built.stdout]).toEqual([0, `tree 1 is up to date: ${count} events\n`]);
    const listed = await negentropy("list");
    const [all, set] = listed.stdout.split(/^(?=tree)/m).map((one) => one.split("\n"));
    expect([listed.code, all?.slice(0, 2), all?.[4]]).toEqual([
      0,
      ["tree 0", "  filter: {}"],
      "  state: up to date",
    ]);
    const sum = new ItemSum();
    for (const { id } of await client.query(filter)) sum.addId(Buffer.from(id, "hex"));
    expect(set?.slice(0, 5)).toEqual([
      "tree 1",
      '  filter: {"#t":["x"],"kinds":[1,7]}',
      `  size: ${count}`,
      `  fingerprint: ${Buffer.from(sum.fingerprint()).toString("hex")}`,
      "  state: up to date",
    ]);
    const removed = await negentropy("remove", "1");
    expect([removed.code, removed.stdout]).toEqual([
      0,
      'removed tree 1: {"#t":["x"],"kinds":[1,7]}\n',
    ]);
    expect(await open()).toEqual(blocked);
  }));

const help = " (nandu help negentropy)\n";
const MISTAKES: [args: string[], code: number, stderr: string][] = [
  [[], 2, `nandu: one of list, add, build, remove is missing${help}`],
  [["add"], 2, `nandu: a filter is missing${help}`],
  [
    ["add", '{"since":1}'],
    2,
    `nandu: sums are kept of filters without since, until and limit: any are served${help}`,
  ],
  [["add", '{"kinds":[1]}'], 1, "nandu: tree 0, {}, serves that already\n"],
  [["build", "99"], 1, "nandu: there is no tree 99\n"],
  [["remove", "0"], 2, `nandu: tree 0 is always there${help}`],
];

test("a mistake on the command line is told, and changes nothing", async () => {
  const results = await Promise.all(
    MISTAKES.map(async ([args]) => {
      const { code, stdout, stderr } = await negentropy(...args);
      return [args, code, stderr, stdout];
    }),
  );
  expect(results).toEqual(MISTAKES.map(([args, code, stderr]) => [args, code, stderr, ""]));
  expect(db.query("SELECT id FROM sum_set").values()).toEqual([[0]]);
}, 30_000);
