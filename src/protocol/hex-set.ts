// A set of ids or keys, 64 hex digits each, in 36 bytes each: a follow list takes a fourth of what
// a Set of strings takes, and travels between threads as one string. It can't be added to.

const WORDS = 8;
const BYTES = 32;
const DIGITS = 64;

/** Of each half of a word. */
const FACTORS = crypto.getRandomValues(new Int32Array(2 * WORDS));

/** The value asked for last: one event is held against many filters. */
let asked: string | null = null;
const askedBytes = new Uint8Array(BYTES);
const askedWords = new Int32Array(askedBytes.buffer);

/**
 * Multilinear: of any two values, one pair of factors in 2^17 has their upper 17 bits the same, so
 * nobody who chooses values can have them fall on the same slots. (Lemire and Kaser, "Strongly
 * universal string hashing is fast", 2014.) Those bits become the lower ones.
 */
function hashOf(words: Int32Array, from: number): number {
  let sum = 0;
  for (let i = 0; i < WORDS; i++) {
    const word = words[from + i] as number;
    sum = (sum + Math.imul(FACTORS[2 * i] as number, word & 0xffff)) | 0;
    sum = (sum + Math.imul(FACTORS[2 * i + 1] as number, word >>> 16)) | 0;
  }
  return (sum >>> 15) | (sum << 17);
}

export class HexSet implements Iterable<string> {
  readonly size: number;
  private readonly bytes: Uint8Array;
  private readonly words: Int32Array;
  /** Open addressing, half of it free: which value is there, from 1 on. A power of two of them. */
  private readonly slots: Uint16Array | Uint32Array;

  /** Different values of 64 lower-case hex digits, one after the other. */
  constructor(joined: string) {
    this.size = joined.length / DIGITS;
    this.bytes = new Uint8Array(BYTES * this.size);
    this.bytes.setFromHex(joined);
    this.words = new Int32Array(this.bytes.buffer);
    const slotCount = 2 ** Math.ceil(Math.log2(2 * this.size + 1));
    this.slots = this.size < 2 ** 16 ? new Uint16Array(slotCount) : new Uint32Array(slotCount);
    for (let at = 0; at < this.size; at++) {
      this.slots[this.find(this.words, WORDS * at)] = at + 1;
    }
  }

  /** Throws on 64 characters that are no hex. */
  has(value: string): boolean {
    if (value !== asked) {
      if (value.length !== DIGITS) return false;
      asked = null;
      askedBytes.setFromHex(value);
      asked = value;
    }
    return this.slots[this.find(askedWords, 0)] !== 0;
  }

  /** The slot of that value, or the free one where it would be. */
  private find(words: Int32Array, from: number): number {
    const mask = this.slots.length - 1;
    for (let slot = hashOf(words, from) & mask; ; slot = (slot + 1) & mask) {
      const at = this.slots[slot] as number;
      if (at === 0 || this.isAt(WORDS * (at - 1), words, from)) return slot;
    }
  }

  private isAt(at: number, words: Int32Array, from: number): boolean {
    for (let i = 0; i < WORDS; i++) if (this.words[at + i] !== words[from + i]) return false;
    return true;
  }

  /** What the eight digits from `8 * word` on say, of the value in that place of the order. */
  number(at: number, word: number): number {
    const { bytes } = this;
    const from = BYTES * at + 4 * word;
    const high = ((bytes[from] as number) << 8) | (bytes[from + 1] as number);
    const low = ((bytes[from + 2] as number) << 8) | (bytes[from + 3] as number);
    return ((high << 16) | low) >>> 0;
  }

  keys(): Iterator<string> {
    return this[Symbol.iterator]();
  }

  /** In the order in which they were given. */
  *[Symbol.iterator](): Generator<string> {
    for (let at = 0; at < this.bytes.length; at += BYTES) {
      yield this.bytes.subarray(at, at + BYTES).toHex();
    }
  }
}
