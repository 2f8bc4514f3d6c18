// A set of ids or keys, 64 hex digits each, in 36 bytes each: a follow list takes a fourth of what
// a Set of strings takes. It can't be added to.

import { hexNumber } from "./hex.ts";

const WORDS = 8;
const WORD_DIGITS = 8;
const DIGITS = WORDS * WORD_DIGITS;

/** Nobody who chooses values can have them all fall on the same slots. */
const SEED = crypto.getRandomValues(new Int32Array(1))[0] as number;

/** The value asked for last: one event is held against many filters. */
let asked = "";
let askedHash = 0;
const askedWords = new Int32Array(WORDS);

function ask(hex: string): void {
  let hash = SEED;
  for (let i = 0; i < WORDS; i++) {
    const word = hexNumber(hex, i * WORD_DIGITS, WORD_DIGITS) | 0;
    askedWords[i] = word;
    hash = Math.imul(hash ^ word, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  asked = hex;
  askedHash = hash;
}

export class HexSet implements Iterable<string> {
  readonly size: number;
  private readonly words: Int32Array;
  /** Open addressing: which value is there, from 1 on; a power of two of slots, half of them free. */
  private readonly slots: Uint16Array | Uint32Array;

  /** Different values, each of 64 lower-case hex digits. */
  constructor(values: Iterable<string> & { readonly size: number }) {
    const slotCount = 2 ** Math.ceil(Math.log2(2 * values.size + 1));
    this.size = values.size;
    this.words = new Int32Array(WORDS * values.size);
    this.slots = values.size < 2 ** 16 ? new Uint16Array(slotCount) : new Uint32Array(slotCount);
    let at = 0;
    for (const value of values) {
      ask(value);
      this.words.set(askedWords, WORDS * at);
      at += 1;
      this.slots[this.find()] = at;
    }
  }

  has(value: string): boolean {
    if (value !== asked) {
      if (value.length !== DIGITS) return false;
      ask(value);
    }
    return this.slots[this.find()] !== 0;
  }

  /** The slot of what is asked for, or the free one where it would be. */
  private find(): number {
    const mask = this.slots.length - 1;
    let slot = askedHash & mask;
    for (;;) {
      const at = this.slots[slot] as number;
      if (at === 0 || this.isAsked(WORDS * (at - 1))) return slot;
      slot = (slot + 1) & mask;
    }
  }

  private isAsked(at: number): boolean {
    for (let i = 0; i < WORDS; i++) if (this.words[at + i] !== askedWords[i]) return false;
    return true;
  }

  keys(): Iterator<string> {
    return this[Symbol.iterator]();
  }

  /** In the order in which they were given. */
  *[Symbol.iterator](): Generator<string> {
    const bytes = new Uint8Array(4 * WORDS);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < this.words.length; at += WORDS) {
      for (let i = 0; i < WORDS; i++) view.setInt32(4 * i, this.words[at + i] as number);
      yield bytes.toHex();
    }
  }
}
