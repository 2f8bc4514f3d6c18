// Whether a client may publish an event, by whom it has signed in as (NIP-42): what the options ask
// for, and protected events (NIP-70), which only their author may publish. Pure.

import type { NostrEvent } from "../protocol/event.ts";
import { classifyKind, KIND_GENERIC_REPOST, KIND_REPOST } from "../protocol/kind.ts";
import type { Reason } from "../protocol/reason.ts";
import type { Viewer } from "../protocol/visibility.ts";

export interface PublisherRules {
  readonly mustSignIn: boolean;
  /** Kinds that must be published by somebody who has signed in. */
  readonly signedInKinds: ReadonlySet<number>;
}

/** Null when this client may publish this event, as far as who it is goes. */
export function checkPublisher(
  event: NostrEvent,
  viewer: Viewer,
  rules: PublisherRules,
): Reason | null {
  if (viewer.size === 0) {
    if (rules.mustSignIn) return "auth-required: sign in to publish on this relay";
    if (rules.signedInKinds.has(event.kind)) return "auth-required: sign in to publish this kind";
  }
  if (isProtected(event) && !viewer.has(event.pubkey)) {
    return viewer.size === 0
      ? "auth-required: this event may only be published by its author"
      : "restricted: this event may only be published by its author";
  }
  const isRepost = event.kind === KIND_REPOST || event.kind === KIND_GENERIC_REPOST;
  return isRepost && embedsProtected(event.content)
    ? "blocked: a repost must not embed a protected event"
    : null;
}

/** Somebody who has signed in and is nobody's author. */
const NO_AUTHOR: Viewer = new Set([""]);
const ANYONE_MAY: PublisherRules = { mustSignIn: false, signedInKinds: new Set() };

/**
 * The same for what another relay gives: it counts as if its author had signed in here, but what is
 * protected only that author may bring.
 */
export function checkForeign(event: NostrEvent): Reason | null {
  if (classifyKind(event.kind) === "ephemeral") return "invalid: ephemeral events are not stored";
  return checkPublisher(event, NO_AUTHOR, ANYONE_MAY);
}

/** NIP-70: "a simple tag with a single item". One with more items is taken for the same. */
export function isProtected(event: Pick<NostrEvent, "tags">): boolean {
  return event.tags.some((tag) => tag[0] === "-");
}

/** NIP-18: a repost's content is the event it reposts, as JSON, or empty. */
function embedsProtected(content: string): boolean {
  let embedded: unknown;
  try {
    embedded = JSON.parse(content);
  } catch {
    return false; // empty, or no event
  }
  if (typeof embedded !== "object" || embedded === null) return false;
  const { tags } = embedded as Record<string, unknown>;
  return Array.isArray(tags) && tags.some((tag) => Array.isArray(tag) && tag[0] === "-");
}
