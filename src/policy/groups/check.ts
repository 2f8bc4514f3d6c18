// Whether an event of a group, or one that would change a group, may be accepted (NIP-29): its
// author's role, the group's own rules, and the relay's limits. An event that has no `h` tag and
// none of the kinds of NIP-29 is none of its business. Pure: what it asks of the database, and of
// the relay's own members, comes with the context.

import type { NostrEvent } from "../../protocol/event.ts";
import { KIND_DELETION } from "../../protocol/kind.ts";
import type { Reason } from "../../protocol/reason.ts";
import { checkModeration } from "./check-moderation.ts";
import type { Circumstances, GroupRules } from "./rules.ts";
import {
  type Group,
  type Groups,
  isMetadataKind,
  isModerationKind,
  KIND_CREATE_GROUP,
  KIND_JOIN_GROUP,
  KIND_LEAVE_GROUP,
  tagValues,
} from "./group.ts";

/** In UTF-16 code units; NIP-19 couldn't name a group of an id of more than 255 bytes. */
const ID_LENGTH_MAX = 128;
/** Of all timeline references of an event. */
const PREVIOUS_MAX = 50;
/** NIP-29: "the first 8 characters (4 bytes)". */
const PREVIOUS = /^[0-9a-f]{8}$/;

/** Is it for this module to judge? */
export function concernsGroups(event: NostrEvent): boolean {
  const { kind } = event;
  if (isModerationKind(kind) || isMetadataKind(kind)) return true;
  if (kind === KIND_JOIN_GROUP || kind === KIND_LEAVE_GROUP) return true;
  return event.tags.some(([name, value]) => name === "h" && value !== undefined);
}

/** A reason against the event, or null. */
export function checkGroupEvent(
  groups: Groups,
  event: NostrEvent,
  rules: GroupRules,
  about: Circumstances,
): Reason | null {
  if (!concernsGroups(event)) return null;
  if (isMetadataKind(event.kind)) {
    return "restricted: only this relay makes the metadata of its groups (NIP-29)";
  }
  const ids = [...tagValues(event, "h")];
  const [id = ""] = ids;
  const isOrdinary = !isModerationKind(event.kind) && !isRequest(event.kind);
  if (ids.length > 1) return "invalid: an event can be of one group only";
  if (ids.length === 0 || id === "") return "invalid: the h tag with the group's id is missing";
  if (id.length > ID_LENGTH_MAX)
    return `invalid: a group id has at most ${ID_LENGTH_MAX} characters`;
  const group = groups.get(id);
  if (group === null) return "blocked: this group has been deleted";
  if (group === undefined && event.kind !== KIND_CREATE_GROUP) {
    return isOrdinary && rules.foreign === "accept"
      ? null
      : "invalid: this relay has no such group";
  }
  return (
    checkTime(event, rules, about) ??
    checkPrevious(event, id, rules, about) ??
    (isModerationKind(event.kind)
      ? checkModeration(groups, group ?? null, event, rules, about)
      : checkOfMember(group as Group, event, rules))
  );
}

function isRequest(kind: number): boolean {
  return kind === KIND_JOIN_GROUP || kind === KIND_LEAVE_GROUP;
}

function checkTime(event: NostrEvent, rules: GroupRules, about: Circumstances): Reason | null {
  const lateS = rules.latePublicationSeconds;
  if (lateS === 0 || event.created_at >= about.now - lateS) return null;
  return `invalid: created_at is more than ${lateS} seconds ago, too late for a group`;
}

/** Timeline references: those to what isn't here are refused however few are asked for. */
function checkPrevious(
  event: NostrEvent,
  id: string,
  rules: GroupRules,
  about: Circumstances,
): Reason | null {
  const starts = new Set<string>();
  for (const [name, ...values] of event.tags) {
    if (name === "previous") for (const value of values) starts.add(value);
  }
  if (starts.size > PREVIOUS_MAX) return `invalid: more than ${PREVIOUS_MAX} timeline references`;
  for (const start of starts) {
    if (!PREVIOUS.test(start)) return "invalid: a timeline reference has 8 lower-case hex digits";
    if (!about.hasRecent(id, start)) return `invalid: previous event ${start} is not known here`;
  }
  const isAsked = !isModerationKind(event.kind) && !isRequest(event.kind);
  if (!isAsked || starts.size >= rules.previousMin) return null;
  return `invalid: at least ${rules.previousMin} timeline references are needed`;
}

/** Requests to join and to leave, and whatever else members write. */
function checkOfMember(group: Group, event: NostrEvent, rules: GroupRules): Reason | null {
  const { pubkey, kind } = event;
  const isMember = group.members.has(pubkey);
  if (kind === KIND_JOIN_GROUP) return isMember ? ALREADY_MEMBER : checkJoin(group, event, rules);
  if (kind === KIND_LEAVE_GROUP)
    return isMember ? null : "restricted: you are no member of this group";
  if (group.isRestricted && !isMember) return "restricted: only members write in this group";
  const { supportedKinds } = group;
  // A request to delete one's own event is no message.
  if (supportedKinds === null || kind === KIND_DELETION || supportedKinds.includes(kind)) {
    return null;
  }
  return `blocked: this group has no events of kind ${kind}`;
}

const ALREADY_MEMBER: Reason = "duplicate: you are a member of this group already";

function checkJoin(group: Group, event: NostrEvent, rules: GroupRules): Reason | null {
  const isInvited = [...tagValues(event, "code")].some((code) => group.invites.has(code));
  if (group.isClosed && !isInvited) {
    return "restricted: this group is closed, joining takes an invite code";
  }
  return group.members.size >= rules.membersMax
    ? `restricted: this group is full, it has ${rules.membersMax} members`
    : null;
}
