// Writes the ranges of a message; range-reader.ts draws the layout. Ranges come in ascending order,
// each begins where the one before it ended. Can go back to a mark, for what turns out not to fit.

import { END, ID_BYTES, type WireBound } from "./bound.ts";
import { FINGERPRINT_BYTES } from "./item-sum.ts";
import { FINGERPRINT, ID_LIST, SKIP, VERSION } from "./range-reader.ts";
import { encodeVarint } from "./varint.ts";

/** A timestamp of 64 bits, the length of the prefix, the prefix. */
const BOUND_BYTES_MAX = 10 + 1 + ID_BYTES;
export const SKIP_BYTES_MAX = BOUND_BYTES_MAX + 1;
/** A list without its ids. */
export const ID_LIST_BYTES_MAX = BOUND_BYTES_MAX + 1 + 10;
/** A fingerprint of all up to infinity, whose bound takes two bytes. */
export const LAST_FINGERPRINT_BYTES = 2 + 1 + FINGERPRINT_BYTES;

const BYTES_FIRST = 1024;

export interface Mark {
  readonly length: number;
  readonly timestamp: number | bigint;
}

export class RangeWriter {
  length = 0;
  /** Of the last bound: the next is told by what it adds. */
  private timestamp: number | bigint = 0;
  private bytes = new Uint8Array(BYTES_FIRST);

  constructor() {
    this.byte(VERSION);
  }

  writeSkip(upper: WireBound): void {
    this.bound(upper);
    this.byte(SKIP);
  }

  writeFingerprint(upper: WireBound, fingerprint: Uint8Array): void {
    this.bound(upper);
    this.byte(FINGERPRINT);
    this.append(fingerprint);
  }

  /** Ids one after another. */
  writeIdList(upper: WireBound, ids: Uint8Array): void {
    this.bound(upper);
    this.byte(ID_LIST);
    this.append(encodeVarint(ids.length / ID_BYTES));
    this.append(ids);
  }

  mark(): Mark {
    return { length: this.length, timestamp: this.timestamp };
  }

  goBack({ length, timestamp }: Mark): void {
    this.length = length;
    this.timestamp = timestamp;
  }

  /** The message so far. A view. */
  message(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  private bound({ timestamp, id }: WireBound): void {
    this.append(encodeVarint(this.encodeTimestamp(timestamp)));
    this.byte(id.length);
    this.append(id);
  }

  private encodeTimestamp(timestamp: number | bigint): number | bigint {
    const before = this.timestamp;
    this.timestamp = timestamp;
    if (timestamp === END.timestamp) return 0;
    if (typeof timestamp === "number" && typeof before === "number") return timestamp - before + 1;
    return BigInt(timestamp) - BigInt(before) + 1n;
  }

  private byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length] = value;
    this.length += 1;
  }

  private append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  private reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.bytes.length));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }
}
