// Messages in both directions (NIP-01, 42, 45, 67, 77): client text → tagged union, and one encoder
// per relay message. A refusal is bound to the event id or subscription id that it answers whenever
// that can be read from the message; NOTICE is for the rest.

import type { Filter } from "./filter.ts";
import { countValues, parseFilter } from "./filter.ts";
import { parseHex } from "./hex.ts";
import type { Acknowledgement, Reason, SyncReason } from "./reason.ts";

export type ClientMessage =
  | { readonly type: "EVENT"; readonly id: string; readonly event: unknown }
  | { readonly type: "REQ"; readonly subscriptionId: string; readonly filters: readonly Filter[] }
  | { readonly type: "COUNT"; readonly queryId: string; readonly filters: readonly Filter[] }
  | { readonly type: "CLOSE"; readonly subscriptionId: string }
  | { readonly type: "AUTH"; readonly id: string; readonly event: unknown }
  | SyncMessage
  | { readonly type: "refused"; readonly frame: string; readonly closes: string | null };

/** NIP-77. The ids of syncs are apart from those of subscriptions. */
export type SyncMessage =
  | {
      readonly type: "NEG-OPEN";
      readonly syncId: string;
      /** Null when it can match nothing. */
      readonly filter: Filter | null;
      readonly message: Buffer;
    }
  | { readonly type: "NEG-MSG"; readonly syncId: string; readonly message: Buffer }
  | { readonly type: "NEG-CLOSE"; readonly syncId: string }
  /** One of the others that is refused. "After a NEG-ERR the subscription is closed." */
  | { readonly type: "NEG-ERR"; readonly syncId: string; readonly reason: SyncReason };

export interface MessageLimits {
  /** Filters in one REQ or COUNT. */
  readonly filtersMax: number;
  /** Values in the lists of all filters of one REQ or COUNT. */
  readonly filterValuesMax: number;
  /** Kinds whose words are searched (NIP-50). */
  readonly searchKinds: ReadonlySet<number>;
  /** Whether there are syncs (NIP-77). */
  readonly hasSyncs: boolean;
}

/** NIP-01: "an arbitrary, non-empty string of max length 64 chars". */
export const SUBSCRIPTION_ID_LENGTH_MAX = 64;
/** An id longer than this is not worth sending back. */
const ECHO_LENGTH_MAX = 256;

const ID_TOO_LONG: Reason = "invalid: the subscription id is longer than 64 characters";

export function parseClientMessage(text: string, limits: MessageLimits): ClientMessage {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return refuse(encodeNotice("invalid: not JSON"));
  }
  if (!Array.isArray(message) || typeof message[0] !== "string") {
    return refuse(encodeNotice("invalid: a message must be an array that starts with its type"));
  }
  switch (message[0]) {
    case "EVENT":
    case "AUTH":
      return parseEventMessage(message[0], message);
    case "REQ":
    case "COUNT":
      return parseQuery(message[0], message, limits);
    case "CLOSE":
      return parseClose(message);
    case "NEG-OPEN":
    case "NEG-MSG":
    case "NEG-CLOSE":
      return limits.hasSyncs
        ? parseSync(message[0], message, limits)
        : parseUnknown(message[0], message);
    default:
      return parseUnknown(message[0], message);
  }
}

/** `closes`: the subscription that a refused REQ would have replaced, and that CLOSED ends too. */
function refuse(frame: string, closes: string | null = null): ClientMessage {
  return { type: "refused", frame, closes };
}

function parseEventMessage(type: "EVENT" | "AUTH", message: readonly unknown[]): ClientMessage {
  const event = message[1];
  if (typeof event !== "object" || event === null || Array.isArray(event)) {
    return refuse(encodeNotice(`invalid: ${type} must carry an event object`));
  }
  const id = (event as Record<string, unknown>)["id"];
  if (typeof id !== "string" || id.length > ECHO_LENGTH_MAX) {
    return refuse(encodeNotice("invalid: id must be 64 lower-case hex digits"));
  }
  return { type, id, event };
}

function parseQuery(
  type: "REQ" | "COUNT",
  message: readonly unknown[],
  limits: MessageLimits,
): ClientMessage {
  const id = message[1];
  if (typeof id !== "string") {
    return refuse(encodeNotice(`invalid: ${type} needs a subscription id`));
  }
  if (id.length > ECHO_LENGTH_MAX) return refuse(encodeNotice(ID_TOO_LONG));
  const reason = checkSubscriptionId(id) ?? checkFilterCount(message.length - 2, limits);
  const filters = reason ?? parseFilters(message, limits);
  if (typeof filters === "string") {
    return refuse(encodeClosed(id, filters), type === "REQ" ? id : null);
  }
  return type === "REQ" ? { type, subscriptionId: id, filters } : { type, queryId: id, filters };
}

/** Filters that can match nothing are left out. */
function parseFilters(message: readonly unknown[], limits: MessageLimits): Filter[] | Reason {
  const filters: Filter[] = [];
  let valuesCount = 0;
  for (let i = 2; i < message.length; i++) {
    const filter = parseFilter(message[i], limits.searchKinds);
    if (typeof filter === "string") return filter;
    if (filter === null) continue;
    valuesCount += countValues(filter);
    filters.push(filter);
  }
  return valuesCount > limits.filterValuesMax ? tooManyValues(limits) : filters;
}

function checkSubscriptionId(id: string): Reason | null {
  if (id.length === 0) return "invalid: the subscription id is empty";
  if (id.length > SUBSCRIPTION_ID_LENGTH_MAX && [...id].length > SUBSCRIPTION_ID_LENGTH_MAX) {
    return ID_TOO_LONG;
  }
  return id.isWellFormed() ? null : "invalid: the subscription id has a lone surrogate";
}

