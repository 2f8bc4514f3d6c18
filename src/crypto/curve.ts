// @noble/curves, loaded when it is first needed: that takes 7 ms of a thread's start, and only a
// thread that signs, or has no libsecp256k1 to check with, needs it. One copy a thread.

type Curve = typeof import("@noble/curves/secp256k1.js");

let curve: Curve | null = null;

export function openCurve(): Curve {
  curve ??= require("@noble/curves/secp256k1.js") as Curve;
  return curve;
}

/** The order of secp256k1's group (SEC 2), 64 hex digits. */
const ORDER = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
const ZERO = "0".repeat(64);

/** 64 lower-case hex digits. */
export function isSecretKey(hex: string): boolean {
  return hex !== ZERO && hex < ORDER; // of the same length, so in the order of the numbers
}
