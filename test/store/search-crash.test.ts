// A process that dies while it indexes: whatever it was doing, the next one goes on, and in the end
// each event is in the index once.

import { expect, test } from "bun:test";
import { join } from "node:path";
import { SearchStore } from "../support/search-store.ts";
import { forEachSeed, makeEvent } from "../support/unsigned-events.ts";

const SCRIPT = join(import.meta.dir, "index-and-die.ts");

function indexAndDie(dataDir: string, count: number): string {
  const { signalCode, exitCode, stderr } = Bun.spawnSync(
    [process.execPath, SCRIPT, dataDir, String(count)],
    { stdout: "ignore", stderr: "pipe" },
  );
  return `${signalCode ?? `${exitCode} ${stderr.toString()}`}`;
}

test("a killed process leaves nothing undone and nothing done twice", () => {
  forEachSeed(1, (dice) => {
    using store = new SearchStore();
    const ends = new Set<string>();
    for (let round = 0; round < 14; round++) {
      const first = store.rows().length;
      store.write(...dice.list(40, () => makeEvent({ content: `word ${dice.next()}` })));
      const some = store.rows().slice(first, first + dice.below(9));
      store.writer.remove(some.map(([seq]) => seq));
      ends.add(indexAndDie(store.options.dataDir, 1 + dice.below(90)));
    }
    expect(ends).toContain("SIGKILL");
    expect([...ends].filter((end) => !/^(SIGKILL|0 )$/.test(end))).toEqual([]);
    expect(indexAndDie(store.options.dataDir, -1)).toBe("0 ");
    const stored = store.rows().map(([seq]) => seq);
    expect(store.indexed()).toEqual(stored);
    const found = store.search([{ search: "word" }]).events;
    expect(found.map(({ id }) => id).toSorted()).toEqual(
      store
        .events()
        .map(({ id }) => id)
        .toSorted(),
    );
    const words = stored.length;
    const shards = store.searchDb.query("SELECT number FROM shard").values().flat() as number[];
    const matches = shards.map((number) => {
      const sql = `SELECT count(*) FROM words_${number} WHERE words_${number} MATCH 'word'`;
      return (store.searchDb.query(sql).values()[0] as [number])[0];
    });
    expect(matches.reduce((sum, count) => sum + count, 0)).toBe(words);
  });
}, 30_000);
