// What is stored of an event besides its columns: one msgpack value, as any msgpack reader knows.
//
//   bin   its JSON text, packed (packed-text.ts); the id it lacks is in its own column
//   str   the text itself: texts of no form that can be packed, and rows of earlier builds
//
//   c4 | u8  length | bytes      c5 | u16 length | bytes      c6 | u32 length | bytes
//   d9 | u8  length | UTF-8      da | u16 length | UTF-8      db | u32 length | UTF-8

import { Packr } from "msgpackr/pack"; // all of it takes four times as long to load
import { PACKED_PUBKEY_AT, packedBytesMax, packText, TextUnpacker } from "./packed-text.ts";

const BIN_8 = 0xc4;
const BIN_32 = 0xc6;
const STR_8 = 0xd9;
const STR_32 = 0xdb;

const packr = new Packr();
/** Grows with the longest text. */
let scratch = new Uint8Array(2 ** 16);

/** `text` is an event's JSON, UTF-8, as `encodeEvent` writes it; any other is kept as it is. */
export function packPayload(text: Buffer): Buffer {
  const bytesMax = packedBytesMax(text.length);
  if (scratch.length < bytesMax) scratch = new Uint8Array(2 * bytesMax);
  const length = packText(text, scratch);
  return packr.pack(length < 0 ? text.toString() : scratch.subarray(0, length));
}

/** Enough of a payload to hold the pubkey. */
export const PAYLOAD_START_BYTES = 160;

/** In the text: `{"id":"<64>","pubkey":"<64>",`. */
const TEXT_PUBKEY_AT = 83;
const HEX_LENGTH = 64;
const PUBKEY_BYTES = 32;

/** The author's key, of a payload that may be cut off after its start. */
export function payloadPubkey(payload: Uint8Array): string {
  const bytes = Buffer.from(payload);
  const start = headerBytesOf(payload);
  if (isPacked(payload)) {
    const at = start + PACKED_PUBKEY_AT;
    return bytes.toString("hex", at, at + PUBKEY_BYTES);
  }
  const at = start + TEXT_PUBKEY_AT;
  return bytes.toString("latin1", at, at + HEX_LENGTH);
}

function isPacked(payload: Uint8Array): boolean {
  return (payload[0] as number) <= BIN_32;
}

function headerBytesOf(payload: Uint8Array): number {
  const type = payload[0] as number;
  const isBin = type >= BIN_8 && type <= BIN_32;
  if (!isBin && !(type >= STR_8 && type <= STR_32)) {
    throw new Error(`database: unknown payload type ${type}`);
  }
  return 1 + 2 ** (type - (isBin ? BIN_8 : STR_8));
}

/** Where the value starts. Throws on anything that `packPayload` doesn't write. */
function valueStart(payload: Uint8Array): number {
  const headerBytes = headerBytesOf(payload);
  let length = 0;
  for (let i = 1; i < headerBytes; i++) length = length * 256 + (payload[i] as number);
  if (headerBytes + length !== payload.byteLength) {
    throw new Error(`database: payload of ${payload.byteLength} bytes says ${length}`);
  }
  return headerBytes;
}

/**
 * Payloads' texts. Those of one batch share memory, so what is kept for long is better copied.
 * Owned by one thread.
 */
export class PayloadReader {
  private readonly unpacker = new TextUnpacker();

  /**
   * The event's JSON text, UTF-8, by the two columns (`id` of 32 bytes). Throws on anything that
   * `packPayload` doesn't write.
   */
  text(id: Uint8Array, payload: Uint8Array): Buffer {
    const start = valueStart(payload);
    if (isPacked(payload)) return this.unpacker.unpack(id, payload, start);
    return this.unpacker.copy(payload, start);
  }
}

const payloads = new PayloadReader();

/** The same, for who reads a payload now and then. */
export function payloadText(id: Uint8Array, payload: Uint8Array): Buffer {
  return payloads.text(id, payload);
}
