import { describe, expect, test } from "bun:test";
import { RecentIds } from "../../src/workers/recent-ids.ts";
import { testRandomly } from "../support/random.ts";

const ZERO = "0".repeat(64);
/** Two ids share a slot when their first 18 bits are the same, the last two of the third byte. */
const ONE = `abcd${"1".repeat(60)}`;
const SAME_SLOT = `abcd11${"2".repeat(58)}`;
const OTHER_SLOT = `abce${"1".repeat(60)}`;

describe("an id", () => {
  const rows: { desc: string; act: (ids: RecentIds) => void; has: string[] }[] = [
    { desc: "is not there before it was added", act: () => {}, has: [] },
    { desc: "is there once it was", act: (ids) => ids.add(ONE), has: [ONE] },
    {
      desc: "stays when it is added again",
      act: (ids) => [ONE, ONE].forEach((id) => ids.add(id)),
      has: [ONE],
    },
    {
      desc: "is evicted by a newer one of its slot",
      act: (ids) => [ONE, SAME_SLOT].forEach((id) => ids.add(id)),
      has: [SAME_SLOT],
    },
    {
      desc: "is left alone by one of another slot",
      act: (ids) => [ONE, OTHER_SLOT].forEach((id) => ids.add(id)),
      has: [ONE, OTHER_SLOT],
    },
    {
      desc: "is gone once it was removed",
      act: (ids) => {
        ids.add(ONE);
        ids.remove(ONE);
      },
      has: [],
    },
    {
      desc: "is left alone when another of its slot is removed",
      act: (ids) => {
        ids.add(ONE);
        ids.remove(SAME_SLOT);
      },
      has: [ONE],
    },
    {
      desc: "is gone, as all are, once the table was cleared",
      act: (ids) => {
        [ONE, OTHER_SLOT].forEach((id) => ids.add(id));
        ids.clear();
      },
      has: [],
    },
    {
      desc: "of zeros is in no empty slot, nor in one that it was added to",
      act: (ids) => ids.add(ZERO),
      has: [],
    },
    {
      desc: "of zeros evicts like any other",
      act: (ids) => [`0000${"1".repeat(60)}`, ZERO].forEach((id) => ids.add(id)),
      has: [],
    },
    {
      desc: "that is half zeros is an id",
      act: (ids) => ids.add("f".repeat(8) + "0".repeat(56)),
      has: ["f".repeat(8) + "0".repeat(56)],
    },
  ];
  const all = [ZERO, ONE, SAME_SLOT, OTHER_SLOT, "f".repeat(8) + "0".repeat(56)];
  for (const { desc, act, has } of rows) {
    test(desc, () => {
      const ids = new RecentIds();
      act(ids);
      expect(all.filter((id) => ids.has(id))).toEqual(all.filter((id) => has.includes(id)));
    });
  }
});

test("what one thread adds, another finds in the same memory", () => {
  const writer = new RecentIds();
  const other = new RecentIds(writer.shared);
  writer.add(ONE);
  expect(other.has(ONE)).toBe(true);
  writer.remove(ONE);
  expect(other.has(ONE)).toBe(false);
});

testRandomly("any mix of calls finds what a table of one id per slot finds", (random) => {
  const ids = new RecentIds();
  const naive = new Map<string, string>();
  const slotOf = (id: string): string => id.slice(0, 6);
  // Few slots, and ids that differ in one word only, so that words of two could be mixed up. What
  // differs is in the first 128 bits: it is a hash, so two that share those are one.
  const stem = random.hex(64);
  const pool = random.list(40, () => {
    const at = 6 + random.below(26);
    return `00f${random.below(4)}00${stem.slice(6, at)}${random.hex(1)}${stem.slice(at + 1)}`;
  });
  for (let i = 0; i < 20_000; i++) {
    const id = random.pick(pool);
    expect(ids.has(id)).toBe(naive.get(slotOf(id)) === id);
    switch (random.below(8)) {
      case 0:
        ids.remove(id);
        if (naive.get(slotOf(id)) === id) naive.delete(slotOf(id));
        break;
      case 1:
        if (random.oneIn(20)) {
          ids.clear();
          naive.clear();
        }
        break;
      default:
        ids.add(id);
        naive.set(slotOf(id), id);
    }
  }
});
