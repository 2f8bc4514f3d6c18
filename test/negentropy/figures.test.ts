// What syncs of large sets cost. NANDU_TEST_FIGURES=1 prints it; takes half a minute.

import { expect, test } from "bun:test";
import { type ItemVector, ItemVectorBuilder } from "../../src/negentropy/item-vector.ts";
import { Random } from "../support/random.ts";
import { converse } from "./conversation.ts";

const isWanted = process.env["NANDU_TEST_FIGURES"] !== undefined;
/** Of two years: as a busy relay has them, some of the same second. */
const SECONDS = 63_000_000;

interface Sides {
  readonly client: ItemVector;
  readonly server: ItemVector;
  readonly haveCount: number;
  readonly needCount: number;
}

/** Newest first, as a database gives them. Of those that differ each side has half. */
function makeSides(count: number, share: number): Sides {
  const random = new Random(count);
  const [client, server] = [new ItemVectorBuilder(), new ItemVectorBuilder()];
  let [haveCount, needCount] = [0, 0];
  const words = new Uint32Array(8);
  const id = new Uint8Array(words.buffer);
  for (let i = 0; i < count; i++) {
    const timestamp = 1_700_000_000 - Math.floor((i / count) * SECONDS);
    for (let word = 0; word < 8; word++) words[word] = random.next();
    const isDifferent = random.next() / 2 ** 32 < share;
    const isOfClient = random.oneIn(2);
    if (!isDifferent || isOfClient) client.add(timestamp, id);
    if (!isDifferent || !isOfClient) server.add(timestamp, id);
    if (isDifferent && isOfClient) haveCount += 1;
    if (isDifferent && !isOfClient) needCount += 1;
  }
  return { client: client.seal(), server: server.seal(), haveCount, needCount };
}

test.skipIf(!isWanted)(
  "syncs of large sets",
  () => {
    const rows: Record<string, unknown>[] = [];
    for (const count of [100_000, 1_000_000]) {
      for (const share of [0, 0.001, 0.01]) {
        const started = performance.now();
        const { client, server, haveCount, needCount } = makeSides(count, share);
        const madeMs = performance.now() - started;
        for (const frameBytesMax of [4096, 60_000, 500_000]) {
          const syncStarted = performance.now();
          const result = converse(
            { storage: client, frameBytesMax },
            { storage: server, frameBytesMax },
          );
          rows.push({
            items: count,
            differing: `${100 * share} %`,
            frame: frameBytesMax,
            rounds: result.rounds,
            "KB up": Math.ceil(result.bytesUp / 1000),
            "KB down": Math.ceil(result.bytesDown / 1000),
            "sync ms": Math.round(performance.now() - syncStarted),
            "made ms": Math.round(madeMs),
            "bytes/item": (client.bytes / client.count).toFixed(1),
          });
          expect(result.have.length).toBe(haveCount);
          expect(result.need.length).toBe(needCount);
        }
      }
    }
    console.table(rows);
  },
  600_000,
);
