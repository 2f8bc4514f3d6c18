// @welshman/net, which Coracle and Flotilla use: sockets of a pool, with policies.

import type { RelayMessage } from "@welshman/net";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { checkFrame } from "../support/schemas.ts";
import { type ClientUnderTest, plain, testClient } from "./client-suite.ts";

// When it is loaded it measures proof of work in a Worker, whose Blob URL it revokes before Bun has
// read it. Without Workers, as in Node, it does not.
const { Worker } = globalThis;
Reflect.deleteProperty(globalThis, "Worker");
const { Pool, publishOne, PublishStatus, requestOne, Socket, SocketEvent } =
  await import("@welshman/net");
globalThis.Worker = Worker;

type Event = Parameters<typeof publishOne>[0]["event"];
type Filters = Parameters<typeof requestOne>[0]["filters"];

// Messages of either direction wait for others for 100 ms, if it isn't told otherwise.
Socket.batchDelay = 1;

function openPool(relay: string): ClientUnderTest {
  const pool = new Pool();
  const context = { pool };
  pool.get(relay).on(SocketEvent.Receive, (message: RelayMessage) => checkFrame(message));
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
    close: () => pool.clear(),
  };
}

testClient("@welshman/net", openPool, { canCount: false });
