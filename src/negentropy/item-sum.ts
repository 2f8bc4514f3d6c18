// How many items a range has and the sum of their ids mod 2^256: what its fingerprint is made of
// (NIP-77, appendix: "Fingerprint Algorithm"). Sums add and subtract, so those of large ranges can
// be put together from parts, or kept up to date while items come and go. Pure.

import { sha256 } from "../crypto/sha256.ts";
import { ID_BYTES } from "./bound.ts";
import { encodeVarint } from "./varint.ts";

export const FINGERPRINT_BYTES = 16;
/** Ids are little-endian integers of eight words, lowest first, which all our machines are too. */
const WORDS = ID_BYTES / 4;
const BASE = 2 ** 32;
/** Eight sums of words stay exact below 2^53 for so many ids; then carries are due. */
const IDS_MAX = 2 ** 20;

/** To read words from bytes at any address: asking a small array for its buffer takes 1.5 µs. */
const bytes = new Uint8Array(new ArrayBuffer(ID_BYTES));
const bytesAsWords = new Uint32Array(bytes.buffer);
const totals = new Float64Array(WORDS);
const digest = new Uint8Array(32);

export class ItemSum {
  count = 0;
  private readonly words = new Uint32Array(WORDS);

  static of(count: number, sum: Uint8Array): ItemSum {
    const made = new ItemSum();
    made.count = count;
    bytes.set(sum);
    made.words.set(bytesAsWords);
    return made;
  }

  /** 32 bytes, little-endian: a copy. */
  get sum(): Uint8Array {
    bytesAsWords.set(this.words);
    return bytes.slice();
  }

  /** Of 32 bytes, at any address. */
  addId(id: Uint8Array): void {
    bytes.set(id);
    this.addWords(bytesAsWords, 0, 1);
  }

  /** The ids from index `from` to before `to`, of many that stand one after another. */
  addWords(ids: Uint32Array, from: number, to: number): void {
    for (let start = from; start < to; start += IDS_MAX) {
      const end = Math.min(to, start + IDS_MAX) * WORDS;
      for (let word = 0; word < WORDS; word++) totals[word] = this.words[word] as number;
      for (let at = start * WORDS; at < end; at += WORDS) {
        for (let word = 0; word < WORDS; word++) {
          totals[word] = (totals[word] as number) + (ids[at + word] as number);
        }
      }
      this.carry();
    }
    this.count += Math.max(0, to - from);
  }

  private carry(): void {
    let carried = 0;
    for (let word = 0; word < WORDS; word++) {
      const total = (totals[word] as number) + carried;
      carried = Math.floor(total / BASE);
      this.words[word] = total - carried * BASE;
    }
  }

  add(other: ItemSum): void {
    let carried = 0;
    for (let word = 0; word < WORDS; word++) {
      const total = (this.words[word] as number) + (other.words[word] as number) + carried;
      carried = total >= BASE ? 1 : 0;
      this.words[word] = total - carried * BASE;
    }
    this.count += other.count;
  }

  subtract(other: ItemSum): void {
    let borrowed = 0;
    for (let word = 0; word < WORDS; word++) {
      const total = (this.words[word] as number) - (other.words[word] as number) - borrowed;
      borrowed = total < 0 ? 1 : 0;
      this.words[word] = total + borrowed * BASE;
    }
    this.count -= other.count;
  }

  /** "Concatenate with the number of elements, encoded as a Varint; hash; take 16 bytes." */
  fingerprint(): Uint8Array {
    const count = encodeVarint(this.count);
    const hashed = new Uint8Array(ID_BYTES + count.length);
    hashed.set(this.sum);
    hashed.set(count, ID_BYTES);
    sha256(hashed, digest);
    return digest.slice(0, FINGERPRINT_BYTES);
  }
}
