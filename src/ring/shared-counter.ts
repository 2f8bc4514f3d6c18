// A number that all threads of a process share and that only grows: whoever changes something that
// others have a copy of raises it afterwards, and they look whether it is still the one they know.

export class SharedCounter {
  readonly shared: SharedArrayBuffer;
  private readonly words: Int32Array;

  constructor(shared = new SharedArrayBuffer(4)) {
    this.shared = shared;
    this.words = new Int32Array(shared);
  }

  raise(): void {
    Atomics.add(this.words, 0, 1);
  }

  /** To be compared for equality only: it wraps. */
  count(): number {
    return Atomics.load(this.words, 0);
  }
}
