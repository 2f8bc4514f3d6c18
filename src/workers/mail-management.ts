// The management API between threads: an HTTP request on its way from the main thread to an
// ingester, which verifies it; the call on its way to the writer, which makes it; the answer on its
// way back. And what the main thread has to know of the control state. Layouts as in mail.ts.

import type { PublicControl } from "../policy/control.ts";
import type { HttpAuth, HttpRequest } from "../policy/http-auth.ts";
import type { ManagementCall } from "../policy/management.ts";
import type { Outbox } from "../ring/outbox.ts";
import type { RingConsumer } from "../ring/ring.ts";
import { MAIL } from "./mail.ts";

// management: u32 request id | u32 length of the JSON | JSON | body

const REQUEST_HEADER_BYTES = 8;

export interface ManagementRequest extends HttpRequest {
  readonly requestId: number;
}

/** False when the ring is full. */
export function trySendManagement(out: Outbox, request: ManagementRequest): boolean {
  const { requestId, body, method, authorization } = request;
  const json = Buffer.from(JSON.stringify([method, authorization]));
  const bytes = REQUEST_HEADER_BYTES + json.length + body.length;
  const at = out.tryReserve(bytes);
  if (at < 0) return false;
  out.view.setUint32(at, requestId, true);
  out.view.setUint32(at + 4, json.length, true);
  out.bytes.set(json, at + REQUEST_HEADER_BYTES);
  out.bytes.set(body, at + REQUEST_HEADER_BYTES + json.length);
  out.commit(MAIL.management, bytes);
  return true;
}

export function readManagement(ring: RingConsumer): ManagementRequest {
  const { view, bytes, offset } = ring;
  const bodyAt = offset + REQUEST_HEADER_BYTES + view.getUint32(offset + 4, true);
  const json = bytes.toString("utf8", offset + REQUEST_HEADER_BYTES, bodyAt);
  const [method, authorization] = JSON.parse(json) as [string, string];
  const body = Buffer.from(bytes.subarray(bodyAt, offset + ring.length)); // a copy
  return { requestId: view.getUint32(offset, true), method, authorization, body };
}

// managementCall: JSON

export interface ManagementCallMail extends ManagementCall {
  readonly requestId: number;
  readonly auth: HttpAuth;
}

/** Blocks while the ring is full. */
export function sendManagementCall(out: Outbox, mail: ManagementCallMail): void {
  sendJson(out, MAIL.managementCall, mail);
}

export function readManagementCall(ring: RingConsumer): ManagementCallMail {
  return readJson(ring) as ManagementCallMail;
}

// managementAnswer: u32 request id | u32 HTTP status | u32 1 for the last piece
//                   | a piece of the body

const ANSWER_HEADER_BYTES = 12;
const ANSWER_PIECE_BYTES = 65536;

/** Lists may be longer than any record, so the body goes in pieces. */
export function sendManagementAnswer(
  out: Outbox,
  requestId: number,
  status: number,
  answer: unknown,
): void {
  const body = Buffer.from(JSON.stringify(answer));
  for (let from = 0; from < body.length; from += ANSWER_PIECE_BYTES) {
    const piece = body.subarray(from, from + ANSWER_PIECE_BYTES);
    const at = out.reserve(ANSWER_HEADER_BYTES + piece.length);
    const isLast = from + ANSWER_PIECE_BYTES >= body.length;
    out.view.setUint32(at, requestId, true);
    out.view.setUint32(at + 4, status, true);
    out.view.setUint32(at + 8, isLast ? 1 : 0, true);
    out.bytes.set(piece, at + ANSWER_HEADER_BYTES);
    out.commit(MAIL.managementAnswer, ANSWER_HEADER_BYTES + piece.length);
  }
}

export interface ManagementAnswer {
  readonly requestId: number;
  readonly status: number;
  readonly isLast: boolean;
  readonly piece: Buffer;
}

export function readManagementAnswer(ring: RingConsumer): ManagementAnswer {
  const { view, bytes, offset } = ring;
  return {
    requestId: view.getUint32(offset, true),
    status: view.getUint32(offset + 4, true),
    isLast: view.getUint32(offset + 8, true) === 1,
    piece: Buffer.from(bytes.subarray(offset + ANSWER_HEADER_BYTES, offset + ring.length)),
  };
}

// control: JSON

export interface ControlMail extends PublicControl {
  /** The relay's own public key. */
  readonly self: string;
}

export function sendControl(out: Outbox, mail: ControlMail): void {
  sendJson(out, MAIL.control, mail);
}

export function readControlMail(ring: RingConsumer): ControlMail {
  return readJson(ring) as ControlMail;
}

function sendJson(out: Outbox, type: number, value: unknown): void {
  const json = Buffer.from(JSON.stringify(value));
  out.bytes.set(json, out.reserve(json.length));
  out.commit(type, json.length);
}

function readJson(ring: RingConsumer): unknown {
  return JSON.parse(ring.bytes.toString("utf8", ring.offset, ring.offset + ring.length));
}
