/**
 * The worker of open-backend.test.ts: opens a backend on its own thread, checks the signature it
 * is sent, then the same with its last bit flipped, and posts both answers.
 */

import { openSignatureBackend } from "../../src/crypto/open-backend.ts";

declare const self: Worker;

self.onmessage = (message: MessageEvent<[Uint8Array, Uint8Array, Uint8Array]>) => {
  const [id, pubkey, sig] = message.data;
  const { backend } = openSignatureBackend();
  const good = backend.verify(id, pubkey, sig);
  sig[63] = (sig[63] ?? 0) ^ 1;
  postMessage({ name: backend.name, good, damaged: backend.verify(id, pubkey, sig) });
};
