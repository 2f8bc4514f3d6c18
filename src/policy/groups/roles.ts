// The roles of groups (NIP-29) and what each may do: one fixed table, the same for every group of
// the relay, published as kind 39003. Any other role is a name that members may carry and that
// means nothing here. Pure; belongs to no thread.

/** What a moderation event does, by the names of NIP-29. */
export type Capability =
  | "put-user"
  | "remove-user"
  | "edit-metadata"
  | "delete-event"
  | "delete-group"
  | "create-invite"
  | "update-pin-list"
  /** To give roles, and to take them: a `put-user` that changes any. */
  | "assign-roles";

export interface Role {
  readonly name: string;
  readonly description: string;
  /** Nobody acts on a member of a higher rank, and only those of the highest on their equals. */
  readonly rank: number;
  readonly capabilities: ReadonlySet<Capability>;
}

const ADMIN: Role = {
  name: "admin",
  description: "may do everything: roles, members, metadata, invites, pins, deleting the group",
  rank: 2,
  capabilities: new Set([
    "put-user",
    "remove-user",
    "edit-metadata",
    "delete-event",
    "delete-group",
    "create-invite",
    "update-pin-list",
    "assign-roles",
  ]),
};

const MODERATOR: Role = {
  name: "moderator",
  description: "may delete events, add and remove members without roles, create invites, pin",
  rank: 1,
  capabilities: new Set([
    "put-user",
    "remove-user",
    "delete-event",
    "create-invite",
    "update-pin-list",
  ]),
};

/** Highest rank first. */
export const ROLES: readonly Role[] = [ADMIN, MODERATOR];

/** What who creates a group becomes in it. */
export const CREATOR_ROLE = ADMIN.name;
export const RANK_MAX = ADMIN.rank;
/** The relay itself and its admins: above all members of any group. */
export const RELAY_RANK = RANK_MAX + 1;
/** Of a member without privileges, and of whoever is no member. */
export const PLAIN_RANK = 0;

export function rankOf(roles: readonly string[]): number {
  let rank = PLAIN_RANK;
  for (const role of ROLES) if (roles.includes(role.name)) rank = Math.max(rank, role.rank);
  return rank;
}

/** May somebody of that rank do this? */
export function rankMay(rank: number, capability: Capability): boolean {
  return ROLES.some((role) => role.rank <= rank && role.capabilities.has(capability));
}

/** May somebody of rank `rank` change or remove a member of rank `other`? */
export function outranks(rank: number, other: number): boolean {
  return rank > other || rank >= RANK_MAX;
}
