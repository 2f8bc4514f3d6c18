// A relay's connection by way of a SOCKS5 server. Bun's WebSocket knows HTTP proxies only, and goes
// past those where NO_PROXY says so, looking up the relay's name; so it gets no name at all, but a
// Unix socket in a folder that is this user's alone, and what goes in there goes to the SOCKS
// server's connection. One tunnel for one connection. Belongs to the thread of its client.
//
//   WebSocket ── near ──▶ listener … far ── SOCKS server ── relay
//
// Bytes wait in the sockets' own buffers: a side that doesn't read stops the other. The end of one
// direction is passed on, the other goes on. The far side outlives the WebSocket for as long as the
// last of what it sent takes, and no longer than the time-out.

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SocksServer } from "../config/socks-server.ts";
import { describeError } from "../config/log.ts";
import { PeerError } from "./peer-error.ts";
import { hostOf } from "./proxy.ts";
import { dialSocks } from "./socks.ts";

/** Of a URL without one. */
const PORTS: Readonly<Record<string, number>> = { "ws:": 80, "wss:": 443 };

export class Tunnel {
  private readonly url: string;
  private readonly localUrl: string;
  private readonly options: Bun.WebSocketOptions;
  private readonly dir: string;
  private readonly listener: Server;
  private readonly far: Socket;
  private near: Socket | null = null;

  private constructor(url: URL, far: Socket, timeoutMs: number) {
    this.far = far;
    // Only its owner may enter such a folder (mode 0700).
    this.dir = mkdtempSync(join(tmpdir(), `nandu-${process.pid}-`));
    const path = join(this.dir, "s");
    this.url = url.href;
    this.localUrl = `${url.protocol.slice(0, -1)}+unix://${path}:${url.pathname}${url.search}`;
    // The relay is asked for by its own name, and its certificate must have it.
    this.options = { headers: headersOf(url), tls: { serverName: hostOf(url) } };
    this.listener = createServer({ allowHalfOpen: true }, (near) => this.join(near, timeoutMs));
    this.listener.on("error", () => this.close());
    this.listener.listen(path);
    far.once("close", () => this.near?.destroySoon());
  }

  /** Throws a PeerError when the server can't be reached, or can't reach the relay. */
  static async open(url: string, server: SocksServer, timeoutMs: number): Promise<Tunnel> {
    const parsed = new URL(url);
    const port = parsed.port === "" ? (PORTS[parsed.protocol] as number) : Number(parsed.port);
    let far: Socket | null = null;
    try {
      far = await dialSocks(server, hostOf(parsed), port, timeoutMs);
      const tunnel = new Tunnel(parsed, far, timeoutMs);
      await once(tunnel.listener, "listening");
      return tunnel;
    } catch (error) {
      far?.destroy();
      throw new PeerError(`can't connect to ${url}: ${describeError(error)}`);
    }
  }

  /** Once. */
  connect(): WebSocket {
    return new WebSocket(this.localUrl, this.options);
  }

  /** What Bun says of the tunnel's own end is about the relay. */
  translate(message: string): string {
    return message.replaceAll(this.localUrl, this.url);
  }

  /** At once, whatever is under way. */
  close(): void {
    this.stopListening();
    this.near?.destroy();
    this.far.destroy();
  }

  private join(near: Socket, timeoutMs: number): void {
    this.stopListening();
    const { far } = this;
    if (this.near !== null || far.destroyed) {
      near.destroy();
      return;
    }
    this.near = near;
    near.on("error", () => far.destroy());
    near.once("close", () => {
      far.destroySoon();
      far.setTimeout(timeoutMs, () => far.destroy());
    });
    near.pipe(far);
    far.pipe(near);
  }

  private stopListening(): void {
    this.listener.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

function headersOf({ host, username, password }: URL): Record<string, string> {
  if (username === "") return { Host: host };
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { Host: host, Authorization: `Basic ${Buffer.from(login).toString("base64")}` };
}
