// What leads to a relay by the options in force and the environment, for what no command line says
// otherwise. Each thread asks for itself.

import { setting } from "../config/current.ts";
import { parseSocksServer } from "../config/socks-server.ts";
import { type ProxyServer, proxyFor } from "./proxy.ts";

/** Null for none; a text says why the relay must not be connected to. */
export function configuredProxy(url: string): ProxyServer | null | string {
  const server = parseSocksServer(setting("mesh.socks"));
  const isForAll = setting("mesh.socks_for") === "all";
  return proxyFor(url, process.env, server === null ? null : { server, isForAll });
}
