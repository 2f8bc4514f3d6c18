// A whole sync (NIP-77) with a relay, as nostr-tools' implementation of the client's side does it.
// The connection is the sync's own: every frame that comes must be its answer.

import { nip77 } from "nostr-tools";
import type { Client, Frame } from "./client.ts";

export interface Synced {
  /** Ids that only the client has, and that only the relay has, each sorted. */
  readonly have: string[];
  readonly need: string[];
  /** Answers of the relay. */
  readonly rounds: number;
  /** The length of the longest, in bytes. */
  readonly answerBytes: number;
}

export interface Known {
  readonly id: string;
  readonly created_at: number;
}

/** At most so many bytes of the client's own messages: what others use. */
const FRAME_BYTES_MAX = 60_000;

export function negentropyOf(known: readonly Known[], frameBytesMax: number): nip77.Negentropy {
  const storage = new nip77.NegentropyStorageVector();
  for (const { id, created_at } of known) storage.insert(created_at, id);
  storage.seal();
  return new nip77.Negentropy(storage, frameBytesMax);
}

export async function sync(
  client: Client,
  filter: object,
  known: readonly Known[],
  frameBytesMax = FRAME_BYTES_MAX,
): Promise<Synced> {
  const tools = negentropyOf(known, frameBytesMax);
  const [have, need] = [new Set<string>(), new Set<string>()];
  client.send("NEG-OPEN", "sync", filter, tools.initiate());
  let answerBytes = 0;
  for (let rounds = 1; ; rounds++) {
    const hex = answerOf(await client.next());
    answerBytes = Math.max(answerBytes, hex.length / 2);
    const question = tools.reconcile(
      hex,
      (id) => have.add(id),
      (id) => need.add(id),
    );
    if (question === null) {
      client.send("NEG-CLOSE", "sync");
      return { have: [...have].sort(), need: [...need].sort(), rounds, answerBytes };
    }
    client.send("NEG-MSG", "sync", question);
  }
}

function answerOf(frame: Frame): string {
  const [type, id, hex] = frame;
  if (type !== "NEG-MSG" || id !== "sync") throw new Error(`no answer: ${JSON.stringify(frame)}`);
  return hex as string;
}

/** What the relay has of a filter for this client: it is asked by one who has nothing. */
export async function syncedIds(client: Client, filter: object): Promise<string[]> {
  return (await sync(client, filter, [])).need;
}
