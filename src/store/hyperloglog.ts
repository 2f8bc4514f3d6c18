// HyperLogLog (NIP-45): how many authors events have, estimated from 256 registers that merge with
// those of other relays. An author's mark is what it adds to them: the register's index (8 bits)
// and, above it, the rank (8 bits), which the register keeps the largest of. Both are cut from the
// pubkey, at an offset that follows from the tag's value that the filter asks for. Pure.
//
//   pubkey   … | byte at offset: register | bits from offset + 1 on: leading zeros, plus 1: rank

import { sha256 } from "../crypto/sha256.ts";
import type { Filter } from "../protocol/filter.ts";
import { hexNumber, isHex64 } from "../protocol/hex.ts";

const REGISTERS = 256;
/** Offsets are from here on, one for each hex digit. */
const OFFSET_MIN = 8;
const OFFSETS = 16;
/** The hex digit of a 32-byte value that the offset is read from. */
const DIGIT_AT = 32;
/** The offset of no value. */
export const NO_OFFSET = -1;

const ADDRESS = /^[0-9]{1,5}:([0-9a-f]{64}):/;
const digest = Buffer.alloc(32);

/** Of a tag's value: an id or a pubkey, an address, or any other text. */
export function hllOffset(value: string): number {
  if (isHex64(value)) return offsetOfDigit(value);
  const pubkey = ADDRESS.exec(value)?.[1];
  if (pubkey !== undefined) return offsetOfDigit(pubkey);
  sha256(value, digest);
  return OFFSET_MIN + ((digest[DIGIT_AT / 2] as number) >>> 4);
}

function offsetOfDigit(hex: string): number {
  return OFFSET_MIN + hexNumber(hex, DIGIT_AT, 1);
}

/** Of the first value of its first tag condition; none when it has no such condition. */
export function filterOffset(filter: Filter): number {
  for (const { values } of filter.tags) for (const value of values) return hllOffset(value);
  return NO_OFFSET;
}

/** Never 0: ranks are from 1 on. */
export function hllMark(pubkey: string, offset: number): number {
  const register = hexNumber(pubkey, 2 * offset, 2);
  let rank = 1;
  for (let at = 2 * offset + 2; at < pubkey.length; at++) {
    const digit = hexNumber(pubkey, at, 1);
    rank += Math.clz32(digit) - 28;
    if (digit !== 0) break;
  }
  return register + rank * REGISTERS;
}

/** One author's marks, each made when it is first asked for: there are 16 at most. */
export class AuthorMarks {
  private readonly pubkey: string;
  private readonly marks = new Uint16Array(OFFSETS);

  constructor(pubkey: string) {
    this.pubkey = pubkey;
  }

  /** For a tag of this value. */
  of(value: string): number {
    return this.at(hllOffset(value));
  }

  /** For a tag of this value, which is 64 hex digits for sure. */
  ofHex(value: string): number {
    return this.at(offsetOfDigit(value));
  }

  private at(offset: number): number {
    const made = this.marks[offset - OFFSET_MIN] as number;
    if (made !== 0) return made;
    const mark = hllMark(this.pubkey, offset);
    this.marks[offset - OFFSET_MIN] = mark;
    return mark;
  }
}

export class HyperLogLog {
  private readonly registers = Buffer.alloc(REGISTERS);

  add(mark: number): void {
    const register = mark % REGISTERS;
    const rank = Math.floor(mark / REGISTERS);
    if (rank > (this.registers[register] as number)) this.registers[register] = rank;
  }

  /** 512 hex digits, two a register. */
  encode(): string {
    return this.registers.toString("hex");
  }
}
