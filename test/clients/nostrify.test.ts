// Nostrify's NRelay1, which Ditto and Soapbox use.

import { NRelay1 } from "@nostrify/nostrify";
import { checkWebSockets } from "../support/checked-web-socket.ts";
import { nowSeconds } from "../support/topic.ts";
import { type ClientUnderTest, plain, testClient } from "./client-suite.ts";
import { testReconnect } from "./reconnect-suite.ts";
import { signAsOwner, testSignIn } from "./sign-in-suite.ts";
import { SharedRelay } from "./shared-relay.ts";

checkWebSockets();

type Event = Parameters<NRelay1["event"]>[0];
type Filter = Parameters<NRelay1["query"]>[0][number];

function openRelay(url: string): ClientUnderTest {
  const backoff = { retries: 0, current: 50, next: () => 50, reset: () => {} };
  return use(new NRelay1(url, { backoff }));
}

function openSignedIn(url: string): ClientUnderTest {
  const auth = async (challenge: string) => {
    const tags = [
      ["relay", url],
      ["challenge", challenge],
    ];
    return signAsOwner({ kind: 22_242, tags, content: "", created_at: nowSeconds() }) as Event;
  };
  return use(new NRelay1(url, { auth }));
}

function use(relay: NRelay1): ClientUnderTest {
  return {
    publish: (event) =>
      relay.event(event as Event).then(
        () => ({ isAccepted: true, reason: "" }),
        ({ message }: Error) => ({ isAccepted: false, reason: message }),
      ),
    query: async (filter) => {
      const events = await relay.query([filter as Filter]);
      return events.map(plain);
    },
    subscribe: (filter, heard) => {
      const end = new AbortController();
      void listen(relay, filter as Filter, heard, end.signal);
      return () => end.abort();
    },
    count: async (filter) => (await relay.count([filter as Filter])).count,
    information: () => relay.getRelayInfo(),
    close: () => relay.close(),
  };
}

async function listen(
  relay: NRelay1,
  filter: Filter,
  heard: Parameters<ClientUnderTest["subscribe"]>[1],
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const message of relay.req([filter], { signal })) {
      if (message[0] === "EVENT") heard.onEvent(message[2]);
      if (message[0] === "EOSE") heard.onEose();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

// It reads an EOSE of three elements as no message at all, and would wait for another.
const relay = new SharedRelay(["--no-relay-eose-hints"]);
testClient("Nostrify", relay, openRelay, { canCount: true, canInform: true });
testSignIn("Nostrify", relay, openSignedIn);
testReconnect("Nostrify", relay, openRelay);
