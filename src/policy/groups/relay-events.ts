// The events that the relay itself makes of groups (NIP-29): its answers to who joins, leaves or
// creates a group, and the metadata that shows the latest state of each. Unsigned; pure.

import type { NostrEvent, Tag } from "../../protocol/event.ts";
import {
  type Group,
  groupIdOf,
  KIND_ADMINS,
  KIND_CREATE_GROUP,
  KIND_JOIN_GROUP,
  KIND_LEAVE_GROUP,
  KIND_MEMBERS,
  KIND_METADATA,
  KIND_PINS,
  KIND_PUT_USER,
  KIND_REMOVE_USER,
  KIND_ROLES,
} from "./group.ts";
import { CREATOR_ROLE, PLAIN_RANK, rankOf, ROLES } from "./roles.ts";

export interface Template {
  readonly kind: number;
  readonly tags: readonly Tag[];
  readonly content: string;
}

/** The relay's own key. */
export interface Signer {
  readonly pubkey: string;
  sign(unsigned: Template & { readonly created_at: number }): NostrEvent;
}

/** NIP-29 lets a relay show some members only: these are 142 KB. */
const MEMBERS_LISTED_MAX = 2000;

/** What the relay says of a member that it removes because of an event. */
export function removalFor(group: string, pubkey: string, causeId: string): Template {
  const tags = [
    ["h", group],
    ["p", pubkey],
    ["e", causeId],
  ];
  return { kind: KIND_REMOVE_USER, tags, content: "" };
}

/**
 * What the relay publishes because of an event that it has accepted, or null. It names that event:
 * who joins twice within a second must not get the same one twice.
 */
export function answerTo(event: NostrEvent): Template | null {
  const answer = (kind: number, ...roles: string[]): Template => ({
    kind,
    tags: [
      ["h", groupIdOf(event)],
      ["p", event.pubkey, ...roles],
      ["e", event.id],
    ],
    content: "",
  });
  switch (event.kind) {
    case KIND_CREATE_GROUP:
      return answer(KIND_PUT_USER, CREATOR_ROLE);
    case KIND_JOIN_GROUP:
      return answer(KIND_PUT_USER);
    case KIND_LEAVE_GROUP:
      return removalFor(groupIdOf(event), event.pubkey, event.id);
    default:
      return null;
  }
}

/** The kinds of metadata that must be made anew. `before` is null of a group that is new. */
export function staleMetadata(before: Group | null, after: Group): number[] {
  if (before === null) return [KIND_METADATA, KIND_ADMINS, KIND_MEMBERS, KIND_ROLES];
  const kinds: number[] = [];
  const isStale = (kind: number): boolean =>
    !Bun.deepEquals(tagsOf(kind, before), tagsOf(kind, after));
  if (isStale(KIND_METADATA)) kinds.push(KIND_METADATA);
  if (before.members !== after.members) {
    if (isStale(KIND_ADMINS)) kinds.push(KIND_ADMINS);
    if (isStale(KIND_MEMBERS)) kinds.push(KIND_MEMBERS);
  }
  if (isStale(KIND_PINS)) kinds.push(KIND_PINS);
  return kinds;
}

const CONTENTS: Readonly<Record<number, string>> = {
  [KIND_ADMINS]: "list of admins",
  [KIND_MEMBERS]: "list of members",
  [KIND_ROLES]: "list of roles supported by this relay",
};

export function metadataTemplate(group: Group, kind: number): Template {
  return { kind, tags: [["d", group.id], ...tagsOf(kind, group)], content: CONTENTS[kind] ?? "" };
}

/** Without the `d` tag. */
function tagsOf(kind: number, group: Group): Tag[] {
  switch (kind) {
    case KIND_METADATA:
      return metadataTags(group);
    case KIND_ADMINS:
      return byRank(group)
        .filter(([, roles]) => rankOf(roles) > PLAIN_RANK)
        .map(([pubkey, roles]) => ["p", pubkey, ...roles]);
    case KIND_MEMBERS:
      return byRank(group)
        .slice(0, MEMBERS_LISTED_MAX)
        .map(([pubkey]) => ["p", pubkey]);
    case KIND_ROLES:
      return ROLES.map(({ name, description }) => ["role", name, description]);
    case KIND_PINS:
      return [...group.pins];
    default:
      throw new Error(`assert: groups have no metadata of kind ${kind}`);
  }
}

/** Members with privileges first, then in the order of joining. */
function byRank(group: Group): [string, readonly string[]][] {
  return [...group.members].sort(([, a], [, b]) => rankOf(b) - rankOf(a));
}

function metadataTags(group: Group): Tag[] {
  const tags: Tag[] = [];
  for (const name of ["name", "picture", "banner", "about"] as const) {
    const text = group[name];
    if (text !== null) tags.push([name, text]);
  }
  if (group.isPrivate) tags.push(["private"]);
  if (group.isRestricted) tags.push(["restricted"]);
  if (group.isHidden) tags.push(["hidden"]);
  if (group.isClosed) tags.push(["closed"]);
  if (group.supportedKinds !== null) {
    tags.push(["supported_kinds", ...group.supportedKinds.map(String)]);
  }
  if (group.parent !== null) tags.push(["parent", group.parent]);
  for (const child of group.children) tags.push(["child", child]);
  return tags;
}
