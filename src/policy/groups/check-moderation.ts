// May this author take this moderation action (NIP-29)? By the author's role in the group; the
// relay's own key and the relay's admins may do everything. Pure; part of check.ts.

import type { NostrEvent } from "../../protocol/event.ts";
import type { Reason } from "../../protocol/reason.ts";
import {
  type Group,
  groupIdOf,
  type Groups,
  isModerationKind,
  KIND_CREATE_GROUP,
  KIND_CREATE_INVITE,
  KIND_DELETE_EVENT,
  KIND_DELETE_GROUP,
  KIND_EDIT_METADATA,
  KIND_PUT_USER,
  KIND_REMOVE_USER,
  KIND_UPDATE_PINS,
  memberRank,
} from "./group.ts";
import {
  parseCodes,
  parseDeletedIds,
  parseEdit,
  parsePins,
  parsePuts,
  parseRemovals,
  type Put,
} from "./moderation.ts";
import type { Circumstances, GroupRules } from "./rules.ts";
import { type Capability, outranks, rankMay, rankOf, RELAY_RANK } from "./roles.ts";

const CHILDREN_MAX = 100;

const CAPABILITIES: Readonly<Record<number, Capability>> = {
  [KIND_PUT_USER]: "put-user",
  [KIND_REMOVE_USER]: "remove-user",
  [KIND_EDIT_METADATA]: "edit-metadata",
  [KIND_DELETE_EVENT]: "delete-event",
  [KIND_DELETE_GROUP]: "delete-group",
  [KIND_CREATE_INVITE]: "create-invite",
  [KIND_UPDATE_PINS]: "update-pin-list",
};

/** `group` is null when there is none of that id. */
export function checkModeration(
  groups: Groups,
  group: Group | null,
  event: NostrEvent,
  rules: GroupRules,
  about: Circumstances,
): Reason | null {
  // The group is what its moderation events add up to: none of them may go by itself.
  if (event.tags.some(([name]) => name === "expiration")) {
    return "invalid: a moderation event can't expire";
  }
  if (event.kind === KIND_CREATE_GROUP) return checkCreate(group, event, rules, about);
  const capability = CAPABILITIES[event.kind];
  if (capability === undefined || group === null) {
    return `unsupported: kind ${event.kind} is no moderation action`;
  }
  const rank = rankIn(group, event.pubkey, about);
  if (!rankMay(rank, capability)) return `restricted: your role in this group has no ${capability}`;
  switch (event.kind) {
    case KIND_PUT_USER:
      return checkPut(group, event, rank, rules);
    case KIND_REMOVE_USER:
      return checkRemove(group, event, rank);
    case KIND_EDIT_METADATA:
      return checkEdit(groups, group, event, about);
    case KIND_DELETE_EVENT:
      return checkDeleteEvent(group, event, rank, about);
    case KIND_CREATE_INVITE:
      return checkInvite(group, event, rules);
    case KIND_UPDATE_PINS:
      return checkPins(event, rules);
    default:
      return null;
  }
}

function rankIn(group: Group, pubkey: string, about: Circumstances): number {
  return about.isOfRelay(pubkey) ? RELAY_RANK : memberRank(group, pubkey);
}

function checkCreate(
  group: Group | null,
  event: NostrEvent,
  rules: GroupRules,
  about: Circumstances,
): Reason | null {
  if (group !== null) return "duplicate: this group exists already";
  if (!mayCreate(event.pubkey, rules, about)) {
    return `restricted: only ${rules.create} of this relay create groups`;
  }
  return about.groupCount >= rules.groupsMax
    ? `restricted: this relay has no room for more than ${rules.groupsMax} groups`
    : null;
}

function mayCreate(pubkey: string, rules: GroupRules, about: Circumstances): boolean {
  if (rules.create === "anyone" || about.isOfRelay(pubkey)) return true;
  return rules.create === "members" && about.isRelayMember(pubkey);
}

