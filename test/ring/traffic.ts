/**
 * Records that both sides of a ring can foretell from one seed: lengths from nothing to the
 * longest, contents that differ at each index, a canary at either end. Shared by the tests of the
 * rings and the threads that they start.
 */

import { createRing, type RingConsumer, recordBytesMax } from "../../src/ring/ring.ts";
import { Random } from "../support/random.ts";

/** Byte of what is reserved or written, but not committed: no consumer may see it. */
const JUNK = 0xee;

export class Traffic {
  index = -1;
  length = 0;
  private readonly bytesMax: number;
  private readonly random: Random;
  private readonly pattern: Buffer;
  private readonly expected: Buffer;

  constructor(seed: number, bytesMax: number) {
    this.bytesMax = bytesMax;
    this.random = new Random(seed);
    this.pattern = Buffer.from(new Random(~seed).bytes(bytesMax * 2));
    this.expected = Buffer.alloc(bytesMax);
  }

  /** Moves on to the next record: most are small, some of any length, a few as long as can be. */
  next(): void {
    const { random, bytesMax } = this;
    this.index += 1;
    const dice = random.below(1000);
    if (dice === 0) this.length = bytesMax - random.below(2) * random.below(9);
    else if (dice < 5) this.length = random.below(bytesMax + 1);
    else if (dice < 50) this.length = random.below(Math.min(1024, bytesMax) + 1);
    else this.length = random.below(65);
  }

  get type(): number {
    return Math.imul(this.index, 0x9e3779b1) >>> 0;
  }

  write(bytes: Buffer, at: number): void {
    const { index, length } = this;
    const from = (index * 7919) % this.bytesMax;
    this.pattern.copy(bytes, at, from, from + length);
    if (length < 8) return;
    bytes.writeUInt32LE(index >>> 0, at);
    bytes.writeUInt32LE(~index >>> 0, at + length - 4);
  }

  /** How much to reserve: often more than will be committed, with junk where nothing goes. */
  reserveBytes(): number {
    return Math.min(this.bytesMax, this.length + (this.index % 3) * 5);
  }

  writeJunk(bytes: Buffer, at: number, length: number): void {
    bytes.fill(JUNK, at, at + length);
  }

  /** Throws unless the consumer's current record is this one, byte by byte. */
  check(ring: RingConsumer): void {
    const { index, length, type, expected } = this;
    if (ring.length !== length || ring.type !== type) {
      throw new Error(
        `record ${index}: got ${ring.length} bytes of type ${ring.type}, not ${length} of ${type}`,
      );
    }
    this.write(expected, 0);
    const { offset } = ring;
    if (ring.bytes.compare(expected, 0, length, offset, offset + length) !== 0) {
      throw new Error(`record ${index} of ${length} bytes is damaged`);
    }
  }
}

/** A ring in which `cursor` bytes have been sent and released before; a multiple of 8. */
export function createRingAt(capacity: number, cursor: number): SharedArrayBuffer {
  const shared = createRing(capacity);
  const words = new Int32Array(shared);
  words[0] = cursor | 0; // head
  words[16] = cursor | 0; // tail
  return shared;
}

export function trafficBytesMax(shared: SharedArrayBuffer): number {
  return recordBytesMax(shared.byteLength - 256);
}
