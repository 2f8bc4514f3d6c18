// When to try again, as a policy that callers choose: delays that double up to a longest one, each
// with a part of it by chance, so that many clients of a relay that was down don't come at once.
// One object for one peer; belongs to whoever waits. Pure: who calls it sleeps.

export interface RetryPolicy {
  readonly firstMs: number;
  readonly longestMs: number;
  /** Failures in a row before giving up. */
  readonly failuresMax: number;
}

/** For a command that ends: some half a minute in all. */
export const A_FEW_TIMES: RetryPolicy = { firstMs: 250, longestMs: 15_000, failuresMax: 7 };
/** For what runs until it is stopped. */
export const FOR_EVER: RetryPolicy = { firstMs: 250, longestMs: 60_000, failuresMax: Infinity };
/** For who makes the next attempt itself. */
export const ONCE: RetryPolicy = { firstMs: 0, longestMs: 0, failuresMax: 1 };

export class Retry {
  private readonly policy: RetryPolicy;
  private readonly random: () => number;
  private failures = 0;

  /** `random`: from 0 to below 1. */
  constructor(policy: RetryPolicy, random: () => number = Math.random) {
    this.policy = policy;
    this.random = random;
  }

  /** After a failure: how long to wait, or null to give up. */
  failed(): number | null {
    const { firstMs, longestMs, failuresMax } = this.policy;
    this.failures += 1;
    if (this.failures >= failuresMax) return null;
    const delay = Math.min(longestMs, firstMs * 2 ** Math.min(this.failures - 1, 30));
    return Math.round(delay / 2 + (delay / 2) * this.random());
  }

  /** Something has come of it. */
  succeeded(): void {
    this.failures = 0;
  }
}
