// The writer's desk for groups (NIP-29): within its transactions it lets the book of groups
// (ledger.ts) say what may be stored and what the relay publishes; after the commit it tells the
// other threads that groups have changed, before anybody hears of it. What is left of a group that
// was deleted goes bit by bit, as a part of upkeep; nobody sees it meanwhile.

import type { Database } from "bun:sqlite";
import { nowSeconds } from "../config/clock.ts";
import { isThisRelay } from "../config/this-relay.ts";
import type { NostrEvent } from "../protocol/event.ts";
import type { Reason } from "../protocol/reason.ts";
import { isMember, rankOf } from "../policy/rights.ts";
import type { Control } from "../policy/control.ts";
import { isModerationKind } from "../policy/groups/group.ts";
import { GroupLedger } from "../policy/groups/ledger.ts";
import { GroupPurge } from "../policy/groups/purge.ts";
import { groupRules } from "../policy/groups/settings.ts";
import { GroupsVersion } from "../policy/groups/view.ts";
import type { Candidate } from "../store/candidate.ts";
import type { Aftermath, BatchRules } from "../store/companion.ts";
import { isMeant } from "../store/judge.ts";
import type { EventReader } from "../store/read.ts";
import type { RelayEvents } from "../store/relay-events.ts";
import type { EventWriter } from "../store/write.ts";

export class GroupDesk implements BatchRules {
  private readonly events: RelayEvents;
  private readonly ledger: GroupLedger;
  private readonly purge: GroupPurge;
  private readonly version: GroupsVersion;

  private constructor(
    db: Database,
    reader: EventReader,
    events: RelayEvents,
    ledger: GroupLedger,
    version: GroupsVersion,
  ) {
    this.events = events;
    this.ledger = ledger;
    this.version = version;
    this.purge = new GroupPurge(db, reader);
    this.version.set(ledger.version);
  }

  /** Null where groups are off. `control`: who is a member of the relay, as of the transaction. */
  static open(
    db: Database,
    reader: EventReader,
    events: RelayEvents,
    control: () => Control,
    version: SharedArrayBuffer,
  ): GroupDesk | null {
    const rules = groupRules();
    if (rules === null) return null;
    const standing = {
      isAdmin: (pubkey: string) => rankOf(pubkey) === "admin",
      isMember: (pubkey: string) => isMember(control(), pubkey),
    };
    const isVanish = (event: NostrEvent): boolean => isMeant(event, isThisRelay());
    const options = { key: events.key, rules, standing, nowSeconds, isVanish };
    const ledger = new GroupLedger(db, reader, options);
    return new GroupDesk(db, reader, events, ledger, new GroupsVersion(version));
  }

  /** Metadata has waited long enough to be published: a batch is due, be it an empty one. */
  get isDue(): boolean {
    return this.ledger.isDue;
  }

  // Within a transaction

  begin(): void {
    this.ledger.begin();
  }

  judge(): null {
    return null;
  }

  check(candidate: Candidate): Reason | null {
    return this.ledger.check(candidate);
  }

  /** A group is what its moderation events add up to. */
  keeps(kind: number): boolean {
    return isModerationKind(kind);
  }

  accepted(): Aftermath | null {
    return this.ledger.accepted();
  }

  end(): void {
    for (const candidate of this.ledger.end()) this.events.add(candidate);
  }

  // After a commit

  committed(): void {
    this.ledger.committed();
    this.version.set(this.ledger.version);
  }

  /** Another process has written. */
  poll(): void {
    this.ledger.poll();
    this.version.set(this.ledger.version);
  }

  /** Some of what is left of groups that were deleted; null when there is nothing more. */
  removeGone(store: EventWriter): readonly string[] | null {
    this.ledger.settle(); // a version that came to nothing will be another's
    return this.purge.step(this.ledger.version, store);
  }
}
