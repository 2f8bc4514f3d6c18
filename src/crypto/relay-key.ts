// The relay's own key, `self` of NIP-11: what the relay says itself is signed with it (members,
// roles, invites, its own description). A file holds it, hex or nsec, made at the first start for
// its owner alone. Each thread that signs opens the file itself, so that the secret stands in no
// message, and its own signature backend, when it signs for the first time.

import { createHmac, randomBytes } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setting } from "../config/current.ts";
import { decodeKey } from "../protocol/nip19.ts";
import { encodeEvent, type NostrEvent } from "../protocol/event.ts";
import { isHex64 } from "../protocol/hex.ts";
import { isSecretKey } from "./curve.ts";
import { openSignatureBackend } from "./open-backend.ts";
import { sha256Hex } from "./sha256.ts";
import type { SignatureBackend } from "./signature.ts";

const FILE_NAME = "relay.key";
const OWNER_ONLY = 0o600;
/** Too much: anything for others, writing for the group. (Secrets of containers are often 0440.) */
const TOO_MUCH_MASK = 0o027;

export type UnsignedEvent = Pick<NostrEvent, "kind" | "created_at" | "tags" | "content">;

/** This thread's. */
let backend: SignatureBackend | null = null;

function signer(): SignatureBackend {
  backend ??= openSignatureBackend().backend;
  return backend;
}

export class RelayKey {
  private readonly secret: Uint8Array;
  private known: string | null = null;

  /** 32 bytes: a valid secret key. */
  constructor(secret: Uint8Array) {
    this.secret = secret;
  }

  /** 64 hex digits. Computed when it is first asked for. */
  get pubkey(): string {
    this.known ??= Buffer.from(signer().publicKey(this.secret)).toString("hex");
    return this.known;
  }

  sign(unsigned: UnsignedEvent): NostrEvent {
    const { kind, created_at, tags, content } = unsigned;
    const draft = { id: "", pubkey: this.pubkey, created_at, kind, tags, content, sig: "" };
    const id = sha256Hex(encodeEvent(draft).signed);
    const sig = signer().sign(Buffer.from(id, "hex"), this.secret, randomBytes(32));
    return { ...draft, id, sig: Buffer.from(sig).toString("hex") };
  }

  /** A code that only this key makes, for what the relay wants to recognise as its own. */
  authenticate(purpose: string, text: string): Buffer {
    return createHmac("sha256", this.secret).update(`nandu ${purpose}\n${text}`).digest();
  }
}

/** Where the options in force say that the key is. */
export function relayKeyPath(): string {
  return setting("relay.key_file") || join(setting("data_dir"), FILE_NAME);
}

/** Opens the key of the options in force, and makes it when there is none. */
export function openRelayKey(path = relayKeyPath()): RelayKey {
  try {
    return readKey(path) ?? makeKey(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`the relay's key ${path}: ${reason}`, { cause });
  }
}

/** A key that must be there, of whoever this is to sign in as. */
export function readKeyFile(path: string): RelayKey {
  try {
    const key = readKey(path);
    if (key === null) throw new Error("there is no such file");
    return key;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`the key ${path}: ${reason}`, { cause });
  }
}

/** Null where there is no such file. */
function readKey(path: string): RelayKey | null {
  let text: string;
  try {
    text = readFileSync(path, "utf8").trim();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
  const mode = statSync(path).mode & 0o777;
  if ((mode & TOO_MUCH_MASK) !== 0) {
    throw new Error(`others may use it (mode ${mode.toString(8)}): chmod 600 it`);
  }
  const hex = isHex64(text) ? text : decodeKey("nsec", text);
  if (hex === null) throw new Error("it holds neither 64 lower-case hex digits nor an nsec");
  if (!isSecretKey(hex)) throw new Error("it holds no valid secret key");
  return new RelayKey(Buffer.from(hex, "hex"));
}

/** Appears whole or not at all, and only once, however many processes start at the same time. */
function makeKey(path: string): RelayKey {
  mkdirSync(dirname(path), { recursive: true });
  let secret = "";
  do secret = randomBytes(32).toString("hex");
  while (!isSecretKey(secret));
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  writeFileSync(draft, `${secret}\n`, {
    mode: OWNER_ONLY,
    flag: "wx",
    flush: true,
  });
  try {
    linkSync(draft, path);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  const key = readKey(path);
  if (key === null) throw new Error("it has gone");
  return key;
}
