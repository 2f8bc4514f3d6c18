// @welshman/net, which Coracle and Flotilla use: sockets of a pool, with policies.

import { publishOne, PublishStatus, requestOne, Pool } from "@welshman/net";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { type ClientUnderTest, plain, testClient } from "./client-suite.ts";

type Event = Parameters<typeof publishOne>[0]["event"];
type Filters = Parameters<typeof requestOne>[0]["filters"];

function openPool(relay: string): ClientUnderTest {
  const pool = new Pool();
  const context = { pool };
  return {
    publish: async (event) => {
      const { status, detail } = await publishOne({ relay, context, event: event as Event });
      return { isAccepted: status === PublishStatus.Success, reason: detail };
    },
    query: async (filter) => {
      const filters = [filter] as Filters;
      const events = await requestOne({ relay, context, filters, autoClose: true });
      return events.map((event) => plain(event as NostrEvent));
    },
    subscribe: (filter, heard) => {
      const end = new AbortController();
      void requestOne({
        relay,
        context,
        filters: [filter] as Filters,
        signal: end.signal,
        onEvent: (event) => heard.onEvent(event as NostrEvent),
        onEose: () => heard.onEose(),
      });
      return () => end.abort();
    },
    count: null,
    close: () => pool.clear(),
  };
}

testClient("@welshman/net", openPool);
