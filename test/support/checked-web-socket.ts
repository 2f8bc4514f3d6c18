// For clients that bring their own reading of messages: every frame that comes over a WebSocket
// they open is held against the schemas first, unseen by them. A test of such a client calls
// `checkWebSockets` before it loads the client, because some keep the global class.

import { parseFrame } from "./schemas.ts";

class CheckedWebSocket extends WebSocket {
  constructor(url: string | URL, options?: Bun.WebSocketOptions | string | string[]) {
    super(url, options as string);
    this.addEventListener("message", ({ data }) => parseFrame(String(data)));
  }
}

export function checkWebSockets(): void {
  globalThis.WebSocket = CheckedWebSocket as typeof WebSocket;
}
