// NIP-98: who has sent an HTTP request, by the event in its Authorization header, as NIP-86 wants
// it: signed for this relay, this moment, this method and this body. Whether the event was used
// before is for the writer to say (control-changes.ts). Pure, given the clock; any thread.

import { createHash } from "node:crypto";
import type { Admission } from "../crypto/admission.ts";
import { firstTagValue, NO_EVENT_LIMITS } from "../protocol/event.ts";
import { sameRelayUrl } from "../protocol/relay-url.ts";

const KIND_HTTP_AUTH = 27235;
/** NIP-98: "within a reasonable time window (suggestion 60 seconds)". */
const WINDOW_S = 60;
const EVENT_BYTES_MAX = 16 * 1024;
/** Standard or URL-safe alphabet, padded or not; RFC 9110, 11.6.2: the scheme in any case. */
const AUTHORIZATION = /^nostr +([A-Za-z0-9+/_-]+={0,2}) *$/i;

export interface HttpRequest {
  readonly method: string;
  /** The relay's address as the client has written it, ws or wss; null when that is not known. */
  readonly url: string | null;
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

/** Who it is, or what is wrong. `urls`: the relay's public addresses, if any are configured. */
export function verifyHttpAuth(
  request: HttpRequest,
  urls: readonly string[],
  admission: Admission,
  now: number,
): HttpAuth | string {
  if (request.authorization === "") return "the Authorization header is missing (NIP-98)";
  const match = AUTHORIZATION.exec(request.authorization);
  if (match === null) return "the Authorization header is not the scheme Nostr and base64";
  const value = parseJson(Buffer.from(match[1] as string, "base64").toString("utf8"));
  if (value === undefined) return "the Authorization header holds no JSON";
  const limits = { ...NO_EVENT_LIMITS, bytesMax: EVENT_BYTES_MAX };
  const times = { createdAtAheadSeconds: WINDOW_S, createdAtBehindSeconds: WINDOW_S };
  const admitted = admission.admit(value, { ...limits, ...times }, now);
  if (typeof admitted === "string") return `the event of the Authorization header is ${admitted}`;
  const { event } = admitted;
  if (event.kind !== KIND_HTTP_AUTH) return `its kind is ${event.kind}, not ${KIND_HTTP_AUTH}`;
  const [u, method, payload] = ["u", "method", "payload"].map((name) => firstTagValue(event, name));
  if (u === null || u === undefined) return "its u tag is missing";
  const accepted = urls.length > 0 || request.url === null ? urls : [request.url];
  if (!accepted.some((url) => sameRelayUrl(u, url))) {
    return `its u tag names ${JSON.stringify(u)}, and this is ${accepted.join(" or ") || "elsewhere"}`;
  }
  if (method !== request.method) return `its method tag is not ${request.method}`;
  if (payload !== createHash("sha256").update(request.body).digest("hex")) {
    return "its payload tag is not the SHA-256 of the body";
  }
  return { pubkey: event.pubkey, id: event.id, until: event.created_at + WINDOW_S };
}

/** Undefined for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
