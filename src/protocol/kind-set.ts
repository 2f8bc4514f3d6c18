// Sets of kinds as people write them: `4`, `9000-9020`; and kinds with a number each: `1:20`. Pure.

import { isKind } from "./kind.ts";

/** Null when an item is neither a kind nor a range of kinds. */
export function parseKindRange(text: string): readonly [first: number, last: number] | null {
  const match = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(text);
  if (match === null) return null;
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  return isKind(first) && isKind(last) && first <= last ? [first, last] : null;
}

/** Items that are no kinds are passed over: whoever took them in has refused those. */
export function kindSet(items: readonly string[]): ReadonlySet<number> {
  const kinds = new Set<number>();
  for (const item of items) {
    const [first, last] = parseKindRange(item) ?? [1, 0];
    for (let kind = first; kind <= last; kind++) kinds.add(kind);
  }
  return kinds;
}

/** `KINDS:NUMBER`, or null. */
export function parseKindNumber(
  text: string,
): { readonly range: readonly [first: number, last: number]; readonly number: number } | null {
  const [kinds = "", number = "", ...more] = text.split(":");
  const range = parseKindRange(kinds);
  if (range === null || more.length > 0 || !/^[0-9]{1,9}$/.test(number)) return null;
  return { range, number: Number(number) };
}

/** Of several items for a kind the last counts. */
export function kindNumbers(items: readonly string[]): ReadonlyMap<number, number> {
  const numbers = new Map<number, number>();
  for (const item of items) {
    const parsed = parseKindNumber(item);
    if (parsed === null) continue;
    const [first, last] = parsed.range;
    for (let kind = first; kind <= last; kind++) numbers.set(kind, parsed.number);
  }
  return numbers;
}
