// An event's JSON text in less room: its hex as bytes, and without its id, which has a column of
// its own, and what all events have in common. Of a text of 890 bytes some 490 are left, at 0.4 µs
// to get it back; compressing would leave as much, at ten times that. Only texts as `encodeEvent`
// writes them can be packed; each comes back byte for byte.
//
//   pubkey  32 bytes | sig  64 | length of the text | created_at | kind | runs
//
// The three numbers are varints, seven bits a byte, the lowest first. The runs are what stands
// between `"tags":` and `,"sig":`, each a byte of control (its lowest five bits are a length, the
// others say what follows), so many bytes as they are, and what follows. A length of 30 stands for
// one in the next two bytes, of 31 for one in the next four, both little-endian.
//
// What has an `h` tag shows it here as well: SQL looks for `["h",` (sum-tables.ts).

const HEX_BYTES = 32;
const HEX_LENGTH = 64;
const SIG_BYTES = 64;
/** Where what is packed has the author's key, 32 bytes. */
export const PACKED_PUBKEY_AT = 0;
const SIG_AT = 32;
const HEAD_BYTES = 96;

const SHORT_MAX = 29;
const LENGTH_16 = 30;
const LENGTH_32 = 31;
const LENGTH_BITS = 5;
const LENGTH_MASK = 31;

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "latin1"));
}

// The text around what differs between events, and where the hex is in it.
const START = bytesOf('{"id":"');
const AFTER_ID = bytesOf('","pubkey":"');
const AFTER_PUBKEY = bytesOf('","created_at":');
const BEFORE_KIND = bytesOf(',"kind":');
const BEFORE_TAGS = bytesOf(',"tags":');
const BEFORE_SIG = bytesOf(',"sig":"');
const END = bytesOf('"}');
const TEXT_ID_AT = START.length;
const TEXT_PUBKEY_AT = TEXT_ID_AT + HEX_LENGTH + AFTER_ID.length;
const TEXT_TIME_AT = TEXT_PUBKEY_AT + HEX_LENGTH + AFTER_PUBKEY.length;
const TEXT_SIG_LENGTH = BEFORE_SIG.length + 2 * HEX_LENGTH + END.length;
const HEAD = Buffer.from(
  `{"id":"${"0".repeat(HEX_LENGTH)}","pubkey":"${"0".repeat(HEX_LENGTH)}","created_at":`,
);

/** What follows a run's bytes: one of these, and with some of them 64 digits of hex. */
const CONTENT = '],"content":"';
const FOLLOWERS = ["", '["e","', '["p","', '"],["e","', '"],["p","', "", CONTENT].map(bytesOf);
const HEX_ALONE = 0;
const E_TAG = 1;
const P_TAG = 2;
const NEXT_TAG = 2;
/** From here on no hex. */
const NOTHING = 5;
const CONTENT_STARTS = 6;

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

/** Shorter runs are copied faster byte by byte. */
const COPY_MIN = 24;

const QUOTE = 0x22;
const COMMA = 0x2c;
const DIGIT_0 = 0x30;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const LETTER_E = 0x65;
const LETTER_P = 0x70;
/** Below this, whole numbers of 32 bits. */
const WHOLE_MAX = 2 ** 31;
/** Numbers of so many digits are exact. */
const DIGITS_MAX = 15;
/** A varint's last unit, for these. */
const VARINT_UNIT_MAX = 2 ** 49;
/** All that is written before anything is checked is not longer. */
const TEXT_BYTES_MIN = TEXT_TIME_AT + TEXT_SIG_LENGTH;
/** SQLite holds no longer blob, as it is built. */
const TEXT_BYTES_MAX = 2 ** 30;

/** Of a digit's byte, its value; −1 of any other. */
const NIBBLES = new Int8Array(256).fill(-1);
/** Of a byte, its two digits, little-endian. */
const DIGITS = new Uint16Array(256);
for (let value = 0; value < 16; value++) NIBBLES[value.toString(16).charCodeAt(0)] = value;
for (let value = 0; value < 256; value++) {
  const hex = value.toString(16).padStart(2, "0");
  DIGITS[value] = hex.charCodeAt(0) | (hex.charCodeAt(1) << 8);
}

