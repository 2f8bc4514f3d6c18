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

/** NIP-43: what only the relay publishes, and what it is asked for. */
export const KIND_MEMBER_ADDED = 8000;
export const KIND_MEMBER_REMOVED = 8001;
export const KIND_MEMBER_LIST = 13534;
export const KIND_ROLE = 33534;
export const KIND_JOIN = 28934;
export const KIND_INVITE = 28935;
export const KIND_LEAVE = 28936;
/** NIP-29: moderation events, and the metadata that a relay makes of its groups. */
export const GROUP_KIND_RANGES = [
  [9000, 9020],
  [39_000, 39_009],
] as const;
/** NIP-56. */
export const KIND_REPORT = 1984;

const RELAY_ONLY: ReadonlySet<number> = new Set([
  KIND_MEMBER_ADDED,
  KIND_MEMBER_REMOVED,
  KIND_MEMBER_LIST,
  KIND_ROLE,
  KIND_INVITE,
]);

/** Signed by the key of the relay that they come from (NIP-43). */
export function isRelayOnly(kind: number): boolean {
  return RELAY_ONLY.has(kind);
}

/** NIP-43: joining and leaving, which the relay answers and keeps no event of. */
export function isMembershipRequest(kind: number): boolean {
  return kind === KIND_JOIN || kind === KIND_LEAVE;
}
