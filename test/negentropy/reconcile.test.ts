// Syncs of random sets find the naive difference, each id once, whatever the sets, the limits and
// the storages. NANDU_TEST_ROUNDS=300000 for the long run.

import { expect, test } from "bun:test";
import type { ItemStorage } from "../../src/negentropy/item-storage.ts";
import type { Random } from "../support/random.ts";
import { forEachSeed } from "../support/unsigned-events.ts";
import { BucketStorage } from "./bucket-storage.ts";
import { converse } from "./conversation.ts";
import { type Item, naiveDifference, randomPair, vectorOf } from "./items.ts";

const ROUNDS = Number(process.env["NANDU_TEST_ROUNDS"] ?? 400);

function randomLimit(random: Random): number {
  return random.pick([4096, 4096 + random.below(64), 5000, 10_000, 60_000, 500_000, 2 ** 31]);
}

/** The slow one for small sets only. */
function randomStorage(random: Random, items: readonly Item[]): ItemStorage {
  if (items.length > 500 || random.oneIn(2)) return vectorOf(items);
  return new BucketStorage(random.pick([1, 7, 3600, 1e6, 1e9]), items);
}

test(
  `${ROUNDS} random pairs of sets`,
  () => {
    forEachSeed(ROUNDS, (random) => {
      const { client, server } = randomPair(random);
      const { have, need } = converse(
        { storage: randomStorage(random, client), frameBytesMax: randomLimit(random) },
        { storage: randomStorage(random, server), frameBytesMax: randomLimit(random) },
      );
      expect(have.sort()).toEqual(naiveDifference(client, server));
      expect(need.sort()).toEqual(naiveDifference(server, client));
    });
  },
  60_000 + 100 * ROUNDS,
);
