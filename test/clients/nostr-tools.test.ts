// nostr-tools' SimplePool and Relay.

import type { EventTemplate, VerifiedEvent } from "nostr-tools/core";
import { fetchRelayInformation } from "nostr-tools/nip11";
import { SimplePool, useWebSocketImplementation } from "nostr-tools/pool";
import { Relay, useWebSocketImplementation as useInRelay } from "nostr-tools/relay";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { checkWebSockets } from "../support/checked-web-socket.ts";
import { type ClientUnderTest, plain, testClient } from "./client-suite.ts";
import { testReconnect } from "./reconnect-suite.ts";
import { signAsOwner, testSignIn } from "./sign-in-suite.ts";
import { SharedRelay } from "./shared-relay.ts";

checkWebSockets();
useWebSocketImplementation(WebSocket);
useInRelay(WebSocket);

type Event = Parameters<Relay["publish"]>[0];
type Filter = Parameters<Relay["subscribe"]>[0][number];

async function openRelay(url: string): Promise<ClientUnderTest> {
  const relay = await Relay.connect(url, { enableReconnect: true });
  relay.resubscribeBackoff = [50];
  const pool = new SimplePool();
  return {
    publish: (event) => outcomeOf(relay.publish(event as Event)),
    query: async (filter) =>
      (await pool.querySync([url], filter as Filter)).map((event) => plain(event as NostrEvent)),
    subscribe: (filter, heard) => {
      const subscription = relay.subscribe([filter as Filter], {
        onevent: (event) => heard.onEvent(event as NostrEvent),
        oneose: () => heard.onEose(),
      });
      return () => subscription.close();
    },
    count: (filter) => relay.count([filter as Filter], {}),
    information: () => fetchRelayInformation(url),
    close: () => {
      relay.close();
      pool.destroy();
    },
  };
}

/** `onauth` signs in once the relay has said `auth-required:`, and asks again. */
function openSignedIn(url: string): ClientUnderTest {
  const pool = new SimplePool();
  return {
    publish: (event) => {
      const [answer] = pool.publish([url], event as Event, { onauth: sign });
      return outcomeOf(answer as Promise<string>);
    },
    query: (filter) =>
      new Promise((resolve) => {
        const found: NostrEvent[] = [];
        pool.subscribeEose([url], filter as Filter, {
          onauth: sign,
          onevent: (event) => found.push(plain(event as NostrEvent)),
          onclose: () => resolve(found),
        });
      }),
    subscribe: (filter, heard) => {
      const subscription = pool.subscribe([url], filter as Filter, {
        onauth: sign,
        onevent: (event) => heard.onEvent(event as NostrEvent),
        oneose: () => heard.onEose(),
      });
      return () => subscription.close();
    },
    close: () => pool.destroy(),
  };
}

/** `automaticallyAuth` answers the challenge that a connection begins with. */
async function openAuthenticated(url: string): Promise<ClientUnderTest> {
  const pool = new SimplePool();
  const { promise, resolve } = Promise.withResolvers<void>();
  pool.automaticallyAuth = () => async (template) => {
    resolve();
    return sign(template);
  };
  const relay = await pool.ensureRelay(url);
  await promise;
  await relay.auth(sign); // the one under way
  return {
    publish: (event) => outcomeOf(pool.publish([url], event as Event)[0] as Promise<string>),
    query: async (filter) => {
      const events = await pool.querySync([url], filter as Filter);
      return events.map((event) => plain(event as NostrEvent));
    },
    subscribe: (filter, heard) => {
      const subscription = pool.subscribe([url], filter as Filter, {
        onevent: (event) => heard.onEvent(event as NostrEvent),
        oneose: () => heard.onEose(),
      });
      return () => subscription.close();
    },
    close: () => pool.destroy(),
  };
}

function outcomeOf(answer: Promise<string>): Promise<{ isAccepted: boolean; reason: string }> {
  return answer.then(
    (reason) => ({ isAccepted: true, reason }),
    ({ message }: Error) => ({ isAccepted: false, reason: message }),
  );
}

async function sign(template: EventTemplate): Promise<VerifiedEvent> {
  return signAsOwner(template) as VerifiedEvent;
}

const relay = new SharedRelay();

testClient("nostr-tools", relay, openRelay, { canCount: true, canInform: true });
testSignIn("nostr-tools, told to by the relay,", relay, openSignedIn);
testSignIn("nostr-tools, asked by nobody,", relay, openAuthenticated);
testReconnect("nostr-tools", relay, openRelay);
