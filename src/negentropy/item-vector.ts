// A set of items in memory, filled once and then sealed: for what a filter matches, and for what a
// client has. 41 bytes an item, as columns; a range's sum takes 2 µs whatever its size. Sealing a
// million takes half a second. Belongs to the thread that fills it.

import { type Bound, boundBetween, compareBounds, ID_BYTES } from "./bound.ts";
import { orderItems } from "./item-order.ts";
import type { IdRun, ItemStorage, Part } from "./item-storage.ts";
import { ItemSum } from "./item-sum.ts";

/** There is a sum of all items before each so many: 1 byte an item, and at most 31 to add. */
const BLOCK_ITEMS = 32;
const ITEMS_FIRST = 256;

export class ItemVectorBuilder {
  count = 0;
  private timestamps = new Float64Array(ITEMS_FIRST);
  private ids = new Uint8Array(ITEMS_FIRST * ID_BYTES);

  /** In any order; an item that comes twice counts once. */
  add(timestamp: number, id: Uint8Array): void {
    if (!Number.isSafeInteger(timestamp) || timestamp < 0 || id.length !== ID_BYTES) {
      throw new Error(`assert: not an item: ${timestamp}, an id of ${id.length} bytes`);
    }
    if (this.count === this.timestamps.length) this.grow(2 * this.count);
    this.timestamps[this.count] = timestamp;
    this.ids.set(id, this.count * ID_BYTES);
    this.count += 1;
  }

  /** Ends the filling; nothing is kept here. */
  seal(): ItemVector {
    const timestamps = this.timestamps.subarray(0, this.count);
    const ids = this.ids.subarray(0, this.count * ID_BYTES);
    this.count = 0;
    this.timestamps = new Float64Array(ITEMS_FIRST);
    this.ids = new Uint8Array(ITEMS_FIRST * ID_BYTES);
    const order = orderItems({ timestamps, ids });
    // Copied in both cases: the columns have room to spare.
    if (order === null) return new ItemVector(timestamps.slice(), ids.slice());
    const sorted = new Uint8Array(order.length * ID_BYTES);
    for (let i = 0; i < order.length; i++) {
      const from = (order[i] as number) * ID_BYTES;
      sorted.set(ids.subarray(from, from + ID_BYTES), i * ID_BYTES);
    }
    return new ItemVector(
      Float64Array.from(order, (item) => timestamps[item] as number),
      sorted,
    );
  }

  private grow(length: number): void {
    const { timestamps, ids } = this;
    this.timestamps = new Float64Array(length);
    this.timestamps.set(timestamps);
    this.ids = new Uint8Array(length * ID_BYTES);
    this.ids.set(ids);
  }
}

export class ItemVector implements ItemStorage {
  readonly count: number;
  private readonly timestamps: Float64Array;
  private readonly idBytes: Uint8Array;
  private readonly idWords: Uint32Array;
  /** Of all items before each block, 32 bytes one after another. */
  private readonly blockSums: Uint8Array;

  /** Items in their order; ids one after another from the start of their buffer. */
  constructor(timestamps: Float64Array, ids: Uint8Array) {
    this.count = timestamps.length;
    this.timestamps = timestamps;
    this.idBytes = ids;
    this.idWords = new Uint32Array(ids.buffer);
    const blocks = Math.floor(this.count / BLOCK_ITEMS) + 1;
    this.blockSums = new Uint8Array(blocks * ID_BYTES);
    const sum = new ItemSum();
    for (let block = 1; block < blocks; block++) {
      sum.addWords(this.idWords, (block - 1) * BLOCK_ITEMS, block * BLOCK_ITEMS);
      this.blockSums.set(sum.sum, block * ID_BYTES);
    }
  }

  /** Of memory. */
  get bytes(): number {
    return this.timestamps.byteLength + this.idBytes.byteLength + this.blockSums.byteLength;
  }

  sum(lower: Bound, upper: Bound): ItemSum {
    const from = this.indexOf(lower);
    return this.sumBetween(from, Math.max(from, this.indexOf(upper)));
  }

  split(lower: Bound, upper: Bound, count: number): Part[] {
    const from = this.indexOf(lower);
    const items = this.indexOf(upper) - from;
    const parts: Part[] = [];
    let start = from;
    for (let part = 1; part <= count; part++) {
      const end = from + Math.floor((items * part) / count);
      const bound = part === count ? upper : this.boundBefore(end);
      parts.push({ upper: bound, sum: this.sumBetween(start, end) });
      start = end;
    }
    return parts;
  }

  ids(lower: Bound, upper: Bound, countMax: number): IdRun {
    const from = this.indexOf(lower);
    const to = Math.max(from, this.indexOf(upper));
    const end = Math.min(to, from + countMax);
    return {
      ids: this.idBytes.subarray(from * ID_BYTES, end * ID_BYTES),
      next: end < to ? this.boundBefore(end) : null,
    };
  }

  /** How many items are before a bound. */
  private indexOf(bound: Bound): number {
    let [low, high] = [0, this.count];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.isBefore(middle, bound)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private isBefore(index: number, bound: Bound): boolean {
    const timestamp = this.timestamps[index] as number;
    if (timestamp !== bound.timestamp) return timestamp < bound.timestamp;
    return compareBounds(this.itemAt(index), bound) < 0;
  }

  private itemAt(index: number): Bound {
    const id = this.idBytes.subarray(index * ID_BYTES, (index + 1) * ID_BYTES);
    return { timestamp: this.timestamps[index] as number, id };
  }

  private boundBefore(index: number): Bound {
    return boundBetween(this.itemAt(index - 1), this.itemAt(index));
  }

  private sumBetween(from: number, to: number): ItemSum {
    const sum = this.sumBefore(to);
    sum.subtract(this.sumBefore(from));
    return sum;
  }

  private sumBefore(index: number): ItemSum {
    const block = Math.floor(index / BLOCK_ITEMS);
    const start = block * BLOCK_ITEMS;
    const at = block * ID_BYTES;
    const sum = ItemSum.of(start, this.blockSums.subarray(at, at + ID_BYTES));
    sum.addWords(this.idWords, start, index);
    return sum;
  }
}
