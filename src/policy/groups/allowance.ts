// How often something may be done within a second of the clock: for what costs so much that others
// would wait. Belongs to one thread.

export class Allowance {
  private readonly max: number;
  private second = 0;
  private used = 0;

  constructor(max: number) {
    this.max = max;
  }

  /** `now` in unix seconds. */
  hasRoom(now: number): boolean {
    return now !== this.second || this.used < this.max;
  }

  /** Whether there is room or not: what must be done is done. */
  use(now: number): void {
    if (now !== this.second) this.used = 0;
    this.second = now;
    this.used += 1;
  }
}
