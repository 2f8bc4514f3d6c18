// What takes part in a batch besides its events: the relay's own rules and doings, in the same
// transaction. The store knows none of them; it calls them by this. Owned by the writing thread.

import type { Candidate } from "./candidate.ts";
import type { RelayEvents } from "./relay-events.ts";
import type { Verdict } from "./verdict.ts";

/** What a method throws undoes all of the batch. */
export interface Companion {
  /** The transaction has begun: all that other processes have committed is visible. */
  begin(): void;
  /** Before an event is looked at: what becomes of it, if that is not for the store to say. */
  judge(candidate: Candidate): Verdict | null;
  /** It will be stored: not called for duplicates, nor for what is refused. */
  accepted(candidate: Candidate): void;
  /** Once, after the last event: what the relay publishes itself because of them. Not judged. */
  takeOwn(): readonly Candidate[];
  /** What came of those, in their order. */
  published(verdicts: readonly Verdict[]): void;
}

/** One feature's part in it. What it publishes, it gives to `RelayEvents`. */
export interface BatchRules {
  begin(): void;
  judge(candidate: Candidate): Verdict | null;
  accepted(candidate: Candidate): void;
  /** After the last event: the last chance to publish. */
  end(): void;
}

/** An event that the relay has published itself. */
export interface OwnEvent {
  readonly candidate: Candidate;
  readonly seq: number;
}

/** Several features' rules, and what the relay publishes because of any of them. */
export class JointRules implements Companion {
  private readonly events: RelayEvents;
  private readonly parts: readonly BatchRules[];
  private batch: readonly Candidate[] = [];
  private own: readonly OwnEvent[] = [];

  /** The first part to have a verdict has the say. */
  constructor(events: RelayEvents, parts: readonly BatchRules[]) {
    this.events = events;
    this.parts = parts;
  }

  /** What the last batch that was committed has published, in the order of `seq`. */
  takePublished(): readonly OwnEvent[] {
    const { own } = this;
    this.own = [];
    return own;
  }

  begin(): void {
    this.events.take(); // of a batch that came to nothing
    this.own = [];
    for (const part of this.parts) part.begin();
  }

  judge(candidate: Candidate): Verdict | null {
    for (const part of this.parts) {
      const verdict = part.judge(candidate);
      if (verdict !== null) return verdict;
    }
    return null;
  }

  accepted(candidate: Candidate): void {
    for (const part of this.parts) part.accepted(candidate);
  }

  takeOwn(): readonly Candidate[] {
    for (const part of this.parts) part.end();
    this.batch = this.events.take();
    return this.batch;
  }

  published(verdicts: readonly Verdict[]): void {
    if (this.batch.length === 0) return;
    this.own = this.batch
      .map((candidate, i) => ({ candidate, seq: verdicts[i]?.seq ?? 0 }))
      .filter(({ seq }) => seq > 0);
  }
}
