// Who may do what: who manages the relay, who counts as a member of it, who may write and read.
// Pure, given the settings in force and the control state; belongs to no thread.

import { current, setting } from "../config/current.ts";
import type { Settings } from "../config/options.ts";
import type { Reason } from "../protocol/reason.ts";
import type { Control } from "./control.ts";

/** moderator: bans and allows keys and events; admin: everything. */
export type Rank = "admin" | "moderator";

export function rankOf(pubkey: string): Rank | null {
  if (pubkey === setting("info.pubkey") || setting("admin.pubkeys").includes(pubkey)) {
    return "admin";
  }
  return setting("admin.moderators").includes(pubkey) ? "moderator" : null;
}

/** Whether anybody may manage the relay over HTTP. */
export function isManaged(settings: Settings): boolean {
  const { "admin.pubkeys": admins, "admin.moderators": moderators } = settings;
  return settings["info.pubkey"] !== "" || admins.length + moderators.length > 0;
}

/** Whether access is for members in any way, so that NIP-43 means something here. */
export function hasMembers(settings: Settings): boolean {
  return settings["access.write"] === "members" || settings["access.read"] === "members";
}

export function isMember(control: Control, pubkey: string): boolean {
  if (control.bannedPubkeys.has(pubkey)) return false;
  return control.members.has(pubkey) || rankOf(pubkey) !== null;
}

/** `session`: the keys that the client has signed in with (NIP-42). */
export function refuseWriter(
  control: Control,
  author: string,
  session: ReadonlySet<string>,
): Reason | null {
  if (setting("access.write") === "anyone" || isMember(control, author)) return null;
  return refuseStranger(control, session, "write");
}

/** The reason against a REQ or COUNT of a client that has signed in with these keys. */
export function refuseReader(control: Control, session: ReadonlySet<string>): Reason | null {
  if (setting("access.read") === "anyone") return null;
  return refuseStranger(control, session, "read");
}

function refuseStranger(
  control: Control,
  session: ReadonlySet<string>,
  verb: "read" | "write",
): Reason | null {
  for (const pubkey of session) if (isMember(control, pubkey)) return null;
  return session.size === 0
    ? `auth-required: only members of this relay may ${verb}`
    : `restricted: only members of this relay may ${verb}`;
}

/** Whether a client that has signed in with these keys gets invites: the key it gets them for. */
export function inviterOf(control: Control, session: ReadonlySet<string>): string | null {
  const who = setting("access.invites");
  if (who === "off" || !hasMembers(current.settings)) return null;
  for (const pubkey of session) {
    if (rankOf(pubkey) === "admin") return pubkey;
    if (who === "members" && isMember(control, pubkey)) return pubkey;
  }
  return null;
}
