// What checks of group events (check.ts) go by besides the state of the groups: the relay's limits,
// and what only the database and the relay's own rights tell. Belongs to no thread.

import type { NostrEvent } from "../../protocol/event.ts";

/** The relay's limits, from the option table. */
export interface GroupRules {
  readonly create: "anyone" | "members" | "admins";
  /** Events whose `h` tag names no group of this relay. */
  readonly foreign: "refuse" | "accept";
  /** 0: as late as it likes. */
  readonly latePublicationSeconds: number;
  readonly previousMin: number;
  readonly groupsMax: number;
  readonly membersMax: number;
  readonly invitesMax: number;
  readonly pinsMax: number;
}

/** What the check can't tell from the state of the groups. */
export interface Circumstances {
  /** Unix seconds. */
  readonly now: number;
  /** How many groups there are, those that are gone not counted. */
  readonly groupCount: number;
  /** The relay's own key, or one of its admins'. */
  isOfRelay(pubkey: string): boolean;
  isRelayMember(pubkey: string): boolean;
  /** Of all events that are stored or about to be. */
  findEvent(id: string): NostrEvent | null;
  /** Does a recent event, of this group preferably, have an id that starts so? */
  hasRecent(groupId: string, idStart: string): boolean;
}
