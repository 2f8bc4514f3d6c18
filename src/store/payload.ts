// What is stored of an event besides its columns: one msgpack value, as any msgpack reader knows.
//
//   bin   its JSON text, packed (packed-text.ts); the id it lacks is in its own column
//   str   the text itself: texts of no form that can be packed, and rows of earlier builds
//
//   c4 | u8  length | bytes      c5 | u16 length | bytes      c6 | u32 length | bytes
//   d9 | u8  length | UTF-8      da | u16 length | UTF-8      db | u32 length | UTF-8

import { Packr } from "msgpackr/pack"; // all of it takes four times as long to load
import { packedBytesMax, packText } from "./pack-text.ts";
import { HEX_BYTES, HEX_LENGTH, PACKED_PUBKEY_AT, TEXT_PUBKEY_AT } from "./packed-text.ts";
import { TextUnpacker } from "./unpack-text.ts";

const BIN_8 = 0xc4;
const BIN_32 = 0xc6;
const STR_8 = 0xd9;
const STR_32 = 0xdb;

/** For arrays that SQLite gives, which have no methods of a Buffer. */
const { copy: copyBytes, toString } = Buffer.prototype;

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

/** The author's key, of a payload that may be cut off after its start. */
export function payloadPubkey(payload: Uint8Array): string {
  const start = headerBytesOf(payload);
  if (isPacked(payload)) {
    const at = start + PACKED_PUBKEY_AT;
    return toString.call(payload as Buffer, "hex", at, at + HEX_BYTES);
  }
  const at = start + TEXT_PUBKEY_AT;
  return toString.call(payload as Buffer, "latin1", at, at + HEX_LENGTH);
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
  return 1 + (1 << (type - (isBin ? BIN_8 : STR_8)));
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

const unpacker = new TextUnpacker();

/** How many bytes the event's JSON text has. */
export function payloadTextBytes(payload: Uint8Array): number {
  const start = valueStart(payload);
  return isPacked(payload) ? unpacker.textBytes(payload, start) : payload.length - start;
}

/**
 * Writes the event's JSON text, UTF-8, to `target`, which has room for it at `at`. `id` is the
 * column, 32 bytes. Throws on anything that `packPayload` doesn't write.
 */
export function copyPayloadText(
  id: Uint8Array,
  payload: Uint8Array,
  target: Buffer,
  at: number,
): void {
  const start = valueStart(payload);
  if (isPacked(payload)) unpacker.unpack(id, payload, start, target, at);
  else copyBytes.call(payload as Buffer, target, at, start, payload.length);
}

/** Texts in a row share memory of this size, which lives as long as the last of them. */
const SLAB_BYTES = 64 * 1024;

let slab = Buffer.alloc(0);
let slabAt = 0;

/** The same, in memory of its own. */
export function payloadText(id: Uint8Array, payload: Uint8Array): Buffer {
  const bytes = payloadTextBytes(payload);
  if (slab.length - slabAt < bytes) {
    slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes));
    slabAt = 0;
  }
  const at = slabAt;
  copyPayloadText(id, payload, slab, at);
  slabAt += bytes;
  return slab.subarray(at, slabAt);
}
