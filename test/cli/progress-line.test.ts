// How far a transfer is, drawn.

import { expect, test } from "bun:test";
import { progressBar } from "../../src/cli/progress-line.ts";

const rows: [done: number, total: number, bar: string][] = [
  [0, 0, ""],
  [0, 3, "[                    ] 0% "],
  [1, 3, "[======              ] 33% "],
  [999, 1000, "[=================== ] 99% "],
  [3, 3, "[====================] 100% "],
  [4, 3, "[====================] 100% "],
];

for (const [done, total, bar] of rows) {
  test(`${done} of ${total}`, () => expect(progressBar(done, total)).toBe(bar));
}
