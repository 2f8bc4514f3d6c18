// What a kind means for storage (NIP-01, "Kinds").

export const KIND_MAX = 65535;
export const KIND_DELETION = 5;
/** NIP-18: of a note, and of any other kind. */
export const KIND_REPOST = 6;
export const KIND_GENERIC_REPOST = 16;
/** NIP-62. */
export const KIND_VANISH = 62;
/** NIP-59. */
export const KIND_GIFT_WRAP = 1059;
/** NIP-42: never stored, never broadcast. */
export const KIND_AUTH = 22242;

export type KindClass = "regular" | "replaceable" | "ephemeral" | "addressable";

/** Kinds that NIP-01 leaves undefined (45–999, 40000 and up) are stored as regular ones. */
export function classifyKind(kind: number): KindClass {
  if (kind === 0 || kind === 3 || (kind >= 10000 && kind < 20000)) return "replaceable";
  if (kind >= 20000 && kind < 30000) return "ephemeral";
  if (kind >= 30000 && kind < 40000) return "addressable";
  return "regular";
}

export function isReplaceable(kind: number): boolean {
  const kindClass = classifyKind(kind);
  return kindClass === "replaceable" || kindClass === "addressable";
}

export function isKind(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= KIND_MAX;
}
