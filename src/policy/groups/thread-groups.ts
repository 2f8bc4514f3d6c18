// What a thread that serves clients has of groups (NIP-29): their state, by which visibility goes;
// and the check of ephemeral events, which pass by the writer, who checks all others. Nothing where
// groups are off.

import type { Database } from "bun:sqlite";
import { guardReading } from "../../config/read-rules.ts";
import type { NostrEvent } from "../../protocol/event.ts";
import { classifyKind } from "../../protocol/kind.ts";
import type { Reason } from "../../protocol/reason.ts";
import { checkGroupEvent } from "./check.ts";
import { GroupGuard } from "./guard.ts";
import { groupRules } from "./settings.ts";
import { GroupsVersion, GroupsView } from "./view.ts";

/**
 * Before the thread reads anything for a client; `db` is its own connection, `version` null in a
 * command. Null where groups are off.
 */
export function guardGroups(db: Database, version: SharedArrayBuffer | null): GroupsView | null {
  if (groupRules() === null) return null;
  const view = new GroupsView(db, version === null ? null : new GroupsVersion(version));
  guardReading(new GroupGuard(view));
  return view;
}

export class ThreadGroups {
  private readonly view: GroupsView | null;

  constructor(db: Database, version: SharedArrayBuffer) {
    this.view = guardGroups(db, version);
  }

  /**
   * A reason against an ephemeral event, or null. Timeline references are not looked up: nobody
   * can refer to such an event itself.
   */
  checkPassing(event: NostrEvent, now: number): Reason | null {
    const rules = groupRules();
    if (this.view === null || rules === null) return null;
    if (classifyKind(event.kind) !== "ephemeral") return null;
    return checkGroupEvent(this.view.current(), event, rules, {
      now,
      groupCount: 0,
      isOfRelay: () => false,
      isRelayMember: () => false,
      findEvent: () => null,
      hasRecent: () => true,
    });
  }
}
