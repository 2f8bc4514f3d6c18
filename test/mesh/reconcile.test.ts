// Syncs as a client: differences found, transferred over connections that break, relays that can't.

import { describe, expect, test } from "bun:test";
import { fetchByIds } from "../../src/mesh/fetch-ids.ts";
import { reconcile } from "../../src/mesh/reconcile.ts";
import type { Answer } from "../../src/mesh/relay-message.ts";
import { uploadEvents } from "../../src/mesh/upload.ts";
import type { ItemStorage } from "../../src/negentropy/item-storage.ts";
import type { ItemVector } from "../../src/negentropy/item-vector.ts";
import { ItemVectorBuilder } from "../../src/negentropy/item-vector.ts";
import { respond } from "../../src/negentropy/responder.ts";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { SumsGone } from "../../src/store/sum-view.ts";
import { EventFactory } from "../support/events.ts";
import { FakeRelay, type Habits } from "../support/fake-relay.ts";
import { TestSession, type TestSessionOptions } from "../support/mesh-session.ts";

const NONE = { firstMs: 1, longestMs: 1, failuresMax: 1 };

const factory = new EventFactory(19);

function make(count: number): NostrEvent[] {
  return Array.from({ length: count }, () => factory.makeDistinct({ kind: 1, tags: [] }));
}

function itemsOf(events: readonly NostrEvent[]): ItemVector {
  const builder = new ItemVectorBuilder();
  for (const { id, created_at } of events) builder.add(created_at, Buffer.from(id, "hex"));
  return builder.seal();
}

function idsOf(events: readonly NostrEvent[]): string[] {
  return events.map(({ id }) => id).toSorted();
}

/** Answers as nandu does. `limit`: of answers, after which the sync is ended. */
function responder(events: readonly NostrEvent[], answersMax = Infinity): Habits {
  const items = itemsOf(events);
  let count = 0;
  return {
    answerToOther: ([type, id, ...rest]) => {
      if (type === "NEG-CLOSE") return null;
      count += 1;
      if (count === answersMax + 1) return ["NEG-ERR", id, "closed: you took too long"];
      const answer = respond(items, Buffer.from(rest.at(-1) as string, "hex"), 4096);
      if (answer.kind === "flawed") throw new Error(answer.flaw);
      return ["NEG-MSG", id, Buffer.from(answer.message).toString("hex")];
    },
  };
}

async function compare(
  ours: readonly NostrEvent[],
  habits: Habits,
  options: TestSessionOptions = {},
  readItems: () => ItemStorage = () => itemsOf(ours),
) {
  using relay = new FakeRelay([], habits);
  using session = new TestSession(relay.url, options);
  const limits = { frameBytesMax: 4096, roundsMax: 100, idsMax: 1000 };
  const how = { filter: { kinds: [1] }, readItems, ...limits };
  const result = await reconcile(session, how).catch((error: Error) => error);
  if ("kind" in result && result.kind === "found") await relay.gets("NEG-CLOSE");
  return { result, session, messages: relay.messages };
}

describe("differences", () => {
  const [shared, here, there] = [make(1500), make(300), make(200)];
  const [ours, theirs] = [
    [...shared, ...here],
    [...shared, ...there],
  ];

  test("are found, whole, and the relay is told that this is the end", async () => {
    const { result, messages } = await compare(ours, responder(theirs));
    if (!("kind" in result) || result.kind !== "found") throw new Error(JSON.stringify(result));
    expect([result.itemCount, result.isPartial]).toEqual([1800, false]);
    expect([...result.have].toSorted()).toEqual(idsOf(here));
    expect([...result.need].toSorted()).toEqual(idsOf(there));
    expect(messages[0]?.slice(0, 3)).toEqual(["NEG-OPEN", "N", { kinds: [1] }]);
    expect(messages.at(-1)).toEqual(["NEG-CLOSE", "N"]);
  });

  test("are found at a relay that greets its clients, too", async () => {
    const greeting = "Welcome! Pay at https://relay.example to publish here";
    const habits = { ...responder(theirs), preludes: [["NOTICE", greeting]] };
    const { result, session } = await compare(ours, habits);
    if (!("kind" in result) || result.kind !== "found") throw new Error(JSON.stringify(result));
    expect([...result.need].toSorted()).toEqual(idsOf(there));
    expect(session.notices).toEqual([greeting]);
  });

  test("are found from the start again when the sums that ours goes by are removed", async () => {
    let asked = 0;
    const readItems = (): ItemStorage => {
      const items = itemsOf(ours);
      return {
        sum: (...range) => items.sum(...range),
        split: (...range) => items.split(...range),
        ids: (...range) => {
          asked += 1;
          if (asked === 20) throw new SumsGone("the sums were removed");
          return items.ids(...range);
        },
      };
    };
    const { result, session } = await compare(ours, responder(theirs), {}, readItems);
    if (!("kind" in result) || result.kind !== "found") throw new Error(JSON.stringify(result));
    expect([...result.have].toSorted()).toEqual(idsOf(here));
    expect([...result.need].toSorted()).toEqual(idsOf(there));
    expect([asked > 20, session.retries]).toEqual([true, []]);
  });

  test("are found from the start again when the relay ends the sync", async () => {
    const { result, session } = await compare(ours, responder(theirs, 2));
    if (!("kind" in result) || result.kind !== "found") throw new Error(JSON.stringify(result));
    expect([...result.have].toSorted()).toEqual(idsOf(here));
    expect([...result.need].toSorted()).toEqual(idsOf(there));
    expect(session.retries).toEqual(["it ended the sync: closed: you took too long"]);
  });
});

