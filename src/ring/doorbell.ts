// One doorbell per thread: producers ring it after they commit, its owner sleeps on it. Two words,
// a cache line apart: a sequence that each ring raises, and whether the owner sleeps, so that
// ringing a thread that is awake costs no system call.
//
// No wake-up is lost: the owner reads the sequence, then looks at its rings, then sleeps only if
// the sequence is still the one it read.

const SEQUENCE = 0;
const SLEEPING = 16;
const BYTES = 128;

export class Doorbell {
  readonly shared: SharedArrayBuffer;
  private readonly words: Int32Array;

  constructor(shared = new SharedArrayBuffer(BYTES)) {
    this.shared = shared;
    this.words = new Int32Array(shared);
  }

  /** Any thread: something for the owner has been committed. */
  ring(): void {
    Atomics.add(this.words, SEQUENCE, 1);
    if (Atomics.load(this.words, SLEEPING) !== 0) Atomics.notify(this.words, SEQUENCE);
  }

  /** Owner: read before looking at the rings, then passed to `wait`. */
  sequence(): number {
    return Atomics.load(this.words, SEQUENCE);
  }

  /**
   * Owner, in a worker: sleeps until the bell rings after `seen`, or the time is up; now and then
   * less, for the notice of a ring that was seen before may come late.
   */
  wait(seen: number, timeoutMs: number): void {
    Atomics.store(this.words, SLEEPING, 1);
    Atomics.wait(this.words, SEQUENCE, seen, timeoutMs);
    Atomics.store(this.words, SLEEPING, 0);
  }

  /** Owner, on the main thread. The promise alone does not keep the event loop alive. */
  async waitAsync(seen: number, timeoutMs: number): Promise<void> {
    Atomics.store(this.words, SLEEPING, 1);
    const result = Atomics.waitAsync(this.words, SEQUENCE, seen, timeoutMs);
    if (result.async) await result.value;
    Atomics.store(this.words, SLEEPING, 0);
  }
}
