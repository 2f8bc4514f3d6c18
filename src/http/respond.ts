// Answers every HTTP request that does not become a WebSocket: the relay information document
// (NIP-11), the landing page, CORS preflights, the health check. Pure; the main thread calls it.
// Paths are compared as they were sent, without their query: "/" is the relay, "//" is nothing.

import type { Settings } from "../config/options.ts";
import { prefersNostrJson } from "./accept.ts";
import { LANDING_PAGE_POLICY, landingPage, webSocketUrlOf } from "./landing-page.ts";
import { relayInformation } from "./relay-information.ts";

const METHODS = "GET, HEAD, OPTIONS";
/** NIP-86 comes by POST; when nobody manages the relay, that is refused. */
const CORS_METHODS = "GET, HEAD, POST, OPTIONS";

/**
 * NIP-11: "Relays MUST accept CORS requests by sending" these three. The wildcard doesn't cover
 * Authorization (Fetch standard), which NIP-98 needs.
 */
export const CORS_HEADERS = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Allow-Headers": "*, Authorization",
  "Access-Control-Allow-Methods": CORS_METHODS,
};

/** A day, the longest that any browser keeps the answer to a preflight. */
const PREFLIGHT_AGE_S = 86_400;

/** The type stated is the type meant: nothing of the settings is to be taken for HTML. */
export const NO_SNIFFING = { "X-Content-Type-Options": "nosniff" };

/**
 * `self` is the relay's own public key. Never throws, whatever the request. The answer to HEAD is
 * that to GET, body included: Bun.serve sends its length and leaves the body out, whereas a
 * response without one would claim length 0.
 */
export function respond(
  request: Request,
  settings: Settings,
  self: string | null = null,
): Response {
  switch (request.method) {
    case "GET":
    case "HEAD":
      return respondToGet(request, settings, self);
    case "OPTIONS":
      return new Response(null, {
        status: 204,
        headers: {
          Allow: METHODS,
          ...CORS_HEADERS,
          "Access-Control-Max-Age": String(PREFLIGHT_AGE_S),
        },
      });
    default:
      return plainText(405, "method not allowed\n", { Allow: METHODS });
  }
}

/** Whether a WebSocket may be opened at the URL of a request: its path is exactly "/". */
export function isRelayPath(url: string): boolean {
  return pathnameOf(url) === "/";
}

export function isMetricsPath(url: string): boolean {
  return pathnameOf(url) === "/metrics";
}

function respondToGet(request: Request, settings: Settings, self: string | null): Response {
  switch (pathnameOf(request.url)) {
    case "/":
      return prefersNostrJson(request.headers.get("accept"))
        ? respondWithDocument(settings, self)
        : respondWithPage(request, settings);
    case "/health":
      return plainText(200, "ok\n", { "Cache-Control": "no-store" });
    default:
      return plainText(404, "not found\n", {});
  }
}

function respondWithDocument(settings: Settings, self: string | null): Response {
  return new Response(JSON.stringify(relayInformation(settings, self)), {
    headers: {
      "Content-Type": "application/nostr+json",
      Vary: "Accept",
      ...CORS_HEADERS,
      ...NO_SNIFFING,
    },
  });
}

function respondWithPage(request: Request, settings: Settings): Response {
  return new Response(landingPage(settings, webSocketUrlOf(request)), {
    headers: {
      "Content-Type": "text/html; charset=utf-8",
      // The page names the relay's own address: its scheme comes from that second header.
      Vary: "Accept, X-Forwarded-Proto",
      "Content-Security-Policy": LANDING_PAGE_POLICY,
      "Referrer-Policy": "no-referrer",
      ...NO_SNIFFING,
    },
  });
}

function plainText(status: number, text: string, headers: Record<string, string>): Response {
  const type = { "Content-Type": "text/plain; charset=utf-8" };
  return new Response(text, { status, headers: { ...type, ...NO_SNIFFING, ...headers } });
}

/**
 * Bun gives the URL of a request as http://host/path?query, but as /path?query when the Host header
 * is absent or holds more than a host, so `new URL` would throw on what a client sends.
 */
function pathnameOf(url: string): string {
  const authority = url.startsWith("/") ? 0 : url.indexOf("://") + 3;
  const start = url.slice(authority).search(/[/?#]/) + authority;
  if (start < authority || url[start] !== "/") return "/"; // http://host and http://host?query
  const length = url.slice(start).search(/[?#]/);
  return length < 0 ? url.slice(start) : url.slice(start, start + length);
}
