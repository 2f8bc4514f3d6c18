// Replaceables and addressables (NIP-01, "Kinds"): of each address the newest stays, of the same
// second the one with the lowest id, in whatever order and batches they come.

import { describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { checkIndex } from "../support/check-index.ts";
import { TestStore } from "../support/test-store.ts";
import { author, makeEvent } from "../support/unsigned-events.ts";

const LONG = "d".repeat(256);

const at = (created_at: number, kind: number, tags: string[][] = [], pubkey = author(0)) =>
  makeEvent({ created_at, kind, tags, pubkey });

/** Two of the same second and address, the lower id first. */
function tied(kind: number): [NostrEvent, NostrEvent] {
  const a = makeEvent({ kind, content: "a" });
  const b = makeEvent({ kind, content: "b" });
  return a.id < b.id ? [a, b] : [b, a];
}

const cases: { desc: string; stays: NostrEvent[]; goes: NostrEvent[] }[] = [
  ...[0, 3, 10_000, 19_999, 30_000, 39_999].flatMap((kind) => {
    const [lower, higher] = tied(kind);
    return [
      { desc: `kind ${kind}: the newest`, stays: [at(3, kind)], goes: [at(1, kind), at(2, kind)] },
      { desc: `kind ${kind}: the lowest id of a second`, stays: [lower], goes: [higher] },
    ];
  }),
  ...[1, 2, 4, 5, 45, 999, 9999, 40_000, 65_535].map((kind) => ({
    desc: `kind ${kind}: all`,
    stays: [at(1, kind), at(2, kind)],
    goes: [],
  })),
  {
    desc: "one for each kind",
    stays: [at(1, 0), at(2, 3), at(3, 10_000), at(4, 30_000)],
    goes: [],
  },
  {
    desc: "one for each author",
    stays: [at(1, 0), at(2, 0, [], author(1)), at(1, 30_000), at(2, 30_000, [], author(1))],
    goes: [],
  },
  {
    desc: "one for each d",
    stays: ["", "a", "A", "a ", "é", "e\u0301"].map((d, i) => at(i, 30_000, [["d", d]])),
    goes: [],
  },
  {
    desc: "one for each long d that differs in its last character only",
    stays: [at(1, 30_000, [["d", `${LONG}a`]]), at(2, 30_000, [["d", `${LONG}b`]])],
    goes: [at(1, 30_000, [["d", `${LONG}b`]])],
  },
  {
    desc: "no d, an empty d and a d without value are the same",
    stays: [at(4, 30_000, [["x"], ["d"]])],
    goes: [at(3, 30_000), at(2, 30_000, [["d", ""]]), at(1, 30_000, [["d"], ["d", "a"]])],
  },
  {
    desc: "the first d counts",
    stays: [
      at(2, 30_000, [
        ["d", "a"],
        ["d", "b"],
      ]),
      at(1, 30_000, [["d", "b"]]),
    ],
    goes: [at(1, 30_000, [["d", "a"]])],
  },
  {
    desc: "a d on a replaceable says nothing",
    stays: [at(2, 10_000, [["d", "a"]])],
    goes: [at(1, 10_000, [["d", "b"]])],
  },
  {
    desc: "the same d of another kind or author is another address",
    stays: [
      at(1, 30_000, [["d", "a"]]),
      at(2, 30_001, [["d", "a"]]),
      at(3, 30_000, [["d", "a"]], author(1)),
    ],
    goes: [],
  },
  {
    desc: "a d with colons is not the address it looks like",
    stays: [at(1, 30_000, [["d", `30000:${author(0)}:`]]), at(2, 30_000, [["d", ""]])],
    goes: [],
  },
];

function orders(events: readonly NostrEvent[]): NostrEvent[][] {
  return [[...events], events.toReversed(), [...events.slice(1), ...events.slice(0, 1)]];
}

describe("what stays of several versions is", () => {
  for (const { desc, stays, goes } of cases) {
    test(desc, () => {
      for (const order of orders([...stays, ...goes])) {
        for (const sizes of [[100], [1], [1, 100]]) {
          using store = new TestStore();
          const results = store.writeInBatches(order, sizes);
          const byId = (events: NostrEvent[]) => events.map(({ id }) => id).toSorted();
          expect(byId(store.events())).toEqual(byId(stays));
          const verdicts = results.flatMap((result) => result.verdicts);
          for (const [i, { accepted }] of verdicts.entries()) {
            if (!accepted) expect(goes).toContain(order[i] as NostrEvent);
          }
          expect(checkIndex(store.db)).toEqual([]);
        }
      }
    });
  }
});

test("a version that comes too late is refused with a reason, and may come again", () => {
  using store = new TestStore();
  const refused = {
    accepted: false,
    reason: "duplicate: a newer version of this event is stored",
    seq: 0,
  } as const;
  expect(store.write(at(2, 0)).removedIds).toEqual([]);
  expect(store.write(at(1, 0), at(1, 0)).verdicts).toEqual([refused, refused]);
  const result = store.write(at(3, 0), at(1, 0), at(2, 0));
  expect(result).toEqual({
    verdicts: [{ accepted: true, reason: "", seq: 2 }, refused, refused],
    removedIds: [at(2, 0).id],
    headBefore: 1,
    headAfter: 2,
  });
});
