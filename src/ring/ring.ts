// A single-producer single-consumer ring of bytes over a SharedArrayBuffer. One thread owns the
// producer's side, one the consumer's; they share nothing else.
//
//   word 0      head: bytes ever committed, mod 2^32    (written by the producer)
//   word 16     tail: bytes ever released, mod 2^32     (written by the consumer)
//   word 32     1 while the producer wants to hear of released room
//   word 48     base: the head or tail that stands for the start (written by the producer)
//   byte 256…   records: u32 length | u32 type | payload | padding to 8 bytes
//
// Head and tail are 64 bytes apart so that the two threads don't fight over one cache line. A
// record never wraps: where it doesn't fit before the end, a length of SKIP sends the consumer to
// the start. All is 8-byte aligned, so SKIP always has room. A full ring is a return value.
//
// A ring that is empty begins anew at the start, once it has come some way. So while the consumer
// keeps up, only the first part is used: it stays in the processor's caches, and memory that was
// never needed is never taken. The base changes only while there is nothing to be read by the old
// one, and before the head does, so the consumer reads it after the head.

import type { Doorbell } from "./doorbell.ts";

const HEAD = 0;
const TAIL = 16;
const WANTED = 32;
const BASE = 48;
const DATA = 256;
const HEADER = 8;
const SKIP = 0xffffffff;

/** From here on, an empty ring begins anew. */
const FIRST_PART = 1 / 8;

const CAPACITY_MIN = 1024;
/** Above this, full and empty or a sign bit could be mixed up: cursors and masks are 32 bits. */
const CAPACITY_MAX = 2 ** 30;

/** `capacity` is a power of two from 1 KiB to 1 GiB: cursors wrap at 2^32, which it must divide. */
export function createRing(capacity: number): SharedArrayBuffer {
  const isInRange =
    Number.isInteger(capacity) && capacity >= CAPACITY_MIN && capacity <= CAPACITY_MAX;
  if (!isInRange || (capacity & (capacity - 1)) !== 0) {
    throw new Error(`assert: ring capacity ${capacity} is not a power of two from 1024 to 2^30`);
  }
  return new SharedArrayBuffer(DATA + capacity);
}

/**
 * The longest payload that a ring of that capacity takes. Half of it, because skipping to the start
 * may waste as much room as the record needs.
 */
export function recordBytesMax(capacity: number): number {
  return capacity / 2 - HEADER;
}

/** The smallest capacity of a ring that takes records with a payload of `bytes`. */
export function ringCapacityFor(bytes: number): number {
  return Math.max(CAPACITY_MIN, 2 ** Math.ceil(Math.log2(2 * (bytes + HEADER))));
}

function padded(bytes: number): number {
  return (HEADER + bytes + 7) & ~7;
}

/** Both sides' view of the same memory. */
abstract class Side {
  readonly bytes: Buffer;
  readonly view: DataView;
  readonly capacity: number;
  protected readonly words: Int32Array;
  protected readonly mask: number;

  constructor(shared: SharedArrayBuffer) {
    this.capacity = shared.byteLength - DATA;
    this.mask = this.capacity - 1;
    this.words = new Int32Array(shared, 0, DATA / 4);
    this.bytes = Buffer.from(shared, DATA, this.capacity);
    this.view = new DataView(shared, DATA, this.capacity);
  }
}

export class RingProducer extends Side {
  private head: number;
  private tail: number;
  private base: number;
  private reservedAt = -1;
  private reservedBytes = 0;

  constructor(shared: SharedArrayBuffer) {
    super(shared);
    this.head = Atomics.load(this.words, HEAD) >>> 0;
    this.tail = Atomics.load(this.words, TAIL) >>> 0;
    this.base = Atomics.load(this.words, BASE) >>> 0;
  }

