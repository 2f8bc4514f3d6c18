// How long is waited before another try.

import { expect, test } from "bun:test";
import { Retry } from "../../src/mesh/retry.ts";

const policy = { firstMs: 100, longestMs: 1000, failuresMax: 6 };

test("delays double up to the longest; a half of each is by chance; then it gives up", () => {
  for (const [chance, expected] of [
    [0, [50, 100, 200, 400, 500, null]],
    [0.5, [75, 150, 300, 600, 750, null]],
  ] as const) {
    const retry = new Retry(policy, () => chance);
    expect(expected.map(() => retry.failed())).toEqual([...expected]);
  }
});

test("a success begins anew", () => {
  const retry = new Retry(policy, () => 0);
  retry.failed();
  retry.failed();
  retry.succeeded();
  expect(retry.failed()).toBe(50);
});

test("a policy without an end never gives up, however often", () => {
  const retry = new Retry({ ...policy, failuresMax: Infinity }, () => 0);
  for (let i = 0; i < 5000; i++) retry.failed();
  expect(retry.failed()).toBe(500);
});
