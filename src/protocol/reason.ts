// The machine-readable reasons of OK and CLOSED (NIP-01). A reason without one of the exact
// prefixes does not compile: clients act on them (`auth-required: ` starts a sign-in).

export const REASON_PREFIXES = [
  "duplicate",
  "pow",
  "blocked",
  "rate-limited",
  "invalid",
  "restricted",
  "mute",
  "error",
  "auth-required",
  "unsupported",
] as const;

export type ReasonPrefix = (typeof REASON_PREFIXES)[number];

/** `prefix: human-readable text`. */
export type Reason = `${ReasonPrefix}: ${string}`;

/** What NEG-ERR may say besides (NIP-77). */
export type SyncReason = Reason | `closed: ${string}`;

/** What an OK that accepts may say: nothing, that it was there already, or news (NIP-43). */
export type Acknowledgement = Reason | `info: ${string}` | "";
