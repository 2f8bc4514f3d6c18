// Events on their way to the writer that may remove others.

import { expect, test } from "bun:test";
import { candidateOf } from "../../src/store/candidate.ts";
import { HandledRemovers, mayRemove, SentRemovers } from "../../src/workers/removers.ts";
import { makeEvent } from "../support/unsigned-events.ts";

test("deletions and replaceables may remove others", () => {
  const kinds = [0, 1, 3, 5, 7, 9999, 10_000, 19_999, 30_000, 39_999, 40_000];
  const those = kinds.filter((kind) => mayRemove(candidateOf(makeEvent({ kind }))));
  expect(those).toEqual([0, 3, 5, 10_000, 19_999, 30_000, 39_999]);
});

test("a connection has some under way until the writer has handled all of its ingester's", () => {
  const handled = new HandledRemovers(2);
  const [first, second] = [0, 1].map(
    (i) => new SentRemovers(new HandledRemovers(handled.shared), i),
  );
  expect(first?.has(7)).toBe(false);
  first?.add(7);
  first?.add(9);
  expect([first?.has(7), first?.has(8), second?.has(7)]).toEqual([true, false, false]);
  handled.add(1); // another's
  handled.add(0);
  expect([first?.has(7), first?.has(9)]).toEqual([true, true]);
  handled.add(0);
  expect([first?.has(7), first?.has(9)]).toEqual([false, false]);
});
