import { describe, expect, test } from "bun:test";
import { defaultSettings } from "../../src/config/options.ts";
import { threadCounts } from "../../src/workers/pool.ts";

describe("threads of each role", () => {
  const rows: [cores: number, ingester: number, reader: number, monitor: number][] = [
    [1, 1, 1, 1],
    [2, 1, 1, 1],
    [3, 1, 1, 1],
    [4, 1, 1, 1],
    [5, 2, 1, 1],
    [6, 2, 2, 1],
    [8, 3, 3, 1],
    [10, 4, 4, 2],
    [16, 7, 7, 3],
    [34, 16, 16, 8],
    [256, 16, 16, 8],
  ];
  test.each(rows)("on %d cores", (cores, ingester, reader, monitor) => {
    expect(threadCounts(defaultSettings(), cores)).toEqual({ ingester, reader, monitor });
  });

  test("are what the options say, whatever the cores", () => {
    const settings = {
      ...defaultSettings(),
      "threads.ingester": 5,
      "threads.reader": 20,
      "threads.monitor": 64,
    };
    const counts = { ingester: 5, reader: 20, monitor: 64 };
    for (const cores of [1, 2, 64]) expect(threadCounts(settings, cores)).toEqual(counts);
  });
});
