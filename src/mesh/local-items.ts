// Time and id of all that a filter matches here, whoever may see it: what a sync compares (NIP-77).
// By running sums where they are kept and up to date, whatever the number; of other filters all is
// read at once. Belongs to the thread of its reader.

import type { Database } from "bun:sqlite";
import { nowSeconds } from "../config/clock.ts";
import type { Bound } from "../negentropy/bound.ts";
import { type IdRun, type ItemStorage, NotYet, type Part } from "../negentropy/item-storage.ts";
import type { ItemSum } from "../negentropy/item-sum.ts";
import { type ItemVector, ItemVectorBuilder } from "../negentropy/item-vector.ts";
import type { Filter } from "../protocol/filter.ts";
import { Visibility } from "../protocol/visibility.ts";
import { type ItemReader, type ItemScan, openItemScan } from "../store/item-scan.ts";
import { Sight } from "../store/sight.ts";
import { SumStorage } from "../store/sum-storage.ts";

/** Of a read that others wait for. */
const SLICE_MS = 10;

const EVERYTHING = new Visibility({
  privateKinds: new Set(),
  signedInKinds: new Set(),
  isAllSignedIn: false,
});

export function readItems(db: Database, reader: ItemReader, filter: Filter): ItemStorage {
  const sight = new Sight(EVERYTHING);
  const sums = reader.inSnapshot(() => SumStorage.open(db, reader, filter, sight, nowSeconds));
  return sums === null ? readAll(reader, filter, sight) : new SumItems(reader, sums);
}

/** The same for a thread that has other things to do meanwhile. What is removed may be missing. */
export async function readItemsBySlices(
  db: Database,
  reader: ItemReader,
  filter: Filter,
): Promise<ItemStorage> {
  const sight = new Sight(EVERYTHING);
  const sums = reader.inSnapshot(() => SumStorage.open(db, reader, filter, sight, nowSeconds));
  if (sums !== null) return new SumItems(reader, sums);
  const builder = new ItemVectorBuilder();
  const scan = reader.inSnapshot(() => openScan(reader, filter, sight, builder));
  for (;;) {
    const until = performance.now() + SLICE_MS;
    const isDone = reader.inSnapshot(() => {
      while (performance.now() < until) if (scan.step()) return true;
      return false;
    });
    if (isDone) return builder.seal();
    await nextTurn();
  }
}

/** For sockets and timers: with nothing to wait for, a long read would leave them none. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function readAll(reader: ItemReader, filter: Filter, sight: Sight): ItemVector {
  const builder = new ItemVectorBuilder();
  reader.inSnapshot(() => {
    const scan = openScan(reader, filter, sight, builder);
    while (!scan.step());
  });
  return builder.seal();
}

function openScan(
  reader: ItemReader,
  filter: Filter,
  sight: Sight,
  builder: ItemVectorBuilder,
): ItemScan {
  return openItemScan(reader, filter, sight, {
    itemsMax: Number.MAX_SAFE_INTEGER,
    nowSeconds,
    onItem: (createdAt, id) => builder.add(createdAt, id),
  });
}

/** Waits for each answer. */
class SumItems implements ItemStorage {
  private readonly reader: ItemReader;
  private readonly sums: SumStorage;

  constructor(reader: ItemReader, sums: SumStorage) {
    this.reader = reader;
    this.sums = sums;
    while (!reader.inSnapshot(() => sums.prepare()));
  }

  sum(lower: Bound, upper: Bound): ItemSum {
    return this.answer(() => this.sums.sum(lower, upper));
  }

  split(lower: Bound, upper: Bound, count: number): readonly Part[] {
    return this.answer(() => this.sums.split(lower, upper, count));
  }

  ids(lower: Bound, upper: Bound, countMax: number): IdRun {
    return this.answer(() => this.sums.ids(lower, upper, countMax));
  }

  private answer<T>(ask: () => T): T {
    for (;;) {
      const answer = this.reader.inSnapshot(() => {
        if (!this.sums.refresh()) return null;
        try {
          return ask();
        } catch (error) {
          if (error instanceof NotYet) return null;
          throw error;
        }
      });
      if (answer !== null) return answer;
    }
  }
}
