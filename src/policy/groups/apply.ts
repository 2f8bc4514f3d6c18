// The state machine of groups (NIP-29): a moderation event that was accepted → what it changes.
// Nothing else changes a group, so the accepted events in their order are enough to build the state
// anew; joining and leaving do it by the put-user and the remove-user with which the relay answers
// them. Asks nothing about permission: see check.ts. Pure; belongs to no thread.

import type { NostrEvent } from "../../protocol/event.ts";
import {
  type Changes,
  type Group,
  groupIdOf,
  type Groups,
  KIND_CREATE_GROUP,
  KIND_CREATE_INVITE,
  KIND_DELETE_EVENT,
  KIND_DELETE_GROUP,
  KIND_EDIT_METADATA,
  KIND_PUT_USER,
  KIND_REMOVE_USER,
  KIND_UPDATE_PINS,
  newGroup,
  tagValues,
} from "./group.ts";
import { parseCodes, parseEdit, parsePins, parsePuts, parseRemovals } from "./moderation.ts";
import { CREATOR_ROLE } from "./roles.ts";

const NO_CHANGES: Changes = new Map();

/** Whatever can't be applied (no such group, tags that say nothing) changes nothing. */
export function applyModeration(groups: Groups, event: NostrEvent): Changes {
  const id = groupIdOf(event);
  if (event.kind === KIND_CREATE_GROUP) return create(groups, id, event.pubkey);
  const group = groups.get(id);
  if (group === undefined || group === null) return NO_CHANGES;
  switch (event.kind) {
    case KIND_PUT_USER:
      return put(group, event);
    case KIND_REMOVE_USER:
      return remove(group, event);
    case KIND_EDIT_METADATA:
      return edit(groups, group, event);
    case KIND_DELETE_EVENT:
      return revokeInvites(group, event);
    case KIND_DELETE_GROUP:
      return deleteGroup(groups, group);
    case KIND_CREATE_INVITE:
      return invite(group, event);
    case KIND_UPDATE_PINS:
      return pin(group, event);
    default:
      return NO_CHANGES;
  }
}

function change(group: Group): Changes {
  return new Map([[group.id, group]]);
}

function create(groups: Groups, id: string, pubkey: string): Changes {
  if (groups.has(id)) return NO_CHANGES;
  return change({ ...newGroup(id), members: new Map([[pubkey, [CREATOR_ROLE]]]) });
}

function put(group: Group, event: NostrEvent): Changes {
  const puts = parsePuts(event);
  if (typeof puts === "string") return NO_CHANGES;
  const members = new Map(group.members);
  for (const { pubkey, roles } of puts) members.set(pubkey, roles);
  return change({ ...group, members });
}

function remove(group: Group, event: NostrEvent): Changes {
  const pubkeys = parseRemovals(event);
  if (typeof pubkeys === "string") return NO_CHANGES;
  const members = new Map(group.members);
  for (const pubkey of pubkeys) members.delete(pubkey);
  return members.size === group.members.size ? NO_CHANGES : change({ ...group, members });
}

/** Subgroups: the parents before and after hear of it as well. */
function edit(groups: Groups, group: Group, event: NostrEvent): Changes {
  const fields = parseEdit(event);
  if (typeof fields === "string") return NO_CHANGES;
  const changes = new Map([[group.id, { ...group, ...fields }]]);
  if (fields.parent === group.parent) return changes;
  const before = parentOf(groups, group.parent);
  if (before !== null) changes.set(before.id, without(before, group.id));
  const after = parentOf(groups, fields.parent);
  if (after !== null) {
    changes.set(after.id, { ...after, children: [...after.children, group.id] });
  }
  return changes;
}

function parentOf(groups: Groups, id: string | null): Group | null {
  return id === null ? null : (groups.get(id) ?? null);
}

function without(parent: Group, child: string): Group {
  return { ...parent, children: parent.children.filter((id) => id !== child) };
}

/** Who deletes the event that made an invite takes the invite back. */
function revokeInvites(group: Group, event: NostrEvent): Changes {
  const ids = tagValues(event, "e");
  const invites = new Map([...group.invites].filter(([, id]) => !ids.has(id)));
  return invites.size === group.invites.size ? NO_CHANGES : change({ ...group, invites });
}

/** Its subgroups become roots. */
function deleteGroup(groups: Groups, group: Group): Changes {
  const changes = new Map<string, Group | null>([[group.id, null]]);
  const parent = parentOf(groups, group.parent);
  if (parent !== null) changes.set(parent.id, without(parent, group.id));
  for (const id of group.children) {
    const child = groups.get(id);
    if (child !== undefined && child !== null) changes.set(id, { ...child, parent: null });
  }
  return changes;
}

function invite(group: Group, event: NostrEvent): Changes {
  const codes = parseCodes(event);
  if (typeof codes === "string") return NO_CHANGES;
  const invites = new Map(group.invites);
  for (const code of codes) invites.set(code, event.id);
  return change({ ...group, invites });
}

function pin(group: Group, event: NostrEvent): Changes {
  const pins = parsePins(event);
  return typeof pins === "string" ? NO_CHANGES : change({ ...group, pins });
}
