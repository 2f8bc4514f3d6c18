// Says in a message what a storage has in a range: its ids when they are few, else fingerprints.
// Both sides of a sync do. Pure.

import { amongOurs, type WireBound } from "./bound.ts";
import type { ItemStorage } from "./item-storage.ts";
import type { ItemSum } from "./item-sum.ts";
import type { RangeWriter } from "./range-writer.ts";

/** As in the reference implementation: a range of so many parts, or a list when parts are tiny. */
const PARTS = 16;
const LISTED_IDS_MAX = 2 * PARTS - 1;

/** A message has room for a range at its largest, and then some: each gets both sides further. */
export const FRAME_BYTES_MIN = 4096;

export interface Range {
  readonly lower: WireBound;
  readonly upper: WireBound;
}

export function sumOf(storage: ItemStorage, { lower, upper }: Range): ItemSum {
  return storage.sum(amongOurs(lower), amongOurs(upper));
}

/** Of a range known to differ: its ids or its parts. Returns the ranges written, 1 KB at most. */
export function describe(
  storage: ItemStorage,
  writer: RangeWriter,
  range: Range,
  sum: ItemSum,
): Range[] {
  const { lower, upper } = range;
  const [from, to] = [amongOurs(lower), amongOurs(upper)];
  if (sum.count <= LISTED_IDS_MAX) {
    writer.writeIdList(upper, storage.ids(from, to, LISTED_IDS_MAX).ids);
    return [range];
  }
  const written: Range[] = [];
  const parts = storage.split(from, to, PARTS);
  for (const [index, part] of parts.entries()) {
    const end = index === parts.length - 1 ? upper : part.upper;
    writer.writeFingerprint(end, part.sum.fingerprint());
    written.push({ lower: written.at(-1)?.upper ?? lower, upper: end });
  }
  return written;
}

/** Of a range that may differ or not: its ids or one fingerprint. */
export function describeBriefly(
  storage: ItemStorage,
  writer: RangeWriter,
  range: Range,
  sum: ItemSum,
): Range[] {
  if (sum.count <= LISTED_IDS_MAX) return describe(storage, writer, range, sum);
  writer.writeFingerprint(range.upper, sum.fingerprint());
  return [range];
}

export function isFingerprint(sum: ItemSum, bytes: Uint8Array): boolean {
  const ours = sum.fingerprint();
  for (let i = 0; i < ours.length; i++) if (ours[i] !== bytes[i]) return false;
  return true;
}

export function assertFrameBytesMax(bytesMax: number): void {
  if (!Number.isSafeInteger(bytesMax) || bytesMax < FRAME_BYTES_MIN) {
    throw new Error(`assert: frames of at most ${bytesMax} bytes: ${FRAME_BYTES_MIN} at least`);
  }
}
