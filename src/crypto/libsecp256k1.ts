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
 * Signing has its own, wiped after each use:
 *   0 secret  32 random  64 id  96 secp256k1_keypair  192 secp256k1_xonly_pubkey  256 result  320
 */

import { strict as assert } from "node:assert";
import { dlopen, ptr, type Pointer } from "bun:ffi";
import {
  idBytes,
  isCheckable,
  pubkeyBytes,
  randomBytes,
  secretBytes,
  sigBytes,
  type SignatureBackend,
} from "./signature.ts";

/**
 * SECP256K1_CONTEXT_VERIFY and _SIGN. Libraries since 0.2.0 ignore the purpose; older ones end the
 * process when they are to do what the context wasn't made for.
 */
const contextPurpose = 0x0301;

const idOffset = 0;
const sigOffset = 32;
const keysOffset = 96;
const keyBytes = 96;
const parsedOffset = 32;
/** A power of two up to 65,536. */
const keysKept = 4096;
const scratchBytes = keysOffset + keysKept * keyBytes;
const pubkeyWords = 8;

const secretOffset = 0;
const randomOffset = 32;
const signedOffset = 64;
const keypairOffset = 96;
const xonlyOffset = 192;
const resultOffset = 256;
const signingBytes = 320;

/** Opens the library at `path` (or by bare name). Throws when it is absent or lacks schnorrsig. */
export function openLibsecp256k1(path: string, detail: string): SignatureBackend {
  const { symbols } = openLibrary(path);
  const context = symbols.secp256k1_context_create(contextPurpose);
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

  return { name: "libsecp256k1", detail, verify, ...openSigning(symbols, context) };
}

type Symbols = ReturnType<typeof openLibrary>["symbols"];
type Context = NonNullable<ReturnType<Symbols["secp256k1_context_create"]>>;

function openSigning(symbols: Symbols, context: Context) {
  const scratch = new Uint8Array(new ArrayBuffer(signingBytes));
  const at = (offset: number): Pointer => pointerAt(scratch, offset);

  /** What `make` leaves as the result, `length` bytes; nothing stays behind. */
  function withKeypair(secret: Uint8Array, length: number, make: () => boolean): Uint8Array {
    assert(secret.length === secretBytes, "a secret key has 32 bytes");
    try {
      scratch.set(secret, secretOffset);
      const isMade = symbols.secp256k1_keypair_create(context, at(keypairOffset), at(secretOffset));
      assert(isMade === 1 && make(), "libsecp256k1 has refused a secret key");
      return scratch.slice(resultOffset, resultOffset + length);
    } finally {
      scratch.fill(0);
    }
  }

  function publicKey(secret: Uint8Array): Uint8Array {
    const serialize = symbols.secp256k1_xonly_pubkey_serialize;
    return withKeypair(secret, pubkeyBytes, () => {
      symbols.secp256k1_keypair_xonly_pub(context, at(xonlyOffset), null, at(keypairOffset));
      return serialize(context, at(resultOffset), at(xonlyOffset)) === 1;
    });
  }

  function sign(id: Uint8Array, secret: Uint8Array, random: Uint8Array): Uint8Array {
    assert(id.length === idBytes && random.length === randomBytes, "both have 32 bytes");
    const sign32 = symbols.secp256k1_schnorrsig_sign32;
    return withKeypair(secret, sigBytes, () => {
      scratch.set(random, randomOffset);
      scratch.set(id, signedOffset);
      const [result, signed] = [at(resultOffset), at(signedOffset)];
      return sign32(context, result, signed, at(keypairOffset), at(randomOffset)) === 1;
    });
  }

  return { publicKey, sign };
}

function openLibrary(path: string) {
  return dlopen(path, {
    secp256k1_context_create: { args: ["u32"], returns: "ptr" },
    secp256k1_xonly_pubkey_parse: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
    secp256k1_schnorrsig_verify: { args: ["ptr", "ptr", "ptr", "u64", "ptr"], returns: "i32" },
    secp256k1_keypair_create: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
    secp256k1_keypair_xonly_pub: { args: ["ptr", "ptr", "ptr", "ptr"], returns: "i32" },
    secp256k1_xonly_pubkey_serialize: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
    secp256k1_schnorrsig_sign32: { args: ["ptr", "ptr", "ptr", "ptr", "ptr"], returns: "i32" },
  });
}

function pointerAt(bytes: Uint8Array, offset: number): Pointer {
  const pointer = ptr(bytes, offset);
  assert(pointer !== null, "an allocated buffer has an address");
  return pointer;
}
