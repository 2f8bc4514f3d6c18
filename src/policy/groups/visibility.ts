// Who may read what of groups (NIP-29): events of private groups are their members' only, and so is
// the metadata of hidden ones. Pure; belongs to no thread.
//
// More than the NIP says: invite codes are shown to those who may make them, for others could join
// with them; a private group's list of members and pins are its members' own; and what is left of a
// group that was deleted is nobody's, until it has been removed.

import { firstTagValue } from "../../protocol/event.ts";
import type { Filter } from "../../protocol/filter.ts";
import type { Reason } from "../../protocol/reason.ts";
import type { Readable, Seen, Viewer } from "../../protocol/visibility.ts";
import {
  type Group,
  type Groups,
  isMetadataKind,
  KIND_CREATE_INVITE,
  KIND_DELETE_GROUP,
  KIND_EDIT_METADATA,
  KIND_JOIN_GROUP,
  KIND_LEAVE_GROUP,
  KIND_MEMBERS,
  KIND_PINS,
  KIND_PUT_USER,
  KIND_REMOVE_USER,
  memberRank,
  tagValues,
} from "./group.ts";
import { rankMay } from "./roles.ts";

/** With more keys nobody sees less. */
export function mayRead(groups: Groups, viewer: Viewer, event: Readable): boolean {
  if (isMetadataKind(event.kind) && !mayReadMetadata(groups, viewer, event)) return false;
  for (const id of tagValues(event, "h")) {
    const group = groups.get(id);
    if (group === undefined) continue;
    if (group === null ? event.kind !== KIND_DELETE_GROUP : !mayReadOf(group, viewer, event)) {
      return false;
    }
  }
  return true;
}

/** Of all events of a kind whose one `h` tag names this group, none of them metadata. */
export function mayReadClass(groups: Groups, viewer: Viewer, kind: number, id: string): Seen {
  const group = groups.get(id);
  if (group === undefined) return "all";
  if (group === null) return kind === KIND_DELETE_GROUP ? "all" : "none";
  if (kind === KIND_CREATE_INVITE || kind === KIND_JOIN_GROUP) return "some";
  if (!isHidden(group, kind) || isMember(group, viewer)) return "all";
  const mayBeAbout = CONCERNING_KINDS.has(kind) && viewer.size > 0;
  return mayBeAbout ? "some" : "none";
}

function isHidden(group: Group, kind: number): boolean {
  return group.isPrivate || (group.isHidden && kind === KIND_EDIT_METADATA);
}

function mayReadMetadata(groups: Groups, viewer: Viewer, event: Readable): boolean {
  const group = groups.get(firstTagValue(event, "d") ?? "");
  if (group === undefined) return true; // another relay's
  if (group === null) return false;
  const isList = event.kind === KIND_MEMBERS || event.kind === KIND_PINS;
  return isMember(group, viewer) || !(group.isHidden || (group.isPrivate && isList));
}

function mayReadOf(group: Group, viewer: Viewer, event: Readable): boolean {
  if (isSecret(event)) {
    const mayInvite = (pubkey: string): boolean =>
      pubkey === event.pubkey || rankMay(memberRank(group, pubkey), "create-invite");
    return some(viewer, mayInvite);
  }
  return !isHidden(group, event.kind) || isMember(group, viewer) || isAbout(event, viewer);
}

/** It holds an invite code. */
function isSecret(event: Readable): boolean {
  if (event.kind === KIND_CREATE_INVITE) return true;
  return event.kind === KIND_JOIN_GROUP && event.tags.some(([name]) => name === "code");
}

function isMember(group: Group, viewer: Viewer): boolean {
  return some(viewer, (pubkey) => group.members.has(pubkey));
}

/** Who was added, removed or refused must be able to learn of it, a member or not. */
function isAbout(event: Readable, viewer: Viewer): boolean {
  if (event.kind === KIND_JOIN_GROUP || event.kind === KIND_LEAVE_GROUP)
    return viewer.has(event.pubkey);
  if (event.kind !== KIND_PUT_USER && event.kind !== KIND_REMOVE_USER) return false;
  const targets = tagValues(event, "p");
  return some(viewer, (pubkey) => targets.has(pubkey));
}

function some(viewer: Viewer, isSo: (pubkey: string) => boolean): boolean {
  for (const pubkey of viewer) if (isSo(pubkey)) return true;
  return false;
}

const MEMBERSHIP_KINDS = [KIND_PUT_USER, KIND_REMOVE_USER, KIND_JOIN_GROUP, KIND_LEAVE_GROUP];
const CONCERNING_KINDS: ReadonlySet<number> = new Set(MEMBERSHIP_KINDS);

/**
 * Why a REQ or COUNT is refused as a whole: each of its filters asks for nothing but events of
 * private groups that the reader is no member of. Null: it is answered with what there is to see.
 */
export function refusalOf(
  groups: Groups,
  viewer: Viewer,
  filters: readonly Filter[],
): Reason | null {
  if (filters.length === 0) return null;
  const isClosed = (id: string): boolean => {
    const group = groups.get(id);
    return group !== undefined && group !== null && group.isPrivate && !isMember(group, viewer);
  };
  for (const { kinds, tags } of filters) {
    const asked = tags.find(({ letter }) => letter === "h");
    if (asked === undefined || ![...asked.values].every(isClosed)) return null;
    const asksOfItself = MEMBERSHIP_KINDS.some((kind) => kinds?.has(kind) === true);
    if (viewer.size > 0 && asksOfItself) return null; // am I a member?
  }
  return viewer.size === 0
    ? "auth-required: the events of a private group are for its members"
    : "restricted: the events of a private group are for its members";
}
