// Passwords and tokens in addresses, which no log shows.

import { expect, test } from "bun:test";
import { withoutSecrets } from "../../src/mesh/without-secrets.ts";

test.each([
  ["wss://relay.example", "wss://relay.example"],
  ["wss://relay.example:4711/a@b/c", "wss://relay.example:4711/a@b/c"],
  ["wss://me:secret@relay.example/x", "wss://relay.example/x"],
  ["wss://me:s@cret@relay.example", "wss://relay.example"],
  ["wss://relay.example/?token=secret", "wss://relay.example/?…"],
  ["wss://me@relay.example?a=1&b=me@x", "wss://relay.example?…"],
  ["'WS://u:p@[::1]:80/?t' failed: no", "'WS://[::1]:80/?…' failed: no"],
  ["a wss://u:p@x/?y: can't reach wss://u:p@x/?y: no", "a wss://x/?…: can't reach wss://x/?…: no"],
  ["is it a@b? yes", "is it a@b? yes"],
])("of %s is shown %s", (text, shown) => {
  expect(withoutSecrets(text)).toBe(shown);
});
