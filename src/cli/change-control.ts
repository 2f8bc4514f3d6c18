// What the commands share that change who is a member, beside a running relay or without one: one
// transaction, in which the relay publishes what follows by its own key, as the relay itself does.
// A running relay notices it like any commit of another process.

import { nowSeconds } from "../config/clock.ts";
import { setting } from "../config/current.ts";
import { openRelayKey, type RelayKey } from "../crypto/relay-key.ts";
import { ControlChanges } from "../policy/control-changes.ts";
import { Membership } from "../policy/membership.ts";
import { decodeKey } from "../protocol/nip19.ts";
import { isHex64 } from "../protocol/hex.ts";
import { JointRules } from "../store/companion.ts";
import { KeyFilter } from "../store/key-filter.ts";
import { EventReader } from "../store/read.ts";
import { RelayEvents } from "../store/relay-events.ts";
import {
  closeForWriting,
  openForReading,
  openForWriting,
  requireDatabase,
  storeOptions,
} from "../store/schema.ts";
import { EventWriter } from "../store/write.ts";
import { UsageError } from "./command.ts";

/** Who the log of changes says it was. */
export const OPERATOR = "operator";

export interface ControlTools {
  readonly changes: ControlChanges;
  readonly membership: Membership;
  readonly key: RelayKey;
  /** Unix seconds. */
  readonly now: number;
}

export function changeControl<T>(change: (tools: ControlTools) => T): T {
  requireDatabase(setting("data_dir"));
  const key = openRelayKey();
  const options = storeOptions();
  const db = openForWriting(options);
  try {
    const events = new RelayEvents(key, new EventReader(db));
    const changes = new ControlChanges(db);
    const membership = new Membership(changes, events);
    const now = nowSeconds();
    const results: T[] = [];
    const rules = new JointRules(events, [
      {
        begin: () => void results.push(change({ changes, membership, key, now })),
        judge: () => null,
        check: () => null,
        keeps: () => false,
        accepted: () => null,
        end: () => membership.publishList(),
      },
    ]);
    new EventWriter(db, options, new KeyFilter(), rules).write([]);
    return results[0] as T;
  } finally {
    closeForWriting(db);
  }
}

export function readChanges<T>(read: (changes: ControlChanges) => T): T {
  const db = openForReading(storeOptions());
  try {
    return read(new ControlChanges(db));
  } finally {
    db.close();
  }
}

/** A public key as people write it. */
export function parsePubkey(text: string | undefined): string {
  if (text === undefined) throw new UsageError("a public key is missing");
  const pubkey = isHex64(text) ? text : decodeKey("npub", text);
  if (pubkey === null) throw new UsageError(`${text} is no public key, neither npub nor hex`);
  return pubkey;
}

/** The action that a command's arguments begin with. */
export function parseAction<A extends string>(text: string | undefined, actions: readonly A[]): A {
  const action = actions.find((one) => one === text);
  if (action !== undefined) return action;
  const known = actions.join(", ");
  throw new UsageError(
    text === undefined ? `one of ${known} is missing` : `${text} is none of ${known}`,
  );
}

export function noMore(extra: string | undefined): void {
  if (extra !== undefined) throw new UsageError(`unexpected argument ${extra}`);
}
