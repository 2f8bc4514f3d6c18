// Which addresses mean this relay: by a table of what clients write.

import { describe, expect, test } from "bun:test";
import { compileRelayUrls, normalizeRelayUrl } from "../../src/protocol/relay-url.ts";

describe("a relay's address", () => {
  const rows: [string, string | null][] = [
    ["wss://relay.example.com", "relay.example.com"],
    ["wss://relay.example.com/", "relay.example.com"],
    ["ws://relay.example.com", "relay.example.com"],
    ["https://relay.example.com//", "relay.example.com"],
    ["WSS://Relay.Example.COM:443/", "relay.example.com"],
    ["ws://relay.example.com:80", "relay.example.com"],
    ["wss://relay.example.com:80", "relay.example.com:80"],
    ["ws://relay.example.com:443", "relay.example.com:443"],
    ["wss://relay.example.com.", "relay.example.com"],
    ["wss://relay.example.com/Path/", "relay.example.com/Path"],
    ["wss://relay.example.com/?x=1#y", "relay.example.com"],
    [" wss://relay.example.com\n", "relay.example.com"],
    ["ws://127.0.0.1:7777", "127.0.0.1:7777"],
    ["ws://[::1]:7777/", "[::1]:7777"],
    ["ws://[0:0::1]:7777/", "[::1]:7777"],
    ["wss://ñandú.example", "xn--and-6ma2c.example"],
    ["relay.example.com", null],
    ["//relay.example.com", null],
    ["ftp://relay.example.com", null],
    ["wss://", null],
    ["wss://a b", null],
    ["wss://user@relay.example.com", null],
    ["wss://relay.example.com@evil.example", null],
    ["wss://relay.example.com:99999", null],
    ["", null],
    ["wss", null],
  ];
  test.each(rows)("%j is %j", (text, normalized) => {
    expect(normalizeRelayUrl(text)).toBe(normalized);
  });
});

describe("with its addresses configured", () => {
  const isThis = compileRelayUrls(["wss://relay.example.com", "ws://abc.onion/x"], ["localhost"]);
  const rows: [string, boolean][] = [
    ["wss://relay.example.com/", true],
    ["ws://RELAY.example.com", true],
    ["ws://abc.onion/x/", true],
    ["ws://abc.onion", false],
    ["wss://relay.example.com/x", false],
    ["wss://relay.example.com.evil.example", false],
    ["wss://evil.example/relay.example.com", false],
    ["ws://localhost:7777", false],
    ["", false],
    ["ALL_RELAYS", false],
  ];
  test.each(rows)("%j means it: %p", (url, expected) => expect(isThis(url)).toBe(expected));
});

describe("without any, only what can mean no other machine", () => {
  const isThis = compileRelayUrls([], ["localhost", "127.0.0.1", "::1", "fd00::5", "MyHost"]);
  const rows: [string, boolean][] = [
    ["ws://localhost:7777", true],
    ["ws://LOCALHOST", true],
    ["ws://127.0.0.1:1234/path", true],
    ["ws://[::1]:7777", true],
    ["ws://[fd00::5]", true],
    ["ws://myhost:7777", true],
    ["wss://relay.example.com", false],
    ["ws://localhost.evil.example", false],
    ["ws://127.0.0.1.evil.example", false],
    ["ws://127.0.0.2", false],
    ["nonsense", false],
  ];
  test.each(rows)("%j means it: %p", (url, expected) => expect(isThis(url)).toBe(expected));
});
