// What takes part in a batch besides its events: the relay's own rules and doings, in the same
// transaction. The store knows none of them; it calls them by this. Owned by the writing thread.

import type { Reason } from "../protocol/reason.ts";
import type { Candidate } from "./candidate.ts";
import type { RelayEvents } from "./relay-events.ts";
import type { Verdict } from "./verdict.ts";

/** What follows at once from an event that will be stored. */
export interface Aftermath {
  /** What the relay itself says to it, before the next event. Not judged. */
  readonly own: readonly Candidate[];
  /** The ids of events that it removes, whoever their author is. */
  readonly removed: readonly string[];
}

/** What a method throws undoes all of the batch. */
export interface Companion {
  /** The transaction has begun: all that other processes have committed is visible. */
  begin(): void;
  /** Before an event is looked at: what becomes of it, if that is not for the store to say. */
  judge(candidate: Candidate): Verdict | null;
  /** Of one that is new here and that nobody has deleted: a reason against it, or null. */
  check(candidate: Candidate): Reason | null;
  /** Of these kinds nothing is deleted by requests of its author (NIP-09). */
  keeps(kind: number): boolean;
  /** It will be stored: not called for duplicates, nor for what is refused. */
  accepted(candidate: Candidate): Aftermath | null;
  /** Once, after the last event: what the relay publishes itself because of them. Not judged. */
  takeOwn(): readonly Candidate[];
  /** What came of all that the relay has said, in its order. */
  published(verdicts: readonly Verdict[]): void;
}

/** One feature's part in it. What it publishes, it gives to `RelayEvents`. */
export interface BatchRules {
  begin(): void;
  judge(candidate: Candidate): Verdict | null;
  check(candidate: Candidate): Reason | null;
  keeps(kind: number): boolean;
  accepted(candidate: Candidate): Aftermath | null;
  /** After the last event: the last chance to publish. */
  end(): void;
}

/** What most rules say to most of it. */
export class NoRules implements BatchRules {
  begin(): void {}

  judge(_candidate: Candidate): Verdict | null {
    return null;
  }

  check(_candidate: Candidate): Reason | null {
    return null;
  }

  keeps(_kind: number): boolean {
    return false;
  }

  accepted(_candidate: Candidate): Aftermath | null {
    return null;
  }

  end(): void {}
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
  private batch: Candidate[] = [];
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
    this.batch = [];
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

  check(candidate: Candidate): Reason | null {
    for (const part of this.parts) {
      const reason = part.check(candidate);
      if (reason !== null) return reason;
    }
    return null;
  }

  keeps(kind: number): boolean {
    for (const part of this.parts) if (part.keeps(kind)) return true;
    return false;
  }

  /** One part at most has anything to say to an event. */
  accepted(candidate: Candidate): Aftermath | null {
    let aftermath: Aftermath | null = null;
    for (const part of this.parts) aftermath = part.accepted(candidate) ?? aftermath;
    if (aftermath !== null) this.batch.push(...aftermath.own);
    return aftermath;
  }

  takeOwn(): readonly Candidate[] {
    for (const part of this.parts) part.end();
    const own = this.events.take();
    this.batch.push(...own);
    return own;
  }

  published(verdicts: readonly Verdict[]): void {
    if (this.batch.length === 0) return;
    this.own = this.batch
      .map((candidate, i) => ({ candidate, seq: verdicts[i]?.seq ?? 0 }))
      .filter(({ seq }) => seq > 0);
  }
}
