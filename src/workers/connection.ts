// One client's connection, as the main thread keeps it: what is under way in both directions, which
// subscriptions may still be sent for, and what it has cost.

import type { ServerWebSocket } from "bun";
import { log } from "../config/log.ts";
import type { WireBytes } from "./wire-meter.ts";

export interface SocketData {
  readonly address: string;
  /** Whether the client can read compressed messages (RFC 7692). */
  readonly isCompressing: boolean;
  /** 0 when it isn't known. */
  readonly peerPort: number;
  connection: Connection | null;
}

export type Socket = ServerWebSocket<SocketData>;

/** Frames, and the length of each in UTF-8. */
export interface Outgoing {
  readonly texts: string[];
  readonly bytes: number[];
}

/** There may be many thousands that wait: each keeps next to nothing. */
export class Connection {
  readonly id: number;
  readonly socket: Socket;
  readonly openedAt = performance.now();
  receivedMessages = 0;
  /** These and the next of UTF-8 text, before compression. */
  receivedBytes = 0;
  sentMessages = 0;
  sentBytes = 0;
  /** Of the messages sent, how many left compressed. */
  sentCompressed = 0;
  /** Null where the kernel has no such figures. */
  wire: WireBytes | null = null;
  /** How many messages there had been, both ways, when `wire` was read. */
  wireReadAt = -1;
  /** Frames to be sent at the end of this turn, together. */
  outgoing: Outgoing | null = null;
  isTouched = false;
  /** Messages given to the ingester and not yet dealt with. */
  messagesUnderWay = 0;
  bytesUnderWay = 0;
  /** Of stored events: taken over from the reader, not yet known to have left. */
  storedBytes = 0;
  isPaused = false;
  isClosed = false;
  /** Why the relay ends it, for the log; null while it doesn't. */
  endReason: string | null = null;
  /** Of the first slot, and of all others. */
  private gen = 0;
  private gens: number[] | null = null;

  constructor(id: number, socket: Socket) {
    this.id = id;
    this.socket = socket;
  }

  /** `reason` is for the log, `told` for the client. */
  end(code: number, reason: string, told: string): void {
    this.endReason = reason;
    this.socket.close(code, told);
  }

  /** Frames of that slot with a lower gen are no longer sent. */
  raiseGen(slot: number, gen: number): void {
    if (slot === 0) {
      this.gen = Math.max(this.gen, gen);
      return;
    }
    this.gens ??= [];
    while (this.gens.length <= slot) this.gens.push(0);
    if ((this.gens[slot] as number) < gen) this.gens[slot] = gen;
  }

  /** False for a frame of a subscription that has been closed or replaced. */
  admitsGen(slot: number, gen: number): boolean {
    return gen >= (slot === 0 ? this.gen : (this.gens?.[slot] ?? 0));
  }
}

/** The line in the log when it has ended. `wire` is what is known of its bytes on the wire. */
export function logClosed(
  connection: Connection,
  code: number,
  reason: string,
  wire: string,
): void {
  const { id, socket, endReason } = connection;
  const seconds = ((performance.now() - connection.openedAt) / 1000).toFixed(1);
  const why = endReason ?? (reason === "" ? String(code) : `${code} ${reason}`);
  log(
    "info",
    "websocket",
    `connection ${id} from ${socket.data.address} closed after ${seconds} s (${why}): ` +
      `received ${connection.receivedMessages} messages, ${connection.receivedBytes} bytes; ` +
      `sent ${connection.sentMessages} messages, ${connection.sentBytes} bytes, ` +
      `${connection.sentCompressed} compressed${wire}`,
  );
}
