// What the relay publishes itself with a batch: in the same transaction as what caused it, after
// it, and always newer than what it replaces.

import { describe, expect, test } from "bun:test";
import { RelayKey } from "../../src/crypto/relay-key.ts";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { candidateOf } from "../../src/store/candidate.ts";
import { type BatchRules, JointRules } from "../../src/store/companion.ts";
import { KeyFilter } from "../../src/store/key-filter.ts";
import { EventReader } from "../../src/store/read.ts";
import { RelayEvents } from "../../src/store/relay-events.ts";
import { EventWriter } from "../../src/store/write.ts";
import { EventFactory } from "../support/events.ts";
import { TestStore } from "../support/test-store.ts";

const NOW = 1_700_000_000;
const key = new RelayKey(Buffer.alloc(32, 7));
const factory = new EventFactory(1);

/** A store whose relay says `body` of each batch, once for every event of kind 9. */
class TalkingStore {
  readonly store = new TestStore();
  readonly events = new RelayEvents(key, new EventReader(this.store.db), () => NOW);
  readonly calls: string[] = [];
  kind = 1;
  failure: Error | null = null;
  private heard = 0;
  readonly rules = new JointRules(this.events, [this.part()]);
  readonly writer = new EventWriter(this.store.db, this.store.options, new KeyFilter(), this.rules);

  write(...batch: NostrEvent[]) {
    return this.writer.write(batch.map(candidateOf));
  }

  private part(): BatchRules {
    return {
      begin: () => {
        this.heard = 0;
        this.calls.push("begin");
      },
      judge: ({ kind }) =>
        kind === 666 ? { accepted: false, reason: "blocked: no", seq: 0 } : null,
      check: () => null,
      keeps: () => false,
      accepted: ({ id, kind }) => {
        this.calls.push(id);
        if (kind === 9) this.heard += 1;
        return null;
      },
      end: () => {
        for (let i = 0; i < this.heard; i++) {
          this.events.publish({ kind: this.kind, tags: [["d", "x"]], content: `said ${i}` });
        }
        if (this.failure !== null) throw this.failure;
      },
    };
  }

  [Symbol.dispose](): void {
    this.store[Symbol.dispose]();
  }
}

test("what the relay says comes after the batch, with a seq of its own, and is told once", () => {
  using talking = new TalkingStore();
  const [first, second] = [factory.make({ kind: 9 }), factory.make({ kind: 1 })];
  const { verdicts, headBefore, headAfter } = talking.write(first, second);
  expect(verdicts).toEqual([
    { accepted: true, reason: "", seq: 1 },
    { accepted: true, reason: "", seq: 2 },
  ]);
  expect([headBefore, headAfter]).toEqual([0, 3]);
  const said = talking.store.events()[2] as NostrEvent;
  expect(talking.store.events()).toEqual([first, second, said]);
  expect([said.pubkey, said.kind, said.created_at, said.content]).toEqual([
    key.pubkey,
    1,
    NOW,
    "said 0",
  ]);
  expect(talking.rules.takePublished().map(({ seq, candidate }) => [seq, candidate.id])).toEqual([
    [3, said.id],
  ]);
  expect(talking.rules.takePublished()).toEqual([]);
});

test("rules hear of what is stored, not of duplicates and what they refuse themselves", () => {
  using talking = new TalkingStore();
  const [event, refused] = [factory.make({ kind: 1 }), factory.make({ kind: 666 })];
  expect(talking.write(event, refused, event).verdicts).toEqual([
    { accepted: true, reason: "", seq: 1 },
    { accepted: false, reason: "blocked: no", seq: 0 },
    { accepted: true, reason: "duplicate: already have this event", seq: 0 },
  ]);
  expect(talking.calls).toEqual(["begin", event.id]);
});

test("what fails takes all of the batch with it, and is not said by the next one", () => {
  using talking = new TalkingStore();
  talking.failure = new Error("no");
  expect(() => talking.write(factory.make({ kind: 9 }))).toThrow("no");
  expect(talking.store.events()).toEqual([]);
  talking.failure = null;
  const event = factory.make({ kind: 1 });
  talking.write(event);
  expect(talking.store.events()).toEqual([event]);
  expect(talking.rules.takePublished()).toEqual([]);
});

describe.each([13534, 33534])("versions of kind %d within a second", (kind) => {
  test("replace each other in the order they were said", () => {
    using talking = new TalkingStore();
    talking.kind = kind;
    const causes = [1, 2, 3].map(() => factory.make({ kind: 9 }));
    talking.write(...causes);
    talking.write(factory.make({ kind: 9 }));
    const said = talking.store.events().filter(({ pubkey }) => pubkey === key.pubkey);
    expect(said.map(({ content, created_at }) => [content, created_at])).toEqual([
      ["said 0", NOW + 3],
    ]);
  });

  test("also after a restart, by another process, and after they were deleted", () => {
    using talking = new TalkingStore();
    talking.kind = kind;
    talking.write(factory.make({ kind: 9 }));
    const other = new RelayEvents(key, new EventReader(talking.store.db), () => NOW);
    const d = kind === 33534 ? "x" : "";
    other.retract(kind, d);
    other.publish({ kind, tags: [["d", d]], content: "later" });
    talking.writer.write(other.take());
    const afterwards = new RelayEvents(key, new EventReader(talking.store.db), () => NOW);
    afterwards.publish({ kind, tags: [["d", d]], content: "last" });
    talking.writer.write(afterwards.take());
    const said = talking.store.events().filter((event) => event.kind === kind);
    expect(said.map(({ content, created_at }) => [content, created_at])).toEqual([
      ["last", NOW + 3],
    ]);
  });
});
