// Which address a connection comes from, when it may come through reverse proxies. Pure; belongs to
// no thread. Addresses leave here in one spelling (src/config/address.ts), so that they can be
// compared and counted. What a header says is believed only as far as trusted proxies vouch for it.

import { BlockList, isIPv6 } from "node:net";
import { canonicalAddress } from "../config/address.ts";
import { isNetwork } from "../config/value.ts";

export interface Networks {
  /** False for what is no address. */
  readonly contains: (address: string) => boolean;
}

/** Bits before the IPv4 address that an IPv6 address carries: ::ffff:0:0/96 (RFC 4291, 2.5.5.2). */
const MAPPED_PREFIX_BITS = 96;
/** 192.0.2.1:4711, [2001:db8::1] and [2001:db8::1]:4711, as some proxies write them. */
const DECORATED_ADDRESS = /^(?:\[([0-9a-f:.]{2,45})\](?::[0-9]{1,5})?|([0-9.]{7,15}):[0-9]{1,5})$/i;

/**
 * For addresses and networks that passed the check of the settings. An IPv6 network, even ::/0,
 * holds no IPv4 address, unless it is a part of ::ffff:0:0/96.
 */
export function compileNetworks(list: readonly string[]): Networks {
  // One list for each family: in a common one ::/0 would hold IPv4 as well.
  const ipv4 = new BlockList();
  const ipv6 = new BlockList();
  for (const network of list) {
    if (!isNetwork(network)) throw new Error(`assert: not a network: ${network}`);
    const [written = "", prefix] = network.split("/");
    const address = canonicalAddress(written) ?? written;
    const prefixBits = prefix === undefined ? null : Number(prefix);
    if (!isIPv6(written)) {
      ipv4.addSubnet(address, prefixBits ?? 32, "ipv4");
    } else if (!isIPv6(address) && (prefixBits ?? 128) >= MAPPED_PREFIX_BITS) {
      ipv4.addSubnet(address, (prefixBits ?? 128) - MAPPED_PREFIX_BITS, "ipv4");
    } else {
      ipv6.addSubnet(written, prefixBits ?? 128, "ipv6");
    }
  }
  return {
    contains: (text) => {
      const address = canonicalAddress(text);
      if (address === null) return false;
      return isIPv6(address) ? ipv6.check(address, "ipv6") : ipv4.check(address, "ipv4");
    },
  };
}

/**
 * The address that rules and limits apply to: the peer's, or the one a trusted peer passes on.
 *
 * Each proxy appends the address it was contacted from, so the header is read from its end: as long
 * as the speaker is trusted, what it says counts, and the first address that is not trusted is the
 * client. What is left of it was sent by the client, which may write there what it likes. A header
 * that cannot be read that far counts as absent. If all are trusted, the leftmost is the client.
 *
 * `headerName` is empty when no header is to be believed; `headerValue` is null when it is absent.
 */
export function clientAddress(connection: {
  readonly peer: string;
  readonly headerName: string;
  readonly headerValue: string | null;
  readonly trusted: Networks;
}): string {
  const { headerName, headerValue, trusted } = connection;
  const peer = canonicalAddress(connection.peer) ?? connection.peer;
  if (headerName === "" || headerValue === null || !trusted.contains(peer)) return peer;
  let client = peer;
  for (const item of headerValue.split(",").reverse()) {
    const address = parseHop(item.trim());
    if (address === null) return peer;
    client = address;
    if (!trusted.contains(client)) break;
  }
  return client;
}

function parseHop(text: string): string | null {
  const decorated = DECORATED_ADDRESS.exec(text);
  return canonicalAddress(decorated?.[1] ?? decorated?.[2] ?? text);
}