function checkFilterCount(count: number, limits: MessageLimits): Reason | null {
  if (count <= 0) return "invalid: a filter is missing";
  return count > limits.filtersMax ? `invalid: more than ${limits.filtersMax} filters` : null;
}

/** Elements after the subscription id are ignored. */
function parseClose(message: readonly unknown[]): ClientMessage {
  const subscriptionId = message[1];
  if (typeof subscriptionId !== "string") {
    return refuse(encodeNotice("invalid: CLOSE needs a subscription id"));
  }
  return { type: "CLOSE", subscriptionId };
}

function parseSync(
  type: "NEG-OPEN" | "NEG-MSG" | "NEG-CLOSE",
  message: readonly unknown[],
  limits: MessageLimits,
): ClientMessage {
  const syncId = message[1];
  if (typeof syncId !== "string") {
    return refuse(encodeNotice(`invalid: ${type} needs a subscription id`));
  }
  if (type === "NEG-CLOSE") return { type, syncId };
  if (syncId.length > ECHO_LENGTH_MAX) return refuse(encodeNotice(ID_TOO_LONG));
  const badId = checkSubscriptionId(syncId);
  if (badId !== null) return { type: "NEG-ERR", syncId, reason: badId };
  const filter = type === "NEG-OPEN" ? parseSyncFilter(message[2], limits) : null;
  if (typeof filter === "string") return { type: "NEG-ERR", syncId, reason: filter };
  const bytes = parseHex(message[type === "NEG-OPEN" ? 3 : 2]);
  if (bytes === null) {
    return { type: "NEG-ERR", syncId, reason: "invalid: the message must be lower-case hex" };
  }
  return type === "NEG-OPEN"
    ? { type, syncId, filter, message: bytes }
    : { type, syncId, message: bytes };
}

/**
 * A filter like a REQ's, its `limit` included: what is synced is what a REQ would be sent. NIP-77
 * has one filter; NDK (@nostr-dev-kit/sync 1.0.0) sends it as the one element of an array.
 */
function parseSyncFilter(value: unknown, limits: MessageLimits): Filter | null | Reason {
  const isList = Array.isArray(value) && value.length > 0;
  if (isList && value.length > 1) return "unsupported: a sync is of one filter only";
  const filter = parseFilter(isList ? value[0] : value, limits.searchKinds);
  if (filter === null || typeof filter === "string") return filter;
  if (filter.search !== null) return "unsupported: what a search finds can't be synced";
  return countValues(filter) > limits.filterValuesMax ? tooManyValues(limits) : filter;
}

function tooManyValues({ filterValuesMax }: MessageLimits): Reason {
  return `invalid: more than ${filterValuesMax} values in the filters`;
}

/** NEG-* is answered by NEG-ERR, so that its sender doesn't wait for ever. */
function parseUnknown(type: string, message: readonly unknown[]): ClientMessage {
  const shown = JSON.stringify(type.length > 32 ? `${type.slice(0, 32)}…` : type);
  const reason: Reason = `unsupported: unknown message type ${shown}`;
  const subject = message[1];
  if (type.startsWith("NEG-") && typeof subject === "string" && subject.length <= ECHO_LENGTH_MAX) {
    return refuse(encodeNegErr(subject, reason));
  }
  return refuse(encodeNotice(reason));
}

/** NIP-67: whether a REQ got every stored event that matches. Null where the relay can't tell. */
export type EoseHint = "finish" | "more" | null;

/** A refusal must have a reason; an accepted event may go without. */
export function encodeOk(id: string, accepted: true, reason: Acknowledgement): string;
export function encodeOk(id: string, accepted: false, reason: Reason): string;
export function encodeOk(id: string, accepted: boolean, reason: Acknowledgement): string {
  return JSON.stringify(["OK", id, accepted, reason]);
}

export function encodeClosed(subscriptionId: string, reason: Reason): string {
  return JSON.stringify(["CLOSED", subscriptionId, reason]);
}

/** NIP-42. */
export function encodeAuth(challenge: string): string {
  return JSON.stringify(["AUTH", challenge]);
}

export function encodeNotice(reason: Reason): string {
  return JSON.stringify(["NOTICE", reason]);
}

export function encodeEose(subscriptionId: string, hint: EoseHint): string {
  return JSON.stringify(
    hint === null ? ["EOSE", subscriptionId] : ["EOSE", subscriptionId, [hint]],
  );
}

/** NIP-45. `isApproximate`: counting stopped at the limit, so there are at least that many. */
export function encodeCount(
  queryId: string,
  count: number,
  isApproximate: boolean,
  hll: string | null = null,
): string {
  const result = {
    count,
    ...(isApproximate ? { approximate: true } : null),
    ...(hll === null ? null : { hll }),
  };
  return JSON.stringify(["COUNT", queryId, result]);
}

/** NIP-77. */
export function encodeNegMsg(syncId: string, message: Uint8Array): string {
  const { buffer, byteOffset, length } = message;
  const hex = Buffer.from(buffer, byteOffset, length).toString("hex");
  return `["NEG-MSG",${JSON.stringify(syncId)},"${hex}"]`;
}

/** NIP-77. `itemsMax`: "the maximum number of records that can be processed". */
export function encodeNegErr(
  syncId: string,
  reason: SyncReason,
  itemsMax: number | null = null,
): string {
  const more = itemsMax === null ? [] : [itemsMax];
  return JSON.stringify(["NEG-ERR", syncId, reason, ...more]);
}

/** What stands before an event's JSON in `["EVENT",<subscription id>,<event>]`; `]` follows it. */
export function encodeEventPrefix(subscriptionId: string): string {
  return `["EVENT",${JSON.stringify(subscriptionId)},`;
}
