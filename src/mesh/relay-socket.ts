// How the WebSocket of a connection to another relay is made, and how it is ended for good,
// whatever the peer does. Belongs to its client's thread.

import { PeerError } from "./peer-error.ts";

const CLOSE_NORMAL = 1000;
/** For the answer to a close frame: a peer that has gone silent never gives it. */
const CLOSE_MS = 5000;

/** Throws PeerError for an address or a proxy (a URL) that is none. */
export function openSocket(url: string, proxy: string | null): WebSocket {
  try {
    return new WebSocket(url, proxy === null ? {} : { proxy });
  } catch (cause) {
    throw new PeerError(`can't connect to ${url}: ${String(cause)}`, { cause });
  }
}

export function closeSocket(socket: WebSocket): void {
  if (socket.readyState !== WebSocket.OPEN) {
    socket.terminate();
    return;
  }
  socket.close(CLOSE_NORMAL);
  const timer = setTimeout(() => socket.terminate(), CLOSE_MS).unref();
  socket.addEventListener("close", () => clearTimeout(timer));
}
