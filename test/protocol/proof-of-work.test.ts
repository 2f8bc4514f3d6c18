// Proof of work (NIP-13): the examples of the NIP, and what is asked of an event.

import { describe, expect, test } from "bun:test";
import { checkWork, committedTarget, difficultyOf } from "../../src/protocol/proof-of-work.ts";
import { makeEvent } from "../support/unsigned-events.ts";

describe("the difficulty of an id is", () => {
  const rows: [string, number][] = [
    ["000000000e9d97a1ab09fc381030b346cdd7a142ad57e6df0b46dc9bef6c7e2d", 36], // NIP-13
    [`002f${"f".repeat(60)}`, 10], // NIP-13
    ["f".repeat(64), 0],
    [`7${"0".repeat(63)}`, 1],
    [`1${"0".repeat(63)}`, 3],
    [`08${"0".repeat(62)}`, 4],
    [`${"0".repeat(63)}1`, 255],
    ["0".repeat(64), 256],
  ];
  test.each(rows)("%s: %d", (id, difficulty) => expect(difficultyOf(id)).toBe(difficulty));

  test("as many as its binary digits say", () => {
    for (let i = 0; i < 256; i++) {
      const id = (1n << BigInt(255 - i)).toString(16).padStart(64, "0");
      expect(difficultyOf(id)).toBe(i);
    }
  });
});

describe("what is committed to", () => {
  const rows: [readonly string[][], number | null][] = [
    [[["nonce", "1", "21"]], 21],
    [[["nonce", "1", "0"]], 0],
    [
      [
        ["t", "x"],
        ["nonce", "776797", "20", "more"],
      ],
      20,
    ],
    [
      [
        ["nonce", "1", "8"],
        ["nonce", "1", "30"],
      ],
      8,
    ],
    [[["nonce", "1"]], null],
    [[["nonce"]], null],
    [[["nonce", "1", "x"]], null],
    [[["nonce", "1", "-5"]], null],
    [[], null],
  ];
  test.each(rows)("by %j is %p", (tags, target) => {
    expect(committedTarget(makeEvent({ tags }))).toBe(target);
  });
});

describe("where 8 bits are asked for,", () => {
  const id = `00ff${"0".repeat(60)}`;
  const easy = `01ff${"0".repeat(60)}`;
  const rows: [string, string, string[][], string | null][] = [
    ["8 with a target of 8 pass", id, [["nonce", "1", "8"]], null],
    ["a higher target passes too", id, [["nonce", "1", "21"]], null],
    ["7 do not", easy, [["nonce", "1", "8"]], "pow: difficulty 7 is less than 8"],
    [
      "luck does not, with a lower target",
      id,
      [["nonce", "1", "7"]],
      "pow: the committed difficulty 7 is less than 8",
    ],
    [
      "nor without a target",
      id,
      [],
      "pow: the nonce tag must commit to a difficulty of at least 8",
    ],
  ];
  test.each(rows)("%s", (_, ownId, tags, reason) => {
    expect(checkWork({ ...makeEvent({ tags }), id: ownId }, 8)).toBe(reason as never);
  });

  test("where none is, nothing is looked at", () => {
    expect(checkWork(makeEvent({ tags: [["nonce", "1", "0"]] }), 0)).toBeNull();
  });
});
