// Publishes many events at a relay, a bounded number of them unanswered at any time: `add` waits
// when there are too many, until they are few enough. Each answer is told, in the order they come.
// Belongs to its client's thread.

import type { RelayClient } from "./relay-client.ts";
import type { Answer } from "./relay-message.ts";

/** Hears what became of each event. */
export type OnAnswer = (id: string, answer: Answer) => void;

export class Publisher {
  private readonly client: RelayClient;
  private readonly highWater: number;
  private readonly lowWater: number;
  private readonly onAnswer: OnAnswer;
  private underWay = 0;
  private failure: unknown = null;
  private waiting: { readonly count: number; readonly resolve: () => void } | null = null;

  constructor(client: RelayClient, highWater: number, onAnswer: OnAnswer) {
    this.client = client;
    this.highWater = highWater;
    this.lowWater = Math.floor(highWater / 2);
    this.onAnswer = onAnswer;
  }

  /** `json` is the event. Throws what has ended the connection. */
  async add(id: string, json: string): Promise<void> {
    if (this.underWay >= this.highWater) await this.untilFewer(this.lowWater);
    if (this.failure !== null) throw this.failure;
    this.underWay += 1;
    this.client.publish(id, json).then(
      (answer) => {
        this.onAnswer(id, answer);
        this.onDone();
      },
      (error: unknown) => {
        this.failure = error;
        this.onDone();
      },
    );
  }

  /** Until all have been answered. */
  async finish(): Promise<void> {
    await this.untilFewer(0);
    if (this.failure !== null) throw this.failure;
  }

  private untilFewer(count: number): Promise<void> {
    if (this.underWay <= count) return Promise.resolve();
    return new Promise((resolve) => {
      this.waiting = { count, resolve };
    });
  }

  private onDone(): void {
    this.underWay -= 1;
    const { waiting } = this;
    if (waiting === null || this.underWay > waiting.count) return;
    this.waiting = null;
    waiting.resolve();
  }
}
