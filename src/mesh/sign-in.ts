// Signing in to another relay (NIP-42), on one connection: each new challenge is answered as it
// comes, and whoever needs to be signed in can wait for that. Belongs to its client's thread.

import { nowSeconds } from "../config/clock.ts";
import type { RelayKey } from "../crypto/relay-key.ts";
import type { NostrEvent } from "../protocol/event.ts";
import { KIND_AUTH } from "../protocol/kind.ts";
import { PeerFault, PeerRefusal } from "./peer-error.ts";
import type { Answer } from "./relay-message.ts";

/** Each costs a signature. */
const CHALLENGES_MAX = 20;

export class SignIn {
  private readonly key: RelayKey;
  private readonly url: string;
  private readonly send: (event: NostrEvent) => Promise<Answer>;
  private readonly challenged = Promise.withResolvers<void>();
  private challenge: string | null = null;
  private count = 0;
  private underWay: Promise<void> | null = null;

  /** `send` gives the answer to an AUTH event. */
  constructor(key: RelayKey, url: string, send: (event: NostrEvent) => Promise<Answer>) {
    this.key = key;
    this.url = url;
    this.send = send;
    this.challenged.promise.catch(() => {}); // nobody may be waiting for it
  }

  /** Throws when there are too many. */
  onChallenge(challenge: string): void {
    if (challenge === this.challenge) return; // it was sent with each of several refusals
    this.challenge = challenge;
    this.count += 1;
    if (this.count > CHALLENGES_MAX) {
      throw new PeerFault(`it sent more than ${CHALLENGES_MAX} challenges`);
    }
    const tags = [
      ["relay", this.url],
      ["challenge", challenge],
    ];
    const created_at = nowSeconds();
    const event = this.key.sign({ kind: KIND_AUTH, created_at, tags, content: "" });
    this.underWay = this.send(event).then(({ isAccepted, reason }) => {
      if (!isAccepted) throw new PeerRefusal("it refused the sign-in", reason);
    });
    this.underWay.catch(() => {}); // nobody may be waiting for it
    this.challenged.resolve();
  }

  /** False without a challenge within that time. Throws when the relay doesn't take it. */
  async whenDone(waitMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), waitMs);
    const challenged = this.challenged.promise.then(() => true);
    const hasChallenge = await Promise.race([promise, challenged]).finally(() => {
      clearTimeout(timer);
    });
    if (hasChallenge) await this.underWay;
    return hasChallenge;
  }

  /** The connection has ended. */
  fail(error: Error): void {
    this.challenged.reject(error);
  }
}
