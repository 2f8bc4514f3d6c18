// A storage as a database would be one: it keeps a running sum for each bucket of time while items
// come and go, knows no positions, and answers by whole buckets and two edges that it scans.

import { type Bound, boundBetween, compareBounds, END } from "../../src/negentropy/bound.ts";
import type { IdRun, ItemStorage, Part } from "../../src/negentropy/item-storage.ts";
import { ItemSum } from "../../src/negentropy/item-sum.ts";
import { type Item, sorted } from "./items.ts";

export class BucketStorage implements ItemStorage {
  private readonly seconds: number;
  private readonly buckets = new Map<number, { items: Item[]; sum: ItemSum }>();

  constructor(seconds: number, items: readonly Item[]) {
    this.seconds = seconds;
    for (const item of items) this.add(item);
    for (const bucket of this.buckets.values()) bucket.items = sorted(bucket.items);
  }

  sum(lower: Bound, upper: Bound): ItemSum {
    const sum = new ItemSum();
    for (const part of this.parts(lower, upper)) sum.add(part.sum);
    return sum;
  }

  /** At the buckets' borders, if that makes two parts; else at items. */
  split(lower: Bound, upper: Bound, count: number): Part[] {
    const found = this.parts(lower, upper).filter(({ sum }) => sum.count > 0);
    return found.length > 1
      ? join(found, upper, count)
      : join(this.single(lower, upper), upper, count);
  }

  ids(lower: Bound, upper: Bound, countMax: number): IdRun {
    const items = this.itemsBetween(lower, upper);
    const [last, next] = [items[countMax - 1], items[countMax]];
    return {
      ids: Buffer.concat(items.slice(0, countMax).map(({ id }) => id)),
      next: last === undefined || next === undefined ? null : boundBetween(last, next),
    };
  }

  private add(item: Item): void {
    const number = Math.floor(item.timestamp / this.seconds);
    const bucket = this.buckets.get(number) ?? { items: [], sum: new ItemSum() };
    this.buckets.set(number, bucket);
    bucket.items.push(item);
    bucket.sum.addId(item.id);
  }

  /** Each bucket's share of a range. */
  private parts(lower: Bound, upper: Bound): Part[] {
    const parts: Part[] = [];
    for (const number of [...this.buckets.keys()].sort((a, b) => a - b)) {
      const start: Bound = { timestamp: number * this.seconds, id: new Uint8Array(0) };
      const end: Bound = { ...start, timestamp: start.timestamp + this.seconds };
      const isWhole = compareBounds(lower, start) <= 0 && compareBounds(end, upper) <= 0;
      const sum = isWhole ? this.buckets.get(number)?.sum : this.scan(number, lower, upper);
      parts.push({ upper: compareBounds(end, upper) < 0 ? end : upper, sum: sum as ItemSum });
    }
    return parts;
  }

  private scan(number: number, lower: Bound, upper: Bound): ItemSum {
    const sum = new ItemSum();
    for (const item of this.buckets.get(number)?.items ?? []) {
      if (isBetween(item, lower, upper)) sum.addId(item.id);
    }
    return sum;
  }

  /** A part for each item. */
  private single(lower: Bound, upper: Bound): Part[] {
    const items = this.itemsBetween(lower, upper);
    return items.map((item, index) => {
      const sum = new ItemSum();
      sum.addId(item.id);
      const next = items[index + 1];
      return { upper: next === undefined ? upper : boundBetween(item, next), sum };
    });
  }

  private itemsBetween(lower: Bound, upper: Bound): Item[] {
    const items = [...this.buckets.values()].flatMap((bucket) => bucket.items);
    return sorted(items.filter((item) => isBetween(item, lower, upper)));
  }
}

/** At most `count` parts, whose sizes are as even as those found allow. */
function join(found: readonly Part[], upper: Bound, count: number): Part[] {
  const total = found.reduce((items, { sum }) => items + sum.count, 0);
  const parts: Part[] = [];
  let sum = new ItemSum();
  let done = 0;
  for (const [index, part] of found.entries()) {
    sum.add(part.sum);
    done += part.sum.count;
    const isLast = index === found.length - 1;
    const isEnough = done >= (total * (parts.length + 1)) / count && parts.length < count - 1;
    const isFirstOfTwo = index === found.length - 2 && parts.length === 0;
    if (!isLast && !isEnough && !isFirstOfTwo) continue;
    parts.push({ upper: isLast ? upper : part.upper, sum });
    sum = new ItemSum();
  }
  return parts;
}

function isBetween(item: Item, lower: Bound, upper: Bound): boolean {
  if (compareBounds(item, lower) < 0) return false;
  return upper === END || compareBounds(item, upper) < 0;
}
