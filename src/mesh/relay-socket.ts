// How the WebSocket of a connection to another relay is made, and how it is ended for good,
// whatever the peer does. Belongs to its client's thread.

import { PeerError } from "./peer-error.ts";

const CLOSE_NORMAL = 1000;
const CLOSE_WAIT_MS = 2000;

/** Throws PeerError for an address or a proxy that is none: Bun says so at once. */
export function openSocket(url: string, make: () => WebSocket): WebSocket {
  try {
    return make();
  } catch (cause) {
    throw new PeerError(`can't connect to ${url}: ${String(cause)}`, { cause });
  }
}

/** Bun waits for the peer's close frame for ever, and never sees it while it doesn't read. */
export function closeSocket(socket: WebSocket, timeoutMs: number): void {
  if (socket.readyState === WebSocket.OPEN) socket.close(CLOSE_NORMAL);
  else socket.terminate();
  const waitMs = Math.min(CLOSE_WAIT_MS, timeoutMs);
  const timer = setTimeout(() => socket.terminate(), waitMs).unref();
  socket.onclose = () => clearTimeout(timer);
}
