// `--range` of the commands that exchange events with other relays.

import { expect, test } from "bun:test";
import { parseRange, type TimeRange } from "../../src/cli/range-argument.ts";
import { UsageError } from "../../src/cli/command.ts";

const NOW = 1_000_000_000;
const DAY = 86_400;

const cases: [string, TimeRange][] = [
  ["-", { since: null, until: null }],
  ["2M-", { since: NOW - 61 * DAY, until: null }],
  ["-1w", { since: null, until: NOW - 7 * DAY }],
  ["1Y-3w", { since: NOW - 31_556_952, until: NOW - 21 * DAY }],
  ["1.5d-0.1s", { since: NOW - 129_600, until: NOW }],
  ["90-30s", { since: NOW - 90, until: NOW - 30 }],
  ["2h-5m", { since: NOW - 7200, until: NOW - 300 }],
  ["100Y-1d", { since: 0, until: NOW - DAY }],
];

for (const [text, range] of cases) {
  test(`${text} is a range`, () => expect(parseRange(text, NOW)).toEqual(range));
}

test("what is none is a usage error", () => {
  for (const text of ["", "1d", "1x-", "d-", "1d-2d", "1d-1w", "--1d", "1.d-", ".5d-"]) {
    expect(() => parseRange(text, NOW)).toThrow(UsageError);
  }
});
