// Which address a connection comes from, when it may come through reverse proxies. Pure; belongs to
// no thread. Addresses leave here in one spelling, so that they can be compared and counted: IPv4
// as dotted decimals, also where IPv6 carries it (::ffff:1.2.3.4); IPv6 in the form of RFC 5952;
// no zone. What a header says is believed only as far as trusted proxies vouch for it.

import { BlockList, isIP, isIPv6 } from "node:net";
import { isNetwork } from "../config/value.ts";

export interface Networks {
  /** False for what is no address. */
  readonly contains: (address: string) => boolean;
}

/** Bits before the IPv4 address that an IPv6 address carries: ::ffff:0:0/96 (RFC 4291, 2.5.5.2). */
const MAPPED_PREFIX_BITS = 96;
const MAPPED_ADDRESS = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;
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

const DOTTED_END = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/;

/** The one spelling of an address, or null for anything else. */
export function canonicalAddress(text: string): string | null {
  const [address = ""] = text.split("%", 1);
  const family = isIP(address);
  if (family !== 6) return family === 4 ? address : null;
  // Some of what ends like an IPv4 address is too much for Bun's URL.
  const plain = address.replace(DOTTED_END, (_, ...bytes: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = bytes.slice(0, 4).map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const hostname = URL.parse(`http://[${plain}]/`)?.hostname ?? "";
  if (hostname === "") return null;
  const canonical = hostname.slice(1, -1);
  const mapped = MAPPED_ADDRESS.exec(canonical);
  if (mapped === null) return canonical;
  const high = Number.parseInt(mapped[1] ?? "", 16);
  const low = Number.parseInt(mapped[2] ?? "", 16);
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");
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
