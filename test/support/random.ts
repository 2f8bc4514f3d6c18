/**
 * Randomness for tests that can be repeated: one generator from one seed. A failing test prints
 * its seed; NANDU_TEST_SEED=<seed> runs it again with the same numbers.
 */

import { test } from "bun:test";

/** mulberry32: small, fast, and the same on every machine. Not for secrets. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** An integer from 0 to 2^32 - 1. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    const { state } = this;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** An integer from 0 to `end` - 1. */
  below(end: number): number {
    return Math.floor((this.next() / 2 ** 32) * end);
  }

  /** An integer from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  /** True once in `times` calls. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  /** `count` times what `make` returns. */
  list<T>(count: number, make: () => T): T[] {
    return Array.from({ length: count }, make);
  }

  /** Lower-case hex digits. */
  hex(digits: number): string {
    let text = "";
    while (text.length < digits) text += this.next().toString(16).padStart(8, "0");
    return text.slice(0, digits);
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.next() & 0xff);
  }

  /** One code point of well-formed text, those that break parsers more often than others. */
  character(): string {
    switch (this.below(8)) {
      case 0:
        return String.fromCharCode(this.below(0x20));
      case 1:
        return this.pick(TROUBLE);
      case 2:
        return String.fromCharCode(this.between(0x80, 0xd7ff));
      case 3:
        return String.fromCharCode(this.between(0xe000, 0xffff));
      case 4:
        return String.fromCodePoint(this.between(0x10000, 0x10ffff));
      default:
        return String.fromCharCode(this.between(0x20, 0x7e));
    }
  }

  /** Well-formed Unicode of up to `charactersMax` pieces, control characters included. */
  text(charactersMax: number): string {
    let text = "";
    for (let left = this.below(charactersMax + 1); left > 0; left--) text += this.character();
    return text;
  }
}

/** What escaping, joining and decoding get wrong: see the tests of events. */
const TROUBLE = [
  '"',
  "\\",
  "\\\\",
  "\\u0001",
  "\\n",
  "u001f",
  "\u0000",
  "\u0001",
  "\u0008",
  "\u000b",
  "\u001f",
  "\u007f",
  "\u0085",
  "\u2028",
  "\u2029",
  "\ufeff",
  "\ufffd",
  "\uffff",
  "e\u0301",
  "👩‍👩‍👧",
  "',\"",
  "]",
  "}",
];

/** The seed of this run: NANDU_TEST_SEED, else a new one each time. */
export function chooseSeed(): number {
  return Number(process.env["NANDU_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
}

/** A test on random input, which says with what seed it failed. */
export function testRandomly(
  name: string,
  run: (random: Random) => void | Promise<void>,
  timeoutMs = 5000,
): void {
  const check = async () => {
    const seed = chooseSeed();
    try {
      await run(new Random(seed));
    } catch (cause) {
      throw new Error(`failed with NANDU_TEST_SEED=${seed}`, { cause });
    }
  };
  test(name, check, timeoutMs);
}
