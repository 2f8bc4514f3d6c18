// The index while its tail is moved in many steps by several processes that write, replace, delete,
// expire, fail and crash in between: verdicts as of a naive store, nothing lost, nothing left.

import { expect, test } from "bun:test";
import type { NostrEvent, Tag } from "../../src/protocol/event.ts";
import { candidateOf } from "../../src/store/candidate.ts";
import type { EventReader } from "../../src/store/read.ts";
import { ALL_KEY, kindKey } from "../../src/store/term.ts";
import { EventWriter } from "../../src/store/write.ts";
import { checkIndex } from "../support/check-index.ts";
import { NaiveStore, type NaiveVerdict } from "../support/naive-store.ts";
import { TestStore } from "../support/test-store.ts";
import { author, type Dice, forEachSeed, makeEvent } from "../support/unsigned-events.ts";

const KINDS = [0, 1, 5, 5, 7, 30_000];
const NEWEST_FIRST = [Number.NEGATIVE_INFINITY, -1, -1] as const;

/** With so many rows that a few of them are more than a step. */
function heavyEvent(dice: Dice, stored: readonly NostrEvent[], now: number): NostrEvent {
  const kind = dice.pick(KINDS);
  const pubkey = author(dice.below(3));
  const tags: Tag[] = [];
  if (kind === 30_000) tags.push(["d", dice.pick(["", "a", "b"])]);
  if (dice.chance(0.1)) tags.push(["expiration", `${now + dice.below(8)}`]);
  if (kind === 5) {
    const own = stored.filter((event) => event.pubkey === pubkey);
    for (const { id } of own.length > 0 ? dice.some(own, dice.below(3)) : []) tags.push(["e", id]);
    if (dice.chance(0.4)) tags.push(["a", `0:${pubkey}:`]);
    if (dice.chance(0.4)) tags.push(["a", `30000:${pubkey}:a`]);
  } else {
    const count = dice.pick([0, 5, 400]);
    for (let i = 0; i < count; i++) tags.push(["r", `${dice.below(10_000)}`]);
  }
  const content = `${dice.below(1_000_000)}`;
  return makeEvent({ pubkey, kind, tags, content, created_at: 1000 + dice.below(30) });
}

/** Every seq that a reader finds under some keys. */
function found(reader: EventReader, keys: readonly number[]): Set<number> {
  const seqs = new Set<number>();
  for (const key of keys) {
    let [age, order, last]: readonly number[] = NEWEST_FIRST;
    for (;;) {
      const page = reader.entries(key, age as number, order as number, last as number, 7);
      for (const entry of page) seqs.add(entry[2]);
      if (page.length < 7) break;
      [age, order, last] = page.at(-1) as unknown as number[];
    }
  }
  return seqs;
}

test("any order of writes, moves, failures and crashes leaves what a naive store holds", () => {
  forEachSeed(2, (dice) => {
    using store = new TestStore();
    const options = { ...store.options, tailEvents: dice.pick([3, 20, 60]) };
    const open = (): EventWriter =>
      dice.chance(0.5) ? new EventWriter(store.db, options) : store.openWriter();
    const writers = [open(), store.openWriter()];
    const readers = [store.openReader(), store.openReader()];
    const naive = new NaiveStore();
    let now = 5000;
    for (let round = 0; round < 30; round++) {
      const at = dice.below(writers.length);
      const writer = writers[at] as EventWriter;
      const events = naive.entries.map(({ event }) => event);
      const batch = dice.list(1 + dice.below(8), () => heavyEvent(dice, events, now));
      if (dice.chance(0.2) && events.length > 0) batch.push(dice.pick(events));
      const { verdicts } = writer.write(batch.map(candidateOf));
      const said = verdicts.map(({ accepted, reason }): NaiveVerdict => ({ accepted, reason }));
      expect(said).toEqual(batch.map((event) => naive.apply(event)));
      if (dice.chance(0.15)) {
        now += dice.below(4);
        const ids = dice.pick(writers).removeExpired(now, 1000);
        expect(ids.toSorted()).toEqual(naive.expire(now).toSorted());
      }
      for (let steps = dice.below(5); steps > 0; steps--) {
        const mover = dice.pick(writers);
        if (dice.chance(0.2)) {
          const sql = `CREATE TRIGGER broken BEFORE INSERT ON term WHEN new.seq % 4 = 1
                       BEGIN SELECT raise(ABORT, 'broken'); END`;
          store.db.run(sql);
          try {
            mover.maintain();
          } catch (error) {
            expect(String(error)).toContain("broken");
          }
          store.db.run("DROP TRIGGER broken");
        } else mover.maintain();
      }
      if (dice.chance(0.1)) writers[at] = open(); // as after a crash
      const reader = dice.pick(readers);
      if (dice.chance(0.5)) reader.head();
      expect(checkIndex(store.db)).toEqual([]);
    }
    const rows = store.rows();
    expect(rows.map(([, { id }]) => id).toSorted()).toEqual(
      naive.entries.map(({ event }) => event.id).toSorted(),
    );
    for (const reader of readers) {
      reader.head();
      const kinds = found(reader, KINDS.map(kindKey));
      expect([...kinds].toSorted((a, b) => a - b)).toEqual(rows.map(([seq]) => seq));
      expect(found(reader, [ALL_KEY])).toEqual(kinds);
    }
  });
}, 20_000);

test("a reader whose tail is old misses nothing that was there when it looked", () => {
  forEachSeed(3, (dice) => {
    using store = new TestStore();
    const writers = [store.openWriter(), store.openWriter()];
    const reader = store.openReader();
    let known: number[] = [];
    for (let round = 0; round < 40; round++) {
      const writer = dice.pick(writers);
      const batch = dice.list(1 + dice.below(30), () => heavyEvent(dice, [], 1e9));
      writer.write(batch.map(candidateOf));
      while (dice.chance(0.7)) dice.pick(writers).maintain();
      const live = new Set(store.db.query("SELECT seq FROM event").values().flat() as number[]);
      if (dice.chance(0.3)) {
        const head = reader.head();
        known = [...live].filter((seq) => seq <= head);
      }
      const seqs = found(reader, [ALL_KEY]);
      expect(known.filter((seq) => live.has(seq) && !seqs.has(seq))).toEqual([]);
    }
  });
}, 20_000);

// Counted in events alone, the tail of 16,384 events of 5,000 tags takes 3 GB in each thread.
test("events with very many tags are moved before their rows fill the memory", () => {
  using store = new TestStore();
  const writer = new EventWriter(store.db, { ...store.options, tailEvents: 1000 });
  let bytesMax = 0;
  for (let i = 0; i < 50; i++) {
    const tags = Array.from({ length: 3000 }, (_, n) => ["r", `${i} ${n}`]);
    writer.write([candidateOf(makeEvent({ content: `${i}`, tags }))]);
    while (writer.maintain());
    const [bytes] = store.db.query("SELECT sum(length(rows)) FROM tail_run").values()[0] as [
      number,
    ];
    bytesMax = Math.max(bytesMax, bytes);
  }
  expect(bytesMax).toBeLessThan(1000 * 1000); // of 1000 events with twenty rows each, 800 KB
});
