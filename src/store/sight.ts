// What one reader of stored events may see of them (visibility.ts): the client who has asked, by
// the keys it has signed in with. Made for each query.

import type { Filter } from "../protocol/filter.ts";
import { NOBODY, type Seen, type Viewer, type Visibility } from "../protocol/visibility.ts";
import { decodeText, textKind } from "./candidate.ts";
import { groupIdOf } from "./sum-tables.ts";

const NO_KINDS: ReadonlySet<number> = new Set();

export class Sight {
  readonly viewer: Viewer;
  private readonly visibility: Visibility;
  /** Null, or what it saw before it signed in with another key: that is not shown again. */
  private readonly before: Viewer | null;

  constructor(visibility: Visibility, viewer: Viewer = NOBODY, before: Viewer | null = null) {
    this.visibility = visibility;
    this.viewer = viewer;
    this.before = before;
  }

  /** What can be seen of what the filter asks for; null when that is nothing. */
  narrow(filter: Filter): Filter | null {
    if (this.viewer.size > 0 || filter.kinds === null) return filter;
    const { hiddenKinds } = this.visibility;
    if (!this.visibility.mayMatchHidden(filter)) return filter;
    const kinds = filter.kinds.difference(hiddenKinds);
    return kinds.size === 0 ? null : { ...filter, kinds };
  }

  /** False when all that the filter matches may be seen: then nobody has to look. */
  mustLook(filter: Filter): boolean {
    return this.before !== null || this.visibility.mayMatchHidden(filter);
  }

  /** Keys of which each event that can be seen has one; null when other events can be seen. */
  audience(filter: Filter): Viewer | null {
    return this.visibility.isPrivate(filter) ? this.viewer : null;
  }

  /** Kinds of which nothing can be seen. */
  get blindKinds(): ReadonlySet<number> | null {
    return this.viewer.size === 0 ? this.visibility.hiddenKinds : null;
  }

  /** Raised when it may have changed what can be seen. */
  get version(): number {
    return this.visibility.version;
  }

  get privateKinds(): ReadonlySet<number> {
    return this.visibility.rules.privateKinds;
  }

  /** Kinds of which some can be seen and some can't, for what their events are about. */
  get guardedKinds(): ReadonlySet<number> {
    return this.visibility.guardedKinds;
  }

  get hiddenKinds(): ReadonlySet<number> {
    return this.visibility.hiddenKinds;
  }

  /** Whether all that can't be seen is of `hiddenKinds`. */
  get isByKind(): boolean {
    return this.visibility.guardedKinds.size === 0;
  }

  /** Kinds of which some can be seen and some can't. */
  get mixedKinds(): ReadonlySet<number> {
    const { guardedKinds, rules } = this.visibility;
    const byKind = this.viewer.size === 0 ? NO_KINDS : rules.privateKinds;
    return guardedKinds.size === 0 ? byKind : byKind.union(guardedKinds);
  }

  /** Of events of a class (sum-tables.ts). */
  seesClass(kind: number, groups: string): Seen {
    const groupId = groups === "" ? undefined : groupIdOf(groups);
    return this.visibility.seesClass(this.viewer, kind, groupId);
  }

  sees(text: Buffer): boolean {
    const { visibility, viewer, before } = this;
    const kind = textKind(text);
    if (!visibility.mayHide(kind, text)) return before === null;
    if (viewer.size === 0 && visibility.hiddenKinds.has(kind)) return false;
    const event = decodeText(text);
    if (!visibility.sees(viewer, event)) return false;
    return before === null || !visibility.sees(before, event);
  }
}
