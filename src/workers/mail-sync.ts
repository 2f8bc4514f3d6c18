// Syncs (NIP-77) on their way from an ingester to their thread. Layouts as in mail.ts.

import type { Outbox } from "../ring/outbox.ts";
import type { RingConsumer } from "../ring/ring.ts";
import { MAIL } from "./mail.ts";

// syncOpen, syncMessage, syncRefused, syncClose:
//   u32 connId | u32 length of the client's message | u32 head bytes | head | rest
//
//   syncOpen      head: a query's body (mail.ts), of at most one filter   rest: the first message
//   syncMessage   head: the sync's id                                     rest: the message
//   syncRefused   head: its id                                            rest: the reason
//   syncClose     head: its id                                            rest: empty
//
// Of all but the last it is for the receiver to report that the client's message is dealt with.

const HEADER_BYTES = 12;

export interface SyncMail {
  readonly connId: number;
  readonly messageBytes: number;
  readonly head: Buffer;
  readonly rest: Buffer;
}

export type SyncMailType = (typeof MAIL)["syncOpen" | "syncMessage" | "syncRefused" | "syncClose"];

/** False when it is too long for the ring. */
export function sendSync(out: Outbox, type: SyncMailType, mail: SyncMail): boolean {
  const { connId, messageBytes, head, rest } = mail;
  const length = HEADER_BYTES + head.length + rest.length;
  if (length > out.recordBytesMax) return false;
  const at = out.reserve(length);
  out.view.setUint32(at, connId, true);
  out.view.setUint32(at + 4, messageBytes, true);
  out.view.setUint32(at + 8, head.length, true);
  out.bytes.set(head, at + HEADER_BYTES);
  out.bytes.set(rest, at + HEADER_BYTES + head.length);
  if (type === MAIL.syncClose) out.commitQuietly(type, length);
  else out.commit(type, length);
  return true;
}

/** A copy. */
export function readSync(ring: RingConsumer): SyncMail {
  const { view, offset } = ring;
  const headAt = offset + HEADER_BYTES;
  const restAt = headAt + view.getUint32(offset + 8, true);
  return {
    connId: view.getUint32(offset, true),
    messageBytes: view.getUint32(offset + 4, true),
    head: Buffer.from(ring.bytes.subarray(headAt, restAt)),
    rest: Buffer.from(ring.bytes.subarray(restAt, offset + ring.length)),
  };
}
