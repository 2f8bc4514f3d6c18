// Groups in memory: takes events as the writer does, checked, applied and answered, with nothing
// stored but the events themselves.

import type { NostrEvent } from "../../src/protocol/event.ts";
import { applyModeration } from "../../src/policy/groups/apply.ts";
import { checkGroupEvent } from "../../src/policy/groups/check.ts";
import {
  type Group,
  isModerationKind,
  KIND_DELETE_EVENT,
  tagValues,
} from "../../src/policy/groups/group.ts";
import type { Circumstances, GroupRules } from "../../src/policy/groups/rules.ts";
import { answerTo } from "../../src/policy/groups/relay-events.ts";
import { author, makeEvent } from "./unsigned-events.ts";

/** Who is who in the tests of groups. */
export const RELAY = author(100);
export const OPERATOR = author(101);
export const ADMIN = author(1);
export const OTHER_ADMIN = author(2);
export const MODERATOR = author(3);
export const OTHER_MODERATOR = author(4);
/** Has a role that means nothing. */
export const GARDENER = author(5);
export const MEMBER = author(6);
export const STRANGER = author(7);

export const NOW = 1_000_000;

export const RULES: GroupRules = {
  create: "anyone",
  foreign: "refuse",
  latePublicationSeconds: 600,
  previousMin: 0,
  groupsMax: 100,
  membersMax: 20,
  invitesMax: 5,
  pinsMax: 3,
};

export interface Fields {
  readonly kind: number;
  readonly by: string;
  /** The group; none when it is null. */
  readonly h?: string | null;
  readonly tags?: readonly (readonly string[])[];
  readonly at?: number;
  readonly content?: string;
}

export function groupEvent({ kind, by, h = "g", tags = [], at = NOW, content = "" }: Fields) {
  const hTags = h === null ? [] : [["h", h]];
  return makeEvent({ kind, pubkey: by, created_at: at, tags: [...hTags, ...tags], content });
}

export class GroupBook {
  readonly groups = new Map<string, Group | null>();
  /** All that was accepted, and what the relay has added, in order. */
  readonly events: NostrEvent[] = [];
  readonly rules: GroupRules;
  readonly relayMembers = new Set<string>();

  constructor(rules: Partial<GroupRules> = {}) {
    this.rules = { ...RULES, ...rules };
  }

  check(event: NostrEvent): string | null {
    const { groups, events } = this;
    const about: Circumstances = {
      now: NOW,
      groupCount: [...groups.values()].filter((group) => group !== null).length,
      isOfRelay: (pubkey) => pubkey === RELAY || pubkey === OPERATOR,
      isRelayMember: (pubkey) => this.relayMembers.has(pubkey),
      findEvent: (id) => events.find((one) => one.id === id) ?? null,
      hasRecent: (_, idStart) => events.some(({ id }) => id.startsWith(idStart)),
    };
    return checkGroupEvent(groups, event, this.rules, about);
  }

  /** The reason against it, or null and it is taken. */
  take(event: NostrEvent): string | null {
    const refusal = this.check(event);
    if (refusal !== null) return refusal;
    this.add(event);
    const answer = answerTo(event);
    if (answer !== null) {
      const { kind, tags } = answer;
      this.add(makeEvent({ kind, tags, pubkey: RELAY, created_at: NOW }));
    }
    return null;
  }

  /** Takes what must be accepted. */
  must(fields: Fields): NostrEvent {
    const event = groupEvent(fields);
    const refusal = this.take(event);
    if (refusal !== null) throw new Error(`kind ${event.kind} was refused: ${refusal}`);
    return event;
  }

  group(id = "g"): Group {
    return this.groups.get(id) as Group;
  }

  private add(event: NostrEvent): void {
    this.events.push(event);
    if (event.kind === KIND_DELETE_EVENT) this.delete(tagValues(event, "e"));
    for (const [id, group] of applyModeration(this.groups, event)) this.groups.set(id, group);
  }

  private delete(ids: Set<string>): void {
    const kept = this.events.filter(({ id }) => !ids.has(id));
    this.events.splice(0, this.events.length, ...kept);
  }

  /** What the accepted moderation events add up to, from the start. */
  replayed(): Map<string, Group | null> {
    const groups = new Map<string, Group | null>();
    for (const event of this.events.filter(({ kind }) => isModerationKind(kind))) {
      for (const [id, group] of applyModeration(groups, event)) groups.set(id, group);
    }
    return groups;
  }
}

/** Group "g" with two members of each role, but one of none and one with a role of no meaning. */
export function populated(rules: Partial<GroupRules> = {}): GroupBook {
  const book = new GroupBook(rules);
  book.must({ kind: 9007, by: ADMIN });
  const tags = [
    ["p", OTHER_ADMIN, "admin"],
    ["p", MODERATOR, "moderator"],
    ["p", OTHER_MODERATOR, "moderator"],
    ["p", GARDENER, "gardener"],
    ["p", MEMBER],
  ];
  book.must({ kind: 9000, by: ADMIN, tags });
  return book;
}
