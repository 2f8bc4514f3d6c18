// What is stored of an event: its JSON text as one msgpack string. Serving it is then a copy of
// bytes into a frame, with nothing decoded or encoded (docs/architecture.md has the figures). Any
// msgpack reader can read a row; other msgpack types are left free for other forms.
//
//   text ≤ 31 bytes      a0 + length | UTF-8         (no event is that short)
//   text ≤ 255 bytes     d9 | u8  length | UTF-8
//   text ≤ 65,535 bytes  da | u16 length | UTF-8     (big-endian)
//   else                 db | u32 length | UTF-8

import { Packr } from "msgpackr/pack"; // all of it takes four times as long to load

const STR_8 = 0xd9;
const STR_16 = 0xda;
const STR_32 = 0xdb;

const packr = new Packr();

/** msgpackr encodes a string straight into the payload, faster than Buffer.from alone. */
export function packPayload(json: string): Buffer {
  return packr.pack(json);
}

/** Enough of a payload to hold the id and the pubkey. */
export const PAYLOAD_START_BYTES = 160;

function headerBytesOf(payload: Uint8Array): number {
  switch (payload[0]) {
    case STR_8:
      return 2;
    case STR_16:
      return 3;
    case STR_32:
      return 5;
    default:
      throw new Error(`database: unknown payload type ${payload[0]}`);
  }
}

/** The start of the text, of a payload that is cut off. */
export function payloadStart(payload: Uint8Array): Buffer {
  const { buffer, byteOffset, byteLength } = payload;
  const headerBytes = headerBytesOf(payload);
  return Buffer.from(buffer, byteOffset + headerBytes, byteLength - headerBytes);
}

/** Where the text starts. Throws on anything that `packPayload` doesn't write. */
export function textStart(payload: Uint8Array): number {
  const headerBytes = headerBytesOf(payload);
  let length = 0;
  for (let i = 1; i < headerBytes; i++) length = length * 256 + (payload[i] as number);
  if (headerBytes + length !== payload.byteLength) {
    throw new Error(`database: payload of ${payload.byteLength} bytes says ${length}`);
  }
  return headerBytes;
}

/**
 * In SQL, the JSON text of `payload`: what comes after its header. SQLite copies it for nothing,
 * while a view of a part of what it gives costs as much again as the reading (see `textOf`).
 */
export const TEXT_SQL =
  "substr(payload, iif(length(payload) < 258, 3, iif(length(payload) < 65539, 4, 6)))";

const OPEN_BRACE = 0x7b;

/**
 * What `TEXT_SQL` gives, as a Buffer. Not by `Buffer.from`, which asks the array for its memory,
 * and so has the engine move it.
 */
export function textOf(bytes: Uint8Array): Buffer {
  if (bytes[0] !== OPEN_BRACE) throw new Error("database: a payload that is no event");
  return Object.setPrototypeOf(bytes, Buffer.prototype) as Buffer;
}

/** The JSON text's bytes, in place. Throws on anything that `packPayload` doesn't write. */
export function payloadText(payload: Uint8Array): Buffer {
  const start = textStart(payload);
  return Buffer.from(payload.buffer, payload.byteOffset + start, payload.byteLength - start);
}
