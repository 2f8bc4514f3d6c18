// A WebSocket client that costs as little as a client can, because it shares the machine with the
// relay it loads: plain TCP, frames made in advance, and of what comes only the first bytes of each
// message are looked at. It masks with zeros, offers no compression and expects no fragments.

import type { Socket } from "bun";

/** What a message of the relay is, told by its first letters. */
export const MESSAGE = { other: 0, ok: 1, event: 2, eose: 3, closed: 4, count: 5 } as const;

/** As much of a message as `OnMessage` may look at when it came in two pieces. */
const HEAD_BYTES = 128;
const OPCODE = { text: 1, close: 8, ping: 9 } as const;
const PONG = 0x8a;

/** `type` is one of MESSAGE; the text starts in `bytes` at `at`. Valid during the call only. */
export type OnMessage = (type: number, bytes: Buffer, at: number) => void;

const HANDSHAKE =
  "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/** `["OK"`, `["EVENT"`, `["EOSE"`, `["CLOSED"`, `["COUNT"`. */
function messageType(bytes: Buffer, at: number): number {
  const second = bytes[at + 3];
  switch (bytes[at + 2]) {
    case 0x4f: // O
      return MESSAGE.ok;
    case 0x45: // E
      return second === 0x56 ? MESSAGE.event : second === 0x4f ? MESSAGE.eose : MESSAGE.other;
    case 0x43: // C
      return second === 0x4f ? MESSAGE.count : second === 0x4c ? MESSAGE.closed : MESSAGE.other;
    default:
      return MESSAGE.other;
  }
}

export class LoadSocket {
  onMessage: OnMessage = () => {};
  /** After the messages of one read: the time to send what they made room for. */
  onTurn: () => void = () => {};
  /** The relay has closed the connection, or it broke. */
  onEnd: () => void = () => {};
  isEnded = false;
  private socket: Socket<LoadSocket> | null = null;
  private readonly unsent: Uint8Array[] = [];
  /** A header, or the first bytes of a text, that the end of a read cut off. */
  private carry: Buffer | null = null;
  /** The message whose end has not come yet, and how much is missing. */
  private readonly head = Buffer.alloc(HEAD_BYTES);
  private headType = 0;
  private missing = 0;
  private onHandshake: ((isOpen: boolean) => void) | null = null;

  static async connect(port: number): Promise<LoadSocket> {
    const client = new LoadSocket();
    const opened = new Promise<boolean>((resolve) => {
      client.onHandshake = resolve;
    });
    client.socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: HANDLERS,
      data: client,
    });
    client.write(Buffer.from(HANDSHAKE));
    if (!(await opened)) throw new Error("the relay has refused a WebSocket");
    return client;
  }

  write(bytes: Uint8Array): void {
    if (this.unsent.length > 0) {
      this.unsent.push(bytes);
      return;
    }
    const sent = Math.max(0, this.socket?.write(bytes) ?? 0);
    if (sent < bytes.length) this.unsent.push(bytes.subarray(sent));
  }

  close(): void {
    this.onEnd = () => {};
    this.socket?.end();
  }

  flush(): void {
    for (;;) {
      const first = this.unsent[0];
      if (first === undefined) return;
      const sent = Math.max(0, this.socket?.write(first) ?? 0);
      if (sent < first.length) {
        this.unsent[0] = first.subarray(sent);
        return;
      }
      this.unsent.shift();
    }
  }

  end(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.onHandshake?.(false);
    this.onEnd();
  }

  take(chunk: Buffer): void {
    const bytes = this.carry === null ? chunk : Buffer.concat([this.carry, chunk]);
    this.carry = null;
    const start = this.onHandshake === null ? 0 : this.finishHandshake(bytes);
    if (start < 0) return;
    this.takeFrames(bytes, start);
    this.onTurn();
  }

  /** Where the frames start, or -1 while the answer is incomplete. */
  private finishHandshake(bytes: Buffer): number {
    const end = bytes.indexOf("\r\n\r\n");
    if (end < 0) {
      this.carry = Buffer.from(bytes);
      return -1;
    }
    this.onHandshake?.(bytes.toString("latin1", 0, 12) === "HTTP/1.1 101");
    this.onHandshake = null;
    return end + 4;
  }

  private takeFrames(bytes: Buffer, start: number): void {
    let at = start;
    const end = bytes.length;
    if (this.missing > 0) {
      const length = Math.min(this.missing, end - at);
      this.missing -= length;
      at += length;
      if (this.missing > 0) return;
      this.onMessage(this.headType, this.head, 0);
    }
    while (at < end) {
      const left = end - at;
      const short = left < 2 ? 0 : (bytes[at + 1] as number) & 0x7f;
      const header = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (left < header) break;
      const size =
        header === 2
          ? short
          : header === 4
            ? bytes.readUInt16BE(at + 2)
            : bytes.readUIntBE(at + 4, 6);
      if (left < header + Math.min(size, HEAD_BYTES)) break;
      const text = at + header;
      at = text + size;
      const opcode = (bytes[text - header] as number) & 0x0f;
      if (opcode !== OPCODE.text) this.onControl(opcode, bytes.subarray(text, at));
      else if (at <= end) this.onMessage(messageType(bytes, text), bytes, text);
      else {
        bytes.copy(this.head, 0, text, text + HEAD_BYTES);
        this.headType = messageType(bytes, text);
        this.missing = at - end;
        return;
      }
    }
    if (at < end) this.carry = Buffer.from(bytes.subarray(at));
  }

  private onControl(opcode: number, payload: Buffer): void {
    if (opcode === OPCODE.close) this.end();
    if (opcode !== OPCODE.ping) return;
    this.write(Buffer.concat([Buffer.from([PONG, 0x80 | payload.length, 0, 0, 0, 0]), payload]));
  }
}

const HANDLERS = {
  data: (socket: Socket<LoadSocket>, bytes: Buffer) => socket.data.take(bytes),
  drain: (socket: Socket<LoadSocket>) => socket.data.flush(),
  close: (socket: Socket<LoadSocket>) => socket.data.end(),
  error: (socket: Socket<LoadSocket>) => socket.data.end(),
  end: (socket: Socket<LoadSocket>) => socket.data.end(),
};
