// A whole sync in memory, both sides ours. Checks on the way what every message must be.

import { Initiator } from "./initiator.ts";
import type { ItemStorage } from "../../src/negentropy/item-storage.ts";
import { respond } from "../../src/negentropy/responder.ts";
import { hex } from "./items.ts";

export interface Side {
  readonly storage: ItemStorage;
  readonly frameBytesMax: number;
}

export interface Result {
  /** In the order they were named in. */
  readonly have: string[];
  readonly need: string[];
  /** Questions of the client. */
  readonly rounds: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
}

/** Far more than any set of a test needs. */
const ROUNDS_MAX = 10_000;

export function converse(client: Side, server: Side): Result {
  const [have, need]: [string[], string[]] = [[], []];
  const initiator = new Initiator(client.storage, client.frameBytesMax, {
    onHave: (id) => have.push(hex(id)),
    onNeed: (id) => need.push(hex(id)),
  });
  let [bytesUp, bytesDown] = [0, 0];
  let question = initiator.initiate();
  for (let rounds = 1; rounds <= ROUNDS_MAX; rounds++) {
    bytesUp += checkSize(question, client);
    const answer = respond(server.storage, question, server.frameBytesMax);
    if (answer.kind === "flawed") throw new Error(`the server says: ${answer.flaw}`);
    bytesDown += checkSize(answer.message, server);
    const outcome = initiator.reconcile(answer.message);
    if (outcome.kind === "done") return { have, need, rounds, bytesUp, bytesDown };
    if (outcome.kind !== "message") throw new Error(`the client says: ${outcome.kind}`);
    question = outcome.message;
  }
  throw new Error(`no end after ${ROUNDS_MAX} rounds`);
}

function checkSize({ length }: Uint8Array, { frameBytesMax }: Side): number {
  if (length > frameBytesMax) throw new Error(`${length} bytes, ${frameBytesMax} at most`);
  return length;
}
