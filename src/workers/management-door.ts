// The ingester's part of the management API (NIP-86): who sends a request (NIP-98), what it asks
// for, and whether they may. What passes goes to the writer, which answers it; all else is answered
// here. All requests go to the first ingester.

import { nowSeconds } from "../config/clock.ts";
import { isThisRelay } from "../config/this-relay.ts";
import type { Admission } from "../crypto/admission.ts";
import { parseJson, verifyHttpAuth } from "../policy/http-auth.ts";
import { isMethod, mayCall } from "../policy/management.ts";
import { rankOf } from "../policy/rights.ts";
import type { Outbox } from "../ring/outbox.ts";
import {
  type ManagementRequest,
  sendManagementAnswer,
  sendManagementCall,
} from "./mail-management.ts";

const OK = 200;
export const UNAUTHORIZED = 401;
const FORBIDDEN = 403;
const METHOD_LENGTH_MAX = 64;

export class ManagementDoor {
  private readonly websocket: Outbox;
  private readonly writer: Outbox;
  private readonly admission: Admission;

  constructor(websocket: Outbox, writer: Outbox, admission: Admission) {
    this.websocket = websocket;
    this.writer = writer;
    this.admission = admission;
  }

  onRequest(request: ManagementRequest): void {
    const { requestId } = request;
    const now = nowSeconds();
    const auth = verifyHttpAuth(request, isThisRelay(), this.admission, now);
    if (typeof auth === "string") {
      this.refuse(requestId, UNAUTHORIZED, auth);
      return;
    }
    const rank = rankOf(auth.pubkey);
    if (rank === null) {
      this.refuse(requestId, FORBIDDEN, "this key may not manage the relay");
      return;
    }
    const call = parseCall(parseJson(request.body.toString("utf8")));
    if (typeof call === "string") this.refuse(requestId, OK, call);
    else if (!isMethod(call.method)) this.refuse(requestId, OK, "there is no such method");
    else if (!mayCall(rank, call.method)) {
      this.refuse(requestId, FORBIDDEN, "this key may not call that method");
    } else sendManagementCall(this.writer, { requestId, auth, caller: auth.pubkey, ...call });
  }

  private refuse(requestId: number, status: number, error: string): void {
    sendManagementAnswer(this.websocket, requestId, status, { error });
  }
}

/** NIP-86: `{"method": …, "params": […]}`, or what is wrong with it. Some leave `params` out. */
function parseCall(value: unknown): { method: string; params: readonly unknown[] } | string {
  if (typeof value !== "object" || value === null) return "the body must be a JSON object";
  const { method, params = [] } = value as Record<string, unknown>;
  if (typeof method !== "string" || method.length > METHOD_LENGTH_MAX) {
    return "method must be the name of a method";
  }
  if (!Array.isArray(params)) return "params must be an array";
  return { method, params: params as unknown[] };
}
