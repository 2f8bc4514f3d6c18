// Where a command's events from another relay go: into the database (intake.ts), or, checked by
// their ids and signatures alone, to standard output. Belongs to its command's only thread.

import { Admission, admissionRules } from "../crypto/admission.ts";
import { openSignatureBackend } from "../crypto/open-backend.ts";
import { encodeEvent, NO_EVENT_LIMITS, type NostrEvent } from "../protocol/event.ts";
import { Output } from "./output.ts";

/** Counted one by one: a stream may run for months. */
const REASONS_MAX = 1000;
const OTHER_REASONS = "refused for other reasons";

/** What became of the events, in all. */
export class Takings {
  /** Or printed. */
  stored = 0;
  /** Here already, or a newer version is. */
  known = 0;
  readonly refused = new Map<string, number>();

  refuse(reason: string): void {
    const { refused } = this;
    const named = refused.has(reason) || refused.size < REASONS_MAX ? reason : OTHER_REASONS;
    refused.set(named, (refused.get(named) ?? 0) + 1);
  }
}

export interface EventTaker {
  readonly counts: Takings;
  /** What has been done with those that count as stored. */
  readonly verb: "stored" | "printed";
  /** It may be done later: see `flush`. */
  take(event: NostrEvent): void;
  /** Of what is no event, or is not taken for another reason. */
  refuse(reason: string): void;
  /** At a pause. */
  flushIfDue(): void;
  flush(): void;
  close(): void;
}

/** JSONL on standard output. Throws OutputClosed when nobody reads it. */
export class EventPrinter implements EventTaker {
  readonly counts = new Takings();
  readonly verb = "printed";
  private readonly output = new Output();
  private readonly admission = new Admission(openSignatureBackend().backend);

  take(event: NostrEvent): void {
    const rules = { ...admissionRules(), ...NO_EVENT_LIMITS }; // whoever reads them has their own
    const verified = this.admission.verify(event, rules, () => null);
    if (typeof verified === "string") {
      this.refuse(verified);
      return;
    }
    this.output.line(Buffer.from(encodeEvent(verified).json));
    this.counts.stored += 1;
  }

  refuse(reason: string): void {
    this.counts.refuse(reason);
  }

  flushIfDue(): void {
    this.output.flush();
  }

  flush(): void {
    this.output.flush();
  }

  close(): void {}
}
