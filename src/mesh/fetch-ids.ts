// Events of another relay by their ids: a few requests at a time, each for a batch of ids; what is
// left out of an answer, because the relay sends few events at once, is asked for again. Belongs to
// one thread.

import { NO_EVENT_LIMITS, parseEvent } from "../protocol/event.ts";
import { NOT_ASKED_FOR, type PageSink } from "./paging.ts";
import { PeerFault } from "./peer-error.ts";
import type { RelayClient } from "./relay-client.ts";
import type { Session } from "./session.ts";

/** As strfry: every relay takes that many. */
const BATCH_IDS = 50;
const REQUESTS_AT_ONCE = 4;
/** What may come besides the events asked for, before the request is given up. */
const FLAWS_MAX = 1000;

export interface FetchSink extends Pick<PageSink, "onEvent" | "onFlaw" | "onPage"> {
  /** The relay doesn't have it any more, or doesn't give it. */
  onMissing(id: string): void;
}

/** `next` gives the ids, hex, one after another, and then null. */
export async function fetchByIds(
  session: Session,
  next: () => string | null,
  sink: FetchSink,
): Promise<void> {
  const fetchAll = async (): Promise<void> => {
    for (;;) {
      const batch = new Set<string>();
      while (batch.size < BATCH_IDS) {
        const id = next();
        if (id === null) break;
        batch.add(id);
      }
      if (batch.size === 0) return;
      await fetchBatch(session, batch, sink);
      sink.onPage();
    }
  };
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, fetchAll));
}

async function fetchBatch(session: Session, ids: Set<string>, sink: FetchSink): Promise<void> {
  while (ids.size > 0) {
    const before = ids.size;
    const isFinal = await session.run((client) => read(client, ids, session, sink));
    if (isFinal || ids.size === before) break;
  }
  for (const id of ids) sink.onMissing(id);
}

/** Takes from `ids` what has come. Returns whether the relay has said that there is no more. */
async function read(
  client: RelayClient,
  ids: Set<string>,
  session: Session,
  sink: FetchSink,
): Promise<boolean> {
  let flaws = 0;
  for await (const delivery of client.subscribe([{ ids: [...ids] }])) {
    if (delivery.type === "stored") return delivery.hint === "finish";
    const event = parseEvent(delivery.event, NO_EVENT_LIMITS);
    if (typeof event !== "string" && ids.delete(event.id)) {
      session.progressed();
      await sink.onEvent(event);
      continue;
    }
    sink.onFlaw(typeof event === "string" ? event : NOT_ASKED_FOR);
    flaws += 1;
    if (flaws > FLAWS_MAX) throw new PeerFault("it sends events that nobody has asked for");
  }
  throw new Error("assert: a subscription without an end");
}
