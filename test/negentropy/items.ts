// Sets of items for tests: simple arrays, random ones as full of coincidences as can be, and the
// naive difference.

import { type Bound, compareBounds } from "../../src/negentropy/bound.ts";
import { type ItemVector, ItemVectorBuilder } from "../../src/negentropy/item-vector.ts";
import type { Random } from "../support/random.ts";

/** A bound with all bytes of an id is an item. */
export type Item = Bound;

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

export function vectorOf(items: readonly Item[]): ItemVector {
  const builder = new ItemVectorBuilder();
  for (const { timestamp, id } of items) builder.add(timestamp, id);
  return builder.seal();
}

export function sorted(items: readonly Item[]): Item[] {
  return [...items].sort(compareBounds);
}

export function idsOf(items: readonly Item[]): string[] {
  return items.map(({ id }) => hex(id)).sort();
}

/** The ids of `items` that `others` lacks. */
export function naiveDifference(items: readonly Item[], others: readonly Item[]): string[] {
  const known = new Set(idsOf(others));
  return idsOf(items).filter((id) => !known.has(id));
}

/**
 * Ids that begin with the same bytes and differ in the others. Four bytes at least are random:
 * serial numbers alone make sets of the same sum, such as 1 and 4, 2 and 3.
 */
function makeId(random: Random, sharedBytes: number, serial: number): Uint8Array {
  const id = new Uint8Array(32).fill(random.pick([0, 0, 0x7f, 0xff]));
  for (let at = sharedBytes; at < 32; at++) id[at] = random.next() & 0xff;
  new DataView(id.buffer).setUint32(sharedBytes, serial);
  return id;
}

function makeTimestamp(random: Random, spread: number): number {
  if (spread < 0) return random.pick([0, 1, 2 ** 32, 2 ** 53 - 1, 1_700_000_000]);
  return 1_700_000_000 + random.below(spread);
}

/** Distinct items in no order, ids distinct too. */
export function randomItems(random: Random, count: number): Item[] {
  const spread = random.pick([-1, 1, 2, 10, 1000, 1_000_000, 100_000_000]);
  const shared = random.pick([0, 0, 0, 1, 2, 20, 24]);
  const mixed = random.oneIn(3);
  const made = new Map<string, Item>();
  for (let serial = 0; made.size < count; serial++) {
    const id = makeId(random, mixed ? random.below(25) : shared, serial);
    made.set(hex(id), { timestamp: makeTimestamp(random, spread), id });
  }
  return [...made.values()];
}

export interface Pair {
  readonly client: Item[];
  readonly server: Item[];
}

/** Sizes of 0 to some thousand, small ones more often; overlaps of all kinds. */
export function randomPair(random: Random): Pair {
  const count = Math.floor(2 ** (random.below(1200) / 100)) - 1;
  const all = randomItems(random, count);
  const onlyOf = (): number => random.pick([0, 0, 1 / 1000, 1 / 100, 0.1, 0.5, 1]);
  const [clientOnly, serverOnly] = [onlyOf(), onlyOf()];
  const pair: Pair = { client: [], server: [] };
  for (const item of all) {
    const luck = random.next() / 2 ** 32;
    if (luck >= clientOnly) pair.server.push(item);
    if (luck < clientOnly || luck < 1 - serverOnly) pair.client.push(item);
  }
  return pair;
}
