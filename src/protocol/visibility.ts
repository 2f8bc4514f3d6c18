// Who may see which events. Kinds that are private (NIP-04, NIP-17, NIP-59) are for their author
// and the keys in their `p` tags, once signed in (NIP-42); of others the operator may ask that
// whoever reads them is signed in, with any key. Pure; belongs to no thread.
//
// Whoever reads events for a client asks here: stored ones, live ones, counts, search. What isn't
// visible leaves no trace: it uses up no limit, is in no count and no hint.

import type { NostrEvent } from "./event.ts";
import type { Filter } from "./filter.ts";
import type { Reason } from "./reason.ts";

/** The keys that a connection has signed in with. */
export type Viewer = ReadonlySet<string>;

export const NOBODY: Viewer = new Set();
const NO_KINDS: ReadonlySet<number> = new Set();

export interface VisibilityRules {
  /** For author and recipients. */
  readonly privateKinds: ReadonlySet<number>;
  /** For whoever has signed in. */
  readonly signedInKinds: ReadonlySet<number>;
  /** Whether all kinds are like the latter. */
  readonly isAllSignedIn: boolean;
}

/** What an event is read by: nothing else of it says who may. */
export type Readable = Pick<NostrEvent, "kind" | "pubkey" | "tags">;

/** Of events that have something in common: all can be seen, none, or each has to be looked at. */
export type Seen = "all" | "some" | "none";

/** Rules that go by more than an event's kind, and may change at any time. */
export interface EventGuard {
  /** Beside events with an `h` tag, these may be hidden. */
  readonly kinds: ReadonlySet<number>;
  /** Raised when the rules have changed. */
  readonly version: number;
  /** Whether an event of this text, which is JSON, may be one that some can't see. */
  mayHide(kind: number, text: Buffer): boolean;
  sees(viewer: Viewer, event: Readable): boolean;
  /** Of events with an `h` tag, all of that kind and of one group; null: of whatever groups. */
  seesOfGroup(viewer: Viewer, kind: number, groupId: string | null): Seen;
  /** As of `Visibility`. */
  checkRead(viewer: Viewer, filters: readonly Filter[]): Reason | null;
  widen(filter: Filter, before: Viewer, after: Viewer): Filter[];
}

export class Visibility {
  readonly rules: VisibilityRules;
  private readonly guard: EventGuard | null;
  /** Kinds that not everybody may see. */
  readonly hiddenKinds: ReadonlySet<number>;

  constructor(rules: VisibilityRules, guard: EventGuard | null = null) {
    this.rules = rules;
    this.guard = guard;
    this.hiddenKinds = new Set([...rules.privateKinds, ...rules.signedInKinds]);
  }

  /** Kinds of which some events are seen by some only, though neither kind nor `h` tag tells. */
  get guardedKinds(): ReadonlySet<number> {
    return this.guard?.kinds ?? NO_KINDS;
  }

  get version(): number {
    return this.guard?.version ?? 0;
  }

  /** Whether an event of this text, which is JSON, may be one that some can't see. */
  mayHide(kind: number, text: Buffer): boolean {
    return this.hiddenKinds.has(kind) || (this.guard?.mayHide(kind, text) ?? false);
  }

  sees(viewer: Viewer, event: Readable): boolean {
    return this.seesKind(viewer, event) && (this.guard?.sees(viewer, event) ?? true);
  }

  private seesKind(viewer: Viewer, event: Readable): boolean {
    if (!this.hiddenKinds.has(event.kind)) return true;
    if (viewer.size === 0) return false;
    return !this.rules.privateKinds.has(event.kind) || isInvolved(viewer, event);
  }

  /**
   * Of events of a kind that have no `h` tag (`groupId` undefined), or only that one, or any
   * (null). "all" and "none" are certain.
   */
  seesClass(viewer: Viewer, kind: number, groupId: string | null | undefined): Seen {
    const isNobody = viewer.size === 0;
    if (isNobody && this.hiddenKinds.has(kind)) return "none";
    if (this.rules.privateKinds.has(kind) || this.guardedKinds.has(kind)) return "some";
    if (groupId === undefined || this.guard === null) return "all";
    return this.guard.seesOfGroup(viewer, kind, groupId);
  }

  /** Whether a filter may match events that some can't see. */
  mayMatchHidden(filter: Filter): boolean {
    if (this.guard !== null) return true;
    if (filter.kinds === null) return this.hiddenKinds.size > 0;
    for (const kind of filter.kinds) if (this.hiddenKinds.has(kind)) return true;
    return false;
  }

  /** Whether a filter asks for private kinds only. */
  isPrivate(filter: Filter): boolean {
    if (filter.kinds === null) return false;
    for (const kind of filter.kinds) if (!this.rules.privateKinds.has(kind)) return false;
    return true;
  }

  /** Why a REQ or COUNT can't be answered before its client has signed in; null when it can. */
  checkRead(viewer: Viewer, filters: readonly Filter[]): Reason | null {
    const guarded = this.guard?.checkRead(viewer, filters) ?? null;
    if (viewer.size > 0) return guarded;
    if (this.rules.isAllSignedIn) return "auth-required: sign in to read from this relay";
    const isHidden = (filter: Filter): boolean => {
      if (filter.kinds === null) return false;
      for (const kind of filter.kinds) if (!this.hiddenKinds.has(kind)) return false;
      return true;
    };
    if (filters.length === 0 || !filters.every(isHidden)) return guarded;
    return filters.every((filter) => this.isPrivate(filter))
      ? "auth-required: private events are only for their authors and recipients, sign in first"
      : "auth-required: sign in to read these kinds";
  }

  /**
   * The filters that find, among what `filter` matches, all that `after` sees and `before` didn't:
   * and little else, so that a sign-in doesn't read everything again.
   */
  widen(filter: Filter, before: Viewer, after: Viewer): Filter[] {
    const found: Filter[] = [];
    const among = (kinds: ReadonlySet<number>): Filter | null => {
      const both = filter.kinds === null ? kinds : filter.kinds.intersection(kinds);
      return both.size === 0 ? null : { ...filter, kinds: both };
    };
    const added = after.difference(before);
    const ofPrivate = among(this.rules.privateKinds);
    if (ofPrivate !== null && added.size > 0) {
      const authors = filter.authors === null ? added : added.intersection(filter.authors);
      if (authors.size > 0) found.push({ ...ofPrivate, authors });
      found.push({ ...ofPrivate, tags: [...filter.tags, { letter: "p", values: added }] });
    }
    const ofSignedIn = among(this.rules.signedInKinds.difference(this.rules.privateKinds));
    if (ofSignedIn !== null && before.size === 0 && after.size > 0) found.push(ofSignedIn);
    return this.guard === null ? found : [...found, ...this.guard.widen(filter, before, after)];
  }
}

/** NIP-17: "kind 1059 … only to the recipients"; NIP-04: both sides of the conversation. */
function isInvolved(viewer: Viewer, event: Readable): boolean {
  if (viewer.has(event.pubkey)) return true;
  return event.tags.some(([name, value]) => name === "p" && viewer.has(value ?? ""));
}
