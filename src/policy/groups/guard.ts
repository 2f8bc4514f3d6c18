// What groups (NIP-29) mean for those who read: the part of visibility that goes by more than an
// event's kind. Each thread that serves readers has one; where groups are off there is none.

import type { Filter } from "../../protocol/filter.ts";
import type { Reason } from "../../protocol/reason.ts";
import type { EventGuard, Readable, Seen, Viewer } from "../../protocol/visibility.ts";
import {
  type Group,
  isMetadataKind,
  KIND_CREATE_INVITE,
  KIND_JOIN_GROUP,
  KIND_LEAVE_GROUP,
  KIND_PUT_USER,
  KIND_REMOVE_USER,
} from "./group.ts";
import { hasGroupTag } from "./text.ts";
import type { GroupsView } from "./view.ts";
import { mayRead, mayReadClass, refusalOf } from "./visibility.ts";

const METADATA_KINDS: ReadonlySet<number> = new Set(
  Array.from({ length: 10 }, (_, i) => 39_000 + i),
);
const PUT_OR_REMOVED: ReadonlySet<number> = new Set([KIND_PUT_USER, KIND_REMOVE_USER]);
/** Their authors see them, members or not. */
const OF_AUTHOR: ReadonlySet<number> = new Set([
  KIND_CREATE_INVITE,
  KIND_JOIN_GROUP,
  KIND_LEAVE_GROUP,
]);

export class GroupGuard implements EventGuard {
  readonly kinds = METADATA_KINDS;
  private readonly view: GroupsView;

  constructor(view: GroupsView) {
    this.view = view;
  }

  get version(): number {
    this.view.current();
    return this.view.version;
  }

  mayHide(kind: number, text: Buffer): boolean {
    if (this.view.current().size === 0) return false;
    return isMetadataKind(kind) || hasGroupTag(text);
  }

  sees(viewer: Viewer, event: Readable): boolean {
    return mayRead(this.view.current(), viewer, event);
  }

  seesOfGroup(viewer: Viewer, kind: number, groupId: string | null): Seen {
    const groups = this.view.current();
    if (groups.size === 0) return "all";
    return groupId === null ? "some" : mayReadClass(groups, viewer, kind, groupId);
  }

  checkRead(viewer: Viewer, filters: readonly Filter[]): Reason | null {
    return refusalOf(this.view.current(), viewer, filters);
  }

  widen(filter: Filter, before: Viewer, after: Viewer): Filter[] {
    const added = after.difference(before);
    const found: Filter[] = [];
    const add = (kinds: ReadonlySet<number> | null, letter: string, values: Viewer): void => {
      const both = kinds === null ? filter.kinds : (filter.kinds?.intersection(kinds) ?? kinds);
      if (both?.size === 0 || values.size === 0) return;
      found.push({ ...filter, kinds: both, tags: [...filter.tags, { letter, values }] });
    };
    const groups = this.view.current();
    const gained = new Set([...groups.keys()].filter((id) => hasAny(groups.get(id), added)));
    add(null, "h", gained);
    add(METADATA_KINDS, "d", gained);
    // Of groups that they are no members of, whoever signs in sees what concerns them.
    add(PUT_OR_REMOVED, "p", added);
    const kinds = filter.kinds?.intersection(OF_AUTHOR) ?? OF_AUTHOR;
    const authors = filter.authors === null ? added : added.intersection(filter.authors);
    if (kinds.size > 0 && authors.size > 0) found.push({ ...filter, kinds, authors });
    return found;
  }
}

function hasAny(group: Group | null | undefined, pubkeys: Viewer): boolean {
  if (group === undefined || group === null) return false;
  for (const pubkey of pubkeys) if (group.members.has(pubkey)) return true;
  return false;
}
