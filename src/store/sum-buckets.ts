// Sums of buckets of time in memory, of one level, each with the sum of all before it: so that of
// any run of them is a difference. 44 bytes a bucket that isn't empty. Never changed. Pure.

import { ID_BYTES } from "../negentropy/bound.ts";
import { ItemSum } from "../negentropy/item-sum.ts";

export type BucketSum = readonly [bucket: number, sum: ItemSum];

export class BucketSums {
  private readonly buckets: readonly number[];
  /** Of all buckets before each, and of all. */
  private readonly counts: Float64Array;
  private readonly sums: Uint8Array;

  constructor(buckets: readonly number[], counts: Float64Array, sums: Uint8Array) {
    this.buckets = buckets;
    this.counts = counts;
    this.sums = sums;
  }

  /** Of buckets. */
  get count(): number {
    return this.buckets.length;
  }

  /** Adds those from one bucket on to before another. */
  addSum(sum: ItemSum, from: number, to: number): void {
    const [start, end] = [this.indexOf(from), this.indexOf(to)];
    if (start < end) sum.add(this.difference(start, end));
  }

  between(from: number, to: number): BucketSum[] {
    const found: BucketSum[] = [];
    const end = this.indexOf(to);
    for (let i = this.indexOf(from); i < end; i++) {
      found.push([this.buckets[i] as number, this.difference(i, i + 1)]);
    }
    return found;
  }

  /** How many buckets come before one. */
  private indexOf(bucket: number): number {
    let [low, high] = [0, this.buckets.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.buckets[middle] as number) < bucket) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private difference(start: number, end: number): ItemSum {
    const sum = this.before(end);
    sum.subtract(this.before(start));
    return sum;
  }

  private before(index: number): ItemSum {
    const at = index * ID_BYTES;
    return ItemSum.of(this.counts[index] as number, this.sums.subarray(at, at + ID_BYTES));
  }
}

export class BucketSumsBuilder {
  private readonly buckets: number[] = [];
  private readonly counts: number[] = [];
  private readonly sums: Uint8Array[] = [];
  private readonly sum = new ItemSum();

  /** Buckets in their order, each as often as it likes. */
  add(bucket: number, count: number, sum: Uint8Array): void {
    if (this.buckets.at(-1) !== bucket) {
      this.endBucket();
      this.buckets.push(bucket);
    }
    this.sum.add(ItemSum.of(count, sum));
  }

  end(): BucketSums {
    this.endBucket();
    return new BucketSums(this.buckets, Float64Array.from(this.counts), Buffer.concat(this.sums));
  }

  /** What there is up to its end. */
  private endBucket(): void {
    this.counts.push(this.sum.count);
    this.sums.push(this.sum.sum);
  }
}
