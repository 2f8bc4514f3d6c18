// What the relay publishes by its own key: signed when asked for, queued, and taken by the writer
// into the batch that caused it (companion.ts), so that both are committed or neither is. Owned by
// the writing thread. These are ordinary events to everybody else.
//
// Of a replaceable, the newest state must win, also within a second and after a restart: each
// version is at least a second later than the one before, and than its deletion.

import { nowSeconds } from "../config/clock.ts";
import type { RelayKey, UnsignedEvent } from "../crypto/relay-key.ts";
import { addressOf } from "../protocol/event.ts";
import { KIND_DELETION } from "../protocol/kind.ts";
import { type Candidate, candidateOf } from "./candidate.ts";
import type { EventReader } from "./read.ts";
import { addressKey, deletedAddressKey } from "./term.ts";

/** `created_at` is the time of publishing. */
export type Utterance = Omit<UnsignedEvent, "created_at">;

export class RelayEvents {
  readonly key: RelayKey;
  private readonly reader: EventReader;
  private readonly nowSeconds: () => number;
  private queue: Candidate[] = [];
  /** When each address was last published or deleted by this process. */
  private readonly lastAt = new Map<string, number>();

  constructor(key: RelayKey, reader: EventReader, now = nowSeconds) {
    this.key = key;
    this.reader = reader;
    this.nowSeconds = now;
  }

  /** Within the writer's transaction. */
  publish({ kind, tags, content }: Utterance): void {
    const { pubkey } = this.key;
    const address = addressOf({ id: "", sig: "", pubkey, created_at: 0, kind, tags, content });
    const created_at = address === null ? this.nowSeconds() : this.nextAt(address);
    this.queue.push(candidateOf(this.key.sign({ kind, created_at, tags, content })));
  }

  /** Deletes the address `kind:<own key>:<d>` (NIP-09). */
  retract(kind: number, d: string): void {
    const address = `${kind}:${this.key.pubkey}:${d}`;
    const created_at = this.nextAt(address);
    const tags = [
      ["a", address],
      ["k", String(kind)],
    ];
    this.queue.push(
      candidateOf(this.key.sign({ kind: KIND_DELETION, created_at, tags, content: "" })),
    );
  }

  /** One that is signed already. */
  add(candidate: Candidate): void {
    this.queue.push(candidate);
  }

  /** What has been published since, in order. */
  take(): readonly Candidate[] {
    const { queue } = this;
    this.queue = [];
    return queue;
  }

  private nextAt(address: string): number {
    const last = Math.max(
      this.lastAt.get(address) ?? 0,
      this.storedAt(addressKey(address)),
      this.storedAt(deletedAddressKey(address)),
    );
    const at = Math.max(this.nowSeconds(), last + 1);
    this.lastAt.set(address, at);
    return at;
  }

  /** The time of the newest event under the key, 0 without any. */
  private storedAt(key: number): number {
    this.reader.head(); // another process may have published
    const [newest] = this.reader.entries(key, Number.NEGATIVE_INFINITY, 0, 0, 1);
    return newest === undefined ? 0 : -newest[0];
  }
}
