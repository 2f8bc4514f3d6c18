// One doorbell per thread: producers ring it after they commit, its owner sleeps on it. Three
// words, a cache line apart: a sequence that each ring raises; whether the owner sleeps, so that
// only the first ring of a sleep costs a system call; whether it wants to hear of small things too.
//
// What can wait until the owner is awake anyway is only hinted at: waking a thread costs more than
// most of what it is woken for. An owner that waits for such a thing says so (`setEager`).
//
// No wake-up is lost: the owner reads the sequence, then looks at its rings, then sleeps only if
// the sequence is still the one it read.

const SEQUENCE = 0;
const SLEEPING = 16;
const EAGER = 32;
const BYTES = 192;

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
    if (Atomics.load(this.words, SLEEPING) === 0) return;
    if (Atomics.exchange(this.words, SLEEPING, 0) !== 0) Atomics.notify(this.words, SEQUENCE);
  }

  /** Any thread: something has been committed that the owner may as well see when next awake. */
  hint(): void {
    if (Atomics.load(this.words, EAGER) !== 0) this.ring();
  }

  /** Owner: whether hints are to wake it, too. It will look once more before it sleeps. */
  setEager(isEager: boolean): void {
    const value = isEager ? 1 : 0;
    if (Atomics.exchange(this.words, EAGER, value) !== value && isEager) this.ring();
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
