// What goes to the clients: frames are gathered per connection and leave together, corked, when the
// main thread ends its turn. Whoever doesn't read is cut off at the byte limit; when stored events
// have left, their reader gets credit to send more. Owned by the main thread.

import { setting } from "../config/current.ts";
import type { Outbox } from "../ring/outbox.ts";
import type { Connection, Outgoing } from "./connection.ts";
import { trySendCredit } from "./mail.ts";

const NUDGE_MS = 100;
/** A socket that holds as much as before is pinged after so many looks. */
const LOOKS_PER_PING = 5;

const NOTHING: Outgoing = { texts: [], bytes: [] };

interface Held {
  /** At the last look. */
  bytes: number;
  /** In a row, with as many. */
  looks: number;
}

export class Sender {
  private readonly readers: readonly Outbox[];
  /** Connections with frames to send, or credit to give, at the end of this turn. */
  private touched: Connection[] = [];
  /** Connections whose credit found its ring full. */
  private readonly creditDue = new Set<Connection>();
  /** Connections whose sockets hold bytes back. */
  private readonly held = new Map<Connection, Held>();
  private nudger: ReturnType<typeof setInterval> | null = null;

  constructor(readers: readonly Outbox[]) {
    this.readers = readers;
  }

  /** `bytes` is the text's length in UTF-8. */
  queue(connection: Connection, text: string, bytes: number): void {
    this.touch(connection);
    connection.outgoing ??= { texts: [], bytes: [] };
    connection.outgoing.texts.push(text);
    connection.outgoing.bytes.push(bytes);
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
    if (connection.socket.getBufferedAmount() === 0) this.onEmpty(connection);
  }

  private onEmpty(connection: Connection): void {
    if (this.held.size > 0) this.held.delete(connection);
    this.giveCredit(connection);
  }

  forget(connection: Connection): void {
    this.creditDue.delete(connection);
    this.held.delete(connection);
  }

  /**
   * While sockets hold something back. The runtime forgets now and then to say that all has left,
   * or to write at all: a socket that has held as much for a while is written to, by a ping.
   */
  nudge(): void {
    for (const [connection, held] of this.held) {
      const { socket } = connection;
      held.looks = socket.getBufferedAmount() === held.bytes ? held.looks + 1 : 0;
      if (held.looks >= LOOKS_PER_PING) {
        socket.ping();
        held.looks = 0;
      }
      held.bytes = socket.getBufferedAmount();
      if (held.bytes === 0) this.onEmpty(connection);
    }
    if (this.held.size > 0 || this.nudger === null) return;
    clearInterval(this.nudger);
    this.nudger = null;
  }

  private hold(connection: Connection): void {
    if (this.held.has(connection)) return;
    this.held.set(connection, { bytes: 0, looks: 0 });
    this.nudger ??= setInterval(() => this.nudge(), NUDGE_MS);
  }

  /** Credit that found its ring full before. */
  retry(): void {
    for (const connection of this.creditDue) this.giveCredit(connection);
  }

  private sendOutgoing(connection: Connection): void {
    const { socket } = connection;
    const { texts, bytes } = connection.outgoing ?? NOTHING;
    connection.outgoing = null;
    if (texts.length === 1) {
      this.sendOne(connection, texts[0] as string, bytes[0] as number);
    } else if (texts.length > 1) {
      socket.cork(() => {
        for (let i = 0; i < texts.length; i++) {
          this.sendOne(connection, texts[i] as string, bytes[i] as number);
        }
      });
    }
    if (connection.isClosed) return; // cut off just now
    if (socket.getBufferedAmount() > 0) this.hold(connection);
    else this.onEmpty(connection);
  }

  private sendOne(connection: Connection, text: string, bytes: number): void {
    if (connection.isClosed) return;
    const { isCompressing } = connection.socket.data;
    const compress = isCompressing && bytes >= setting("relay.compression_bytes_min");
    const status = connection.socket.sendText(text, compress);
    connection.sentMessages += 1;
    connection.sentBytes += bytes;
    if (compress) connection.sentCompressed += 1;
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
