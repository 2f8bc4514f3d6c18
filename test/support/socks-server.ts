// A SOCKS5 server (RFC 1928, 1929) in the test's own process: whatever it is asked for, it leads to
// one port of this machine, and remembers what that was. It sends its answers byte by byte.

import { connect, createServer, type Server, type Socket } from "node:net";

export interface SocksHabits {
  /** USER:PASSWORD that it wants. */
  readonly login?: string;
  /** Its answer to a request: another code than 0 and it ends there. */
  readonly code?: number;
  /** It says nothing from then on. */
  readonly stallsAt?: "greeting" | "request";
  /** In place of its first answer; then it hangs up. */
  readonly says?: string;
}

export class SocksServer {
  /** What it was asked for: type of address, host, port. */
  readonly requests: string[] = [];
  /** Bytes that came from where it led to. */
  passedBytes = 0;
  private readonly habits: SocksHabits;
  private readonly target: number;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private onEnd: () => void = () => {};

  private constructor(target: number, habits: SocksHabits) {
    this.habits = habits;
    this.target = target;
    this.server = createServer({ allowHalfOpen: true }, (socket) => void this.serve(socket));
  }

  /** `target`: a port of 127.0.0.1. */
  static async start(target: number, habits: SocksHabits = {}): Promise<SocksServer> {
    const socks = new SocksServer(target, habits);
    await new Promise<void>((resolve) => socks.server.listen(0, "127.0.0.1", resolve));
    return socks;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as { port: number }).port}`;
  }

  /** Waits until nobody is connected any more. */
  async empty(): Promise<void> {
    while (this.sockets.size > 0) await new Promise<void>((resolve) => (this.onEnd = resolve));
  }

  [Symbol.dispose](): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.sockets.delete(socket);
      this.onEnd();
    });
  }

  private async serve(socket: Socket): Promise<void> {
    this.keep(socket);
    const { login, code = 0, stallsAt, says } = this.habits;
    const take = reader(socket);
    const [, count = 0] = await take(2);
    const methods = await take(count);
    if (stallsAt === "greeting") {
      waitForEnd(socket);
      return;
    }
    if (says !== undefined) {
      socket.end(says);
      return;
    }
    const method = login === undefined ? 0 : methods.includes(2) ? 2 : 0xff;
    await answer(socket, 5, method);
    if (method === 0xff) {
      socket.end();
      return;
    }
    if (method === 2) {
      const [, length = 0] = await take(2);
      const username = await take(length);
      const password = await take((await take(1))[0] ?? 0);
      const isRight = `${username}:${password}` === login;
      await answer(socket, 1, isRight ? 0 : 1);
      if (!isRight) {
        socket.end();
        return;
      }
    }
    await this.takeRequest(take);
    if (stallsAt === "request") {
      waitForEnd(socket);
      return;
    }
    // Tor says where it is bound to by zeros; others by a name or an IPv6 address.
    await answer(socket, 5, code, 0, 3, 3, 0x62, 0x6f, 0x78, 0, 80);
    if (code === 0) this.lead(socket);
    else socket.end();
  }

  private async takeRequest(take: (count: number) => Promise<Buffer>): Promise<void> {
    const [version, command, reserved, type] = await take(4);
    if (version !== 5 || command !== 1 || reserved !== 0) throw new Error("no request of SOCKS5");
    const length = type === 3 ? ((await take(1))[0] ?? 0) : type === 1 ? 4 : 16;
    const host = await take(length);
    const shown = type === 3 ? host.toString() : host.toString("hex");
    this.requests.push(`${type} ${shown} ${(await take(2)).readUInt16BE()}`);
  }

  private lead(socket: Socket): void {
    const behind = connect({ port: this.target, host: "127.0.0.1", allowHalfOpen: true });
    this.keep(behind);
    socket.on("close", () => behind.destroySoon());
    behind.on("close", () => socket.destroySoon());
    behind.on("data", (bytes: Buffer) => (this.passedBytes += bytes.length));
    behind.pipe(socket);
    socket.pipe(behind);
  }
}

function reader(socket: Socket): (count: number) => Promise<Buffer> {
  return async (count) => {
    for (;;) {
      const bytes = count === 0 ? Buffer.alloc(0) : (socket.read(count) as Buffer | null);
      if (bytes !== null) return bytes;
      await new Promise((resolve) => socket.once("readable", resolve));
    }
  };
}

function waitForEnd(socket: Socket): void {
  socket.on("end", () => socket.end());
  socket.resume();
}

/** Each byte in a segment of its own. */
async function answer(socket: Socket, ...bytes: number[]): Promise<void> {
  socket.setNoDelay(true);
  for (const byte of bytes) {
    await new Promise<void>((resolve) => socket.write(Buffer.of(byte), () => resolve()));
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
