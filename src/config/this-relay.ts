// Which addresses mean this relay, as configured. Each thread asks for itself.

import { hostname, networkInterfaces } from "node:os";
import { compileRelayUrls } from "../protocol/relay-url.ts";
import { derived } from "./derived.ts";

/** `isThisRelay()(url)`: what sign-ins (NIP-42) and requests to vanish (NIP-62) are checked by. */
export const isThisRelay = derived((settings) =>
  compileRelayUrls(settings["relay.urls"], ownHosts()),
);

/** Names and addresses that can only mean this machine. */
function ownHosts(): string[] {
  const hosts = ["localhost", "127.0.0.1", "::1", hostname()];
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address } of addresses ?? []) hosts.push(address);
  }
  return hosts;
}
