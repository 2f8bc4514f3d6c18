// Gives packed texts back: see packed-text.ts for the form. What is torn is refused, and writes
// nothing beyond the place it was given.

import {
  AFTER_ID,
  AFTER_PUBKEY,
  BEFORE_KIND,
  BEFORE_SIG,
  BEFORE_TAGS,
  bytesOf,
  COPY_MIN,
  DIGIT_0,
  END,
  FOLLOWERS,
  HEAD_BYTES,
  HEX_BYTES,
  HEX_LENGTH,
  LENGTH_16,
  LENGTH_BITS,
  LENGTH_MASK,
  NOTHING,
  PACKED_PUBKEY_AT,
  SHORT_MAX,
  SIG_AT,
  SIG_BYTES,
  START,
  TEXT_ID_AT,
  TEXT_PUBKEY_AT,
  TEXT_SIG_LENGTH,
  TEXT_TIME_AT,
} from "./packed-text.ts";

/** What all texts begin with. */
const HEAD = Buffer.concat([
  START,
  Buffer.alloc(HEX_LENGTH),
  AFTER_ID,
  Buffer.alloc(HEX_LENGTH),
  AFTER_PUBKEY,
]);

/** Of each, its bytes as two doubles: ASCII is never NaN, so they are kept as they are. */
const HALVES = new Float64Array(2 * FOLLOWERS.length);
for (const [i, follower] of FOLLOWERS.entries()) {
  new Uint8Array(HALVES.buffer, 16 * i, 16).set(follower);
}
const KIND_WORD = wordOf(BEFORE_KIND);
const TAGS_WORD = wordOf(BEFORE_TAGS);
const SIG_WORD = wordOf(BEFORE_SIG);

/** Eight bytes as a double. */
function wordOf(bytes: Uint8Array): number {
  return new Float64Array(bytes.slice().buffer)[0] as number;
}

/** Of a byte, its two digits, little-endian. */
const DIGITS = new Uint16Array(256);
for (let value = 0; value < 256; value++) {
  const hex = value.toString(16).padStart(2, "0");
  DIGITS[value] = hex.charCodeAt(0) | (hex.charCodeAt(1) << 8);
}

/** Below this, whole numbers of 32 bits. */
const WHOLE_MAX = 2 ** 31;
/** A varint's last unit, for numbers that are exact. */
const VARINT_UNIT_MAX = 2 ** 49;
/** All that is written before anything is checked is not longer. */
const TEXT_BYTES_MIN = TEXT_TIME_AT + TEXT_SIG_LENGTH;
/** No byte stands for more: a run's control, of no bytes and the start of the content, for 13. */
const EXPANSION_MAX = 16;

/** On arrays that SQLite gives, too, which have no methods of a Buffer. */
const copyBytes = Buffer.prototype.copy;

function corrupt(detail: string): Error {
  return new Error(`database: a payload can't be unpacked: ${detail}`);
}

function longLength(packed: Uint8Array, at: number, bytes: number): number {
  let length = 0;
  for (let i = bytes - 1; i >= 0; i--) length = length * 256 + (packed[at + i] as number);
  return length;
}

/** Gives texts back. Owned by one thread. */
export class TextUnpacker {
  /** Where the text goes: most go where the one before did. */
  private target: Buffer = Buffer.alloc(0);
  private view = new DataView(this.target.buffer);
  /** Where in the packed bytes it is. */
  private at = 0;

  /** How many bytes the text has that is packed in these bytes from `start` on. */
  textBytes(packed: Uint8Array, start: number): number {
    this.at = start + HEAD_BYTES;
    const bytes = this.varint(packed);
    // What a corrupt payload says doesn't cost memory before it is seen to be wrong.
    if (bytes >= TEXT_BYTES_MIN && bytes <= EXPANSION_MAX * packed.length) return bytes;
    throw corrupt(`it says ${bytes} bytes`);
  }

  /**
   * The text of the event with that id, 32 bytes, packed in these bytes from `start` on, is written
   * to `target`, which has room for it at `out`. When it throws, part of it may be written.
   */
  unpack(id: Uint8Array, packed: Uint8Array, start: number, target: Buffer, out: number): void {
    if (this.target !== target) {
      this.target = target;
      this.view = new DataView(target.buffer, target.byteOffset, target.byteLength);
    }
    if (id.length !== HEX_BYTES) throw corrupt(`its id has ${id.length} bytes`);
    const length = this.textBytes(packed, start);
    HEAD.copy(target, out);
    this.digits(id, 0, HEX_BYTES, out + TEXT_ID_AT);
    this.fill(packed, start, out, length);
  }

