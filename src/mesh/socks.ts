// A TCP connection by way of a SOCKS5 server (RFC 1928), signed in to it where it wants that (RFC
// 1929). Names are left to the server, as Tor needs it: nothing is looked up here but the server's
// own name. Belongs to one thread.

import { once } from "node:events";
import { connect, isIP, type Socket } from "node:net";
import type { SocksServer } from "../config/socks-server.ts";

const VERSION = 5;
const LOGIN_VERSION = 1;
const NO_LOGIN = 0;
const LOGIN = 2;
const NONE_ACCEPTED = 0xff;
const CONNECT = 1;
const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;
const ADDRESS_BYTES: Readonly<Record<number, number>> = { [IPV4]: 4, [IPV6]: 16 };
const PORT_BYTES = 2;
const NAME_BYTES_MAX = 255;

/** RFC 1928, 6. */
const REPLIES: readonly string[] = [
  "done",
  "it failed",
  "its rules don't allow this connection",
  "the network can't be reached",
  "the host can't be reached",
  "the connection was refused",
  "the time to live ran out",
  "it can't make connections",
  "it doesn't take this kind of address",
];

/**
 * `host`: a name or an address, without brackets. What comes after the server's last word is still
 * in the socket, which may be half open.
 */
export async function dialSocks(
  server: SocksServer,
  host: string,
  port: number,
  timeoutMs: number,
): Promise<Socket> {
  const socket = connect({ host: server.host, port: server.port, allowHalfOpen: true });
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => {}); // it may end later
  socket.on("error", (error) => ended.reject(error));
  socket.once("close", () => ended.reject(new Error("it closed the connection")));
  const giveUp = (): void => ended.reject(new Error(`no answer for ${timeoutMs / 1000} s`));
  const timer = setTimeout(giveUp, timeoutMs);
  const reader = new Reader(socket, ended.promise);
  try {
    await Promise.race([once(socket, "connect"), ended.promise]);
    await signIn(socket, reader, server);
    await askFor(socket, reader, host, port);
    return socket;
  } catch (error) {
    socket.destroy();
    const why = error instanceof Error ? error.message : String(error);
    const cause = { cause: error };
    throw new Error(`the SOCKS server ${server.host}:${server.port}: ${why}`, cause);
  } finally {
    clearTimeout(timer);
    reader.release();
  }
}

/** Takes so many bytes and leaves the rest where it is. */
class Reader {
  private readonly socket: Socket;
  private readonly ended: Promise<never>;
  private changed = Promise.withResolvers<void>();

  constructor(socket: Socket, ended: Promise<never>) {
    this.socket = socket;
    this.ended = ended;
    socket.on("readable", this.onChange);
    socket.on("end", this.onChange);
  }

  async take(count: number): Promise<Buffer> {
    for (;;) {
      const bytes = this.socket.read(count) as Buffer | null;
      if (bytes?.length === count) return bytes;
      if (bytes !== null || this.socket.readableEnded) throw new Error("it broke off");
      await Promise.race([this.changed.promise, this.ended]);
    }
  }

  release(): void {
    this.socket.off("readable", this.onChange);
    this.socket.off("end", this.onChange);
  }

  private readonly onChange = (): void => {
    this.changed.resolve();
    this.changed = Promise.withResolvers();
  };
}

async function signIn(socket: Socket, reader: Reader, { login }: SocksServer): Promise<void> {
  const methods = login === null ? [NO_LOGIN] : [NO_LOGIN, LOGIN];
  socket.write(Buffer.of(VERSION, methods.length, ...methods));
  const [version, method = NONE_ACCEPTED] = await reader.take(2);
  if (version !== VERSION) throw new Error("it doesn't speak SOCKS5");
  if (method === NO_LOGIN) return;
  if (method !== LOGIN || login === null) {
    throw new Error(login === null ? "it wants USER:PASSWORD@" : "it takes no password");
  }
  const [username, password] = [Buffer.from(login.username), Buffer.from(login.password)];
  const lengths = [Buffer.of(username.length), Buffer.of(password.length)] as const;
  socket.write(
    Buffer.concat([Buffer.of(LOGIN_VERSION), lengths[0], username, lengths[1], password]),
  );
  const [, status] = await reader.take(2);
  if (status !== 0) throw new Error("it refused the password");
}

async function askFor(socket: Socket, reader: Reader, host: string, port: number): Promise<void> {
  const request = [Buffer.of(VERSION, CONNECT, 0), encodeAddress(host), Buffer.alloc(PORT_BYTES)];
  request[2]?.writeUInt16BE(port);
  socket.write(Buffer.concat(request));
  const [version, code = 1, , type = 0] = await reader.take(4);
  if (version !== VERSION) throw new Error("it doesn't speak SOCKS5");
  if (code !== 0) throw new Error(REPLIES[code] ?? `it failed with code ${code}`);
  const length = type === NAME ? (await reader.take(1))[0] : ADDRESS_BYTES[type];
  if (length === undefined) throw new Error("it doesn't speak SOCKS5");
  await reader.take(length + PORT_BYTES);
}

/** Its type, then its bytes. */
function encodeAddress(host: string): Buffer {
  switch (isIP(host)) {
    case 4:
      return Buffer.of(IPV4, ...host.split(".").map(Number));
    case 6:
      return Buffer.concat([Buffer.of(IPV6), encodeIpv6(host)]);
    default: {
      const name = Buffer.from(host);
      if (name.length > NAME_BYTES_MAX) throw new Error("the name is too long for SOCKS");
      return Buffer.concat([Buffer.of(NAME, name.length), name]);
    }
  }
}

/** As a URL has it: groups of hex digits, `::` once at most. */
function encodeIpv6(host: string): Buffer {
  const bytes = Buffer.alloc(16);
  const [head = "", tail = ""] = host.split("::");
  const groupsOf = (text: string): string[] => (text === "" ? [] : text.split(":"));
  const write = (groups: readonly string[], at: number): void =>
    groups.forEach((group, i) => void bytes.writeUInt16BE(Number.parseInt(group, 16), at + 2 * i));
  write(groupsOf(head), 0);
  write(groupsOf(tail), bytes.length - 2 * groupsOf(tail).length);
  return bytes;
}
