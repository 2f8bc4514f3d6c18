// Syncs with nostr-tools' implementation of NIP-77, both ways, in memory.

import { expect, test } from "bun:test";
import { nip77 } from "nostr-tools";
import { Initiator } from "./initiator.ts";
import { respond } from "../../src/negentropy/responder.ts";
import { forEachSeed } from "../support/unsigned-events.ts";
import { hex, type Item, naiveDifference, type Pair, randomPair, vectorOf } from "./items.ts";

const LIMITS = [4096, 20_000, 500_000];

function toolsOf(items: readonly Item[], frameBytesMax: number): nip77.Negentropy {
  const storage = new nip77.NegentropyStorageVector();
  for (const { timestamp, id } of items) storage.insert(timestamp, hex(id));
  storage.seal();
  return new nip77.Negentropy(storage, frameBytesMax);
}

/** Its varints have 31 bits, and its timestamps are told by what they add to 0, plus 1. */
function withShortTimestamps({ client, server }: Pair): Pair {
  const shorten = ({ timestamp, id }: Item) => ({ timestamp: timestamp % (2 ** 31 - 2), id });
  return { client: client.map(shorten), server: server.map(shorten) };
}

test("nostr-tools as the client", () => {
  forEachSeed(60, (random) => {
    const { client, server } = withShortTimestamps(randomPair(random));
    const tools = toolsOf(client, random.pick(LIMITS));
    const [storage, frameBytesMax] = [vectorOf(server), random.pick(LIMITS)];
    // It may name an id twice, when one of both had no room for all.
    const [have, need] = [new Set<string>(), new Set<string>()];
    let question: string | null = tools.initiate();
    while (question !== null) {
      const answer = respond(storage, Buffer.from(question, "hex"), frameBytesMax);
      if (answer.kind !== "message") throw new Error(answer.flaw);
      expect(answer.message.length).toBeLessThanOrEqual(frameBytesMax);
      question = tools.reconcile(
        hex(answer.message),
        (id) => have.add(id),
        (id) => need.add(id),
      );
    }
    expect([...have].sort()).toEqual(naiveDifference(client, server));
    expect([...need].sort()).toEqual(naiveDifference(server, client));
  });
});

test("nostr-tools as the server, which doesn't answer ids but takes note of them", () => {
  forEachSeed(60, (random) => {
    const { client, server } = withShortTimestamps(randomPair(random));
    // With room for all: what it leaves out it knows itself.
    const tools = toolsOf(server, 2 ** 30);
    const [have, need] = [new Set<string>(), new Set<string>()];
    const ours = new Initiator(vectorOf(client), 60_000, {
      onHave: (id) => have.add(hex(id)),
      onNeed: (id) => need.add(hex(id)),
    });
    for (let question: Uint8Array | null = ours.initiate(); question !== null;) {
      const answer = tools.reconcile(
        hex(question),
        (id) => need.add(id),
        (id) => have.add(id),
      );
      const outcome = ours.reconcile(Buffer.from(answer ?? "61", "hex"));
      if (outcome.kind !== "message" && outcome.kind !== "done") throw new Error(outcome.kind);
      question = outcome.kind === "message" ? outcome.message : null;
    }
    expect([...have].sort()).toEqual(naiveDifference(client, server));
    expect([...need].sort()).toEqual(naiveDifference(server, client));
  });
});
