// What a row of the index says of its event besides its key: a number, exact as a double. It lets a
// filter's other condition be checked, and most events be counted, without fetching them.
//
//   rows of a kind   bits 0–45: of the author's key | bit 46
//   rows of a tag    bits 0–15: kind | 16–31: the author's mark for that value, 256 or more
//   all others       bits 0–15: kind
//
// Bit 47 marks the rows of an event that doesn't count unseen: it is special.

const TAG_START = 2 ** 24;
const TAG_END = 2 ** 32;
const OF_KIND = 2 ** 46;
const SPECIAL = 2 ** 47;
const KIND_MASK = 0xffff;
const MARK_SHIFT = 16;

/** `mark`: 0 where the key is not a tag's. */
export function eventInfo(kind: number, mark: number, isSpecial: boolean): number {
  return kind + mark * 2 ** MARK_SHIFT + (isSpecial ? SPECIAL : 0);
}

/** For the rows of a kind. */
export function authorInfo(authorKey: number, isSpecial: boolean): number {
  return authorPart(authorKey) + OF_KIND + (isSpecial ? SPECIAL : 0);
}

export function infoKind(info: number): number {
  return info & KIND_MASK;
}

/** Of a row of a tag. */
export function infoMark(info: number): number {
  return (info >>> MARK_SHIFT) & 0xffff;
}

/** Of a row of a kind: which part of the author's key it is. */
export function infoAuthor(info: number): number {
  return info % OF_KIND;
}

export function authorPart(authorKey: number): number {
  return authorKey % OF_KIND;
}

/** By what its key is. */
export type RowType = "tag" | "kind" | "other";

/**
 * Whether a row tells for sure all that there is to know of an event under a key of that type. A
 * tag can be crafted to share a key that isn't a tag's: its rows don't pass for others.
 */
export function speaksForItself(info: number, type: RowType): boolean {
  switch (type) {
    case "tag":
      return info >= TAG_START && info < TAG_END;
    case "kind":
      return info >= OF_KIND && info < SPECIAL;
    case "other":
      return info < TAG_START;
  }
}
