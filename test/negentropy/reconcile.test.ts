// Syncs of random sets find the naive difference, each id once, whatever the sets, the limits and
// the storages. NANDU_TEST_ROUNDS=300000 for the long run.

import { expect, test } from "bun:test";
import { END } from "../../src/negentropy/bound.ts";
import { Initiator } from "./initiator.ts";
import type { ItemStorage } from "../../src/negentropy/item-storage.ts";
import { RangeWriter } from "../../src/negentropy/range-writer.ts";
import { respond } from "../../src/negentropy/responder.ts";
import { Random } from "../support/random.ts";
import { forEachSeed } from "../support/unsigned-events.ts";
import { BucketStorage } from "./bucket-storage.ts";
import { converse } from "./conversation.ts";
import { hex, type Item, naiveDifference, randomItems, randomPair, vectorOf } from "./items.ts";

const ROUNDS = Number(process.env["NANDU_TEST_ROUNDS"] ?? 300);

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

test("a server that answers with 150,000 ranges is asked about them, and no more than that", () => {
  const items = randomItems(new Random(1), 60);
  const [client, server] = [items.slice(0, 20), vectorOf(items.slice(10))];
  const [have, need] = [new Set<string>(), new Set<string>()];
  const initiator = new Initiator(vectorOf(client), 100_000, {
    onHave: (id) => have.add(hex(id)),
    onNeed: (id) => need.add(hex(id)),
  });
  initiator.initiate();
  const answer = new RangeWriter();
  for (let second = 1; second < 150_000; second++) {
    answer.writeFingerprint({ timestamp: second, id: END.id }, new Uint8Array(16));
  }
  answer.writeFingerprint(END, new Uint8Array(16));
  let questions = 0;
  let outcome = initiator.reconcile(answer.message());
  for (; outcome.kind === "message"; questions++) {
    const honest = respond(server, outcome.message, 100_000);
    if (honest.kind !== "message") throw new Error(honest.flaw);
    outcome = initiator.reconcile(honest.message);
  }
  expect(outcome.kind).toBe("done");
  // 131,071 ranges without an item, each a list of 4 bytes, and then the rest.
  expect(questions).toBe(Math.ceil((4 * (2 ** 17 - 1)) / 99_999) + 1);
  expect([...have].sort()).toEqual(naiveDifference(client, items.slice(10)));
  expect([...need].sort()).toEqual(naiveDifference(items.slice(10), client));
}, 30_000);

test.each([4095, 0, 4096.5, Number.NaN, Infinity])("no frame is of %p bytes", (frameBytesMax) => {
  const storage = vectorOf([]);
  const ignore = { onHave: () => {}, onNeed: () => {} };
  const message = /^assert: frames of at most .* bytes: 4096 at least$/;
  expect(() => new Initiator(storage, frameBytesMax, ignore)).toThrow(message);
  expect(() => respond(storage, Uint8Array.of(0x61), frameBytesMax)).toThrow(message);
});
