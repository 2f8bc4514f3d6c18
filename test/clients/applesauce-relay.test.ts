// applesauce-relay: one Relay object, all of whose answers are observables of RxJS.

import { Relay } from "applesauce-relay";
import { firstValueFrom, timer, toArray } from "rxjs";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { checkWebSockets } from "../support/checked-web-socket.ts";
import { type ClientUnderTest, plain, testClient } from "./client-suite.ts";
import { testReconnect } from "./reconnect-suite.ts";
import { signAsOwner, testSignIn } from "./sign-in-suite.ts";
import { SharedRelay } from "./shared-relay.ts";

checkWebSockets();

type Event = Parameters<Relay["publish"]>[0];
type Filter = Parameters<Relay["count"]>[0];

function openRelay(url: string): ClientUnderTest {
  const relay = new Relay(url, { WebSocket, subscriptionReconnect: { delay: 50 } });
  relay.reconnectTimer = () => timer(50);
  return use(relay);
}

/** As its accounts do: whenever there is a challenge, it is answered. */
function openSignedIn(url: string): ClientUnderTest {
  const relay = new Relay(url, { WebSocket });
  relay.challenge$.subscribe((challenge) => {
    if (challenge !== null) void relay.authenticate({ signEvent: signAsOwner as never });
  });
  return use(relay);
}

function use(relay: Relay): ClientUnderTest {
  return {
    publish: async (event) => {
      const { ok, message } = await relay.publish(event as Event);
      return { isAccepted: ok, reason: message ?? "" };
    },
    query: async (filter) => {
      const events = await firstValueFrom(relay.request(filter as Filter).pipe(toArray()));
      return events.map((event) => plain(event as NostrEvent));
    },
    subscribe: (filter, heard) => {
      const subscription = relay.subscription(filter as Filter).subscribe((message) => {
        if (message === "EOSE") heard.onEose();
        else heard.onEvent(message as NostrEvent);
      });
      return () => subscription.unsubscribe();
    },
    count: async (filter) => (await firstValueFrom(relay.count(filter as Filter))).count,
    information: () => relay.getInformation(),
    close: () => relay.close(),
  };
}

const relay = new SharedRelay();

testClient("applesauce-relay", relay, openRelay, { canCount: true, canInform: true });
testSignIn("applesauce-relay", relay, openSignedIn);
testReconnect("applesauce-relay", relay, openRelay);
