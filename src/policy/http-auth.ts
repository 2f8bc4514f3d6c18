// NIP-98: who has sent an HTTP request, by the event in its Authorization header, as NIP-86 wants
// it: signed for this relay, this moment, this method and this body. The address is checked like
// that of a sign-in, not by the request's Host header: who has got such an event for a relay of
// theirs could send it here with that one. Whether it was used before is for the writer to say
// (control-changes.ts). Pure, given the clock; any thread.

import { createHash } from "node:crypto";
import { type Admission, admissionRules } from "../crypto/admission.ts";
import { firstTagValue, type NostrEvent } from "../protocol/event.ts";
import type { Reason } from "../protocol/reason.ts";
import type { IsThisRelay } from "../protocol/relay-url.ts";

const KIND_HTTP_AUTH = 27235;
/** NIP-98: "within a reasonable time window (suggestion 60 seconds)". */
const WINDOW_S = 60;
/** Standard or URL-safe alphabet, padded or not; RFC 9110, 11.6.2: the scheme in any case. */
const AUTHORIZATION = /^nostr +([A-Za-z0-9+/_-]+={0,2}) *$/i;

export interface HttpRequest {
  readonly method: string;
  /** The header's value, "" when there is none. */
  readonly authorization: string;
  readonly body: Buffer;
}

export interface HttpAuth {
  readonly pubkey: string;
  readonly id: string;
  /** Unix seconds: afterwards the event is too old. */
  readonly until: number;
}

/** Who it is, or what is wrong. `now` in unix seconds. */
export function verifyHttpAuth(
  request: HttpRequest,
  isThisRelay: IsThisRelay,
  admission: Admission,
  now: number,
): HttpAuth | string {
  if (request.authorization === "") return "the Authorization header is missing (NIP-98)";
  const match = AUTHORIZATION.exec(request.authorization);
  if (match === null) return "the Authorization header is not `Nostr` and base64";
  const value = parseJson(Buffer.from(match[1] as string, "base64").toString("utf8"));
  if (value === undefined) return "the Authorization header holds no JSON";
  const event = admission.verify(value, admissionRules(), (auth) =>
    checkHttpAuth(auth, request, isThisRelay, now),
  );
  if (typeof event === "string") return `the event of the Authorization header is ${event}`;
  return { pubkey: event.pubkey, id: event.id, until: event.created_at + WINDOW_S };
}

/** In the order of NIP-98. */
function checkHttpAuth(
  event: NostrEvent,
  { method, body }: HttpRequest,
  isThisRelay: IsThisRelay,
  now: number,
): Reason | null {
  if (event.kind !== KIND_HTTP_AUTH) return `invalid: its kind must be ${KIND_HTTP_AUTH}`;
  if (Math.abs(event.created_at - now) > WINDOW_S) {
    return `invalid: its created_at must be now, give or take ${WINDOW_S} seconds`;
  }
  const u = firstTagValue(event, "u");
  if (u === null) return "invalid: its u tag is missing";
  if (!isThisRelay(u)) return "invalid: its u tag names another address (relay.urls)";
  if (firstTagValue(event, "method") !== method) return `invalid: its method tag must be ${method}`;
  const payload = firstTagValue(event, "payload");
  if (payload === null) return "invalid: its payload tag is missing";
  const isPayload = payload === createHash("sha256").update(body).digest("hex");
  return isPayload ? null : "invalid: its payload tag must be the SHA-256 of the body";
}

/** Undefined for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
