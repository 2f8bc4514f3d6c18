// Who a connection is from, and which addresses are in which networks.

import { describe, expect, test } from "bun:test";
import { isIP } from "node:net";
import { canonicalAddress } from "../../src/config/address.ts";
import { clientAddress, compileNetworks } from "../../src/http/client-address.ts";
import { testRandomly } from "../support/random.ts";

/** A trusted proxy, and the answer wherever its word is not taken. */
const PEER = "127.0.0.1";

describe("an address has one spelling", () => {
  const cases: [text: string, expected: string | null][] = [
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:C000:0201", "192.0.2.1"],
    ["0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"],
    ["::ffff:0.0.0.0", "0.0.0.0"],
    ["::ffff:255.255.255.255", "255.255.255.255"],
    ["::192.0.2.1", "::c000:201"],
    ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
    ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:0db8::0001", "2001:db8::1"],
    ["::", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["fe80::1%eth0", "fe80::1"],
    ["", null],
    ["%", null],
    ["localhost", null],
    ["192.0.2", null],
    ["192.0.2.1.", null],
    ["192.0.2.256", null],
    ["192.0.2.01", null],
    ["0x7f000001", null],
    ["2130706433", null],
    [" 192.0.2.1", null],
    ["192.0.2.1:80", null],
    ["[::1]", null],
    [":::1", null],
    ["1:2:3:4:5:6:7:8:9", null],
    ["::ffff:192.0.2.256", null],
    ["::1]/@[::2", null],
  ];
  for (const [text, expected] of cases) {
    test(JSON.stringify(text), () => expect(canonicalAddress(text)).toBe(expected));
  }
});

describe("a network holds what its prefix says", () => {
  const cases: { networks: string[]; inside: string[]; outside: string[] }[] = [
    { networks: [], inside: [], outside: ["127.0.0.1", "::1", "::ffff:127.0.0.1", ""] },
    {
      networks: ["10.0.0.0/8"],
      inside: ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3", "::ffff:a01:203"],
      outside: ["9.255.255.255", "11.0.0.0", "a00::", "::10.0.0.1", "10.0.0", "10.0.0.0/8"],
    },
    {
      networks: ["127.0.0.1/8", "::1/128"],
      inside: ["127.0.0.1", "127.255.0.1", "::1", "0:0:0:0:0:0:0:1"],
      outside: ["128.0.0.1", "::", "::2", "::127.0.0.1"],
    },
    {
      networks: ["192.0.2.7", "2001:db8::7"],
      inside: ["192.0.2.7", "2001:DB8:0::7"],
      outside: ["192.0.2.6", "192.0.2.8", "2001:db8::6", "2001:db8::1:7"],
    },
    {
      networks: ["172.16.0.0/12", "100.64.0.0/10", "192.0.2.128/25", "198.51.100.4/31"],
      inside: ["172.31.255.255", "100.127.0.0", "192.0.2.255", "198.51.100.5"],
      outside: ["172.32.0.0", "100.128.0.0", "192.0.2.127", "198.51.100.6", "198.51.100.3"],
    },
    {
      networks: ["fd00::/8", "2001:db8:8000::/33", "2001:db9::8/125"],
      inside: ["fdff::1", "2001:db8:ffff::", "2001:db9::f"],
      outside: ["fc00::", "fe00::", "2001:db8:7fff::", "2001:db9::7", "2001:db9::10"],
    },
    {
      networks: ["::ffff:10.0.0.0/104"],
      inside: ["10.9.9.9", "::ffff:10.9.9.9"],
      outside: ["11.0.0.0", "::10.9.9.9"],
    },
    {
      networks: ["::ffff:192.0.2.1"],
      inside: ["192.0.2.1", "::ffff:c000:201"],
      outside: ["192.0.2.2"],
    },
    { networks: ["::ffff:0:0/96"], inside: ["0.0.0.0", "255.255.255.255"], outside: ["::1"] },
    { networks: ["0.0.0.0/0"], inside: ["1.2.3.4", "::ffff:1.2.3.4"], outside: ["::1"] },
    { networks: ["::/0"], inside: ["::1", "ffff::"], outside: ["1.2.3.4", "::ffff:1.2.3.4"] },
    { networks: ["fe80::/10"], inside: ["fe80::1%eth0", "febf::"], outside: ["fec0::"] },
  ];
  for (const { networks, inside, outside } of cases) {
    test(networks.join() || "none", () => {
      const { contains } = compileNetworks(networks);
      expect(inside.filter((address) => !contains(address))).toEqual([]);
      expect(outside.filter((address) => contains(address))).toEqual([]);
    });
  }

  test("every prefix agrees with arithmetic on whole numbers", () => {
    for (const bits of [32, 128] as const) {
      // Digits of pi: far from the borders of every prefix.
      const base = 0x3243f6a8885a308d313198a2e0370734n >> BigInt(128 - bits);
      const last = (1n << BigInt(bits)) - 1n;
      for (let prefix = 0; prefix <= bits; prefix++) {
        const { contains } = compileNetworks([`${write(base, bits)}/${prefix}`]);
        const hostBits = BigInt(bits - prefix);
        const first = (base >> hostBits) << hostBits;
        const end = first + (1n << hostBits);
        for (const value of [first - 1n, first, base, end - 1n, end, 0n, last]) {
          if (value < 0n || value > last) continue;
          const isInside = value >= first && value < end;
          expect([prefix, write(value, bits), contains(write(value, bits))]).toEqual([
            prefix,
            write(value, bits),
            isInside,
          ]);
        }
      }
    }
  });

  test("what the settings would refuse is our fault", () => {
    for (const network of ["", "localhost", "10.0.0.0/33", "::/129", "10.0.0.0/", "fe80::1%a"]) {
      expect(() => compileNetworks([network])).toThrow(`assert: not a network: ${network}`);
    }
  });
});

function write(value: bigint, bits: 32 | 128): string {
  const [width, separator, base] = bits === 32 ? [8n, ".", 10] : [16n, ":", 16];
  const parts: string[] = [];
  for (let shift = BigInt(bits) - width; shift >= 0n; shift -= width) {
    parts.push(((value >> shift) & ((1n << width) - 1n)).toString(base));
  }
  return parts.join(separator);
}

describe("the client's address", () => {
  const trusted = compileNetworks(["127.0.0.0/8", "::1", "10.0.0.0/8", "fd00::/8"]);
  const cases: { desc: string; peer?: string; name?: string; value: string | null; is: string }[] =
    [
      { desc: "is what a trusted proxy says", value: "192.0.2.1", is: "192.0.2.1" },
      { desc: "is the peer when no header is configured", name: "", value: "192.0.2.1", is: PEER },
      { desc: "is the peer when the header is absent", value: null, is: PEER },
      { desc: "is the peer when the header is empty", value: "", is: PEER },
      { desc: "is an untrusted peer", peer: "192.0.2.9", value: "192.0.2.1", is: "192.0.2.9" },
      { desc: "is read from the right", value: "198.51.100.1, 192.0.2.1", is: "192.0.2.1" },
      { desc: "is before all trusted", value: "192.0.2.1, fd00::7 ,10.9.9.9", is: "192.0.2.1" },
      {
        desc: "is not before an untrusted",
        value: "1.1.1.1, 192.0.2.1, 10.0.0.1",
        is: "192.0.2.1",
      },
      { desc: "is the leftmost when all are trusted", value: "10.0.0.2, 10.0.0.3", is: "10.0.0.2" },
      { desc: "is the peer when a proxy says nonsense", value: "192.0.2.1, unknown", is: PEER },
      { desc: "is the peer on nonsense in between", value: "192.0.2.1, _x, 10.0.0.1", is: PEER },
      { desc: "is the peer when an item is empty", value: "192.0.2.1,", is: PEER },
      {
        desc: "survives nonsense that the client sent",
        value: "<x>,,%, 192.0.2.1",
        is: "192.0.2.1",
      },
      { desc: "of IPv6 has one spelling", value: "2001:DB8:0::1", is: "2001:db8::1" },
      { desc: "of IPv4 in IPv6 is IPv4", value: "::ffff:192.0.2.1", is: "192.0.2.1" },
      {
        desc: "is after a trusted IPv4 in IPv6",
        value: "192.0.2.1, ::ffff:a00:1",
        is: "192.0.2.1",
      },
      { desc: "loses its port", value: "192.0.2.1:4711", is: "192.0.2.1" },
      { desc: "loses its brackets", value: "[2001:db8::1]", is: "2001:db8::1" },
      { desc: "loses brackets and port", value: "[2001:db8::1]:4711", is: "2001:db8::1" },
      { desc: "is no other text with a port", value: "example.com:80", is: PEER },
      { desc: "is no header of another kind", value: "for=192.0.2.1;proto=https", is: PEER },
      { desc: "is no network", value: "192.0.2.0/24", is: PEER },
      { desc: "passes a peer of IPv4 in IPv6", peer: "::ffff:10.0.0.1", value: "::2", is: "::2" },
      { desc: "is such a peer as IPv4", peer: "::ffff:192.0.2.9", value: "::2", is: "192.0.2.9" },
      { desc: "is a peer without its zone", peer: "fe80::1%eth0", value: "::2", is: "fe80::1" },
      { desc: "is a peer that is no address", peer: "unix", value: "192.0.2.1", is: "unix" },
      {
        desc: "is found after a long lie",
        value: `${"9,".repeat(500_000)}192.0.2.1`,
        is: "192.0.2.1",
      },
      { desc: "is the peer on one long lie", value: `[${":".repeat(1_000_000)}`, is: PEER },
    ];
  for (const { desc, peer = PEER, name = "x-forwarded-for", value, is } of cases) {
    test(desc, () => {
      expect(clientAddress({ peer, headerName: name, headerValue: value, trusted })).toBe(is);
    });
  }
});

testRandomly("an address of random groups is refused or has one spelling", (random) => {
  const alphabet = ["::", ":1:", ":", "0", "f", "ffff", "00a", "1.2.3.4", "g", ".", "%", "]", " "];
  for (let round = 0; round < 20_000; round++) {
    const text = random.list(1 + random.below(12), () => random.pick(alphabet)).join("");
    const canonical = canonicalAddress(text);
    const [address = ""] = text.split("%");
    expect([text, canonical !== null]).toEqual([text, isIP(address) !== 0]);
    if (canonical === null) continue;
    expect(canonicalAddress(canonical)).toBe(canonical);
    expect([text, compileNetworks([canonical]).contains(text)]).toEqual([text, true]);
  }
});
