/**
 * The signature backend that is always there: @noble/curves, in JavaScript.
 * About ten times slower than libsecp256k1, so it answers only when that cannot be loaded, and it
 * is the oracle the tests hold libsecp256k1 against. Keeps no state.
 */

import { openCurve } from "./curve.ts";
import { isCheckable, type SignatureBackend } from "./signature.ts";

export function openNoble(): SignatureBackend {
  return { name: "noble", detail: "@noble/curves", verify, publicKey, sign };
}

function publicKey(secret: Uint8Array): Uint8Array {
  return openCurve().schnorr.getPublicKey(secret);
}

function sign(id: Uint8Array, secret: Uint8Array, random: Uint8Array): Uint8Array {
  return openCurve().schnorr.sign(id, secret, random);
}

function verify(id: Uint8Array, pubkey: Uint8Array, sig: Uint8Array): boolean {
  if (!isCheckable(id, pubkey, sig)) return false;
  try {
    return openCurve().schnorr.verify(sig, id, pubkey);
  } catch {
    // Fail closed: a library that throws on a point it dislikes has not verified anything.
    return false;
  }
}
