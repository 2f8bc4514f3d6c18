// Which ids are stored? A Bloom filter over their keys, shared by all threads: "no" is certain, but
// for what other processes have stored; "yes" is likely, and worth a look into the database, which
// costs a quarter of checking a signature. The writer fills it: at its start with what is stored, a
// piece whenever it is idle, then with each commit. Nothing is ever taken out.

import { STRONG_KEYS } from "../store/term.ts";

/** 8 MiB: with 10 million ids, one "yes" in 25 is wrong. */
const BITS = 2 ** 26;
const PROBES = 4;

export class StoredIds {
  readonly shared: SharedArrayBuffer;
  private readonly words: Int32Array;

  constructor(shared = new SharedArrayBuffer(BITS / 8)) {
    this.shared = shared;
    this.words = new Int32Array(shared);
  }

  /** Writer only. `idKey` is term.ts's. */
  add(idKey: number): void {
    const { first, step } = probesOf(idKey);
    for (let i = 0; i < PROBES; i++) {
      const bit = (first + i * step) % BITS;
      this.words[bit >>> 5] = (this.words[bit >>> 5] as number) | (1 << (bit & 31));
    }
  }

  mayHave(idKey: number): boolean {
    const { first, step } = probesOf(idKey);
    for (let i = 0; i < PROBES; i++) {
      const bit = (first + i * step) % BITS;
      if (((this.words[bit >>> 5] as number) & (1 << (bit & 31))) === 0) return false;
    }
    return true;
  }
}

/** A key's 47 bits are as good as random: 26 of them and the other 21. */
function probesOf(idKey: number): { first: number; step: number } {
  const bits = idKey - STRONG_KEYS;
  return { first: bits % BITS, step: Math.floor(bits / BITS) | 1 };
}
