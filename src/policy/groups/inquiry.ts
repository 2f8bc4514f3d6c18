// What a command that only reads can say of groups (NIP-29): whether an event would be taken now,
// and whether all may see it. As the writer and the readers of a relay would judge, by the table of
// groups as it is.

import type { Database } from "bun:sqlite";
import type { NostrEvent } from "../../protocol/event.ts";
import type { Reason } from "../../protocol/reason.ts";
import { NOBODY } from "../../protocol/visibility.ts";
import type { EventReader } from "../../store/read.ts";
import { readControl } from "../control.ts";
import { isMember, rankOf } from "../rights.ts";
import { checkGroupEvent } from "./check.ts";
import { GroupLookup } from "./lookup.ts";
import { groupRules } from "./settings.ts";
import { GroupTable } from "./table.ts";
import { mayRead } from "./visibility.ts";

/** A reason against the event, or null. `now` in unix seconds. */
export function checkByGroups(
  db: Database,
  reader: EventReader,
  event: NostrEvent,
  now: number,
): Reason | null {
  const rules = groupRules();
  if (rules === null) return null;
  const { groups, count } = readTable(db);
  const control = readControl(db);
  const lookup = new GroupLookup(reader);
  return checkGroupEvent(groups, event, rules, {
    now,
    groupCount: count,
    isOfRelay: (pubkey) => rankOf(pubkey) === "admin",
    isRelayMember: (pubkey) => isMember(control, pubkey),
    findEvent: (id) => lookup.findEvent(id),
    hasRecent: (groupId, start) => lookup.hasRecent(groupId, start),
  });
}

/** False for what only some may see, because of its group. */
export function isOpenToAll(db: Database, event: NostrEvent): boolean {
  return groupRules() === null || mayRead(readTable(db).groups, NOBODY, event);
}

function readTable(db: Database): GroupTable {
  const table = new GroupTable(db);
  table.refresh(false);
  return table;
}
