// The relay's own key: made once, kept for its owner alone, refused when it is not what it should
// be; what it signs is what every client accepts.

import { describe, expect, test } from "bun:test";
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { nip19, verifyEvent } from "nostr-tools";
import { isSecretKey } from "../../src/crypto/curve.ts";
import { openRelayKey } from "../../src/crypto/relay-key.ts";
import { TempDir } from "../support/temp-dir.ts";

/** Of the group of secp256k1. */
const ORDER = secp256k1.Point.Fn.ORDER.toString(16);
const SECRET = "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa";
const PUBKEY = "7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e";

test("a key is made at the first opening, with its folder, and found at the next", () => {
  using dir = new TempDir();
  const path = join(dir.path, "new", "relay.key");
  const { pubkey } = openRelayKey(path);
  expect(readFileSync(path, "utf8")).toMatch(/^[0-9a-f]{64}\n$/);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(join(dir.path, "new"))).toEqual(["relay.key"]);
  expect(openRelayKey(path).pubkey).toBe(pubkey);
  expect(openRelayKey(join(dir.path, "other.key")).pubkey).not.toBe(pubkey);
});

test.each([
  ["hex", SECRET],
  ["hex and a newline", `${SECRET}\n`],
  ["nsec", nip19.nsecEncode(Buffer.from(SECRET, "hex"))],
])("a key may be given as %s", (_, text) => {
  using dir = new TempDir();
  const path = join(dir.path, "key");
  writeFileSync(path, text, { mode: 0o440 });
  const key = openRelayKey(path);
  expect(nip19.npubEncode(key.pubkey)).toBe(nip19.npubEncode(PUBKEY));
});

test.each([
  ["0".repeat(64), false],
  ["1".padStart(64, "0"), true],
  [(BigInt(`0x${ORDER}`) - 1n).toString(16), true],
  [ORDER, false],
  [(BigInt(`0x${ORDER}`) + 1n).toString(16), false],
  ["f".repeat(64), false],
])("whether %s is a secret key", (hex, expected) => {
  expect(isSecretKey(hex)).toBe(expected);
  expect(secp256k1.utils.isValidSecretKey(Buffer.from(hex, "hex"))).toBe(expected);
});

describe("a file is refused", () => {
  const rows: [string, string, number, string][] = [
    ["that is empty", "", 0o600, "it holds neither 64 lower-case hex digits nor an nsec"],
    ["with other text", "secret", 0o600, "it holds neither 64 lower-case hex digits nor an nsec"],
    [
      "with a public key",
      nip19.npubEncode(PUBKEY),
      0o600,
      "it holds neither 64 lower-case hex digits nor an nsec",
    ],
    ["with no key of the curve", "0".repeat(64), 0o600, "it holds no valid secret key"],
    ["with a number beyond its keys", ORDER, 0o600, "it holds no valid secret key"],
    ["that its group may write", SECRET, 0o660, "others may use it (mode 660): chmod 600 it"],
    ["that all may read", SECRET, 0o604, "others may use it (mode 604): chmod 600 it"],
    ["that all may write", SECRET, 0o602, "others may use it (mode 602): chmod 600 it"],
  ];
  test.each(rows)("%s", (_, text, mode, problem) => {
    using dir = new TempDir();
    const path = join(dir.path, "key");
    writeFileSync(path, text);
    chmodSync(path, mode);
    expect(() => openRelayKey(path)).toThrow(`the relay's key ${path}: ${problem}`);
    expect(readFileSync(path, "utf8")).toBe(text);
  });
});

test("what it signs is an event that clients verify", () => {
  using dir = new TempDir();
  const key = openRelayKey(join(dir.path, "key"));
  const unsigned = {
    kind: 1,
    created_at: 1_700_000_000,
    tags: [["-"], ["d", "ñ"]],
    content: '\n"',
  };
  const event = key.sign(unsigned);
  expect(event).toEqual({ ...unsigned, pubkey: key.pubkey, id: event.id, sig: event.sig });
  expect(verifyEvent(structuredClone(event) as never)).toBe(true);
});
