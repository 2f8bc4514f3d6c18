// Many events to another relay, over as many connections as that takes: what was sent and not
// answered when one broke is sent again. What the relay has no time for just then (`rate-limited`)
// is sent again after a while, before anything else. Belongs to one thread.

import { shown } from "./peer-error.ts";
import { Publisher } from "./publisher.ts";
import type { RelayClient } from "./relay-client.ts";
import { type Answer, IS_RATE_LIMITED } from "./relay-message.ts";
import { Retry, type RetryPolicy } from "./retry.ts";
import type { Session } from "./session.ts";

export interface Outgoing {
  readonly id: string;
  /** The event. */
  readonly json: string;
}

export type OutgoingSource = Iterator<Outgoing> | AsyncIterator<Outgoing>;

export interface UploadOptions {
  /** So many are unanswered at most. */
  readonly highWater: number;
  /** How to wait when the relay says that this is too fast. */
  readonly patience: RetryPolicy;
  readonly onAnswer: (id: string, answer: Answer) => void;
}

/** Some minute in all, unless it takes any of them. */
export const PATIENCE: RetryPolicy = { firstMs: 2000, longestMs: 30_000, failuresMax: 6 };

/** With so many that it had no time for, nothing more is sent until it has. */
const LATER_MAX = 1000;

export async function uploadEvents(
  session: Session,
  source: OutgoingSource,
  options: UploadOptions,
): Promise<void> {
  await new Upload(session, source, options).run();
}

class Upload {
  private readonly session: Session;
  private readonly source: OutgoingSource;
  private readonly options: UploadOptions;
  private readonly patience: Retry;
  private isPatient = true;
  private isSourceDone = false;
  private readonly unanswered = new Map<string, Outgoing>();
  private later: Outgoing[] = [];
  /** Why, in the relay's words. */
  private limitReason = "";

  constructor(session: Session, source: OutgoingSource, options: UploadOptions) {
    this.session = session;
    this.source = source;
    this.options = options;
    this.patience = new Retry(options.patience);
  }

  async run(): Promise<void> {
    while (!this.isSourceDone || this.later.length > 0) {
      if (this.later.length > 0) await this.wait();
      await this.session.run((client) => this.send(client));
    }
  }

  private async wait(): Promise<void> {
    const delayMs = this.patience.failed();
    this.isPatient = delayMs !== null;
    if (delayMs !== null) await this.session.pause(this.limitReason, delayMs);
    for (const event of this.later) this.unanswered.set(event.id, event);
    this.later = [];
  }

  private async send(client: RelayClient): Promise<void> {
    const publisher = new Publisher(client, this.options.highWater, this.onAnswer);
    for (const { id, json } of [...this.unanswered.values()]) await publisher.add(id, json);
    while (!this.isSourceDone && this.later.length < LATER_MAX) {
      const next = await this.next();
      if (next.done === true) {
        this.isSourceDone = true;
      } else {
        this.unanswered.set(next.value.id, next.value);
        await publisher.add(next.value.id, next.value.json);
      }
    }
    await publisher.finish();
  }

  /** What takes its time is waited for until the session is stopped. */
  private async next(): Promise<IteratorResult<Outgoing>> {
    const asked = this.source.next();
    if (!(asked instanceof Promise)) return asked;
    await this.session.suspend((resume) => {
      asked.then(resume, resume);
      return () => {};
    });
    return asked;
  }

  private readonly onAnswer = (id: string, answer: Answer): void => {
    const event = this.unanswered.get(id);
    this.unanswered.delete(id);
    this.session.progressed();
    const isLimited = !answer.isAccepted && IS_RATE_LIMITED.test(answer.reason);
    if (isLimited && this.isPatient && event !== undefined) {
      this.later.push(event);
      this.limitReason = shown(answer.reason);
      return;
    }
    if (answer.isAccepted) this.patience.succeeded();
    this.options.onAnswer(id, answer);
  };
}
