// Which strong keys (term.ts) are in the index? A Bloom filter, shared by the threads of a process:
// "no" is certain once the filter is complete, "yes" is likely, and worth a look into the database.
// So a new event costs the writer no look-ups, and an ingester sees a duplicate before it checks
// the signature, for a quarter of what that costs.
//
// The writer fills it: at its start with what is in the index, a piece whenever it is idle, then
// with each commit. Nothing is ever taken out.

import { STRONG_KEYS } from "./term.ts";

/** 8 MiB: with 10 million keys, one "yes" in 25 is wrong. */
const BITS = 2 ** 26;
const PROBES = 4;

export class KeyFilter {
  readonly shared: SharedArrayBuffer;
  private readonly words: Int32Array;

  constructor(shared = new SharedArrayBuffer(BITS / 8)) {
    this.shared = shared;
    this.words = new Int32Array(shared);
  }

  /** Writer only. */
  add(key: number): void {
    const first = firstProbe(key);
    const step = probeStep(key);
    for (let i = 0; i < PROBES; i++) {
      const bit = (first + i * step) % BITS;
      this.words[bit >>> 5] = (this.words[bit >>> 5] as number) | (1 << (bit & 31));
    }
  }

  mayHave(key: number): boolean {
    const first = firstProbe(key);
    const step = probeStep(key);
    for (let i = 0; i < PROBES; i++) {
      const bit = (first + i * step) % BITS;
      if (((this.words[bit >>> 5] as number) & (1 << (bit & 31))) === 0) return false;
    }
    return true;
  }
}

/** A key's 47 bits are as good as random: 26 of them say where, the other 21 how far on. */
function firstProbe(key: number): number {
  return (key - STRONG_KEYS) % BITS;
}

function probeStep(key: number): number {
  return Math.floor((key - STRONG_KEYS) / BITS) | 1;
}