/** How much room packing a text of so many bytes may take. */
export function packedBytesMax(textBytes: number): number {
  return textBytes + HEAD_BYTES;
}

/** Writes to the start of `out`; returns how many bytes, or −1 for a text of another form. */
export function packText(text: Uint8Array, out: Uint8Array): number {
  return new Packing(text, out).run();
}

/** One text while it is packed. */
class Packing {
  private readonly text: Uint8Array;
  private readonly out: Uint8Array;
  private at = 0;

  constructor(text: Uint8Array, out: Uint8Array) {
    this.text = text;
    this.out = out;
  }

  run(): number {
    const { text } = this;
    const sigAt = text.length - TEXT_SIG_LENGTH;
    if (sigAt < TEXT_TIME_AT) return -1;
    const isKnown =
      this.is(START, 0) &&
      this.is(AFTER_ID, TEXT_ID_AT + HEX_LENGTH) &&
      this.is(AFTER_PUBKEY, TEXT_PUBKEY_AT + HEX_LENGTH) &&
      this.is(BEFORE_SIG, sigAt) &&
      this.is(END, text.length - END.length) &&
      this.isHex(TEXT_ID_AT, HEX_LENGTH) &&
      this.hex(TEXT_PUBKEY_AT, HEX_BYTES) &&
      this.hex(sigAt + BEFORE_SIG.length, SIG_BYTES);
    if (!isKnown) return -1;
    this.varint(text.length);
    const timeEnd = this.number(TEXT_TIME_AT);
    if (timeEnd < 0 || !this.is(BEFORE_KIND, timeEnd)) return -1;
    const kindEnd = this.number(timeEnd + BEFORE_KIND.length);
    if (kindEnd < 0 || !this.is(BEFORE_TAGS, kindEnd)) return -1;
    const tagsAt = kindEnd + BEFORE_TAGS.length;
    if (tagsAt > sigAt) return -1;
    const contentAt = this.contentAt(tagsAt, sigAt);
    if (contentAt < 0) this.runs(tagsAt, sigAt, NOTHING);
    else {
      this.runs(tagsAt, contentAt, CONTENT_STARTS);
      this.runs(contentAt + CONTENT.length, sigAt, NOTHING);
    }
    return this.at;
  }

  private is(expected: Uint8Array, at: number): boolean {
    for (let i = 0; i < expected.length; i++) {
      if (this.text[at + i] !== expected[i]) return false;
    }
    return true;
  }

  private isHex(from: number, length: number): boolean {
    for (let i = from; i < from + length; i++) {
      if ((NIBBLES[this.text[i] as number] as number) < 0) return false;
    }
    return true;
  }

  /** Packs these digits; false when some are none. */
  private hex(from: number, bytes: number): boolean {
    const { text, out } = this;
    for (let i = 0; i < bytes; i++) {
      const high = NIBBLES[text[from + 2 * i] as number] as number;
      const low = NIBBLES[text[from + 2 * i + 1] as number] as number;
      if ((high | low) < 0) return false;
      out[this.at++] = (high << 4) | low;
    }
    return true;
  }

