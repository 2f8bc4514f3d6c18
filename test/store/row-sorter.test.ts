// Sorting by means of a file gives what sorting in memory gives, and leaves no file.

import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { RowSorter } from "../../src/store/row-sorter.ts";
import { Run } from "../../src/store/run.ts";
import type { TermRow } from "../../src/store/term.ts";
import { TempDir } from "../support/temp-dir.ts";
import { forEachSeed } from "../support/unsigned-events.ts";

test("rows come back in order, however they are cut into runs and windows", () => {
  using dir = new TempDir();
  forEachSeed(60, (dice) => {
    const rows: TermRow[] = dice.list(dice.below(dice.pick([4, 300, 12_000])), () => ({
      key: dice.below(4) * 2 ** 46,
      age: -dice.below(5),
      order: dice.below(5) * 2 ** 45,
      seq: dice.below(2 ** 40),
      info: dice.below(100),
    }));
    using sorter = new RowSorter(join(dir.path, "rows"), 1 + dice.below(50));
    expect(readdirSync(dir.path)).toEqual([]);
    const sizeMax = dice.pick([10, 1000, 20_000]);
    for (let done = 0; done < rows.length;) {
      const size = dice.below(sizeMax);
      sorter.add(rows.slice(done, done + size));
      done += size;
    }
    const sorted: number[] = [];
    sorter.each((values) => {
      expect(values.length % 5).toBe(0);
      for (const value of values) sorted.push(value);
    });
    const run = Run.of([...rows]);
    const expected = Array.from({ length: run.length }, (_, i) =>
      [run.keys, run.ages, run.orders, run.seqs, run.infos].map((column) => column[i]),
    );
    expect(sorted).toEqual(expected.flat() as number[]);
  });
});
