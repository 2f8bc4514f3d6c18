// Packs an event's text: see packed-text.ts for the form.

import { NIBBLES } from "../protocol/hex.ts";
import {
  AFTER_ID,
  AFTER_PUBKEY,
  BEFORE_KIND,
  BEFORE_SIG,
  BEFORE_TAGS,
  CONTENT,
  CONTENT_STARTS,
  COPY_MIN,
  DIGIT_0,
  E_TAG,
  END,
  FOLLOWERS,
  HEAD_BYTES,
  HEX_ALONE,
  HEX_BYTES,
  HEX_LENGTH,
  LENGTH_16,
  LENGTH_32,
  LENGTH_BITS,
  NEXT_TAG,
  NOTHING,
  P_TAG,
  SHORT_MAX,
  SIG_BYTES,
  START,
  TEXT_ID_AT,
  TEXT_PUBKEY_AT,
  TEXT_SIG_LENGTH,
  TEXT_TIME_AT,
} from "./packed-text.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const LETTER_E = 0x65;
const LETTER_P = 0x70;
/** Numbers of so many digits are exact. */
const DIGITS_MAX = 15;

/** How much room packing a text of so many bytes may take. */
export function packedBytesMax(textBytes: number): number {
  return textBytes + HEAD_BYTES;
}

/** Writes to the start of `out`; returns how many bytes, or −1 for a text of another form. */
export function packText(text: Buffer, out: Uint8Array): number {
  return new Packing(text, out).run();
}

/** One text while it is packed. */
class Packing {
  private readonly text: Buffer;
  private readonly out: Uint8Array;
  private at = 0;

  constructor(text: Buffer, out: Uint8Array) {
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
    const { text, out, at } = this;
    for (let i = 0; i < bytes; i++) {
      const high = NIBBLES[text[from + 2 * i] as number] as number;
      const low = NIBBLES[text[from + 2 * i + 1] as number] as number;
      if ((high | low) < 0) return false;
      out[at + i] = (high << 4) | low;
    }
    this.at = at + bytes;
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
    if (length >= COPY_MIN) text.copy(out, this.at, from, end);
    else for (let i = 0; i < length; i++) out[this.at + i] = text[from + i] as number;
    this.at += length;
  }
}
