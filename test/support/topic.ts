// The events of one test on a relay that several tests share: a tag of their own finds them, and
// nothing else does.

import type { NostrEvent } from "../../src/protocol/event.ts";
import { EventFactory, type EventOptions } from "./events.ts";
import { countResult } from "./naive-hll.ts";

/** The same events in every run: what varies here is said by the test. */
const factory = new EventFactory(1);
let made = 0;

export class Topic {
  readonly tag: readonly [string, string];
  /** Matches the topic's events; live and stored. */
  readonly filter: { "#t": string[] };

  constructor(name: string) {
    this.tag = ["t", name];
    this.filter = { "#t": [name] };
  }

  /** The answer to a COUNT by a filter that has the topic's, when these are its events. */
  counted(id: string, events: readonly NostrEvent[]): readonly unknown[] {
    return ["COUNT", id, countResult(this.tag[1], events)];
  }

  /** A note unless the options say otherwise; their tags come after the topic's own. */
  make(options: EventOptions = {}): NostrEvent {
    const { tags = [], ...others } = options;
    made += 1;
    const content = `${factory.random.text(40)} ${made}`; // no two events are the same
    return factory.make({ kind: 1, content, ...others, tags: [this.tag, ...tags] });
  }

  /** One event for each `created_at`. */
  makeAt(times: readonly number[], options: EventOptions = {}): NostrEvent[] {
    return times.map((created_at) => this.make({ ...options, created_at }));
  }
}

/** As a relay sends stored events (NIP-01): newest first, ties by lowest id. */
export function newestFirst(events: readonly NostrEvent[]): NostrEvent[] {
  return events.toSorted((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1));
}

/** Unix seconds. */
export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

export function ok(event: { id: string }, reason = ""): readonly unknown[] {
  return ["OK", event.id, true, reason];
}

export function refused(event: { id: string }, reason: string): readonly unknown[] {
  return ["OK", event.id, false, reason];
}
