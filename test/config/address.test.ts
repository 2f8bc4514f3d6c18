// Networks in one spelling each, so that what was blocked under one can be unblocked under another.

import { expect, test } from "bun:test";
import { canonicalNetwork } from "../../src/config/address.ts";
import { isNetwork } from "../../src/config/value.ts";

const ROWS: [written: string, canonical: string][] = [
  ["192.0.2.1", "192.0.2.1"],
  ["192.0.2.1/32", "192.0.2.1"],
  ["192.0.2.1/24", "192.0.2.0/24"],
  ["192.0.2.255/25", "192.0.2.128/25"],
  ["10.1.2.3/8", "10.0.0.0/8"],
  ["255.255.255.255/1", "128.0.0.0/1"],
  ["1.2.3.4/0", "0.0.0.0/0"],
  ["::1", "::1"],
  ["0:0:0:0:0:0:0:1/128", "::1"],
  ["2001:DB8::1", "2001:db8::1"],
  ["2001:db8:ffff::1/32", "2001:db8::/32"],
  ["2001:db8:ffff::1/33", "2001:db8:8000::/33"],
  ["fd12:3456:789a:bcde::/7", "fc00::/7"],
  ["::/0", "::/0"],
  ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1/128", "192.0.2.1"],
  ["::ffff:192.0.2.1/120", "192.0.2.0/24"],
  ["::ffff:192.0.2.1/96", "0.0.0.0/0"],
];

test.each(ROWS)("%s is %s", (written, canonical) => {
  expect(isNetwork(written)).toBe(true);
  expect(canonicalNetwork(written)).toBe(canonical);
  expect(canonicalNetwork(canonical)).toBe(canonical);
});