  private varint(value: number): void {
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) this.out[this.at++] = (rest & 0x7f) | 0x80;
    this.out[this.at++] = rest;
  }

  /** Where the digits end; −1 when they are no number as JSON.stringify writes it. */
  private number(from: number): number {
    let end = from;
    let value = 0;
    for (; end - from <= DIGITS_MAX; end++) {
      const digit = (this.text[end] as number) - DIGIT_0;
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
    }
    const length = end - from;
    if (length === 0 || length > DIGITS_MAX) return -1;
    if (length > 1 && this.text[from] === DIGIT_0) return -1;
    this.varint(value);
    return end;
  }

  /**
   * Where the content's key begins, with the tags' end before it: the first place that reads so,
   * for within a tag its quotes would be escaped.
   */
  private contentAt(from: number, end: number): number {
    for (let at = from; at < end - CONTENT.length; at++) {
      if (this.text[at] === CLOSE_BRACKET && this.text[at + 1] === COMMA) {
        if (this.is(FOLLOWERS[CONTENT_STARTS] as Uint8Array, at)) return at;
      }
    }
    return -1;
  }

  private runs(from: number, end: number, last: number): void {
    let start = from;
    for (let at = this.nextHex(from, end); at >= 0; at = this.nextHex(start, end)) {
      const follower = this.followerAt(start, at);
      this.literal(start, at - (FOLLOWERS[follower] as Uint8Array).length, follower);
      this.hex(at, HEX_BYTES);
      start = at + HEX_LENGTH;
    }
    if (start < end || last !== NOTHING) this.literal(start, end, last);
  }

  /** Where the next 64 digits are; −1 when there are none. */
  private nextHex(from: number, end: number): number {
    const { text } = this;
    // From its last digit backwards: what is none rules out all places up to it.
    for (let at = from; at + HEX_LENGTH <= end;) {
      let i = at + HEX_LENGTH - 1;
      while (i >= at && (NIBBLES[text[i] as number] as number) >= 0) i -= 1;
      if (i < at) return at;
      at = i + 1;
    }
    return -1;
  }

  /** What stands before the hex, of what is left out there. */
  private followerAt(start: number, at: number): number {
    const { text } = this;
    const name = text[at - 4];
    if (at - start < 6 || text[at - 1] !== QUOTE || text[at - 2] !== COMMA) return HEX_ALONE;
    if (text[at - 3] !== QUOTE || text[at - 5] !== QUOTE) return HEX_ALONE;
    if (text[at - 6] !== OPEN_BRACKET || (name !== LETTER_E && name !== LETTER_P)) return HEX_ALONE;
    const tag = name === LETTER_E ? E_TAG : P_TAG;
    const isNext =
      at - start >= 9 &&
      text[at - 7] === COMMA &&
      text[at - 8] === CLOSE_BRACKET &&
      text[at - 9] === QUOTE;
    return isNext ? tag + NEXT_TAG : tag;
  }

  private literal(from: number, end: number, follower: number): void {
    const { text, out } = this;
    const length = end - from;
    const control = follower << LENGTH_BITS;
    if (length <= SHORT_MAX) out[this.at++] = control | length;
    else {
      const bytes = length < 0x10000 ? 2 : 4;
      out[this.at++] = control | (bytes === 2 ? LENGTH_16 : LENGTH_32);
      for (let i = 0; i < bytes; i++) out[this.at++] = (length >>> (8 * i)) & 0xff;
    }
    for (let i = from; i < end; i++) out[this.at++] = text[i] as number;
  }
}

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

/** How many bytes the text has that is packed in these bytes from `start` on. */
export function packedTextBytes(packed: Uint8Array, start: number): number {
  let value = 0;
  let unit = 1;
  for (let at = start + HEAD_BYTES; unit <= TEXT_BYTES_MAX; at++, unit *= 0x80) {
    const byte = packed[at] as number;
    value += (byte & 0x7f) * unit;
    if (!(byte < 0x80)) continue;
    if (value < TEXT_BYTES_MIN || value > TEXT_BYTES_MAX) break;
    return value;
  }
  // What a corrupt payload says doesn't cost memory before it is seen to be wrong.
  throw corrupt(`it says ${value} bytes`);
}

/** Gives texts back. Owned by one thread. */
export class TextUnpacker {
  /** Where the text goes: most go where the one before did. */
  private target: Buffer = Buffer.alloc(0);
  private view = new DataView(this.target.buffer);
  /** Where in the packed bytes it is. */
  private at = 0;

  /**
   * The text of the event with that id, 32 bytes, packed in these bytes from `start` on, is written
   * to `target`, which has room for it at `out`. Throws when it can't be; part of it may be written.
   */
  unpack(id: Uint8Array, packed: Uint8Array, start: number, target: Buffer, out: number): void {
    if (this.target !== target) {
      this.target = target;
      this.view = new DataView(target.buffer, target.byteOffset, target.byteLength);
    }
    const length = packedTextBytes(packed, start);
    this.at = start + HEAD_BYTES;
    this.varint(packed);
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
