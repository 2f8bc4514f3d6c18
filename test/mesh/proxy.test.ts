// Which proxy leads to a relay, by the environment.

import { expect, test } from "bun:test";
import { type Environment, proxyFor } from "../../src/mesh/proxy.ts";

const cases: [string, Environment, string | null][] = [
  ["wss://a.example", {}, null],
  ["wss://a.example", { HTTPS_PROXY: "http://p:1" }, "http://p:1"],
  ["wss://a.example", { HTTP_PROXY: "http://p:1" }, null],
  ["ws://a.example", { HTTP_PROXY: "http://p:1" }, "http://p:1"],
  ["ws://a.example", { ALL_PROXY: "p:1" }, "http://p:1"],
  ["wss://a.example", { HTTPS_PROXY: "http://p:1", https_proxy: "http://q:2" }, "http://q:2"],
  ["wss://a.example", { HTTPS_PROXY: "http://p:1", NO_PROXY: "*" }, null],
  ["wss://a.example", { HTTPS_PROXY: "http://p:1", NO_PROXY: "b.example, a.example" }, null],
  ["wss://r.a.example", { HTTPS_PROXY: "http://p:1", no_proxy: ".a.example" }, null],
  ["wss://a.example:99", { HTTPS_PROXY: "http://p:1", NO_PROXY: "a.example:99" }, null],
  ["wss://ba.example", { HTTPS_PROXY: "http://p:1", NO_PROXY: "a.example" }, "http://p:1"],
  ["ws://127.0.0.1:7777", { HTTP_PROXY: "http://p:1", NO_PROXY: "localhost,127.0.0.1" }, null],
];

for (const [url, env, proxy] of cases) {
  test(`${url} with ${JSON.stringify(env)}`, () => expect(proxyFor(url, env)).toBe(proxy));
}
