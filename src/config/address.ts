// IP addresses and networks in one spelling each, so that they can be compared: IPv4 as dotted
// decimals, also where IPv6 carries it (::ffff:1.2.3.4); IPv6 in the form of RFC 5952; no zone.
// Pure; belongs to no thread.

import { isIP } from "node:net";

/** Bits before the IPv4 address that an IPv6 address carries: ::ffff:0:0/96 (RFC 4291, 2.5.5.2). */
const MAPPED_PREFIX_BITS = 96;
const MAPPED_ADDRESS = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;
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

/** Of what `isNetwork` (value.ts) accepts. A whole address has no prefix length. */
export function canonicalNetwork(text: string): string {
  const [written = "", prefix] = text.split("/");
  const address = canonicalAddress(written) ?? written;
  if (prefix === undefined) return address;
  const isMapped = isIP(written) === 6 && isIP(address) === 4;
  const bits = isMapped ? Number(prefix) - MAPPED_PREFIX_BITS : Number(prefix);
  if (bits < 0) return text.toLowerCase(); // wider than IPv4 in IPv6
  return bits === (isIP(address) === 4 ? 32 : 128) ? address : `${maskOf(address, bits)}/${bits}`;
}

/** The address with all bits after the prefix 0. */
function maskOf(address: string, bits: number): string {
  if (isIP(address) === 4) {
    const number = address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
    const masked = bits === 0 ? 0 : (number & (0xffffffff << (32 - bits))) >>> 0;
    return [24, 16, 8, 0].map((shift) => (masked >>> shift) & 255).join(".");
  }
  const [head = "", tail] = address.split("::");
  const first = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array<string>(tail === undefined ? 0 : 8 - first.length - last.length).fill("0");
  const groups = [...first, ...zeros, ...last].map((group, i) => {
    const kept = Math.min(16, Math.max(0, bits - 16 * i));
    return (Number.parseInt(group, 16) & (0xffff << (16 - kept))).toString(16);
  });
  return canonicalAddress(groups.join(":")) ?? address;
}

/** An IPv6 address may be given as in a URL, in brackets. */
export function unbracketed(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}

/** As a URL has it. */
export function bracketed(host: string): string {
  const address = unbracketed(host);
  return address.includes(":") ? `[${address}]` : address;
}
