// Invite codes (NIP-43). Two sorts: those an operator makes are rows of the table `invite`; those
// that members get for asking are made up on the spot and stored when they are first used, so that
// asking costs no write. These say themselves by whom and until when they are good:
//
//   base64url of  expiry (4 bytes, unix seconds) | inviter (first 8 bytes) | random (6)
//                 | what only the relay's key makes of these (12)

import { randomBytes } from "node:crypto";
import type { RelayKey } from "../crypto/relay-key.ts";

const EXPIRY_BYTES = 4;
const INVITER_BYTES = 8;
const SIGNED_BYTES = EXPIRY_BYTES + INVITER_BYTES + 6;
const SEAL_BYTES = 12;
const CODE = /^[A-Za-z0-9_-]{40}$/;
/** Of an operator's code: nobody guesses it. */
const OPERATOR_CODE_BYTES = 12;

export interface SealedInvite {
  /** Unix seconds. */
  readonly expires: number;
  /** The first 16 hex digits of the inviter's public key. */
  readonly inviterPrefix: string;
}

/** No letter of it can be taken for the beginning of a flag. */
export function makeOperatorCode(): string {
  return randomBytes(OPERATOR_CODE_BYTES).toString("hex");
}

export function sealInvite(key: RelayKey, inviter: string, expires: number): string {
  const bytes = Buffer.alloc(SIGNED_BYTES + SEAL_BYTES);
  bytes.writeUInt32BE(Math.min(expires, 2 ** 32 - 1), 0);
  bytes.write(inviter.slice(0, 2 * INVITER_BYTES), EXPIRY_BYTES, "hex");
  randomBytes(SIGNED_BYTES - EXPIRY_BYTES - INVITER_BYTES).copy(
    bytes,
    EXPIRY_BYTES + INVITER_BYTES,
  );
  sealOf(key, bytes).copy(bytes, SIGNED_BYTES);
  return bytes.toString("base64url");
}

/** What the code says, or null when the relay has not made it. */
export function openInvite(key: RelayKey, code: string): SealedInvite | null {
  if (!CODE.test(code)) return null;
  const bytes = Buffer.from(code, "base64url");
  if (!sealOf(key, bytes).equals(bytes.subarray(SIGNED_BYTES))) return null;
  const inviterPrefix = bytes.toString("hex", EXPIRY_BYTES, EXPIRY_BYTES + INVITER_BYTES);
  return { expires: bytes.readUInt32BE(0), inviterPrefix };
}

function sealOf(key: RelayKey, bytes: Buffer): Buffer {
  const signed = bytes.toString("hex", 0, SIGNED_BYTES);
  return key.authenticate("invite", signed).subarray(0, SEAL_BYTES);
}
