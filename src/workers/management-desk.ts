// The main thread's part of what is managed (NIP-86): it takes HTTP requests, hands those of the
// management API to the first ingester, and waits for the writer's answers; and it keeps what it is
// told of the control state: the relay's texts, its own key, the addresses that are blocked.

import { current } from "../config/current.ts";
import { log } from "../config/log.ts";
import type { Settings } from "../config/options.ts";
import { compileNetworks, type Networks } from "../http/client-address.ts";
import { overlay } from "../http/relay-information.ts";
import { CORS_HEADERS, isRelayPath, NO_SNIFFING, respond } from "../http/respond.ts";
import { isManaged } from "../policy/rights.ts";
import { encodeKey } from "../protocol/nip19.ts";
import type { IngesterFeed } from "./ingester-feed.ts";
import type { ControlMail, ManagementAnswer } from "./mail-management.ts";

const MANAGEMENT_TYPE = "application/nostr+json+rpc";
/** A description of 10,000 characters, escaped. No other request that is answered has a body. */
export const REQUEST_BODY_BYTES_MAX = 64 * 1024;
/** Requests of the management API under way: it is for a few people. */
const PENDING_MAX = 64;
const TOO_MANY = "too many requests at once";
/** From the request's first byte to its answer. */
const ANSWER_MS_MAX = 30_000;

interface Pending {
  readonly pieces: Buffer[];
  readonly resolve: (response: Response) => void;
  /** Its body has come: only the workers are waited for. */
  isForwarded: boolean;
}

export class ManagementDesk {
  private readonly feed: IngesterFeed;
  private readonly pending = new Map<number, Pending>();
  private lastId = 0;
  private isStopping = false;
  private control: ControlMail | null = null;
  private blocked: Networks = compileNetworks([]);
  private face: { readonly of: Settings; readonly settings: Settings } | null = null;

  constructor(feed: IngesterFeed) {
    this.feed = feed;
  }

  // The control state

  onControl(control: ControlMail): void {
    if (this.control === null) {
      log("info", "relay", `the relay's own key is ${encodeKey("npub", control.self)}`);
    }
    this.control = control;
    this.blocked = compileNetworks(control.blockedIps);
    this.face = null;
  }

  isBlocked(address: string): boolean {
    const blockedIps = this.control?.blockedIps ?? [];
    return blockedIps.length > 0 && this.blocked.contains(address);
  }

  /** The settings with the texts that admins have given the relay. */
  private get settings(): Settings {
    if (this.face?.of !== current.settings) {
      const settings = overlay(current.settings, this.control?.texts ?? {});
      this.face = { of: current.settings, settings };
    }
    return this.face.settings;
  }

  // Requests

  /** Any request that opens no WebSocket. */
  respond(request: Request): Response | Promise<Response> {
    if (isManaged(current.settings) && isManagement(request)) return this.manage(request);
    return respond(request, this.settings, this.control?.self ?? null);
  }

  /** Some piece of an answer. */
  onAnswer({ requestId, status, isLast, piece }: ManagementAnswer): void {
    const pending = this.pending.get(requestId);
    if (pending === undefined) return; // nobody waits any more
    pending.pieces.push(piece);
    if (isLast) this.end(requestId, respondWith(status, Buffer.concat(pending.pieces)));
  }

  /** What comes from now on is refused; what was taken is answered by the workers. */
  stop(): void {
    this.isStopping = true;
  }

  private async manage(request: Request): Promise<Response> {
    if (this.isStopping) return tryAgain("the relay stops");
    if (this.pending.size >= PENDING_MAX && !this.makeRoom()) return tryAgain(TOO_MANY);
    do this.lastId = (this.lastId + 1) >>> 0;
    while (this.pending.has(this.lastId));
    const requestId = this.lastId;
    const response = new Promise<Response>((resolve) => {
      this.pending.set(requestId, { pieces: [], resolve, isForwarded: false });
    });
    const giveUp = (): void => this.end(requestId, tryAgain("this has taken too long"));
    const timer = setTimeout(giveUp, ANSWER_MS_MAX);
    request.signal.addEventListener("abort", giveUp, { once: true });
    void this.forward(requestId, request);
    return response.finally(() => clearTimeout(timer));
  }

  /** Who sends no body must not keep others out: the one that has waited longest for it goes. */
  private makeRoom(): boolean {
    for (const [requestId, { isForwarded }] of this.pending) {
      if (isForwarded) continue;
      this.end(requestId, tryAgain(TOO_MANY));
      return true;
    }
    return false;
  }

  private async forward(requestId: number, request: Request): Promise<void> {
    let body: Buffer;
    try {
      body = Buffer.from(await request.arrayBuffer());
    } catch {
      this.end(requestId, answer(400, { error: "the body could not be read" }));
      return;
    }
    const pending = this.pending.get(requestId);
    if (pending === undefined) return;
    if (this.isStopping) {
      this.end(requestId, tryAgain("the relay stops"));
      return;
    }
    pending.isForwarded = true;
    const authorization = request.headers.get("authorization") ?? "";
    this.feed.sendManagement({ requestId, method: request.method, authorization, body });
  }

  private end(requestId: number, response: Response): void {
    this.pending.get(requestId)?.resolve(response);
    this.pending.delete(requestId);
  }
}

function isManagement({ method, url, headers }: Request): boolean {
  if (method !== "POST" || !isRelayPath(url)) return false;
  const [type = ""] = (headers.get("content-type") ?? "").split(";");
  return type.trim().toLowerCase() === MANAGEMENT_TYPE;
}

function tryAgain(error: string): Response {
  return answer(503, { error: `${error}, please try again later` });
}

function answer(status: number, body: { readonly error: string }): Response {
  return respondWith(status, Buffer.from(JSON.stringify(body)));
}

function respondWith(status: number, body: Buffer<ArrayBuffer>): Response {
  return new Response(body, {
    status,
    headers: {
      "Content-Type": "application/json",
      "Cache-Control": "no-store",
      ...(status === 401 ? { "WWW-Authenticate": "Nostr" } : {}), // RFC 9110, 15.5.2
      ...CORS_HEADERS,
      ...NO_SNIFFING,
    },
  });
}
