// rust-nostr's nostr-sdk, which is Rust compiled to WebAssembly.

import type { Client as SdkClient, Events } from "@rust-nostr/nostr-sdk";
import { expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { checkWebSockets } from "../support/checked-web-socket.ts";
import { EventFactory } from "../support/events.ts";
import { type ClientUnderTest, type Heard, testClient } from "./client-suite.ts";
import { ownerSecretHex, testSignIn } from "./sign-in-suite.ts";
import { SharedRelay } from "./shared-relay.ts";

checkWebSockets();
const { Client, Duration, Event, Filter, Keys, loadWasmSync, NostrSigner, SyncOptions } =
  await import("@rust-nostr/nostr-sdk");
loadWasmSync();

function plainOf(event: { asJson(): string }): NostrEvent {
  return JSON.parse(event.asJson()) as NostrEvent;
}

function openSdk(url: string): Promise<ClientUnderTest> {
  return use(new Client(), url);
}

function openSignedIn(url: string): Promise<ClientUnderTest> {
  return use(new Client(NostrSigner.keys(Keys.parse(ownerSecretHex()))), url);
}

async function use(client: SdkClient, url: string): Promise<ClientUnderTest> {
  await client.addRelay(url);
  await client.tryConnect(Duration.fromSecs(5));
  const listeners = new Map<string, Heard>();
  client.handleNotifications({
    handleEvent: async () => false,
    handleMsg: async (_, message) => {
      const [type, id, event] = JSON.parse(message.asJson()) as [string, string, NostrEvent];
      if (type === "EVENT") listeners.get(id)?.onEvent(event);
      if (type === "EOSE") listeners.get(id)?.onEose();
      return false;
    },
  });
  let opened = 0;
  return {
    publish: async (event) => {
      const { failed } = await client.sendEvent(Event.fromJson(JSON.stringify(event)));
      const [failure] = failed;
      return { isAccepted: failure === undefined, reason: failure?.error ?? "" };
    },
    query: async (filter) => {
      const asked = Filter.fromJson(JSON.stringify(filter));
      const events: Events = await client.fetchEvents(asked, Duration.fromSecs(5));
      return events.toVec().map(plainOf);
    },
    subscribe: (filter, heard) => {
      opened += 1;
      const id = `subscription ${opened}`;
      listeners.set(id, heard);
      void client.subscribeWithId(id, Filter.fromJson(JSON.stringify(filter)));
      return () => {
        listeners.delete(id);
        void client.unsubscribe(id);
      };
    },
    count: async (filter) => {
      const relay = await client.relay(url);
      const asked = Filter.fromJson(JSON.stringify(filter));
      return Number(await relay.countEvents(asked, Duration.fromSecs(5)));
    },
    close: () => client.shutdown(),
  };
}

const relay = new SharedRelay();

testClient("nostr-sdk", relay, openSdk, { canCount: true, canInform: false });
testSignIn("nostr-sdk", relay, openSignedIn);

test("syncs (NIP-77)", async () => {
  const factory = new EventFactory(77);
  const events = Array.from({ length: 700 }, () => factory.makeDistinct({ kind: 1077 }));
  const publisher = await openSdk(relay.url);
  await Promise.all(events.map((event) => publisher.publish(event)));
  await publisher.close();
  const client = new Client();
  await client.addRelay(relay.url);
  await client.tryConnect(Duration.fromSecs(5));
  const filter = Filter.fromJson('{"kinds":[1077]}');
  const { report, failed } = await client.sync(filter, new SyncOptions());
  expect(failed).toEqual([]);
  const received = report.received.map((id) => id.toHex());
  expect(received.sort()).toEqual(events.map(({ id }) => id).sort());
  await client.shutdown();
});
