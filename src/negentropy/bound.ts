// Where ranges of items begin and end (NIP-77, appendix: "Bound"). Items are in the order of their
// timestamps, of equal ones in the order of their ids, byte by byte. A bound is a place in that
// order, named by a timestamp and the first bytes of an id, those that are left out being zeros.
// Pure.

export const ID_BYTES = 32;

/** A place as storages know it: the timestamp is a safe integer, 0 or more, or Infinity. */
export interface Bound {
  readonly timestamp: number;
  /** 0 to 32 bytes. */
  readonly id: Uint8Array;
}

/**
 * A place as the other side names it. Timestamps have 64 bits there, more than those of our items
 * ever have; such a one is a bigint and sent back as it came. JavaScript's `<` compares the two
 * types exactly.
 */
export interface WireBound {
  readonly timestamp: number | bigint;
  readonly id: Uint8Array;
}

const NO_ID = new Uint8Array(0);

/** Not after any item. */
export const START: Bound = { timestamp: 0, id: NO_ID };
/** After all items. */
export const END: Bound = { timestamp: Infinity, id: NO_ID };

/** The same place among items of ours, none of which has a timestamp beyond 2^53 - 1. */
export function amongOurs({ timestamp, id }: WireBound): Bound {
  return typeof timestamp === "bigint" ? END : { timestamp, id };
}

/** Less than 0 when `a` comes first, 0 when both are the same place. */
export function compareBounds(a: WireBound, b: WireBound): number {
  if (a.timestamp < b.timestamp) return -1;
  if (a.timestamp > b.timestamp) return 1;
  const length = Math.max(a.id.length, b.id.length);
  for (let i = 0; i < length; i++) {
    const difference = (a.id[i] ?? 0) - (b.id[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/**
 * The shortest bound after an item and not after the next one: "if these records' timestamps
 * differ, then the length should be 0, otherwise it should be the byte-length of their common
 * ID-prefix plus 1". Items are bounds with all bytes of their ids.
 */
export function boundBetween(item: Bound, next: Bound): Bound {
  const { timestamp, id } = next;
  if (item.timestamp !== timestamp) return { timestamp, id: NO_ID };
  let common = 0;
  while (common < ID_BYTES && item.id[common] === id[common]) common += 1;
  if (common === ID_BYTES) throw new Error("assert: an item comes twice");
  return { timestamp, id: id.subarray(0, common + 1) };
}