function checkPut(group: Group, event: NostrEvent, rank: number, rules: GroupRules): Reason | null {
  const puts = parsePuts(event);
  if (typeof puts === "string") return puts;
  let size = group.members.size;
  for (const put of puts) {
    const refusal = checkOnePut(group, put, event.pubkey, rank);
    if (refusal !== null) return refusal;
    if (!group.members.has(put.pubkey)) size += 1;
  }
  return size > Math.max(rules.membersMax, group.members.size)
    ? `restricted: a group has at most ${rules.membersMax} members`
    : null;
}

function checkOnePut(group: Group, put: Put, author: string, rank: number): Reason | null {
  const before = group.members.get(put.pubkey) ?? [];
  if (put.pubkey !== author && !outranks(rank, rankOf(before))) return OUTRANKED;
  if (before.length + put.roles.length === 0 || rankMay(rank, "assign-roles")) return null;
  return "restricted: your role in this group gives and takes no roles";
}

const OUTRANKED: Reason = "restricted: that member's role is not below yours";

function checkRemove(group: Group, event: NostrEvent, rank: number): Reason | null {
  const pubkeys = parseRemovals(event);
  if (typeof pubkeys === "string") return pubkeys;
  const isOutranked = (pubkey: string): boolean =>
    pubkey !== event.pubkey && !outranks(rank, memberRank(group, pubkey));
  return pubkeys.some(isOutranked) ? OUTRANKED : null;
}

/** The rules of subgroups, beside what the tags themselves must look like. */
function checkEdit(
  groups: Groups,
  group: Group,
  event: NostrEvent,
  about: Circumstances,
): Reason | null {
  const edit = parseEdit(event);
  if (typeof edit === "string") return edit;
  const hasAll = edit.children.length === group.children.length;
  if (!hasAll || !group.children.every((child) => edit.children.includes(child))) {
    return "invalid: an edit must list all subgroups as child tags, and no others";
  }
  if (edit.parent === null) return null;
  const parent = groups.get(edit.parent);
  if (parent === undefined || parent === null) return "invalid: there is no such parent group";
  if (!rankMay(rankIn(parent, event.pubkey, about), "edit-metadata")) {
    return "restricted: you are no admin of the parent group";
  }
  if (isBelow(groups, parent, group.id)) return "invalid: a group can't be below itself";
  return edit.parent !== group.parent && parent.children.length >= CHILDREN_MAX
    ? `restricted: a group has at most ${CHILDREN_MAX} subgroups`
    : null;
}

/** Is the group this one, or anywhere below it? There are no circles, so this ends. */
function isBelow(groups: Groups, group: Group, id: string): boolean {
  let at: Group | null | undefined = group;
  while (at !== undefined && at !== null) {
    if (at.id === id) return true;
    at = at.parent === null ? null : groups.get(at.parent);
  }
  return false;
}

function checkDeleteEvent(
  group: Group,
  event: NostrEvent,
  rank: number,
  about: Circumstances,
): Reason | null {
  const ids = parseDeletedIds(event);
  if (typeof ids === "string") return ids;
  for (const id of ids) {
    const target = about.findEvent(id);
    if (target === null || groupIdOf(target) !== group.id) {
      return "invalid: there is no such event in this group";
    }
    // An invite is taken back by deleting its event. All others say how the group came to be so.
    if (isModerationKind(target.kind) && target.kind !== KIND_CREATE_INVITE) {
      return "invalid: moderation events can't be deleted";
    }
    const author = target.pubkey;
    if (author === event.pubkey) continue;
    if (!outranks(rank, rankIn(group, author, about))) {
      return "restricted: that event's author has a role that is not below yours";
    }
  }
  return null;
}

function checkInvite(group: Group, event: NostrEvent, rules: GroupRules): Reason | null {
  const codes = parseCodes(event);
  if (typeof codes === "string") return codes;
  const added = codes.filter((code) => !group.invites.has(code)).length;
  return group.invites.size + added > rules.invitesMax
    ? `restricted: a group has at most ${rules.invitesMax} invite codes`
    : null;
}

function checkPins(event: NostrEvent, rules: GroupRules): Reason | null {
  const pins = parsePins(event);
  if (typeof pins === "string") return pins;
  return pins.length > rules.pinsMax
    ? `restricted: a group has at most ${rules.pinsMax} pinned events`
    : null;
}
