// NIP-77: what syncs may cost, and what becomes of those that cost more, that are hostile, that
// are slow; and that what one has held is free again when it ends, however it ends.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { EventFactory } from "../support/events.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { sync, syncedIds } from "../support/sync-client.ts";

const factory = new EventFactory(77);
const EVENTS = factory.random.list(420, () => factory.makeDistinct({ kind: 1 }));
const SPAN = "6100000200";
const OPEN = ["NEG-MSG", "n", "61"];
const CLOSED = "closed: no sync of this id is open";

/** With few events in a sync, few syncs, few messages under way, and short ones. */
let limited: RelayProcess;
/** With room for one sync of all events. */
let small: RelayProcess;
let impatient: RelayProcess;
let without: RelayProcess;

beforeAll(async () => {
  const start = async (events: readonly NostrEvent[], ...flags: string[]) => {
    const relay = await RelayProcess.start({ flags });
    const client = await Client.connect(relay.url);
    for (const frame of await client.publishAll(events)) expect(frame[2]).toBe(true);
    client.close();
    return relay;
  };
  const limits = ["--relay-message-bytes-max=9216", "--events-bytes-max=4096"];
  limits.push("--negentropy-items-max=400", "--negentropy-sessions-max=3");
  [limited, small, impatient, without] = await Promise.all([
    start(EVENTS, ...limits, "--relay-inflight-messages-max=3"),
    start(EVENTS.slice(0, 60), "--negentropy-total-items-max=100"),
    start([], "--negentropy-idle-timeout-s=1"),
    start([], "--no-negentropy-enabled"),
  ]);
});

afterAll(async () => {
  const relays = [limited, small, impatient, without];
  expect(await Promise.all(relays.map((relay) => relay.stop()))).toEqual([0, 0, 0, 0]);
});

async function connected(relay: RelayProcess, body: (own: Client) => Promise<void>): Promise<void> {
  const own = await Client.connect(relay.url);
  await body(own);
  own.close();
}

/** The answer to a NEG-OPEN that asks for nothing yet. */
async function open(client: Client, id: string, filter: object = {}): Promise<unknown> {
  client.send("NEG-OPEN", id, filter, "61");
  return client.next();
}

test("a sync of more events than negentropy.items_max is blocked, with the maximum", () =>
  connected(limited, async (own) => {
    const blocked = ["NEG-ERR", "n", "blocked: this query is too big", 400];
    for (const filter of [{ limit: 401 }, { kinds: [1], limit: 401 }, { limit: 500, since: 1 }]) {
      expect(await open(own, "n", filter)).toEqual(blocked);
    }
    // What running sums are kept of takes no memory.
    for (const filter of [{}, { kinds: [1] }, { since: 1 }]) {
      expect(await syncedIds(own, filter)).toHaveLength(EVENTS.length);
    }
    expect(await syncedIds(own, { kinds: [1], limit: 400 })).toHaveLength(400);
    const ids = EVENTS.slice(0, 50).map(({ id }) => id);
    expect(await syncedIds(own, { ids })).toEqual(ids.sort());
  }));

test("so are all syncs of a connection together", () =>
  connected(limited, async (own) => {
    expect(await open(own, "n", { limit: 300 })).toEqual(OPEN);
    const reason = "rate-limited: more than 400 events in the syncs of this connection";
    expect(await open(own, "m", { limit: 101 })).toEqual(["NEG-ERR", "m", reason]);
    expect(await open(own, "m", { limit: 100 })).toEqual(["NEG-MSG", "m", "61"]);
    await connected(limited, async (other) => {
      expect(await open(other, "n", { limit: 400 })).toEqual(OPEN);
    });
  }));

test("more syncs than negentropy.sessions_max are refused", () =>
  connected(limited, async (own) => {
    const few = { limit: 10 };
    const answer = (id: string) => ["NEG-MSG", id, "61"];
    for (const id of ["a", "b", "c"]) expect(await open(own, id, few)).toEqual(answer(id));
    const reason = "rate-limited: more than 3 syncs open on this connection";
    expect(await open(own, "d", few)).toEqual(["NEG-ERR", "d", reason]);
    expect(await open(own, "a", few)).toEqual(answer("a")); // in its place
    own.send("NEG-CLOSE", "b");
    expect(await open(own, "d", few)).toEqual(answer("d"));
  }));

test("answers are as short as messages may be", () =>
  connected(limited, async (own) => {
    const filter = { limit: 400 };
    const { need, rounds, answerBytes } = await sync(own, filter, [], 4096);
    expect(need).toHaveLength(400);
    expect(rounds).toBeGreaterThan(2);
    expect(answerBytes).toBeLessThanOrEqual((9216 - 512) / 2);
  }));

