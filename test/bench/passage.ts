// What goes over the wire between a command and the relay: a TCP pass-through that counts. Of what
// the command sends, it reads the headers of WebSocket frames, to count messages.

import { connect, createServer, type Server, type Socket } from "node:net";

const TEXT = 1;
const END_OF_HANDSHAKE = "\r\n\r\n";

/** Counts messages in a stream that begins with a handshake, however it comes in pieces. */
export class MessageCounter {
  count = 0;
  private unread: Buffer = Buffer.alloc(0);
  /** Of the frame whose end has not come yet. */
  private missing = 0;
  private isOpen = false;

  add(chunk: Buffer): void {
    const bytes = this.unread.length === 0 ? chunk : Buffer.concat([this.unread, chunk]);
    let at = this.isOpen ? 0 : this.endOfHandshake(bytes);
    while (at < bytes.length) {
      const skipped = Math.min(this.missing, bytes.length - at);
      this.missing -= skipped;
      at += skipped;
      const header = bytes.subarray(at);
      const length = headerLength(header);
      if (header.length < length) break;
      if (((header[0] as number) & 0x0f) === TEXT) this.count += 1;
      this.missing = payloadLength(header);
      at += length;
    }
    this.unread = bytes.subarray(at);
  }

  private endOfHandshake(bytes: Buffer): number {
    const end = bytes.indexOf(END_OF_HANDSHAKE);
    this.isOpen = end >= 0;
    return this.isOpen ? end + END_OF_HANDSHAKE.length : 0;
  }
}

/** More than there is when it can't be told yet. */
function headerLength(bytes: Buffer): number {
  if (bytes.length < 2) return 2;
  const second = bytes[1] as number;
  const short = second & 0x7f;
  const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
  return 2 + extended + (second >= 0x80 ? 4 : 0);
}

function payloadLength(header: Buffer): number {
  const short = (header[1] as number) & 0x7f;
  if (short < 126) return short;
  return short === 126 ? header.readUInt16BE(2) : Number(header.readBigUInt64BE(2));
}

export class Passage {
  /** By the command; by the relay. */
  sentBytes = 0;
  receivedBytes = 0;
  readonly sent = new MessageCounter();
  private readonly server: Server;
  private readonly sockets: Socket[] = [];

  private constructor(port: number) {
    this.server = createServer({ allowHalfOpen: true }, (near) => this.join(near, port));
  }

  /** To a port of 127.0.0.1. */
  static async open(port: number): Promise<Passage> {
    const passage = new Passage(port);
    await new Promise<void>((resolve) => passage.server.listen(0, "127.0.0.1", resolve));
    return passage;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as { port: number }).port}`;
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private join(near: Socket, port: number): void {
    const far = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    this.sockets.push(near, far);
    near.on("error", () => far.destroy());
    far.on("error", () => near.destroy());
    near.on("data", (bytes: Buffer) => {
      this.sentBytes += bytes.length;
      this.sent.add(bytes);
    });
    far.on("data", (bytes: Buffer) => (this.receivedBytes += bytes.length));
    near.pipe(far);
    far.pipe(near);
  }
}
