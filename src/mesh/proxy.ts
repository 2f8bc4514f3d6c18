// What leads to a relay: nothing but the network, an HTTP proxy, or a SOCKS5 server. By the
// environment as curl and most programs read it: HTTPS_PROXY for wss://, HTTP_PROXY for ws://, else
// ALL_PROXY; lower-case names count as well, and first; NO_PROXY names the hosts that are reached
// directly. Pure.
//
// Onion services (.onion, RFC 7686) are reached by SOCKS or not at all, whatever NO_PROXY says:
// their names must be told to nobody but Tor. With socks5:// as with socks5h://, the names of all
// hosts are left to the server.

import { parseSocksServer, type SocksServer } from "../config/socks-server.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export type ProxyServer =
  | { readonly kind: "http"; readonly url: string }
  | { readonly kind: "socks"; readonly server: SocksServer };

/** The SOCKS server that was configured, for onion services only or for all relays. */
export interface SocksUse {
  readonly server: SocksServer;
  readonly isForAll: boolean;
}

/** Null for none; a text says why the relay must not be connected to. */
export function proxyFor(
  url: string,
  env: Environment,
  socks: SocksUse | null,
): ProxyServer | null | string {
  const parsed = new URL(url);
  const host = hostOf(parsed);
  const isOnion = /(?:^|\.)onion$/.test(host);
  if (!isOnion && isDirect(host, parsed.port, valueOf(env, "NO_PROXY"))) return null;
  if (socks !== null && (isOnion || socks.isForAll)) return { kind: "socks", server: socks.server };
  const proxy = fromEnvironment(parsed.protocol, env);
  const isSocks = proxy !== null && typeof proxy !== "string" && proxy.kind === "socks";
  if (!isOnion || isSocks) return proxy;
  return `${host} is reached by Tor only: name its SOCKS server, as --socks 127.0.0.1:9050`;
}

/** In lower case, without the brackets of an IPv6 address and the dot at the end of a name. */
export function hostOf({ hostname }: URL): string {
  return hostname.toLowerCase().replace(/^\[|\]$|\.$/g, "");
}

function fromEnvironment(protocol: string, env: Environment): ProxyServer | null | string {
  const own = protocol === "wss:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const name = valueOf(env, own) === "" ? "ALL_PROXY" : own;
  const text = valueOf(env, name);
  if (text === "") return null;
  const url = text.includes("://") ? text : `http://${text}`;
  if (/^https?:\/\//i.test(url) && URL.canParse(url)) return { kind: "http", url };
  const server = /^socks5h?:\/\//i.test(url) ? parseSocksServer(url) : null;
  if (server !== null) return { kind: "socks", server };
  return `${name}: no proxy of http://, https://, socks5:// or socks5h://`;
}

function valueOf(env: Environment, name: string): string {
  return (env[name.toLowerCase()] || env[name] || "").trim();
}

/** A list of names, which mean their subdomains too, with or without a port; `*` is all. */
function isDirect(host: string, port: string, list: string): boolean {
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      if (entry === "*") return true;
      const name = entry.replace(/^\*?\./, "").replace(/[[\]]/g, "");
      if (name === "") return false;
      return [host, `${host}:${port}`].some((one) => one === name || one.endsWith(`.${name}`));
    });
}
