// The database fails at any statement: of a batch nothing is left, neither stored nor remembered,
// so that the same batch comes to the same when it is written again.

import { expect, test } from "bun:test";
import type { Database } from "bun:sqlite";
import type { NostrEvent, Tag } from "../../src/protocol/event.ts";
import { candidateOf } from "../../src/store/candidate.ts";
import { EventWriter } from "../../src/store/write.ts";
import { checkIndex } from "../support/check-index.ts";
import { DiskFull, FailingDatabase } from "../support/failing-database.ts";
import { TestStore } from "../support/test-store.ts";
import { author, type Dice, forEachSeed, makeEvent } from "../support/unsigned-events.ts";

const AUTHORS = 3;
const HERE = "wss://here.example";

/** What is in the database for all to see, but for the times at which it came there. */
function contents(db: Database) {
  const of = (sql: string) => db.query(sql).values();
  return {
    seq: of("SELECT seq FROM head"),
    events: of("SELECT seq, hex(id), expires FROM event ORDER BY seq"),
    history: of("SELECT hex(id), seq, what, detail FROM history ORDER BY n"),
    gone: of("SELECT key, hex(pubkey), created_at, hex(id) FROM gone ORDER BY 1, 2"),
    erase: of("SELECT hex(pubkey), what, until, detail FROM erase ORDER BY 1, 2"),
  };
}

/** The index as well, in the form that it happens to have. */
function everything(db: Database) {
  const of = (sql: string) => db.query(sql).values();
  return {
    ...contents(db),
    terms: of("SELECT * FROM term ORDER BY key, age, ord, seq"),
    tail: of("SELECT part, seq, hex(rows), hex(removed) FROM tail_run ORDER BY part"),
    tallies: of("SELECT key, upto, hex(sums) FROM tally ORDER BY key"),
    head: of("SELECT * FROM head"),
  };
}

/** Whether the next commit waits for the disk. */
function isDurable(db: Database): boolean {
  return db.query("PRAGMA synchronous").values()[0]?.[0] === 2;
}

function randomEvent(dice: Dice, all: readonly NostrEvent[], now: number): NostrEvent {
  const pubkey = author(dice.below(AUTHORS));
  const created_at = 1000 + dice.below(20);
  const content = `${dice.below(1_000_000)}`;
  const tags: Tag[] = [["p", author(dice.below(AUTHORS))]];
  if (dice.chance(0.1)) tags.push(["expiration", `${now + dice.below(8)}`]);
  if (dice.chance(0.06)) {
    return makeEvent({ kind: 62, pubkey, created_at, content, tags: [["relay", HERE]] });
  }
  if (all.length > 0 && dice.chance(0.25)) {
    const target = dice.pick(all);
    const fields = { kind: 5, pubkey: target.pubkey, created_at, content };
    return makeEvent({
      ...fields,
      tags: [
        ["e", target.id],
        ["a", `30000:${target.pubkey}:a`],
      ],
    });
  }
  const kind = dice.pick([0, 1, 7, 1059, 30_000]);
  if (kind === 30_000) tags.push(["d", "a"]);
  return makeEvent({ kind, pubkey, created_at, content, tags });
}

function keepUp(writer: EventWriter): void {
  while (writer.maintain());
}

type Step = (writer: EventWriter) => unknown;

function randomSteps(dice: Dice): Step[] {
  const all: NostrEvent[] = [];
  let now = 5000;
  return dice.list(25, (): Step => {
    const what = dice.below(10);
    if (what === 0) {
      now += dice.below(4);
      const time = now;
      return (writer) => writer.removeExpired(time, 100).length;
    }
    if (what === 1) {
      const seqs = dice.list(4, () => 1 + dice.below(all.length + 1));
      return (writer) => writer.remove(seqs);
    }
    if (what === 2) {
      const refusals = dice
        .some(all, Math.min(all.length, 2))
        .map(({ id }) => ({ id, detail: "" }));
      return (writer) => writer.addRefusals(refusals);
    }
    if (what <= 5) return keepUp;
    const batch = dice.list(1 + dice.below(6), () => {
      const event =
        all.length > 0 && dice.chance(0.1) ? dice.pick(all) : randomEvent(dice, all, now);
      all.push(event);
      return event;
    });
    const candidates = batch.map(candidateOf);
    return (writer) => writer.write(candidates);
  });
}

function options(store: TestStore) {
  return {
    ...store.options,
    synchronous: "full" as const,
    tailEvents: 12,
    tallyEntries: 4,
    historyEntriesMax: 1000,
  };
}

test("what fails has not happened, and is the same when it is done again", () => {
  forEachSeed(8, (dice) => {
    const steps = randomSteps(dice);
    using whole = new TestStore();
    using store = new TestStore();
    const failing = new FailingDatabase(store.db);
    const good = new EventWriter(whole.db, options(whole));
    const bad = new EventWriter(failing.db, options(store));
    for (const { db } of [whole, store]) db.run("PRAGMA synchronous = FULL");
    for (const [i, step] of steps.entries()) {
      const before = everything(store.db);
      const expected = step(good);
      for (const at of [...dice.list(4, () => 4 + dice.below(60)), 3, 2, 1]) {
        failing.failAt(at);
        let error: unknown = null;
        let result: unknown;
        try {
          result = step(bad);
        } catch (caught) {
          error = caught;
        }
        const { hasFailed } = failing;
        failing.heal();
        if (error === null) {
          expect([i, at, result]).toEqual([i, at, expected]);
          break;
        }
        if (!(error instanceof DiskFull)) throw error;
        expect(isDurable(store.db)).toBe(true);
        expect(hasFailed).toBe(true);
        // Upkeep is many transactions; what it has left is done after all.
        if (step !== keepUp) expect([i, at, everything(store.db)]).toEqual([i, at, before]);
        if (at > 1) continue;
        expect([i, step(bad)]).toEqual([i, expected]);
      }
      expect(isDurable(store.db)).toBe(true);
      // What vanishes goes at once or, if that fails, by upkeep.
      if (contents(store.db).erase.length + contents(whole.db).erase.length > 0) {
        for (const writer of [good, bad]) keepUp(writer);
      }
      expect([i, contents(store.db)]).toEqual([i, contents(whole.db)]);
      expect([i, bad.takeErasedIds()]).toEqual([i, good.takeErasedIds()]);
    }
    for (const writer of [good, bad]) while (writer.maintain());
    expect(contents(store.db)).toEqual(contents(whole.db));
    expect(checkIndex(store.db)).toEqual([]);
  });
});
