// Many events to another relay, over as many connections as that takes: what was sent and not
// answered when one broke is sent again. What the relay has no time for just then (`rate-limited`)
// is sent again later, a few times. Belongs to one thread.

import { Publisher } from "./publisher.ts";
import type { Answer } from "./relay-client.ts";
import { Retry } from "./retry.ts";
import type { Session } from "./session.ts";

export interface Outgoing {
  readonly id: string;
  /** The event. */
  readonly json: string;
}

/** Two seconds at first. */
const RATE_LIMITED = { firstMs: 2000, longestMs: 30_000, failuresMax: 6 };
const IS_RATE_LIMITED = /^rate-limited\b/;

/** At most `highWater` are unanswered at any time. */
export async function uploadEvents(
  session: Session,
  source: Iterator<Outgoing>,
  highWater: number,
  onAnswer: (id: string, answer: Answer) => void,
): Promise<void> {
  const unanswered = new Map<string, Outgoing>();
  const later = new Map<string, Outgoing>();
  const retry = new Retry(RATE_LIMITED);
  let mayComeLater = true;
  const onEach = (id: string, answer: Answer): void => {
    const event = unanswered.get(id);
    unanswered.delete(id);
    session.progressed();
    if (mayComeLater && event !== undefined && !answer.isAccepted) {
      if (IS_RATE_LIMITED.test(answer.reason)) {
        later.set(id, event);
        return;
      }
    }
    onAnswer(id, answer);
  };
  for (let events = source; ;) {
    await session.run(async (client) => {
      const publisher = new Publisher(client, highWater, onEach);
      for (const { id, json } of [...unanswered.values()]) await publisher.add(id, json);
      for (let next = events.next(); !next.done; next = events.next()) {
        unanswered.set(next.value.id, next.value);
        await publisher.add(next.value.id, next.value.json);
      }
      await publisher.finish();
    });
    if (later.size === 0) return;
    const delayMs = retry.failed();
    mayComeLater = delayMs !== null;
    await session.sleep(delayMs ?? 0);
    events = [...later.values()].values();
    later.clear();
  }
}