test("a client that doesn't wait is refused, and each of its messages is dealt with", () =>
  connected(limited, async (own) => {
    for (let i = 0; i < 100; i++) {
      own.send("NEG-OPEN", "n", { limit: 400 }, SPAN);
      own.send("NEG-OPEN", "n", { limit: 400 }, SPAN);
      own.send("NEG-MSG", "n", SPAN);
      own.send("NEG-MSG", "n", SPAN);
      own.send("NEG-CLOSE", "n");
    }
    own.send("NEG-OPEN", "last", { limit: 1 }, "61");
    await own.find("NEG-MSG", "last");
    const errors = own.frames.filter(([type]) => type === "NEG-ERR");
    const reasons = new Set(errors.map(([, , reason]) => reason as string));
    expect([...reasons.add(CLOSED)].sort()).toEqual([
      CLOSED,
      "invalid: a message before the answer to the last one",
    ]);
  }));

test("hostile messages are refused at once, and end the sync", () =>
  connected(limited, async (own) => {
    const huge = `${"ff".repeat(7)}7f`;
    const rows: [hex: string, reason: string][] = [
      ["", "the message is empty"],
      ["61000003", "a mode is unknown"],
      [`61000001${"00".repeat(15)}`, "a fingerprint is cut off"],
      [`61000002${huge}`, "a list of ids is cut off"],
      ["610021", "an id prefix is longer than 32 bytes"],
      [`61${"ff".repeat(11)}7f`, "a number is beyond 64 bits"],
      ["61ff", "a number is cut off"],
    ];
    for (const [hex, reason] of rows) {
      const refused = ["NEG-ERR", "n", `invalid: ${reason}`];
      own.send("NEG-OPEN", "n", {}, hex); // nothing is read: it would be too big
      expect([hex, await own.next()]).toEqual([hex, refused]);
      expect(await open(own, "n", { limit: 10 })).toEqual(OPEN);
      own.send("NEG-MSG", "n", hex);
      expect([hex, await own.next()]).toEqual([hex, refused]);
      own.send("NEG-MSG", "n", "61");
      expect(await own.next()).toEqual(["NEG-ERR", "n", CLOSED]);
    }
  }));

describe("what a sync holds is free again", () => {
  const full = "rate-limited: the relay has too many syncs open, please try again later";
  const ends: [how: string, end: (own: Client) => unknown][] = [
    ["closed", (own) => own.send("NEG-CLOSE", "n")],
    ["replaced", (own) => open(own, "n", { limit: 10 })],
    ["refused as another is", (own) => open(own, "n", { ids: 1 })],
    ["refused a sign-in", (own) => open(own, "n", { kinds: [4] })],
  ];
  test.each(ends)("when it is %s", (_, end) =>
    connected(small, async (own) => {
      expect(await openWhenFree(own)).toEqual(OPEN);
      await connected(small, async (other) => {
        expect(await open(other, "x")).toEqual(["NEG-ERR", "x", full]);
        await end(own);
        await open(own, "y", { ids: [] }); // dealt with after the end
        expect(await open(other, "x")).toEqual(["NEG-MSG", "x", "61"]);
      });
    }),
  );

  test("when its connection ends", async () => {
    for (let i = 0; i < 3; i++) {
      await connected(small, async (own) => expect(await openWhenFree(own)).toEqual(OPEN));
    }
  });

  /** When the relay hears of the end of the connection before, it doesn't say. */
  async function openWhenFree(own: Client): Promise<unknown> {
    for (;;) {
      const answer = await open(own, "n");
      if (!Bun.deepEquals(answer, ["NEG-ERR", "n", full])) return answer;
    }
  }
});

test("a sync whose client takes too long is closed", () =>
  connected(impatient, async (own) => {
    expect(await open(own, "n")).toEqual(OPEN);
    const reason = "closed: you took too long to respond";
    expect(await own.next()).toEqual(["NEG-ERR", "n", reason]);
    own.send("NEG-MSG", "n", SPAN);
    expect(await own.next()).toEqual(["NEG-ERR", "n", CLOSED]);
  }));

test("without negentropy.enabled every message of it is unsupported", () =>
  connected(without, async (own) => {
    const messages: [string, ...unknown[]][] = [
      ["NEG-OPEN", "n", {}, "61"],
      ["NEG-MSG", "n", "61"],
      ["NEG-CLOSE", "n"],
    ];
    for (const message of messages) {
      own.send(...message);
      const reason = `unsupported: unknown message type "${message[0]}"`;
      expect(await own.next()).toEqual(["NEG-ERR", "n", reason]);
    }
  }));
