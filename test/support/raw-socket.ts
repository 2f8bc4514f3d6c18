// A client below the level of WebSocket: it sends whatever bytes it is told to, well-formed frames
// or not, and reads only while it wants to.

import type { Socket } from "bun";
import { parseFrame } from "./schemas.ts";

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface FrameOptions {
  /** False for a piece of a message that goes on. */
  readonly fin?: boolean;
  /** False breaks RFC 6455: clients must mask. */
  readonly masked?: boolean;
  /** The three reserved bits, in place: 0x40 marks a compressed message. */
  readonly reserved?: number;
  /** What the header says, if that is not the truth. */
  readonly length?: bigint;
}

/** A frame as a client sends it (RFC 6455, 5.2). */
export function clientFrame(
  opcode: number,
  payload: string | Uint8Array,
  { fin = true, masked = true, reserved = 0, length }: FrameOptions = {},
): Buffer {
  const body = Buffer.from(payload as Uint8Array);
  const size = length ?? BigInt(body.length);
  const sizeBytes = size < 126n ? 0 : size < 65_536n ? 2 : 8;
  const header = Buffer.alloc(2 + sizeBytes);
  header[0] = (fin ? 0x80 : 0) | reserved | opcode;
  header[1] = (masked ? 0x80 : 0) | (sizeBytes === 0 ? Number(size) : sizeBytes === 2 ? 126 : 127);
  if (sizeBytes === 2) header.writeUInt16BE(Number(size), 2);
  if (sizeBytes === 8) header.writeBigUInt64BE(size, 2);
  // A mask of zeros is a mask; the payload stays as it is.
  return Buffer.concat([header, Buffer.alloc(masked ? 4 : 0), body]);
}

/** A text frame with a message of the protocol. */
export function messageFrame(...message: unknown[]): Buffer {
  return clientFrame(OPCODE.text, JSON.stringify(message));
}

export interface ServerFrame {
  /** RFC 7692, 6. */
  readonly isCompressed: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
}

const HANDSHAKE =
  "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

export class RawSocket {
  /** Resolves when the connection has ended, by whichever side. */
  readonly closed: Promise<void>;
  isClosed = false;
  /** What has come and gone so far, in bytes of TCP. */
  readonly traffic = { received: 0, sent: 0 };
  private isSlow = false;
  /** All that has come and was not yet taken by `nextFrame`. */
  private input = Buffer.alloc(0);
  private readonly socket: Socket;
  private output: Buffer[] = [];
  private onInput: (() => void) | null = null;
  private onFlushed: (() => void)[] = [];

  private constructor(socket: Socket, ended: Promise<void>) {
    this.socket = socket;
    this.closed = ended.then(() => {
      this.isClosed = true;
      this.onInput?.();
      this.settleFlushed();
    });
  }

  /** A TCP connection; nothing is sent. */
  static async connect(port: number): Promise<RawSocket> {
    let raw: RawSocket | null = null;
    const ended = Promise.withResolvers<void>();
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data: (_, bytes) => raw?.take(bytes),
        drain: () => raw?.flush(),
        close: () => ended.resolve(),
        error: () => ended.resolve(),
        end: () => ended.resolve(),
      },
    });
    raw = new RawSocket(socket, ended.promise);
    return raw;
  }

  /** A WebSocket, its handshake done, the challenge taken. `headers` are lines with their ends. */
  static async open(port: number, headers = ""): Promise<RawSocket> {
    const raw = await RawSocket.connect(port);
    raw.write(`${HANDSHAKE}${headers}\r\n`);
    const head = await raw.until(() => {
      const end = raw.input.indexOf("\r\n\r\n");
      return end < 0 ? null : raw.cut(end + 4);
    });
    if (head?.toString().startsWith("HTTP/1.1 101 ") === true) {
      const [type] = (await raw.nextMessage()) ?? [];
      if (type === "AUTH") return raw;
      throw new Error(`no challenge, but ${String(type)}`);
    }
    throw new Error(`no WebSocket: ${head?.toString() ?? "the connection has ended"}`);
  }

  /** Sends in order, as fast as the other side reads. */
  write(bytes: string | Uint8Array): void {
    this.output.push(Buffer.from(bytes as Uint8Array));
    this.flush();
  }

  /** Resolves when all that was written has left, or never will. */
  flushed(): Promise<void> {
    if (this.output.length === 0 || this.isClosed) return Promise.resolve();
    return new Promise((resolve) => this.onFlushed.push(resolve));
  }

  /** How much of what was written waits here, because the other side does not read. */
  get unsentBytes(): number {
    return this.output.reduce((sum, { length }) => sum + length, 0);
  }

  /** Reads nothing more: what comes fills the buffers of both sides. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Reads from now on, one chunk in each turn of the timers. */
  readSlowly(): void {
    this.isSlow = true;
    this.resume();
  }

  /** Ends it at once, whatever is under way: the other side sees a reset. */
  destroy(): void {
    this.socket.terminate();
  }

  /** The next frame, or null when the connection has ended without another. */
  nextFrame(): Promise<ServerFrame | null> {
    return this.until(() => this.cutFrame());
  }

  /** The next text frame's message; pings and the like are passed over. */
  async nextMessage(): Promise<unknown[] | null> {
    for (;;) {
      const frame = await this.nextFrame();
      if (frame === null || frame.opcode === OPCODE.close) return null;
      if (frame.opcode === OPCODE.text) return [...parseFrame(frame.payload.toString())];
    }
  }

  private async until<T>(look: () => T | null): Promise<T | null> {
    for (;;) {
      const found = look();
      if (found !== null || this.isClosed) return found;
      await new Promise<void>((resolve) => {
        this.onInput = resolve;
      });
    }
  }

  private take(bytes: Uint8Array): void {
    this.input = Buffer.concat([this.input, bytes]);
    this.traffic.received += bytes.length;
    this.onInput?.();
    if (!this.isSlow) return;
    this.pause();
    setTimeout(() => this.resume(), 1);
  }

  private cut(length: number): Buffer {
    const piece = this.input.subarray(0, length);
    this.input = this.input.subarray(length);
    return piece;
  }

  private cutFrame(): ServerFrame | null {
    const { input } = this;
    if (input.length < 2) return null;
    const short = (input[1] as number) & 0x7f;
    const start = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (input.length < start) return null;
    const length =
      start === 2 ? short : start === 4 ? input.readUInt16BE(2) : input.readUIntBE(4, 6);
    if (input.length < start + length) return null;
    const frame = this.cut(start + length);
    const first = frame[0] as number;
    const isCompressed = (first & 0x40) !== 0;
    return { isCompressed, opcode: first & 0x0f, payload: frame.subarray(start) };
  }

  private flush(): void {
    for (;;) {
      const first = this.output[0];
      if (first === undefined) break;
      const sent = this.socket.write(first);
      this.traffic.sent += Math.max(0, sent);
      if (sent < first.length) {
        this.output[0] = first.subarray(Math.max(0, sent));
        return;
      }
      this.output.shift();
    }
    this.settleFlushed();
  }

  private settleFlushed(): void {
    for (const resolve of this.onFlushed.splice(0)) resolve();
  }
}
