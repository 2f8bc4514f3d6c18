// Lines against the simplest way to cut a text into them.

import { expect, test } from "bun:test";
import { BlockCutter, blockBytesMax, eachLine } from "../../src/workers/import-lines.ts";
import { Random, testRandomly } from "../support/random.ts";

const LINE_BYTES_MAX = 50;
const TOO_LONG = "too long";

/** Every line, in order: its bytes as latin1, or TOO_LONG. */
function naiveLines(input: Buffer): string[] {
  const lines = input.toString("latin1").split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line) => (line.length > LINE_BYTES_MAX ? TOO_LONG : line));
}

function cut(input: Buffer, readBytes: () => number): string[] {
  const lines: string[] = [];
  const cutter = new BlockCutter(LINE_BYTES_MAX, {
    lines: (block) => {
      expect(block.length).toBeLessThanOrEqual(blockBytesMax(LINE_BYTES_MAX));
      const found: string[] = [];
      const count = eachLine(block, (number, start, end) => {
        expect(number).toBe(found.length + 1);
        const line = block.toString("latin1", start, end);
        found.push(line.length > LINE_BYTES_MAX ? TOO_LONG : line);
      });
      expect(count).toBe(found.length);
      lines.push(...found);
    },
    longLine: () => lines.push(TOO_LONG),
  });
  for (let at = 0; at < input.length;) {
    const room = cutter.room();
    const count = input.copy(room, 0, at, Math.min(at + readBytes(), at + room.length));
    cutter.take(count);
    at += count;
  }
  cutter.end();
  return lines;
}

function randomInput(random: Random): Buffer {
  const pieces = random.list(random.below(40), () => {
    const length = random.pick([0, 1, LINE_BYTES_MAX, LINE_BYTES_MAX + 1, random.below(200)]);
    return Buffer.from(random.bytes(length).map((byte) => (byte === 0x0a ? 0 : byte)));
  });
  const joined = pieces.flatMap((piece) => [piece, Buffer.from("\n")]);
  return Buffer.concat(random.oneIn(2) ? joined : joined.slice(0, -1));
}

testRandomly("lines come whole and in order, however they are read", (random) => {
  for (let round = 0; round < 500; round++) {
    const input = randomInput(random);
    const max = random.pick([1, 7, LINE_BYTES_MAX, 1000]);
    expect(cut(input, () => 1 + random.below(max))).toEqual(naiveLines(input));
  }
});

test("an input longer than a read, of short lines and of one long one", () => {
  const short = Buffer.from("0123456\n".repeat(50_000));
  expect(cut(short, () => Number.POSITIVE_INFINITY)).toEqual(naiveLines(short));
  const long = Buffer.concat([Buffer.alloc(300_000, "x"), Buffer.from("\nnext")]);
  expect(cut(long, () => Number.POSITIVE_INFINITY)).toEqual([TOO_LONG, "next"]);
});

test("nothing, a newline, and a last line without one", () => {
  const rows = ["", "\n", "\n\n", "a", "a\n", "\na", "a\r\nb"];
  for (const row of rows) {
    const input = Buffer.from(row);
    expect(cut(input, () => 1)).toEqual(naiveLines(input));
    expect(cut(input, () => 100)).toEqual(naiveLines(input));
  }
});
