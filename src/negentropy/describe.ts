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

/** A range as a message says it. */
export interface SaidRange extends Range {
  /** Whether by its ids, else by a fingerprint. */
  readonly isList: boolean;
}

export function sumOf(storage: ItemStorage, { lower, upper }: Range): ItemSum {
  return storage.sum(amongOurs(lower), amongOurs(upper));
}

/** Writes a range's ids or the fingerprints of its parts, 1 KB at most. */
export function describe(
  storage: ItemStorage,
  writer: RangeWriter,
  { lower, upper }: Range,
  sum: ItemSum,
): SaidRange[] {
  const [from, to] = [amongOurs(lower), amongOurs(upper)];
  if (sum.count <= LISTED_IDS_MAX) {
    const { ids, next } = storage.ids(from, to, LISTED_IDS_MAX);
    writer.writeIdList(next ?? upper, ids);
    const list = { lower, upper: next ?? upper, isList: true };
    if (next === null) return [list];
    // A storage that changes may count fewer than it then names: the rest must not count as none.
    const rest = { lower: next, upper, isList: false };
    writer.writeFingerprint(upper, sumOf(storage, rest).fingerprint());
    return [list, rest];
  }
  const said: SaidRange[] = [];
  const parts = storage.split(from, to, PARTS);
  for (const [index, part] of parts.entries()) {
    const end = index === parts.length - 1 ? upper : part.upper;
    writer.writeFingerprint(end, part.sum.fingerprint());
    said.push({ lower: said.at(-1)?.upper ?? lower, upper: end, isList: false });
  }
  return said;
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