  /**
   * Room for a payload of up to `bytes`, as an offset into `bytes` and `view`, or -1 when the ring
   * is full. What is reserved and not committed is simply reserved anew by the next call.
   */
  reserve(bytes: number): number {
    if (!(bytes >= 0 && bytes <= recordBytesMax(this.capacity))) {
      throw new Error(`assert: a record of ${bytes} bytes in a ring of ${this.capacity}`);
    }
    const need = padded(bytes);
    const at = this.beginning();
    const room = this.capacity - at;
    const skip = room < need ? room : 0;
    if (!this.hasRoom(skip + need)) return -1;
    if (skip > 0) {
      this.view.setUint32(at, SKIP, true);
      this.head = (this.head + skip) >>> 0;
    }
    this.reservedAt = (this.head - this.base) & this.mask;
    this.reservedBytes = bytes;
    return this.reservedAt + HEADER;
  }

  /** Publishes the reserved record, `bytes` long. The caller rings the consumer's doorbell. */
  commit(type: number, bytes: number): void {
    if (this.reservedAt < 0 || !(bytes >= 0 && bytes <= this.reservedBytes)) {
      throw new Error(`assert: ${bytes} bytes committed, ${this.reservedBytes} reserved`);
    }
    this.view.setUint32(this.reservedAt, bytes, true);
    this.view.setUint32(this.reservedAt + 4, type, true);
    this.reservedAt = -1;
    this.head = (this.head + padded(bytes)) >>> 0;
    Atomics.store(this.words, HEAD, this.head | 0); // publish the filled record
  }

  /** Asks the consumer to ring the producer's own doorbell when it next releases room. */
  wantRoom(): void {
    Atomics.store(this.words, WANTED, 1);
  }

  /** Where the next record goes. */
  private beginning(): number {
    const at = (this.head - this.base) & this.mask;
    if (at < this.capacity * FIRST_PART) return at;
    this.tail = Atomics.load(this.words, TAIL) >>> 0;
    if (this.tail !== this.head) return at;
    this.base = this.head;
    Atomics.store(this.words, BASE, this.base | 0);
    return 0;
  }

  private hasRoom(need: number): boolean {
    if (this.capacity - ((this.head - this.tail) >>> 0) >= need) return true;
    this.tail = Atomics.load(this.words, TAIL) >>> 0;
    return this.capacity - ((this.head - this.tail) >>> 0) >= need;
  }
}

export class RingConsumer extends Side {
  /** Of the current record: where its payload starts, its length and its type. */
  offset = 0;
  length = 0;
  type = 0;
  private readonly producerBell: Doorbell;
  private head: number;
  private base: number;
  private next: number;
  private released: number;

  constructor(shared: SharedArrayBuffer, producerBell: Doorbell) {
    super(shared);
    this.producerBell = producerBell;
    this.released = Atomics.load(this.words, TAIL) >>> 0;
    this.next = this.released;
    this.head = this.released;
    this.base = Atomics.load(this.words, BASE) >>> 0;
  }

  /** Takes notice of what the producer has committed up to now. */
  refresh(): void {
    this.head = Atomics.load(this.words, HEAD) >>> 0;
    this.base = Atomics.load(this.words, BASE) >>> 0;
  }

  /** Moves to the next record that `refresh` has seen; false when there is none. */
  advance(): boolean {
    while (this.next !== this.head) {
      const at = (this.next - this.base) & this.mask;
      const length = this.view.getUint32(at, true);
      if (length === SKIP) {
        this.next = (this.next + this.capacity - at) >>> 0;
        continue;
      }
      if (length > recordBytesMax(this.capacity)) {
        throw new Error(`assert: a record of ${length} bytes in a ring of ${this.capacity}`);
      }
      this.offset = at + HEADER;
      this.length = length;
      this.type = this.view.getUint32(at + 4, true);
      this.next = (this.next + padded(length)) >>> 0;
      return true;
    }
    return false;
  }

  /** True when records were read and not yet released. */
  get isHolding(): boolean {
    return this.released !== this.next;
  }

  /** Gives the room of all records read so far back to the producer; they are not read again. */
  release(): void {
    if (!this.isHolding) return;
    this.released = this.next;
    Atomics.store(this.words, TAIL, this.released | 0);
    if (Atomics.load(this.words, WANTED) === 0) return;
    Atomics.store(this.words, WANTED, 0);
    this.producerBell.ring();
  }
}
