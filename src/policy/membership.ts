// Members of the relay, roles and invites (NIP-43): what changes them, and what the relay publishes
// because of it. Within a write transaction, on the writing thread; the list of members is
// published once for all of a transaction.

import { setting } from "../config/current.ts";
import { firstTagValue, type NostrEvent } from "../protocol/event.ts";
import {
  KIND_MEMBER_ADDED,
  KIND_MEMBER_LIST,
  KIND_MEMBER_REMOVED,
  KIND_ROLE,
} from "../protocol/kind.ts";
import type { Acknowledgement, Reason } from "../protocol/reason.ts";
import type { RelayEvents } from "../store/relay-events.ts";
import type { ControlChanges, Invite, Role } from "./control-changes.ts";
import { openInvite } from "./invites.ts";
import { rankOf } from "./rights.ts";

/** NIP-43: "now, plus or minus a few minutes". */
const REQUEST_AGE_S_MAX = 300;
/** Around the tags of the list: the event's other fields. */
const EVENT_OVERHEAD_BYTES = 512;
const PROTECTED = ["-"] as const;

export type Answer =
  | { readonly accepted: true; readonly reason: Acknowledgement }
  | { readonly accepted: false; readonly reason: Reason };

export class Membership {
  private readonly changes: ControlChanges;
  private readonly events: RelayEvents;
  private isListStale = false;

  constructor(changes: ControlChanges, events: RelayEvents) {
    this.changes = changes;
    this.events = events;
  }

  /** False when nothing is changed by it. */
  add(pubkey: string, reason: string): boolean {
    if (!this.changes.addMember(pubkey, reason)) return false;
    this.announce(KIND_MEMBER_ADDED, pubkey);
    return true;
  }

  remove(pubkey: string): boolean {
    if (!this.changes.removeMember(pubkey)) return false;
    this.announce(KIND_MEMBER_REMOVED, pubkey);
    return true;
  }

  ban(pubkey: string, reason: string): void {
    if (this.changes.isMember(pubkey)) this.isListStale = true;
    this.changes.banPubkey(pubkey, reason);
  }

  unban(pubkey: string): boolean {
    if (this.changes.isMember(pubkey)) this.isListStale = true;
    return this.changes.unbanPubkey(pubkey);
  }

  /** Kind 28934. `now` in unix seconds. */
  join(request: NostrEvent, now: number): Answer {
    const { pubkey } = request;
    const stale = refuseStale(request, now);
    if (stale !== null) return { accepted: false, reason: stale };
    if (this.changes.isMember(pubkey)) {
      return { accepted: true, reason: "duplicate: you are already a member of this relay." };
    }
    const code = firstTagValue(request, "claim");
    if (code === null) return { accepted: false, reason: "invalid: a claim tag is missing" };
    const invite = this.changes.invite(code) ?? this.inviteOf(code, now);
    if (invite === null || invite.usesMax === 0) {
      return { accepted: false, reason: "restricted: that is an invalid invite code." };
    }
    if (invite.expires < now) {
      return { accepted: false, reason: "restricted: that invite code is expired." };
    }
    if (invite.uses >= invite.usesMax) {
      return { accepted: false, reason: "restricted: that invite code has been used." };
    }
    this.changes.putInvite({ ...invite, uses: invite.uses + 1 }, now);
    this.add(pubkey, `invited by ${invite.inviter}`);
    this.changes.log(now, pubkey, "join", [code], "true");
    const [name = setting("info.name") || "this relay"] = setting("relay.urls");
    return { accepted: true, reason: `info: welcome to ${name}!` };
  }

  /** Kind 28936. */
  leave(request: NostrEvent, now: number): Answer {
    const { pubkey, tags } = request;
    const stale = refuseStale(request, now);
    if (stale !== null) return { accepted: false, reason: stale };
    if (!tags.some(([name]) => name === "-")) {
      return { accepted: false, reason: 'invalid: a leave request needs a "-" tag (NIP-70)' };
    }
    if (!this.remove(pubkey)) {
      return { accepted: true, reason: "duplicate: you are not a member of this relay." };
    }
    this.changes.log(now, pubkey, "leave", [], "true");
    return { accepted: true, reason: "info: you are no longer a member of this relay." };
  }

  /** One that a member got for asking, as if it were stored; null when it is none of ours. */
  private inviteOf(code: string, now: number): Invite | null {
    const sealed = openInvite(this.events.key, code);
    if (sealed === null) return null;
    const inviter = this.inviterOf(sealed.inviterPrefix);
    if (inviter === null) return null; // has left, or been banned
    const { expires } = sealed;
    const usesMax = setting("access.invite_uses");
    return { code, inviter, created_at: now, expires, usesMax, uses: 0 };
  }

  private inviterOf(prefix: string): string | null {
    const admins = [setting("info.pubkey"), ...setting("admin.pubkeys")];
    const all = [...admins, ...setting("admin.moderators")];
    const ranked = all.find((pubkey) => pubkey.startsWith(prefix) && rankOf(pubkey) !== null);
    return ranked ?? this.changes.memberByPrefix(prefix);
  }

  // Roles

  putRole(role: Role): void {
    this.changes.putRole(role);
    if (!setting("access.publish_members")) return;
    const tags: string[][] = [[...PROTECTED], ["d", role.id]];
    if (role.label !== "") tags.push(["label", role.label]);
    if (role.description !== "") tags.push(["description", role.description]);
    if (role.color !== null) tags.push(["color", String(role.color)]);
    if (role.order !== null) tags.push(["order", String(role.order)]);
    this.events.publish({ kind: KIND_ROLE, tags, content: "" });
  }

  deleteRole(id: string): void {
    this.changes.deleteRole(id);
    this.isListStale = true;
    if (setting("access.publish_members")) this.events.retract(KIND_ROLE, id);
  }

  assignRole(pubkey: string, role: string): void {
    if (this.changes.assignRole(pubkey, role)) this.isListStale = true;
  }

  unassignRole(pubkey: string, role: string): void {
    if (this.changes.unassignRole(pubkey, role)) this.isListStale = true;
  }

  // What is published

  private announce(kind: number, pubkey: string): void {
    this.isListStale = true;
    if (!setting("access.publish_members")) return;
    this.events.publish({ kind, tags: [[...PROTECTED], ["p", pubkey]], content: "" });
  }

  /** At the end of the transaction. As many members as fit in an event, the first ones. */
  publishList(): void {
    if (!this.isListStale) return;
    this.isListStale = false;
    if (!setting("access.publish_members")) return;
    const tags: string[][] = [[...PROTECTED]];
    let bytes = EVENT_OVERHEAD_BYTES;
    for (const { pubkey, roles } of this.changes.members()) {
      const tag = ["member", pubkey, ...roles];
      bytes += Buffer.byteLength(JSON.stringify(tag)) + 1;
      if (bytes > setting("events.bytes_max") || tags.length >= setting("events.tags_max")) break;
      tags.push(tag);
    }
    this.events.publish({ kind: KIND_MEMBER_LIST, tags, content: "" });
  }

  /** The transaction has come to nothing. */
  forget(): void {
    this.isListStale = false;
  }
}

function refuseStale(request: NostrEvent, now: number): Reason | null {
  const isNow = Math.abs(request.created_at - now) <= REQUEST_AGE_S_MAX;
  return isNow ? null : "invalid: created_at is not of this moment";
}
