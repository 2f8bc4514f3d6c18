// What is stored of an event: its JSON text as one msgpack string. Serving it is then a copy of
// bytes into a frame, with nothing decoded or encoded (docs/architecture.md has the figures). Any
// msgpack reader can read a row; other msgpack types are left free for other forms.
//
//   text ≤ 31 bytes      a0 + length | UTF-8         (no event is that short)
//   text ≤ 255 bytes     d9 | u8  length | UTF-8
//   text ≤ 65,535 bytes  da | u16 length | UTF-8     (big-endian)
//   else                 db | u32 length | UTF-8

import { Packr } from "msgpackr";

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

/** The JSON text's bytes, in place. Throws on anything that `packPayload` doesn't write. */
export function payloadText(payload: Uint8Array): Buffer {
  const headerBytes = headerBytesOf(payload);
  let length = 0;
  for (let i = 1; i < headerBytes; i++) length = length * 256 + (payload[i] as number);
  if (headerBytes + length !== payload.byteLength) {
    throw new Error(`database: payload of ${payload.byteLength} bytes says ${length}`);
  }
  return Buffer.from(payload.buffer, payload.byteOffset + headerBytes, length);
}