describe("relays that can't, or won't", () => {
  const negErr = (reason: string): Habits => ({
    answerToOther: ([, id]) => ["NEG-ERR", id, reason],
  });
  const negMsg = (message: string): Habits => ({
    answerToOther: ([type, id]) => (type === "NEG-CLOSE" ? null : ["NEG-MSG", id, message]),
  });
  const unsupported: [string, Habits, string][] = [
    ["a NOTICE", { answerToOther: () => ["NOTICE", "bad msg\u0007"] }, "bad msg\u{FFFD}"],
    ["NEG-ERR unsupported", negErr("unsupported: no"), "unsupported: no"],
    ["another version", negMsg("62"), "version 0x62 of negentropy"],
    ["no answer", {}, "no answer"],
  ];
  for (const [what, habits, why] of unsupported) {
    test(`${what} says that it has no negentropy`, async () => {
      const { result } = await compare(make(1), habits, { timeoutMs: 100 });
      expect(result).toEqual({ kind: "unsupported", why });
    });
  }

  const failures: [string, Habits, string][] = [
    ["a refusal", negErr("blocked: too big"), "PeerRefusal: it refused the sync: blocked: too big"],
    [
      "a sign-in",
      negErr("auth-required: who?"),
      "PeerRefusal: it refused the sync: auth-required: who?",
    ],
    ["a flaw", negMsg("61ff"), "PeerFault: its message of a sync is flawed: a number is cut off"],
    ["no hex", negMsg("6g"), 'PeerFault: it sent what is no message: ["NEG-MSG","N","6g"]'],
  ];
  for (const [what, habits, problem] of failures) {
    test(`${what} is an error`, async () => {
      expect(String((await compare(make(1), habits)).result)).toBe(problem);
    });
  }

  test("a sync without an end is given up", async () => {
    // Of one range to infinity, always the same fingerprint, which nothing here has.
    const { result } = await compare(make(100), negMsg(`61000001${"ab".repeat(16)}`));
    expect(String(result)).toBe("PeerFault: the sync had no end after 100 messages");
  });
});

describe("events by id", () => {
  async function fetchFrom(relay: FakeRelay, ids: readonly string[]) {
    using session = new TestSession(relay.url);
    const next = ids.values();
    const got: string[] = [];
    const missing: string[] = [];
    await fetchByIds(session, () => next.next().value ?? null, {
      onEvent: ({ id }) => void got.push(id),
      onMissing: (id) => void missing.push(id),
      onFlaw: () => {},
      onPage: () => {},
    });
    return { got: got.toSorted(), missing: missing.toSorted() };
  }

  test("all come, few at a time, over broken connections; what isn't there is told", async () => {
    const events = make(230);
    const absent = idsOf(make(3));
    for (const habits of [{}, { limit: 7 }, { limit: 7, drops: [20, 0, 40] }, { hasHints: true }]) {
      using relay = new FakeRelay(events, habits);
      const result = await fetchFrom(relay, [...idsOf(events), ...absent]);
      expect(result).toEqual({ got: idsOf(events), missing: absent });
    }
  });

  test("are asked for by fifty", async () => {
    const events = make(120);
    using relay = new FakeRelay(events);
    await fetchFrom(relay, idsOf(events));
    const asked = relay.messages.filter(([type]) => type === "REQ");
    const sizes = asked.map(([, , filter]) => (filter as { ids: string[] }).ids.length);
    expect(sizes.toSorted()).toEqual([20, 50, 50]);
  });
});

test("an upload over connections that break sends what was not answered again", async () => {
  const events = make(100);
  using relay = new FakeRelay([], { dropsUp: [10, 30], refuses: ({ id }) => refusalOf(id) });
  const refusalOf = (id: string) => (id === events[50]?.id ? "blocked: no" : null);
  using session = new TestSession(relay.url);
  const answers = new Map<string, string>();
  const source = events.map((event) => ({ id: event.id, json: JSON.stringify(event) })).values();
  const onAnswer = (id: string, { reason }: Answer) => void answers.set(id, reason);
  await uploadEvents(session, source, { highWater: 20, patience: NONE, onAnswer });
  expect(session.retries).toHaveLength(2);
  expect(idsOf(relay.events)).toEqual(idsOf(events.filter(({ id }) => refusalOf(id) === null)));
  expect([...answers.keys()].toSorted()).toEqual(idsOf(events));
  const reasons = new Set(answers.values());
  expect(reasons).toEqual(new Set(["", "duplicate: have it", "blocked: no"]));
});

test("what a relay has no time for comes again, until it has lost patience with it", async () => {
  const events = make(50);
  const source = () => events.map((one) => ({ id: one.id, json: JSON.stringify(one) })).values();
  let budget = 30;
  const limited: Habits = { refuses: () => (budget-- > 0 ? null : "rate-limited: slow down") };
  using relay = new FakeRelay([], limited);
  using session = new TestSession(relay.url);
  const answers: string[] = [];
  const onAnswer = (_id: string, { reason }: Answer) => void answers.push(reason);
  const patience = { firstMs: 1, longestMs: 1, failuresMax: 3 };
  await uploadEvents(session, source(), { highWater: 10, patience, onAnswer });
  expect(relay.events).toHaveLength(30);
  expect(session.retries).toEqual(Array<string>(2).fill("rate-limited: slow down"));
  expect(answers).toEqual([
    ...Array<string>(30).fill(""),
    ...Array<string>(20).fill("rate-limited: slow down"),
  ]);
  budget = 1e9;
  answers.length = 0;
  await uploadEvents(session, source(), { highWater: 10, patience, onAnswer });
  expect(relay.events).toHaveLength(50);
});
