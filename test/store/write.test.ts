// Batches: what a batch leaves in the store is what its events would have left one by one, whatever
// their cut; a batch that fails leaves nothing; `seq` grows and is never reused.

import { describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { candidateOf } from "../../src/store/candidate.ts";
import { eventKeys, EXPIRING_KEY } from "../../src/store/term.ts";
import type { WriteResult } from "../../src/store/write.ts";
import { checkIndex } from "../support/check-index.ts";
import { naiveAddress, NaiveStore } from "../support/naive-store.ts";
import { TestStore } from "../support/test-store.ts";
import { author, Dice, forEachSeed, makeEvent, randomEvent } from "../support/unsigned-events.ts";

const ACCEPTED = { accepted: true, reason: "" } as const;
const DUPLICATE = { accepted: true, reason: "duplicate: already have this event" } as const;

const SPREADS = [
  { authors: 2, kinds: [0, 1, 30_000], seconds: 4 },
  { authors: 3, kinds: [1, 3, 10_002, 30_023, 39_999], seconds: 10 },
  { authors: 1, kinds: [0, 30_000], seconds: 3 },
];
const LONG_D = "d".repeat(300);
const D_VALUES = ["", "a", "a:b", "é\n\u0000", `${LONG_D}1`, `${LONG_D}2`];

/** Events that get in each other's way, their deletions, and everything once more. */
function randomHistory(dice: Dice, count: number): NostrEvent[] {
  const spread = dice.pick(SPREADS);
  const events: NostrEvent[] = [];
  for (let i = 0; i < count; i++) {
    const event = randomEvent(dice, spread);
    const tags = [...event.tags];
    if (event.kind >= 30_000 && dice.chance(0.9)) tags.push(["d", dice.pick(D_VALUES)]);
    if (dice.chance(0.1)) tags.push(["expiration", dice.pick(["0", "2000", "999999", "never"])]);
    events.push(makeEvent({ ...event, tags }));
  }
  for (let n = count >> 3; n > 0; n--) events.push(randomDeletion(dice, events, spread.authors));
  return dice.shuffle([...events, ...dice.some(events, count >> 1)]);
}

/** Of anybody's events, often its own; mostly in vain for what is not its own. */
function randomDeletion(dice: Dice, events: readonly NostrEvent[], authors: number): NostrEvent {
  const pubkey = author(dice.below(authors));
  const tags = dice.some(events, 1 + dice.below(4)).map((event): string[] => {
    const address = naiveAddress(event);
    if (address === null || dice.chance(0.3)) return ["e", event.id];
    return ["a", dice.chance(0.9) ? address : address.slice(0, -1)];
  });
  const junk = dice.pick([["e"], ["e", "x"], ["a", "0"], ["a", `01:${pubkey}:`], ["k", "1"], []]);
  if (dice.chance(0.3)) tags.push(junk);
  return makeEvent({ pubkey, kind: 5, created_at: 1000 + dice.below(10), tags });
}

/** Writes the batch to both and compares all that `write` returns. */
function writeBoth(store: TestStore, naive: NaiveStore, batch: readonly NostrEvent[]): void {
  const before = naive.entries;
  const firstArrival = naive.arrivals;
  const headBefore = store.writer.lastSeq();
  const verdicts = batch.map((event) => naive.apply(event));
  const kept = naive.entries.filter(({ arrival }) => arrival >= firstArrival);
  const seqs = new Map(kept.map(({ arrival }, i) => [arrival - firstArrival, headBefore + i + 1]));
  const removed = before.filter((entry) => !naive.entries.includes(entry));
  const result: WriteResult = store.write(...batch);
  expect({ ...result, removedIds: result.removedIds.toSorted() }).toEqual({
    verdicts: verdicts.map((verdict, i) => ({ ...verdict, seq: seqs.get(i) ?? 0 })) as never,
    removedIds: removed.map(({ event }) => event.id).toSorted(),
    headBefore,
    headAfter: headBefore + kept.length,
  });
}

describe("a random history", () => {
  test("leaves what the naive store holds, in the same order, for every cut into batches", () => {
    forEachSeed(20, (dice) => {
      const history = randomHistory(dice, 20 + dice.below(300));
      const sizesMax = [200, 1, 1 + dice.below(10)];
      let events: readonly NostrEvent[] | null = null;
      for (const sizeMax of sizesMax) {
        using store = new TestStore();
        const naive = new NaiveStore();
        for (let done = 0; done < history.length;) {
          const size = 1 + dice.below(sizeMax);
          writeBoth(store, naive, history.slice(done, done + size));
          done += size;
        }
        const stored = store.events();
        expect(stored).toEqual(naive.entries.map(({ event }) => event));
        expect(checkIndex(store.db)).toEqual([]);
        events ??= stored;
        expect(stored).toEqual([...events]);
      }
    });
  });

  test("ends the same in any order, as long as no deletion names a replaceable by its id", () => {
    forEachSeed(20, (dice) => {
      const all = randomHistory(dice, 100);
      const replaceable = new Set(all.filter(naiveAddress).map(({ id }) => id));
      const names = ([name, id]: readonly string[]) => name === "e" && replaceable.has(id ?? "");
      const history = all.filter(({ kind, tags }) => kind !== 5 || !tags.some(names));
      const ends = [1, 2, 3].map(() => {
        using store = new TestStore();
        store.writeInBatches(dice.shuffle(history), [1 + dice.below(200)]);
        return store
          .events()
          .map(({ id }) => id)
          .toSorted();
      });
      expect(ends[1]).toEqual(ends[0] as string[]);
      expect(ends[2]).toEqual(ends[0] as string[]);
    });
  });
});

describe("verdicts", () => {
  const a = makeEvent({ content: "a" });
  const b = makeEvent({ content: "b" });

  test("an empty batch changes nothing", () => {
    using store = new TestStore();
    const expected = { verdicts: [], removedIds: [], headBefore: 0, headAfter: 0 };
    expect(store.write()).toEqual(expected);
  });

  test("an event counts once, within a batch and later", () => {
    using store = new TestStore();
    expect(store.write(a, b, a)).toEqual({
      verdicts: [
        { ...ACCEPTED, seq: 1 },
        { ...ACCEPTED, seq: 2 },
        { ...DUPLICATE, seq: 0 },
      ],
      removedIds: [],
      headBefore: 0,
      headAfter: 2,
    });
    expect(store.write(b)).toEqual({
      verdicts: [{ ...DUPLICATE, seq: 0 }],
      removedIds: [],
      headBefore: 2,
      headAfter: 2,
    });
    expect(store.rows()).toEqual([
      [1, a],
      [2, b],
    ]);
  });

  test("an event removed by the same batch that brought it has no seq and is not `removed`", () => {
    using store = new TestStore();
    const deletion = makeEvent({ kind: 5, tags: [["e", a.id]] });
    expect(store.write(a, deletion)).toEqual({
      verdicts: [
        { ...ACCEPTED, seq: 0 },
        { ...ACCEPTED, seq: 1 },
      ],
      removedIds: [],
      headBefore: 0,
      headAfter: 1,
    });
  });

  test("an event doesn't come back within the batch that removed it", () => {
    using store = new TestStore();
    const older = makeEvent({ kind: 0, created_at: 1 });
    const newer = makeEvent({ kind: 0, created_at: 2 });
    const deletion = makeEvent({ kind: 5, tags: [["e", newer.id]] });
    store.write(older);
    expect(store.write(newer, deletion, older)).toEqual({
      verdicts: [
        { ...ACCEPTED, seq: 0 },
        { ...ACCEPTED, seq: 2 },
        {
          accepted: false,
          reason: "blocked: a newer version of this event was deleted by its author",
          seq: 0,
        },
      ],
      removedIds: [older.id],
      headBefore: 1,
      headAfter: 2,
    });
    expect(checkIndex(store.db)).toEqual([]);
  });

  test("the text that is stored is the text that came, to the byte", () => {
    using store = new TestStore();
    const content = `\u0000\u001f"\\/\u007f\u2028é漢🐸${"x".repeat(70_000)}`;
    const tags = [["t", "漢🐸\n"], [], ["", ""], ["t", "", "third"]];
    const event = makeEvent({ content, tags, created_at: 0, kind: 65_535 });
    const late = makeEvent({ created_at: Number.MAX_SAFE_INTEGER });
    store.write(event, late);
    expect(store.events()).toEqual([event, late]);
    expect(checkIndex(store.db)).toEqual([]);
    expect(store.writer.remove([1, 2]).toSorted()).toEqual([event.id, late.id].toSorted());
    expect(store.events()).toEqual([]);
    expect(checkIndex(store.db)).toEqual([]);
  });
});

describe("seq", () => {
  const events = Array.from({ length: 6 }, (_, i) => makeEvent({ content: `${i}` }));
  const [first, second, third, fourth] = events as [NostrEvent, NostrEvent, NostrEvent, NostrEvent];

  test("is not used again after the newest event was removed", () => {
    using store = new TestStore();
    store.write(first, second);
    expect(store.writer.remove([2, 2, 7])).toEqual([second.id]);
    expect(store.writer.lastSeq()).toBe(2);
    expect(store.write(third).verdicts).toEqual([{ ...ACCEPTED, seq: 3 }]);
    expect(store.writer.remove([1, 3])).toEqual([first.id, third.id]);
    expect(store.openWriter().write([candidateOf(fourth)])).toEqual({
      verdicts: [{ ...ACCEPTED, seq: 4 }],
      removedIds: [],
      headBefore: 3,
      headAfter: 4,
    });
    expect(checkIndex(store.db)).toEqual([]);
  });

  test("goes on from what another connection wrote, and `headBefore` shows it", () => {
    using store = new TestStore();
    const other = store.openWriter();
    const heads = events.map((event, i) => {
      const { headBefore, headAfter } = (i % 3 === 2 ? other : store.writer).write([
        candidateOf(event),
      ]);
      return [headBefore, headAfter];
    });
    expect(heads).toEqual([0, 1, 2, 3, 4, 5].map((head) => [head, head + 1]));
    expect(other.write(events.map(candidateOf)).verdicts).toEqual(
      events.map(() => ({ ...DUPLICATE, seq: 0 })),
    );
    expect(store.events()).toEqual(events);
  });

  test("a reader sees the batch and the head together", () => {
    using store = new TestStore();
    const reader = store.openReader();
    expect([reader.head(), reader.textsAfter(0, 9, 9)]).toEqual([0, []]);
    store.write(first, second, third);
    expect(reader.head()).toBe(3);
    const seqs = (after: number, upTo: number, limit: number) =>
      reader.textsAfter(after, upTo, limit).map(({ seq }) => seq);
    expect(seqs(0, 3, 9)).toEqual([1, 2, 3]);
    expect(seqs(1, 2, 9)).toEqual([2]);
    expect(seqs(0, 3, 2)).toEqual([1, 2]);
  });
});

describe("a database error in the middle of a batch", () => {
  const old = makeEvent({ kind: 0, created_at: 1 });
  const good = Array.from({ length: 100 }, (_, i) => makeEvent({ content: `${i}` }));
  const replacing = makeEvent({ kind: 0, created_at: 2 });
  const batch = [...good, replacing].map(candidateOf);
  const wanted = [...good, replacing];

  const failures: { desc: string; breakIt: string; mendIt: string; message: string }[] = [
    {
      desc: "an event that can't be inserted",
      breakIt: `CREATE TRIGGER broken BEFORE INSERT ON event WHEN new.seq = 70
                BEGIN SELECT raise(ABORT, 'broken'); END`,
      mendIt: "DROP TRIGGER broken",
      message: "broken",
    },
    {
      desc: "a part of the index that can't be inserted",
      breakIt: `CREATE TRIGGER broken BEFORE INSERT ON tail_run
                BEGIN SELECT raise(FAIL, 'broken'); END`,
      mendIt: "DROP TRIGGER broken",
      message: "broken",
    },
    {
      desc: "an error that has rolled back by itself",
      breakIt: `CREATE TRIGGER broken BEFORE UPDATE ON head
                BEGIN SELECT raise(ROLLBACK, 'broken'); END`,
      mendIt: "DROP TRIGGER broken",
      message: "broken",
    },
    {
      desc: "a removal that fails",
      breakIt: `CREATE TRIGGER broken BEFORE DELETE ON event
                BEGIN SELECT raise(ABORT, 'broken'); END`,
      mendIt: "DROP TRIGGER broken",
      message: "broken",
    },
    {
      desc: "a full disk",
      breakIt: "PRAGMA max_page_count = 1",
      mendIt: "PRAGMA max_page_count = 1000000",
      message: "database or disk is full",
    },
  ];
  for (const { desc, breakIt, mendIt, message } of failures) {
    test(`leaves nothing of it, and the next batch works: ${desc}`, () => {
      using store = new TestStore();
      store.write(old);
      store.db.run(breakIt);
      expect(() => store.writer.write(batch)).toThrow(new Error(message));
      expect(store.rows()).toEqual([[1, old]]);
      expect(checkIndex(store.db)).toEqual([]);
      store.db.run(mendIt);
      const { removedIds, headBefore, headAfter } = store.writer.write(batch);
      expect({ removedIds, headBefore, headAfter }).toEqual({
        removedIds: [old.id],
        headBefore: 1,
        headAfter: 102,
      });
      expect(store.events()).toEqual(wanted);
      expect(checkIndex(store.db)).toEqual([]);
    });
  }
});

describe("terms that share a key", () => {
  const one = makeEvent({ kind: 30_000, tags: [["d", "x"]], created_at: 5 });
  // Strong keys are shared by chance only, and chance finds no two in one author's few events.
  const other = makeEvent({
    pubkey: author(1),
    kind: 30_000,
    tags: [["d", "y"]],
    created_at: 6,
  });
  const note = makeEvent({ pubkey: author(1), content: "note" });

  /** As if `key` were also that of a term of the event with this `seq`. */
  function collide(store: TestStore, key: number, seq: number): void {
    store.moveTail();
    store.db
      .query(
        `INSERT INTO term SELECT ?1, age, ord, seq, info FROM term
         WHERE seq = ?2 AND age < 0 GROUP BY seq`,
      )
      .run(key, seq);
    store.restartWriter();
  }

  test("an event is no duplicate of another with the same key", () => {
    using store = new TestStore();
    store.write(one);
    collide(store, eventKeys(note).id, 1);
    expect(store.write(note).verdicts).toEqual([{ ...ACCEPTED, seq: 2 }]);
  });

  test("an event of another address is neither replaced nor in the way", () => {
    using store = new TestStore();
    store.write(one);
    collide(store, eventKeys(other).address, 1);
    const older = makeEvent({ ...other, created_at: 4 });
    expect(store.write(older, other)).toEqual({
      verdicts: [
        { ...ACCEPTED, seq: 0 },
        { ...ACCEPTED, seq: 2 },
      ],
      removedIds: [],
      headBefore: 1,
      headAfter: 2,
    });
    expect(store.events()).toEqual([one, other]);
  });

  test("a deletion removes what it names, not what shares a key with that", () => {
    using store = new TestStore();
    store.write(one, other, note);
    for (const seq of [2, 3]) {
      collide(store, eventKeys(one).id, seq);
      collide(store, eventKeys(one).address, seq);
    }
    const [address] = [naiveAddress(one) as string];
    const tags = [
      ["e", one.id],
      ["a", address],
    ];
    expect(store.write(makeEvent({ kind: 5, created_at: 9, tags })).removedIds).toEqual([one.id]);
  });

  test("what shares a key with a deletion deletes nothing, not even a reply to it", () => {
    using store = new TestStore();
    const reply = makeEvent({ tags: [["e", one.id]], created_at: 9 });
    const deletion = makeEvent({
      pubkey: author(1),
      kind: 5,
      created_at: 9,
      tags: [["e", note.id]],
    });
    store.write(reply, deletion);
    for (const seq of [1, 2]) {
      collide(store, eventKeys(one).deletedIds[0] as number, seq);
      collide(store, eventKeys(one).deletedAddress, seq);
    }
    expect(store.write(one).verdicts).toEqual([{ ...ACCEPTED, seq: 3 }]);
  });

  test("what shares a key with the expiring ones does not expire", () => {
    using store = new TestStore();
    const expiring = makeEvent({ tags: [["expiration", "5"]] });
    store.write(note, expiring);
    collide(store, EXPIRING_KEY, 1);
    expect(store.writer.removeExpired(9, 1)).toEqual([expiring.id]);
    expect(store.writer.removeExpired(9, 1)).toEqual([]);
    expect(store.events()).toEqual([note]);
  });

  test("nor does it stand before those that do, however old, while it is in the tail", () => {
    using store = new TestStore();
    const oldest = candidateOf(makeEvent({ created_at: 0 }));
    const { terms, marks } = oldest.keys;
    const keys = { ...oldest.keys, terms: [...terms, EXPIRING_KEY], marks: [...marks, 300] };
    const expiring = makeEvent({ tags: [["expiration", "5"]] });
    store.writer.write([{ ...oldest, keys }, candidateOf(expiring)]);
    expect(store.writer.removeExpired(9, 1)).toEqual([expiring.id]);
  });
});
