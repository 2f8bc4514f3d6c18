// What a group is (NIP-29): the state that its moderation events add up to, in the order in which
// they were accepted. Values are never changed in place, so that every thread may keep the ones it
// has. Pure; belongs to no thread.

import type { NostrEvent, Tag } from "../../protocol/event.ts";
import { firstTagValue } from "../../protocol/event.ts";
import { GROUP_KIND_RANGES } from "../../protocol/kind.ts";
import { rankOf } from "./roles.ts";

export const KIND_PUT_USER = 9000;
export const KIND_REMOVE_USER = 9001;
export const KIND_EDIT_METADATA = 9002;
export const KIND_DELETE_EVENT = 9005;
export const KIND_CREATE_GROUP = 9007;
export const KIND_DELETE_GROUP = 9008;
export const KIND_CREATE_INVITE = 9009;
export const KIND_UPDATE_PINS = 9010;
export const KIND_JOIN_GROUP = 9021;
export const KIND_LEAVE_GROUP = 9022;
export const KIND_METADATA = 39_000;
export const KIND_ADMINS = 39_001;
export const KIND_MEMBERS = 39_002;
export const KIND_ROLES = 39_003;
export const KIND_PINS = 39_005;

const [[MODERATION_FIRST, MODERATION_LAST], [METADATA_FIRST, METADATA_LAST]] = GROUP_KIND_RANGES;

/** Moderation events, whether the kind means anything or not. */
export function isModerationKind(kind: number): boolean {
  return kind >= MODERATION_FIRST && kind <= MODERATION_LAST;
}

/** What only the relay makes. */
export function isMetadataKind(kind: number): boolean {
  return kind >= METADATA_FIRST && kind <= METADATA_LAST;
}

/** The fields of kind 39000 that a kind 9002 sets, all at once. Null: the tag is absent. */
export interface Metadata {
  readonly name: string | null;
  readonly picture: string | null;
  readonly banner: string | null;
  readonly about: string | null;
  /** Only members read its events. */
  readonly isPrivate: boolean;
  /** Only members write. */
  readonly isRestricted: boolean;
  /** Only members see its metadata. */
  readonly isHidden: boolean;
  /** Nobody joins without an invite code. */
  readonly isClosed: boolean;
  /** Null: all kinds. */
  readonly supportedKinds: readonly number[] | null;
  /** The group that this one is a subgroup of. */
  readonly parent: string | null;
}

export interface Group extends Metadata {
  readonly id: string;
  /** Subgroups, in the order to show them. */
  readonly children: readonly string[];
  /** Roles by pubkey, in the order of joining. Who has none has an empty list. */
  readonly members: ReadonlyMap<string, readonly string[]>;
  /** The event that made it, by code. */
  readonly invites: ReadonlyMap<string, string>;
  /** `e` and `a` tags of two elements. */
  readonly pins: readonly Tag[];
}

/** All groups of the relay by id. Null: there was one, and it has been deleted. */
export type Groups = ReadonlyMap<string, Group | null>;

/** What became different: to be set over `Groups`. */
export type Changes = ReadonlyMap<string, Group | null>;

export const NO_METADATA: Metadata = {
  name: null,
  picture: null,
  banner: null,
  about: null,
  isPrivate: false,
  isRestricted: false,
  isHidden: false,
  isClosed: false,
  supportedKinds: null,
  parent: null,
};

export function newGroup(id: string): Group {
  const none = { children: [], members: new Map(), invites: new Map(), pins: [] };
  return { id, ...NO_METADATA, ...none };
}

/** The group that an event with an `h` tag is of, or "" when there is none. */
export function groupIdOf(event: NostrEvent): string {
  return firstTagValue(event, "h") ?? "";
}

/** Every different value of the tags of that name. */
export function tagValues(event: Pick<NostrEvent, "tags">, name: string): Set<string> {
  const values = new Set<string>();
  for (const [own, value] of event.tags) if (own === name) values.add(value ?? "");
  return values;
}

export function memberRank(group: Group, pubkey: string): number {
  return rankOf(group.members.get(pubkey) ?? []);
}

/** Plain data, as it is stored. */
export function encodeGroup(group: Group): string {
  const { members, invites } = group;
  return JSON.stringify({ ...group, members: [...members], invites: [...invites] });
}

/** Reads back what `encodeGroup` wrote. */
export function decodeGroup(text: string): Group {
  const row = JSON.parse(text) as Omit<Group, "members" | "invites"> & {
    readonly members: readonly [string, readonly string[]][];
    readonly invites: readonly [string, string][];
  };
  return { ...row, members: new Map(row.members), invites: new Map(row.invites) };
}
