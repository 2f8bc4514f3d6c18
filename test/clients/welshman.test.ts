// @welshman/net, which Coracle and Flotilla use: sockets of a pool, with policies.

import { expect, test } from "bun:test";
import type { RelayMessage } from "@welshman/net";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { EventFactory, type EventTemplate } from "../support/events.ts";
import { checkFrame } from "../support/schemas.ts";
import { type ClientUnderTest, plain, testClient } from "./client-suite.ts";
import { signAsOwner, testSignIn } from "./sign-in-suite.ts";
import { SharedRelay } from "./shared-relay.ts";

// When it is loaded it measures proof of work in a Worker, whose Blob URL it revokes before Bun has
// read it. Without Workers, as in Node, it does not.
const { Worker } = globalThis;
Reflect.deleteProperty(globalThis, "Worker");
const {
  AuthStateEvent,
  AuthStatus,
  defaultSocketPolicies,
  Difference,
  DifferenceEvent,
  makeSocketPolicyAuth,
  Pool,
  publishOne,
  PublishStatus,
  requestOne,
  Socket,
  SocketEvent,
} = await import("@welshman/net");
globalThis.Worker = Worker;

type Event = Parameters<typeof publishOne>[0]["event"];
type Filters = Parameters<typeof requestOne>[0]["filters"];

// Messages of either direction wait for others for 100 ms, if it isn't told otherwise.
Socket.batchDelay = 1;

// Once it has got a challenge it passes over every EOSE until it has signed in, so a client of its
// that has no key at hand hears none. Hence it has one in all tests.
const sign = async (template: EventTemplate) => signAsOwner(template) as Event;
const policies = [...defaultSocketPolicies, makeSocketPolicyAuth({ sign })];

async function openPool(relay: string): Promise<ClientUnderTest> {
  const pool = new Pool({ makeSocket: (url) => new Socket(url, policies) });
  const context = { pool };
  const socket = pool.get(relay);
  socket.on(SocketEvent.Receive, (message: RelayMessage) => checkFrame(message));
  // What it sends before it has signed in, it sends again afterwards.
  const signedIn = new Promise<void>((resolve) => {
    socket.auth.on(AuthStateEvent.Status, (status: string) => {
      if (status === AuthStatus.Ok) resolve();
    });
  });
  socket.attemptToOpen();
  await signedIn;
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

const relay = new SharedRelay();

testClient("@welshman/net", relay, openPool, { canCount: false, canInform: false });
testSignIn("@welshman/net", relay, openPool);

test("syncs (NIP-77)", async () => {
  // Outside of a browser its hash wants a global that is no more.
  Reflect.set(globalThis, "window", globalThis);
  const factory = new EventFactory(77);
  const make = (count: number): NostrEvent[] =>
    Array.from({ length: count }, () => factory.makeDistinct({ kind: 1077 }));
  const [shared, ofRelay, ofClient] = [make(300), make(20), make(10)];
  const pool = new Pool({ makeSocket: (url) => new Socket(url, policies) });
  const socket = pool.get(relay.url);
  socket.on(SocketEvent.Receive, (message: RelayMessage) => checkFrame(message));
  const publisher = await openPool(relay.url);
  await Promise.all([...shared, ...ofRelay].map((event) => publisher.publish(event)));
  const difference = new Difference({
    relay: relay.url,
    context: { pool },
    filter: { kinds: [1077] },
    events: [...shared, ...ofClient] as Event[],
  });
  await new Promise((resolve, reject) => {
    difference.on(DifferenceEvent.Close, resolve);
    difference.on(DifferenceEvent.Error, reject);
  });
  const idsOf = (events: readonly NostrEvent[]): Set<string> => new Set(events.map(({ id }) => id));
  expect([difference.have, difference.need]).toEqual([idsOf(ofClient), idsOf(ofRelay)]);
  Reflect.deleteProperty(globalThis, "window");
  await publisher.close();
  pool.clear();
});
