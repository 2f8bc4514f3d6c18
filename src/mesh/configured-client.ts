// What a client of other relays goes by: the options in force and the environment. Each thread asks
// for itself.

import { setting } from "../config/current.ts";
import { parseSocksServer } from "../config/socks-server.ts";
import { type ProxyServer, proxyFor } from "./proxy.ts";

/** An event twice as long as any may be here, and what is around it. */
const SPELLING_FACTOR = 2;
const MESSAGE_LENGTH_MIN = 1 << 20;

/** A longer one is none that any relay has reason to send; in UTF-16 units. */
export function messageLengthMax(): number {
  return Math.max(MESSAGE_LENGTH_MIN, SPELLING_FACTOR * setting("events.bytes_max"));
}

/** Null for none; a text says why the relay must not be connected to. */
export function configuredProxy(url: string): ProxyServer | null | string {
  const server = parseSocksServer(setting("mesh.socks"));
  const isForAll = setting("mesh.socks_for") === "all";
  return proxyFor(url, process.env, server === null ? null : { server, isForAll });
}