  private varint(packed: Uint8Array): number {
    let value = 0;
    for (let unit = 1; unit <= VARINT_UNIT_MAX; unit *= 0x80) {
      const byte = packed[this.at++] as number;
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) return value;
    }
    throw corrupt("a number in it has no end");
  }

  /** All after the id. */
  private fill(packed: Uint8Array, start: number, out: number, length: number): void {
    this.digits(packed, start + PACKED_PUBKEY_AT, HEX_BYTES, out + TEXT_PUBKEY_AT);
    let at = this.number(this.varint(packed), out + TEXT_TIME_AT);
    this.view.setFloat64(at, KIND_WORD, true);
    at = this.number(this.varint(packed), at + BEFORE_KIND.length);
    this.view.setFloat64(at, TAGS_WORD, true);
    at = this.runs(packed, at + BEFORE_TAGS.length, out + length - TEXT_SIG_LENGTH);
    this.view.setFloat64(at, SIG_WORD, true);
    at = this.digits(packed, start + SIG_AT, SIG_BYTES, at + BEFORE_SIG.length);
    this.bytes(END, at);
  }

  /** The text of the runs, which must end at `max`. */
  private runs(packed: Uint8Array, out: number, max: number): number {
    const { target, view } = this;
    let to = out;
    let at = this.at;
    while (at < packed.length) {
      const control = packed[at] as number;
      at += 1;
      let length = control & LENGTH_MASK;
      if (length > SHORT_MAX) {
        const bytes = length === LENGTH_16 ? 2 : 4;
        length = longLength(packed, at, bytes);
        at += bytes;
      }
      const follower = control >> LENGTH_BITS;
      const more = FOLLOWERS[follower];
      if (more === undefined) throw corrupt(`in it stands ${control}`);
      // Not the other way round: of what is cut off, the length is no number.
      const hexLength = follower < NOTHING ? HEX_LENGTH : 0;
      const end = to + length + more.length + hexLength;
      if (!(end <= max && at + length <= packed.length)) throw corrupt("a run is too long");
      if (length < COPY_MIN) {
        for (let i = 0; i < length; i++) target[to + i] = packed[at + i] as number;
      } else copyBytes.call(packed as Buffer, target, to, at, at + length);
      at += length;
      to += length;
      // What is too much is written over: a signature, at least, comes after it.
      view.setFloat64(to, HALVES[2 * follower] as number, true);
      view.setFloat64(to + 8, HALVES[2 * follower + 1] as number, true);
      to += more.length;
      if (hexLength === 0) continue;
      for (let i = 0; i < HEX_BYTES; i++) {
        view.setUint16(to + 2 * i, DIGITS[packed[at + i] as number] as number, true);
      }
      at += HEX_BYTES;
      to += HEX_LENGTH;
    }
    if (at !== packed.length || to !== max) throw corrupt("it is cut off");
    return to;
  }

  /** These and the next write something and return where it ends. */
  private bytes(from: Uint8Array, out: number): number {
    for (let i = 0; i < from.length; i++) this.target[out + i] = from[i] as number;
    return out + from.length;
  }

  private digits(packed: Uint8Array, from: number, bytes: number, out: number): number {
    const { view } = this;
    for (let i = 0; i < bytes; i++) {
      view.setUint16(out + 2 * i, DIGITS[packed[from + i] as number] as number, true);
    }
    return out + 2 * bytes;
  }

  private number(value: number, out: number): number {
    if (value >= WHOLE_MAX) return this.bytes(bytesOf(String(value)), out);
    // In integers of the machine, which divide ten times as fast.
    let end = out + 1;
    for (let limit = 10; limit <= value; limit *= 10) end += 1;
    let rest = value | 0;
    for (let at = end - 1; at >= out; at--) {
      const next = (rest / 10) | 0;
      this.target[at] = DIGIT_0 + rest - next * 10;
      rest = next;
    }
    return end;
  }
}
