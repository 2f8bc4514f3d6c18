// Events that may remove others (deletions, requests to vanish, replaceables), on their way from an
// ingester to the writer. While one is, what its connection sends next must not be called a
// duplicate of something that is about to go: each message sees what came before it. Counted by the
// writer for each ingester, in memory that they share; an ingester compares with what it has sent.

import { KIND_DELETE_EVENT } from "../policy/groups/group.ts";
import { KIND_DELETION, KIND_VANISH } from "../protocol/kind.ts";
import type { Candidate } from "../store/candidate.ts";

export function mayRemove(candidate: Candidate): boolean {
  const { kind, keys } = candidate;
  if (kind === KIND_DELETION || kind === KIND_VANISH || kind === KIND_DELETE_EVENT) return true;
  return keys.address !== 0;
}

export class HandledRemovers {
  readonly shared: SharedArrayBuffer;
  private readonly words: Int32Array;

  constructor(shared: SharedArrayBuffer | number) {
    this.shared = typeof shared === "number" ? new SharedArrayBuffer(4 * shared) : shared;
    this.words = new Int32Array(this.shared);
  }

  /** Writer only, once what it has removed can't be taken for stored any more. */
  add(ingester: number): void {
    Atomics.add(this.words, ingester, 1);
  }

  /** Wraps at 2^32. */
  count(ingester: number): number {
    return Atomics.load(this.words, ingester);
  }
}

/** One ingester's, under way. */
export class SentRemovers {
  private readonly handled: HandledRemovers;
  private readonly ingester: number;
  private readonly connIds = new Set<number>();
  private sent = 0;

  constructor(handled: HandledRemovers, ingester: number) {
    this.handled = handled;
    this.ingester = ingester;
  }

  add(connId: number): void {
    this.sent = (this.sent + 1) | 0;
    this.connIds.add(connId);
  }

  /** Has this connection sent any that the writer may not have handled yet? */
  has(connId: number): boolean {
    if (this.connIds.size === 0) return false;
    if (this.handled.count(this.ingester) === this.sent) this.connIds.clear();
    return this.connIds.has(connId);
  }
}
