/**
 * The fast signature backend: libsecp256k1 through bun:ffi.
 * Not thread-safe: the scratch buffer belongs to the thread that opened the backend. The context
 * and the library live as long as that thread, so nothing is ever closed.
 * Invariant: C sees only pointers into the scratch buffer, never into a caller's array.
 *
 * Parsing a public key is an eighth of a check's work, and authors come again: the last ones are
 * kept, parsed, one for each value of a key's first bits, the newer in the older's place.
 *
 * Scratch, in bytes:  0 id  32 sig  96 kept keys: each  0 pubkey  32 secp256k1_xonly_pubkey  96
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
const sigOffset = 32;
const keysOffset = 96;
const keyBytes = 96;
const parsedOffset = 32;
/** A power of two up to 65,536. */
const keysKept = 4096;
const scratchBytes = keysOffset + keysKept * keyBytes;
const pubkeyWords = 8;

/** Opens the library at `path` (or by bare name). Throws when it is absent or lacks schnorrsig. */
export function openLibsecp256k1(path: string, detail: string): SignatureBackend {
  const { symbols } = openLibrary(path);
  const context = symbols.secp256k1_context_create(contextVerify);
  if (context === null) throw new Error(`${path}: secp256k1_context_create failed`);

  // An ArrayBuffer of our own: a small typed array without one may move its bytes the first time
  // somebody asks for its buffer, and the addresses below must stay true.
  const scratch = new Uint8Array(new ArrayBuffer(scratchBytes));
  const words = new Uint32Array(scratch.buffer);
  const idPointer = pointerAt(scratch, idOffset);
  const sigPointer = pointerAt(scratch, sigOffset);
  const wanted = new Uint8Array(new ArrayBuffer(4 * pubkeyWords));
  const wantedWords = new Uint32Array(wanted.buffer);
  const isParsed = new Uint8Array(keysKept);
  const parse = symbols.secp256k1_xonly_pubkey_parse;
  const check = symbols.secp256k1_schnorrsig_verify;

  function isKept(word: number): boolean {
    for (let i = 0; i < pubkeyWords; i++) if (words[word + i] !== wantedWords[i]) return false;
    return true;
  }

  /** Where the parsed key is, or 0 when there is no such point. */
  function parsedAt(pubkey: Uint8Array): number {
    wanted.set(pubkey);
    const slot = (wantedWords[0] as number) & (keysKept - 1);
    const offset = keysOffset + slot * keyBytes;
    const parsed = offset + parsedOffset;
    if (isParsed[slot] === 1 && isKept(offset / 4)) return parsed;
    scratch.set(pubkey, offset);
    isParsed[slot] = parse(context, pointerAt(scratch, parsed), pointerAt(scratch, offset));
    return isParsed[slot] === 1 ? parsed : 0;
  }

  function verify(id: Uint8Array, pubkey: Uint8Array, sig: Uint8Array): boolean {
    if (!isCheckable(id, pubkey, sig)) return false;
    const parsed = parsedAt(pubkey);
    // Must not go on: C aborts the process when it is given a key that was never parsed.
    if (parsed === 0) return false;
    scratch.set(id, idOffset);
    scratch.set(sig, sigOffset);
    return check(context, sigPointer, idPointer, idBytes, pointerAt(scratch, parsed)) === 1;
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
