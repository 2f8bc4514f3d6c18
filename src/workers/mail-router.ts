// The router (src/mesh/router.ts) and the other threads: what became of its events, on the way back
// from the writer; and its metrics, on their way to the main thread. Its events themselves travel
// as an ingester's do. Layouts as in mail.ts.

import type { Outbox } from "../ring/outbox.ts";
import type { RingConsumer } from "../ring/ring.ts";
import type { Verdict } from "../store/verdict.ts";
import { MAIL } from "./mail.ts";

/** The connection that the router's events are of: no client has this number. */
export const ROUTER_CONN = 0;

// fate: u32 flags | u32 0 | id, 64 hex digits | reason

const FATE_HEADER_BYTES = 8;
const ID_LENGTH = 64;
const IS_ACCEPTED = 1;
const IS_STORED = 2;

export interface FateMail {
  readonly id: string;
  readonly isAccepted: boolean;
  readonly isStored: boolean;
  readonly reason: string;
}

/** The router has so few events under way that there is always room. */
export function sendFate(out: Outbox, id: string, { accepted, reason, seq }: Verdict): void {
  const text = id + reason;
  const bytes = FATE_HEADER_BYTES + Buffer.byteLength(text);
  const at = out.reserve(bytes);
  out.view.setUint32(at, (accepted ? IS_ACCEPTED : 0) | (seq > 0 ? IS_STORED : 0), true);
  out.view.setUint32(at + 4, 0, true);
  out.bytes.write(text, at + FATE_HEADER_BYTES, "utf8");
  out.commit(MAIL.fate, bytes);
}

export function readFate(ring: RingConsumer): FateMail {
  const { view, offset, bytes, length } = ring;
  const flags = view.getUint32(offset, true);
  const text = bytes.toString("utf8", offset + FATE_HEADER_BYTES, offset + length);
  return {
    id: text.slice(0, ID_LENGTH),
    isAccepted: (flags & IS_ACCEPTED) !== 0,
    isStored: (flags & IS_STORED) !== 0,
    reason: text.slice(ID_LENGTH),
  };
}

// routerMetrics: u32 flags | u32 0 | piece of the text that is served

const METRICS_HEADER_BYTES = 8;
const IS_FIRST = 1;
const IS_LAST = 2;
const PIECE_BYTES = 64 * 1024;

export interface MetricsPiece {
  readonly isFirst: boolean;
  readonly isLast: boolean;
  readonly bytes: Buffer;
}

/** Broken off when there is no room for it: the next one follows. */
export function trySendRouterMetrics(out: Outbox, text: string): void {
  const all = Buffer.from(text);
  for (let done = 0; done === 0 || done < all.length; done += PIECE_BYTES) {
    const piece = all.subarray(done, done + PIECE_BYTES);
    const isLast = done + piece.length === all.length;
    const at = out.tryReserve(METRICS_HEADER_BYTES + piece.length);
    if (at < 0) return;
    out.view.setUint32(at, (done === 0 ? IS_FIRST : 0) | (isLast ? IS_LAST : 0), true);
    out.view.setUint32(at + 4, 0, true);
    out.bytes.set(piece, at + METRICS_HEADER_BYTES);
    out.commitQuietly(MAIL.routerMetrics, METRICS_HEADER_BYTES + piece.length);
  }
}

export function readRouterMetrics(ring: RingConsumer): MetricsPiece {
  const { view, offset, length } = ring;
  const flags = view.getUint32(offset, true);
  return {
    isFirst: (flags & IS_FIRST) !== 0,
    isLast: (flags & IS_LAST) !== 0,
    bytes: Buffer.from(ring.bytes.subarray(offset + METRICS_HEADER_BYTES, offset + length)),
  };
}
