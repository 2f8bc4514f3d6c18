// rx-nostr: a connection per relay that it opens when it is needed, behind observables of RxJS.

import {
  createRxBackwardReq,
  createRxForwardReq,
  createRxNostr,
  type EventSigner,
  noopVerifier,
} from "rx-nostr";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { authorKey } from "../support/events.ts";
import { nowSeconds } from "../support/topic.ts";
import { checkWebSockets } from "../support/checked-web-socket.ts";
import { type ClientUnderTest, plain, testClient } from "./client-suite.ts";
import { testReconnect } from "./reconnect-suite.ts";
import { OWNER, signAsOwner, testSignIn } from "./sign-in-suite.ts";
import { SharedRelay } from "./shared-relay.ts";

checkWebSockets();

type Filter = Parameters<ReturnType<typeof createRxForwardReq>["emit"]>[0];

const signer: EventSigner = {
  signEvent: async (event) => {
    const { kind, content, tags = [], created_at = nowSeconds() } = event;
    return signAsOwner({ kind, content, tags, created_at }) as never;
  },
  getPublicKey: async () => authorKey(OWNER).pubkey,
};

function openRxNostr(url: string, authenticator?: { signer: EventSigner }): ClientUnderTest {
  const nostr = createRxNostr({
    ...(authenticator === undefined ? {} : { authenticator }),
    verifier: noopVerifier,
    connectionStrategy: "aggressive",
    retry: { strategy: "linear", maxCount: 1000, interval: 50 },
    skipFetchNip11: false,
    websocketCtor: WebSocket as never,
  });
  nostr.setDefaultRelays([url]);
  return {
    publish: (event) =>
      new Promise((resolve, reject) => {
        nostr.send(event as never).subscribe({
          next: ({ ok, notice }) => resolve({ isAccepted: ok, reason: notice ?? "" }),
          error: reject,
        });
      }),
    query: (filter) =>
      new Promise((resolve, reject) => {
        const found: NostrEvent[] = [];
        const request = createRxBackwardReq();
        nostr.use(request).subscribe({
          next: ({ event }) => found.push(plain(event)),
          complete: () => resolve(found),
          error: reject,
        });
        request.emit(filter as Filter);
        request.over();
      }),
    subscribe: (filter, heard) => {
      const request = createRxForwardReq();
      const eose = nostr.createAllMessageObservable().subscribe((packet) => {
        if (packet.type === "EOSE") heard.onEose();
      });
      const events = nostr.use(request).subscribe(({ event }) => heard.onEvent(event));
      request.emit(filter as Filter);
      return () => {
        eose.unsubscribe();
        events.unsubscribe();
      };
    },
    close: () => nostr.dispose(),
  };
}

const relay = new SharedRelay();

testClient("rx-nostr", relay, openRxNostr, { canCount: false, canInform: false });
testSignIn("rx-nostr", relay, (url) => openRxNostr(url, { signer }));
testReconnect("rx-nostr", relay, openRxNostr);
