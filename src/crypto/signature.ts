/**
 * BIP-340 Schnorr signatures behind one interface; `openSignatureBackend` picks what answers.
 * Owned by no thread: each thread that checks or makes signatures opens its own backend and keeps
 * it. Invariant: a check fails closed. Whatever it is given, it returns false or true and never
 * throws. All backends give the same answers, and make the same signatures.
 */

export type SignatureBackendName = "libsecp256k1" | "noble";

export interface SignatureBackend {
  readonly name: SignatureBackendName;
  /** Where it comes from, for people: a path, "embedded in the executable", or a package. */
  readonly detail: string;
  /**
   * True when `sig` is a valid BIP-340 signature of the 32-byte message `id` under the x-only
   * public key `pubkey`. A wrong length is false, although BIP-340 itself allows any message.
   */
  verify(id: Uint8Array, pubkey: Uint8Array, sig: Uint8Array): boolean;
  /** The x-only public key, 32 bytes, of a valid secret key (`isSecretKey`). */
  publicKey(secret: Uint8Array): Uint8Array;
  /** The signature, 64 bytes, of a message of 32 bytes; `random` is 32 bytes that no other has. */
  sign(id: Uint8Array, secret: Uint8Array, random: Uint8Array): Uint8Array;
}

export const idBytes = 32;
export const pubkeyBytes = 32;
export const sigBytes = 64;
export const secretBytes = 32;
/** BIP-340's auxiliary random data. */
export const randomBytes = 32;

/** The shape every backend asks for before it looks at a byte. Wrong types are false as well. */
export function isCheckable(id: Uint8Array, pubkey: Uint8Array, sig: Uint8Array): boolean {
  return (
    id instanceof Uint8Array &&
    pubkey instanceof Uint8Array &&
    sig instanceof Uint8Array &&
    id.length === idBytes &&
    pubkey.length === pubkeyBytes &&
    sig.length === sigBytes
  );
}
