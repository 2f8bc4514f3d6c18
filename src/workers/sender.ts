// What goes to the clients: frames are gathered per connection and leave together, corked, when the
// main thread ends its turn. Whoever doesn't read is cut off at the byte limit; when stored events
// have left, their reader gets credit to send more. Owned by the main thread.

import { setting } from "../config/current.ts";
import { log } from "../config/log.ts";
import type { Outbox } from "../ring/outbox.ts";
import type { Connection } from "./connection.ts";
import { trySendCredit } from "./mail.ts";

const NUDGE_MS = 1000;

export class Sender {
  private readonly readers: readonly Outbox[];
  /** Connections with frames to send, or credit to give, at the end of this turn. */
  private touched: Connection[] = [];
  /** Connections whose credit found its ring full. */
  private readonly creditDue = new Set<Connection>();
  /** Connections whose sockets hold bytes back, and how many at the last look (`nudge`). */
  private readonly held = new Map<Connection, number>();

  constructor(readers: readonly Outbox[]) {
    this.readers = readers;
    setInterval(() => this.nudge(), NUDGE_MS).unref();
  }

  /** `bytes` is the text's length in UTF-8. */
  queue(connection: Connection, text: string, bytes: number): void {
    this.touch(connection);
    connection.outgoing.push(text);
    connection.outgoingSizes.push(bytes);
  }

  touch(connection: Connection): void {
    if (connection.isTouched) return;
    connection.isTouched = true;
    this.touched.push(connection);
  }

  flush(): void {
    const { touched } = this;
    this.touched = [];
    for (const connection of touched) {
      connection.isTouched = false;
      if (!connection.isClosed) this.sendOutgoing(connection);
    }
  }

  /** Something of what the connection had queued in its socket has left: perhaps not all. */
  onDrain(connection: Connection): void {
    if (connection.socket.getBufferedAmount() > 0) return;
    this.held.delete(connection);
    this.giveCredit(connection);
  }

  forget(connection: Connection): void {
    this.creditDue.delete(connection);
    this.held.delete(connection);
  }

  /**
   * Each second. Should the runtime once miss that a socket can be written again, nothing would
   * ever leave it: one that holds as much as at the last look is written to, by a ping.
   */
  nudge(): void {
    for (const [connection, before] of this.held) {
      const { socket } = connection;
      if (before > 0 && socket.getBufferedAmount() === before) socket.ping();
      const now = socket.getBufferedAmount();
      this.held.set(connection, now);
      if (now > 0) continue;
      log("debug", "websocket", `connection ${connection.id} was written to again, unasked`);
      this.onDrain(connection);
    }
  }

  /** Credit that found its ring full before. */
  retry(): void {
    for (const connection of this.creditDue) this.giveCredit(connection);
  }

  private sendOutgoing(connection: Connection): void {
    const { socket, outgoing, outgoingSizes } = connection;
    connection.outgoing = [];
    connection.outgoingSizes = [];
    if (outgoing.length === 1) {
      this.sendOne(connection, outgoing[0] as string, outgoingSizes[0] as number);
    } else if (outgoing.length > 1) {
      socket.cork(() => {
        for (let i = 0; i < outgoing.length; i++) {
          this.sendOne(connection, outgoing[i] as string, outgoingSizes[i] as number);
        }
      });
    }
    if (socket.getBufferedAmount() > 0) {
      if (!this.held.has(connection)) this.held.set(connection, 0);
    } else this.onDrain(connection);
  }

  private sendOne(connection: Connection, text: string, bytes: number): void {
    if (connection.isClosed) return;
    const { isCompressing } = connection.socket.data;
    const compress = isCompressing && bytes >= setting("relay.compression_bytes_min");
    const status = connection.socket.sendText(text, compress);
    connection.sent.messages += 1;
    connection.sent.bytes += bytes;
    if (compress) connection.sent.compressed += 1;
    if (status > 0) return;
    const bytesMax = setting("relay.outbound_bytes_max");
    if (status === 0 || connection.socket.getBufferedAmount() > bytesMax) {
      connection.endReason = `slow reader: more than ${bytesMax} bytes unread`;
      // No close frame: it would wait behind all that isn't read, and keep the memory with it.
      connection.socket.terminate();
    }
  }

  /** Tells the reader that what it has sent has left; it may go on. */
  private giveCredit(connection: Connection): void {
    if (connection.storedBytes === 0 || connection.isClosed) return;
    const reader = this.readers[connection.id % this.readers.length];
    if (reader !== undefined && trySendCredit(reader, connection.id, connection.storedBytes)) {
      connection.storedBytes = 0;
      this.creditDue.delete(connection);
    } else {
      this.creditDue.add(connection);
    }
  }
}
