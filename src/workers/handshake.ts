// What the main thread reads in a WebSocket handshake: where it comes from, and whether its client
// can read compressed messages.

import type { SocketAddress } from "bun";
import { setting } from "../config/current.ts";
import { clientAddress, type Networks } from "../http/client-address.ts";
import type { SocketData } from "./connection.ts";

/** `trusted`: the proxies that may say for whom they speak. */
export function readHandshake(
  request: Request,
  peer: SocketAddress | null,
  trusted: Networks,
): SocketData {
  const headerName = setting("relay.real_ip_header");
  const address = clientAddress({
    peer: peer?.address ?? "",
    headerName,
    headerValue: headerName === "" ? null : request.headers.get(headerName),
    trusted,
  });
  const extensions = request.headers.get("sec-websocket-extensions") ?? "";
  const isOn = setting("relay.compression") !== "off";
  const isCompressing = isOn && extensions.includes("permessage-deflate");
  return { address, isCompressing, peerPort: peer?.port ?? 0, connection: null };
}
