import { describe, expect, test } from "bun:test";
import { defaultSettings } from "../../src/config/options.ts";
import { threadCounts } from "../../src/workers/pool.ts";

describe("threads of each role", () => {
  const rows: [
    cores: number,
    ingester: number,
    reader: number,
    monitor: number,
    negentropy: number,
  ][] = [
    [1, 1, 1, 1, 1],
    [2, 1, 1, 1, 1],
    [3, 1, 1, 1, 1],
    [4, 1, 1, 1, 1],
    [5, 2, 1, 1, 1],
    [6, 2, 2, 1, 1],
    [8, 3, 3, 1, 1],
    [10, 4, 4, 2, 1],
    [16, 7, 7, 3, 1],
    [34, 16, 16, 8, 4],
    [256, 16, 16, 8, 4],
  ];
  test.each(rows)("on %d cores", (cores, ingester, reader, monitor, negentropy) => {
    const counts = { ingester, reader, monitor, negentropy };
    expect(threadCounts(defaultSettings(), cores)).toEqual(counts);
  });

  test("are what the options say, whatever the cores", () => {
    const settings = {
      ...defaultSettings(),
      "threads.ingester": 5,
      "threads.reader": 20,
      "threads.monitor": 64,
      "threads.negentropy": 9,
    };
    const counts = { ingester: 5, reader: 20, monitor: 64, negentropy: 9 };
    for (const cores of [1, 2, 64]) expect(threadCounts(settings, cores)).toEqual(counts);
  });

  test("none for syncs when there are none", () => {
    const settings = { ...defaultSettings(), "negentropy.enabled": false, "threads.negentropy": 9 };
    expect(threadCounts(settings, 2).negentropy).toBe(0);
  });
});
