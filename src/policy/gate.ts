// What the ingester asks before it looks any closer: may this client publish that, may it read,
// does it get an invite? By the control state in force at that moment. One per ingester. When
// nothing is banned and access is for anyone, an event costs a few comparisons.

import type { Database } from "bun:sqlite";
import { nowSeconds } from "../config/clock.ts";
import { current, setting } from "../config/current.ts";
import { openRelayKey, type RelayKey } from "../crypto/relay-key.ts";
import type { NostrEvent } from "../protocol/event.ts";
import { type Filter, matchesFilter } from "../protocol/filter.ts";
import { isMembershipRequest, isRelayOnly, KIND_INVITE } from "../protocol/kind.ts";
import type { Reason } from "../protocol/reason.ts";
import { type ControlVersion, ControlView, refuseBanned } from "./control.ts";
import { sealInvite } from "./invites.ts";
import { hasMembers, inviterOf, refuseReader, refuseWriter } from "./rights.ts";

export class Gate {
  private readonly view: ControlView;
  /** Opened when it is needed: few relays give invites. */
  private key: RelayKey | null = null;

  constructor(db: Database, version: ControlVersion) {
    this.view = new ControlView(db, version);
  }

  /**
   * The reason against an event of which nothing has been checked yet, or null. `session`: the keys
   * that its client has signed in with.
   */
  refuseEvent(value: unknown, session: ReadonlySet<string>): Reason | null {
    const { id, pubkey, kind } = value as Readonly<Record<string, unknown>>;
    if (typeof id !== "string" || typeof pubkey !== "string" || typeof kind !== "number") {
      return null; // is refused for what it is
    }
    const control = this.view.current();
    const banned = refuseBanned(control, id, pubkey, kind);
    if (banned !== null) return banned;
    if (isRelayOnly(kind)) {
      return `restricted: only the relay itself publishes events of kind ${kind}`;
    }
    return isMembershipRequest(kind) ? null : refuseWriter(control, pubkey, session);
  }

  /** The reason against a REQ or a COUNT. */
  refuseQuery(session: ReadonlySet<string>): Reason | null {
    return refuseReader(this.view.current(), session);
  }

  /** NIP-43: an invite for whoever asks for one and may have it; never the same twice. */
  inviteFor(filters: readonly Filter[], session: ReadonlySet<string>): NostrEvent | null {
    if (!hasMembers(current.settings)) return null;
    const asking = filters.filter(({ kinds, limit }) => kinds?.has(KIND_INVITE) && limit !== 0);
    if (asking.length === 0) return null;
    const inviter = inviterOf(this.view.current(), session);
    if (inviter === null) return null;
    this.key ??= openRelayKey();
    const created_at = nowSeconds();
    const code = sealInvite(this.key, inviter, created_at + setting("access.invite_lifetime_s"));
    const tags = [["-"], ["claim", code]];
    const event = this.key.sign({ kind: KIND_INVITE, created_at, tags, content: "" });
    return asking.some((filter) => matchesFilter(filter, event)) ? event : null;
  }
}
