// Reads the ranges of a message, one by one (NIP-77, appendix). The bytes come from a stranger:
// whatever is wrong with them ends the reading with a `flaw`, nothing throws, and nothing is
// allocated for what they only claim to have: payloads are views of the message.
//
//   message   version (1 byte, 0x61), ranges
//   range     upper bound, mode (varint), payload
//   bound     timestamp (varint: 0 is infinity, else 1 + what is added to the bound before),
//             length (varint), so many first bytes of an id
//   payload   nothing | 16 bytes of a fingerprint | count (varint), so many ids
//
// What the appendix leaves open: bounds must ascend. A range may be empty, though: the reference
// implementation sends an empty one after infinity when its message is just full. And infinity may
// have a prefix of zeros: NDK fills up what it sends back.

import { compareBounds, END, ID_BYTES, START, type WireBound } from "./bound.ts";
import { FINGERPRINT_BYTES } from "./item-sum.ts";
import { decodeVarint, simplest, U64_MAX, type VarintFlaw } from "./varint.ts";

/** Version 1. */
export const VERSION = 0x61;
export const SKIP = 0;
export const FINGERPRINT = 1;
export const ID_LIST = 2;

export type Flaw =
  | VarintFlaw
  | "the message is empty"
  | "the protocol version is unknown"
  | "a timestamp is beyond 64 bits"
  | "an id prefix is longer than 32 bytes"
  | "an id prefix is cut off"
  | "an id prefix follows infinity"
  | "a bound is before the one before it"
  | "a mode is unknown"
  | "a fingerprint is cut off"
  | "a list of ids is cut off";

const NOTHING = new Uint8Array(0);

export class RangeReader {
  /** Why the last `next` found no range; null when the message was at its end. */
  flaw: Flaw | null = null;
  lower: WireBound = START;
  upper: WireBound = START;
  mode: number = SKIP;
  /** The fingerprint, or the ids one after another. */
  payload: Uint8Array = NOTHING;
  private at = 1;
  private readonly bytes: Uint8Array;

  constructor(message: Uint8Array) {
    this.bytes = message;
    if (message.length === 0) this.flaw = "the message is empty";
    else if (message[0] !== VERSION) this.flaw = "the protocol version is unknown";
  }

  /** Whether there was one more range. */
  next(): boolean {
    if (this.flaw !== null || this.at >= this.bytes.length) return false;
    this.flaw = this.read();
    return this.flaw === null;
  }

  private read(): Flaw | null {
    this.lower = this.upper;
    const timestamp = this.readTimestamp();
    if (typeof timestamp === "string") return timestamp;
    const length = this.readVarint();
    if (typeof length === "string") return length;
    if (length > ID_BYTES) return "an id prefix is longer than 32 bytes";
    const id = this.take(Number(length));
    if (id === null) return "an id prefix is cut off";
    // Copied: bounds outlive the message.
    this.upper = { timestamp, id: id.length === 0 ? NOTHING : new Uint8Array(id) };
    if (compareBounds(this.upper, END) > 0) return "an id prefix follows infinity";
    if (compareBounds(this.upper, this.lower) < 0) return "a bound is before the one before it";
    const mode = this.readVarint();
    if (typeof mode === "string") return mode;
    return this.readPayload(mode);
  }

  private readPayload(mode: number | bigint): Flaw | null {
    switch (mode) {
      case SKIP:
        return this.keep(SKIP, NOTHING, "a mode is unknown");
      case FINGERPRINT:
        return this.keep(FINGERPRINT, this.take(FINGERPRINT_BYTES), "a fingerprint is cut off");
      case ID_LIST: {
        const count = this.readVarint();
        if (typeof count === "string") return count;
        return this.keep(ID_LIST, this.take(Number(count) * ID_BYTES), "a list of ids is cut off");
      }
      default:
        return "a mode is unknown";
    }
  }

  private keep(mode: number, payload: Uint8Array | null, flaw: Flaw): Flaw | null {
    this.mode = mode;
    this.payload = payload ?? NOTHING;
    return payload === null ? flaw : null;
  }

  private readTimestamp(): number | bigint | Flaw {
    const encoded = this.readVarint();
    if (typeof encoded === "string") return encoded;
    const before = this.lower.timestamp;
    if (encoded === 0) return END.timestamp;
    if (before === END.timestamp) return "a bound is before the one before it";
    if (typeof encoded === "number" && typeof before === "number") {
      const sum = before + (encoded - 1);
      if (sum <= Number.MAX_SAFE_INTEGER) return sum;
    }
    const exact = BigInt(before) + BigInt(encoded) - 1n;
    return exact < U64_MAX ? simplest(exact) : "a timestamp is beyond 64 bits";
  }

  private readVarint(): number | bigint | VarintFlaw {
    const read = decodeVarint(this.bytes, this.at);
    if (typeof read === "string") return read;
    this.at = read.end;
    return read.value;
  }

  /** Null when there are not so many bytes. */
  private take(length: number): Uint8Array | null {
    if (length > this.bytes.length - this.at) return null;
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}

/** What is wrong with a message; null when nothing is. */
export function findFlaw(message: Uint8Array): Flaw | null {
  const reader = new RangeReader(message);
  while (reader.next());
  return reader.flaw;
}
