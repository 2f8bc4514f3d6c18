// Kinds as people write them.

import { describe, expect, test } from "bun:test";
import {
  kindNumbers,
  kindSet,
  parseKindNumber,
  parseKindRange,
} from "../../src/protocol/kind-set.ts";

describe("a range", () => {
  const rows: [string, readonly [number, number] | null][] = [
    ["4", [4, 4]],
    ["0", [0, 0]],
    ["65535", [65_535, 65_535]],
    ["9000-9020", [9000, 9020]],
    ["7-7", [7, 7]],
    ["65536", null],
    ["9-8", null],
    ["-1", null],
    ["1-", null],
    ["1-2-3", null],
    ["1.5", null],
    ["", null],
    ["x", null],
    [" 4", null],
  ];
  test.each(rows)("%j is %j", (text, range) => expect(parseKindRange(text)).toEqual(range));

  test("several are a set", () => {
    expect(kindSet(["4", "1059", "8-10", "9", "x"])).toEqual(new Set([4, 1059, 8, 9, 10]));
    expect(kindSet([])).toEqual(new Set());
  });
});

describe("a kind's number", () => {
  const rows: [string, ReturnType<typeof parseKindNumber>][] = [
    ["1:20", { range: [1, 1], number: 20 }],
    ["9000-9020:0", { range: [9000, 9020], number: 0 }],
    ["1", null],
    ["1:", null],
    ["1:x", null],
    ["1:2:3", null],
    ["1:-2", null],
    [":2", null],
  ];
  test.each(rows)("%j is %j", (text, parsed) => expect(parseKindNumber(text)).toEqual(parsed));

  test("of several for a kind the last counts", () => {
    expect(kindNumbers(["1-3:20", "2:0"])).toEqual(
      new Map([
        [1, 20],
        [2, 0],
        [3, 20],
      ]),
    );
  });
});
