/**
 * The fast signature backend: libsecp256k1 through bun:ffi.
 * Not thread-safe: the scratch buffer belongs to the thread that opened the backend. The context
 * and the library live as long as that thread, so nothing is ever closed.
 * Invariant: C sees only pointers into the scratch buffer, never into a caller's array.
 *
 * Scratch, in bytes:  0 id  32 pubkey  64 sig  128 secp256k1_xonly_pubkey  192
 */

import { strict as assert } from "node:assert";
import { dlopen, ptr, type Pointer } from "bun:ffi";
import { idBytes, isCheckable, type SignatureBackend } from "./signature.ts";

/**
 * SECP256K1_CONTEXT_VERIFY. Libraries since 0.2.0 ignore the purpose; older ones refuse to verify
 * with a context made without it.
 */
const contextVerify = 0x0101;

const idOffset = 0;
const pubkeyOffset = 32;
const sigOffset = 64;
const parsedOffset = 128;
const scratchBytes = 192;

/** Opens the library at `path` (or by bare name). Throws when it is absent or lacks schnorrsig. */
export function openLibsecp256k1(path: string, detail: string): SignatureBackend {
  const { symbols } = openLibrary(path);
  const context = symbols.secp256k1_context_create(contextVerify);
  if (context === null) throw new Error(`${path}: secp256k1_context_create failed`);

  // An ArrayBuffer of our own: a small typed array without one may move its bytes the first time
  // somebody asks for its buffer, and the addresses below must stay true.
  const scratch = new Uint8Array(new ArrayBuffer(scratchBytes));
  const idPointer = pointerAt(scratch, idOffset);
  const pubkeyPointer = pointerAt(scratch, pubkeyOffset);
  const sigPointer = pointerAt(scratch, sigOffset);
  const parsedPointer = pointerAt(scratch, parsedOffset);
  const parse = symbols.secp256k1_xonly_pubkey_parse;
  const check = symbols.secp256k1_schnorrsig_verify;

  function verify(id: Uint8Array, pubkey: Uint8Array, sig: Uint8Array): boolean {
    if (!isCheckable(id, pubkey, sig)) return false;
    scratch.set(id, idOffset);
    scratch.set(pubkey, pubkeyOffset);
    scratch.set(sig, sigOffset);
    // Must not go on: C aborts the process when it is given a key that was never parsed.
    if (parse(context, parsedPointer, pubkeyPointer) !== 1) return false;
    return check(context, sigPointer, idPointer, idBytes, parsedPointer) === 1;
  }

  return { name: "libsecp256k1", detail, verify };
}

function openLibrary(path: string) {
  return dlopen(path, {
    secp256k1_context_create: { args: ["u32"], returns: "ptr" },
    secp256k1_xonly_pubkey_parse: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
    secp256k1_schnorrsig_verify: { args: ["ptr", "ptr", "ptr", "u64", "ptr"], returns: "i32" },
  });
}

function pointerAt(bytes: Uint8Array, offset: number): Pointer {
  const pointer = ptr(bytes, offset);
  assert(pointer !== null, "an allocated buffer has an address");
  return pointer;
}
