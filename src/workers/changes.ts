// How often anything has become visible to subscriptions: raised before the monitors are told. A
// thread that hands them a subscription sees by it whether they may have passed over an event that
// is the subscription's, and have gone to sleep since. Shared by all threads.

export class Changes {
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
