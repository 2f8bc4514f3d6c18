// Deletion requests (NIP-09): what they remove and keep out, before and after their targets, and
// what they leave alone.

import { describe, expect, spyOn, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { StoredEvents } from "../../src/store/stored.ts";
import { checkIndex } from "../support/check-index.ts";
import { naiveAddress } from "../support/naive-store.ts";
import { TestStore } from "../support/test-store.ts";
import { author, makeEvent, sha256Hex } from "../support/unsigned-events.ts";

const SUPERSEDED = {
  accepted: false,
  reason: "blocked: a newer version of this event was deleted by its author",
  seq: 0,
} as const;
const DELETED = {
  accepted: false,
  reason: "blocked: this event was deleted by its author",
  seq: 0,
} as const;

const LONG_D = "d".repeat(300);

function version(kind: number, created_at: number, d: string | null = null): NostrEvent {
  return makeEvent({ kind, created_at, tags: d === null ? [] : [["d", d]] });
}

function deletion(tags: string[][], created_at = 10, pubkey = author(0)): NostrEvent {
  return makeEvent({ kind: 5, tags, created_at, pubkey });
}

const byId = (event: NostrEvent) => ["e", event.id];
const byAddress = (event: NostrEvent) => ["a", naiveAddress(event) as string];

const note = makeEvent({ created_at: 100 });
const request = deletion([["e", sha256Hex("nothing")]]);

interface Case {
  readonly desc: string;
  readonly target: NostrEvent;
  readonly request: NostrEvent;
  readonly isDeleted: boolean;
}

const cases: Case[] = [
  { desc: "an id, even of a later time", target: note, request: deletion([byId(note)]) },
  ...[0, 1, 3, 4, 9999, 10_000, 30_000, 40_000].map((kind) => {
    const target = version(kind, 5);
    return { desc: `kind ${kind} by its id`, target, request: deletion([byId(target)]) };
  }),
  ...[0, 3, 10_000, 19_999, 30_000, 39_999].flatMap((kind) =>
    [0, 9, 10].map((time) => ({
      desc: `kind ${kind} of second ${time} by its address, as of second 10`,
      target: version(kind, time),
      request: deletion([byAddress(version(kind, time))]),
    })),
  ),
  ...["a", "a:b", "", "é\n", `${LONG_D}1`].map((d) => ({
    desc: `the address with d = ${JSON.stringify(d.slice(0, 8))}, of ${d.length} characters`,
    target: version(30_023, 5, d),
    request: deletion([byAddress(version(30_023, 5, d))]),
  })),
  {
    desc: "one target of many",
    target: note,
    request: deletion([["k", "1"], ["e", sha256Hex("x")], ["a", "x"], byId(note), byId(note)]),
  },
].map((given) => ({ ...given, isDeleted: true }));

const inVain: Case[] = [
  { desc: "another author's id", target: note, request: deletion([byId(note)], 200, author(1)) },
  ...[0, 3, 10_000, 30_000].map((kind) => ({
    desc: `another author's address of kind ${kind}`,
    target: version(kind, 5),
    request: deletion([byAddress(version(kind, 5))], 10, author(1)),
  })),
  ...[0, 3, 10_000, 19_999, 30_000, 39_999].map((kind) => ({
    desc: `an address of kind ${kind} as of the second before`,
    target: version(kind, 11),
    request: deletion([byAddress(version(kind, 11))]),
  })),
  { desc: "another deletion", target: request, request: deletion([byId(request)], 20) },
  {
    desc: "another d",
    target: version(30_023, 5, "a"),
    request: deletion([byAddress(version(30_023, 5, "b"))]),
  },
  {
    desc: "another long d",
    target: version(30_023, 5, `${LONG_D}1`),
    request: deletion([byAddress(version(30_023, 5, `${LONG_D}2`))]),
  },
  { desc: "an upper-case id", target: note, request: deletion([["e", note.id.toUpperCase()]]) },
  {
    desc: "an id in another tag",
    target: note,
    request: deletion([
      ["E", note.id],
      ["q", note.id],
    ]),
  },
  { desc: "an id in third place", target: note, request: deletion([["e", "", note.id]]) },
  { desc: "an a tag that holds an id", target: note, request: deletion([["a", note.id]]) },
  {
    desc: "an address without its colon",
    target: version(0, 5),
    request: deletion([["a", `0:${author(0)}`]]),
  },
  {
    desc: "an address with a zero too many",
    target: version(0, 5),
    request: deletion([["a", `00:${author(0)}:`]]),
  },
  {
    desc: "an address of a kind that has none",
    target: version(1, 5),
    request: deletion([["a", `1:${author(0)}:`]]),
  },
  {
    desc: "the tags of an event that is no deletion",
    target: version(0, 5),
    request: makeEvent({
      kind: 1,
      created_at: 10,
      tags: [byId(version(0, 5)), byAddress(version(0, 5))],
    }),
  },
].map((given) => ({ ...given, isDeleted: false }));

const WAYS: { way: string; batches: (c: Case) => NostrEvent[][] }[] = [
  { way: "after it", batches: ({ target, request }) => [[target], [request]] },
  { way: "after it in a batch", batches: ({ target, request }) => [[target, request]] },
  { way: "before it", batches: ({ target, request }) => [[request], [target]] },
  { way: "before it in a batch", batches: ({ target, request }) => [[request, target]] },
];

for (const [outcome, list] of [
  ["removes", cases],
  ["leaves alone", inVain],
] as const) {
  describe(`a deletion ${outcome}`, () => {
    for (const given of list) {
      test(given.desc, () => {
        const { target, request, isDeleted } = given;
        for (const { way, batches } of WAYS) {
          using store = new TestStore();
          const results = batches(given).map((batch) => store.write(...batch));
          const kept = new Set(store.events().map(({ id }) => id));
          const expected = new Set(isDeleted ? [request.id] : [request.id, target.id]);
          expect([way, kept]).toEqual([way, expected]);
          const removed = results.flatMap(({ removedIds }) => removedIds);
          expect([way, removed]).toEqual([way, isDeleted && way === "after it" ? [target.id] : []]);
          const again = store.write(target).verdicts;
          if (isDeleted) expect([way, again]).toEqual([way, [DELETED]]);
          expect(checkIndex(store.db)).toEqual([]);
        }
      });
    }
  });
}

describe("an address", () => {
  const versions = [1, 2, 3].map((time) => version(30_023, time, "a"));
  const [first, second, third] = versions as [NostrEvent, NostrEvent, NostrEvent];

  test("is free again for what is newer than its deletion", () => {
    using store = new TestStore();
    store.write(first, deletion([byAddress(first)], 2));
    expect(store.write(second).verdicts).toEqual([DELETED]);
    expect(store.write(third).verdicts).toEqual([{ accepted: true, reason: "", seq: 2 }]);
    expect(store.events().at(-1)).toEqual(third);
  });

  test("takes no older version after its current one was deleted by id", () => {
    using store = new TestStore();
    store.write(second, deletion([byId(second)]));
    expect(store.write(second, first).verdicts).toEqual([DELETED, SUPERSEDED]);
  });

  test("loses its older version to one that comes deleted", () => {
    using store = new TestStore();
    store.write(first, deletion([byId(second)]));
    expect(store.write(second).verdicts).toEqual([DELETED]);
    expect(store.write(first).verdicts).toEqual([SUPERSEDED]);
    expect(store.events().map(({ kind }) => kind)).toEqual([5]);
  });

  test("is deleted as of the latest of its deletions, in whatever order they came", () => {
    using store = new TestStore();
    store.write(deletion([byAddress(first)], 3), deletion([byAddress(first)], 1));
    expect(store.write(...versions).verdicts).toEqual([DELETED, DELETED, DELETED]);
    store.write(deletion([byAddress(first)], 2));
    expect(store.write(...versions).verdicts).toEqual([DELETED, DELETED, DELETED]);
  });
});

test("one deletion removes thousands, of the batch and of the store", () => {
  using store = new TestStore();
  const stored = Array.from({ length: 1500 }, (_, i) => makeEvent({ content: `stored ${i}` }));
  const pending = Array.from({ length: 1500 }, (_, i) => makeEvent({ content: `pending ${i}` }));
  store.write(...stored);
  const request = deletion([...stored, ...pending].map(byId));
  const { removedIds, headAfter } = store.write(...pending, request);
  expect(removedIds.toSorted()).toEqual(stored.map(({ id }) => id).toSorted());
  expect(headAfter).toBe(1501);
  expect(store.rows()).toEqual([[1501, request]]);
  expect(checkIndex(store.db)).toEqual([]);
});

// Of an id's key only some of its digits matter, so anybody can write a tag that shares it.
test("a target is deleted beside an id that shares its key, in either order", () => {
  const { id } = note;
  const alike = (id[0] === "0" ? "1" : "0") + id.slice(1);
  for (const ids of [
    [id, alike],
    [alike, id],
  ]) {
    using store = new TestStore();
    store.write(note);
    expect(store.write(deletion(ids.map((one) => ["e", one]))).removedIds).toEqual([id]);
  }
});

describe("gift wraps", () => {
  const wraps = Array.from({ length: 20 }, (_, i) => {
    const recipients = Array.from({ length: 5 }, (_, n) => ["p", author(10 * i + n)]);
    return makeEvent({ pubkey: author(900), kind: 1059, tags: recipients, content: `wrap ${i}` });
  });
  const deletionBy = (index: number): NostrEvent =>
    makeEvent({ pubkey: author(index), kind: 5, tags: wraps.map(({ id }) => ["e", id]) });
  const places: [string, (store: TestStore) => void][] = [
    ["in the tail", () => {}],
    ["in the index", (store) => store.moveTail()],
  ];

  test.each(places)("%s, are each of its recipients' to delete", (_, move) => {
    using store = new TestStore();
    store.write(...wraps);
    move(store);
    expect(store.write(deletionBy(14)).removedIds).toEqual([(wraps[1] as NostrEvent).id]);
    expect(store.write(deletionBy(5)).removedIds).toEqual([]); // of nobody's
    expect(store.write(deletionBy(0)).removedIds).toEqual([(wraps[0] as NostrEvent).id]);
    expect(checkIndex(store.db)).toEqual([]);
  });

  test.each(places)("%s, are not even read when somebody else wants to", (_, move) => {
    using store = new TestStore();
    store.write(...wraps);
    move(store);
    const load = spyOn(StoredEvents.prototype, "load");
    store.write(...Array.from({ length: 9 }, (_, i) => deletionBy(500 + i)));
    expect(load).toHaveBeenCalledTimes(0);
    load.mockRestore();
  });
});
