// What leads to a relay, by the environment and the configured SOCKS server.

import { describe, expect, test } from "bun:test";
import { parseSocksServer, type SocksServer } from "../../src/config/socks-server.ts";
import { type Environment, proxyFor } from "../../src/mesh/proxy.ts";

const http = (url: string) => ({ kind: "http", url }) as const;
const socks = (host: string, port: number) =>
  ({ kind: "socks", server: { host, port, login: null } }) as const;

describe("by the environment", () => {
  const cases: [string, Environment, ReturnType<typeof proxyFor>][] = [
    ["wss://a.example", {}, null],
    ["wss://a.example", { HTTPS_PROXY: "http://p:1" }, http("http://p:1")],
    ["wss://a.example", { HTTP_PROXY: "http://p:1" }, null],
    ["ws://a.example", { HTTP_PROXY: "http://p:1" }, http("http://p:1")],
    ["ws://a.example", { ALL_PROXY: "p:1" }, http("http://p:1")],
    [
      "wss://a.example",
      { HTTPS_PROXY: "http://p:1", https_proxy: "http://q:2" },
      http("http://q:2"),
    ],
    ["wss://a.example", { HTTPS_PROXY: "http://p:1", NO_PROXY: "*" }, null],
    ["wss://a.example", { HTTPS_PROXY: "http://p:1", NO_PROXY: "b.example, a.example" }, null],
    ["wss://r.a.example", { HTTPS_PROXY: "http://p:1", no_proxy: ".a.example" }, null],
    ["wss://a.example.", { HTTPS_PROXY: "http://p:1", no_proxy: "a.example" }, null],
    ["wss://a.example:99", { HTTPS_PROXY: "http://p:1", NO_PROXY: "a.example:99" }, null],
    ["wss://ba.example", { HTTPS_PROXY: "p:1", NO_PROXY: "a.example" }, http("http://p:1")],
    ["ws://127.0.0.1:7777", { HTTP_PROXY: "http://p:1", NO_PROXY: "localhost,127.0.0.1" }, null],
    ["ws://[::1]:7777", { HTTP_PROXY: "http://p:1", NO_PROXY: "::1" }, null],
    ["ws://[::1]:7777", { HTTP_PROXY: "http://p:1", NO_PROXY: "[::1]" }, null],
    ["ws://a.example", { ALL_PROXY: "socks5h://p:1" }, socks("p", 1)],
    ["wss://a.example", { all_proxy: "SOCKS5://p" }, socks("p", 1080)],
    ["wss://a.example", { HTTPS_PROXY: "socks5h://[::1]:9/", HTTP_PROXY: "q" }, socks("::1", 9)],
    [
      "wss://a.example",
      { ALL_PROXY: "socks4a://p:1" },
      "ALL_PROXY: no proxy of http://, https://, socks5:// or socks5h://",
    ],
    [
      "ws://a.example",
      { HTTP_PROXY: "http://", ALL_PROXY: "http://p:1" },
      "HTTP_PROXY: no proxy of http://, https://, socks5:// or socks5h://",
    ],
  ];
  test.each(cases)("%s with %j", (url, env, proxy) => {
    expect(proxyFor(url, env, null)).toEqual(proxy);
  });
});

describe("by a configured SOCKS server", () => {
  const { server } = socks("tor", 9050);
  const env = { ALL_PROXY: "http://p:1" };

  test("onion services, whatever the environment says", () => {
    for (const host of ["a.onion", "B.A.ONION", "a.onion.", "onion"]) {
      for (const NO_PROXY of ["", "*", "onion", "a.onion"]) {
        for (const isForAll of [false, true]) {
          const found = proxyFor(`wss://${host}`, { ...env, NO_PROXY }, { server, isForAll });
          expect(found).toEqual({ kind: "socks", server });
        }
      }
    }
  });

  test("others when it is for all, but for those that are reached directly", () => {
    const of = (url: string, isForAll: boolean, more: Environment = {}) =>
      proxyFor(url, { ...env, ...more }, { server, isForAll });
    expect(of("wss://a.example", false)).toEqual(http("http://p:1"));
    expect(of("wss://a.example", true)).toEqual({ kind: "socks", server });
    expect(of("wss://a.onion.example", false)).toEqual(http("http://p:1"));
    expect(of("wss://aonion", false)).toEqual(http("http://p:1"));
    expect(of("wss://a.example", true, { NO_PROXY: "example" })).toBeNull();
  });

  test("without one, onion services are reached by a SOCKS server of the environment only", () => {
    const problem =
      "a.onion is reached by Tor only: name its SOCKS server, as --socks 127.0.0.1:9050";
    for (const env of [{}, { NO_PROXY: "*" }, { ALL_PROXY: "http://p:1" }, { ALL_PROXY: "x://" }]) {
      expect(proxyFor("wss://a.onion", env, null)).toBe(problem);
    }
    const env = { ALL_PROXY: "socks5h://p:1", NO_PROXY: "*" };
    expect(proxyFor("ws://a.onion", env, null)).toEqual(socks("p", 1));
  });
});

describe("a SOCKS server as it is written", () => {
  const good: [string, SocksServer][] = [
    ["127.0.0.1:9050", { host: "127.0.0.1", port: 9050, login: null }],
    ["localhost", { host: "localhost", port: 1080, login: null }],
    ["tor:80", { host: "tor", port: 80, login: null }],
    ["[::1]:1", { host: "::1", port: 1, login: null }],
    ["socks5h://a:1/", { host: "a", port: 1, login: null }],
    ["u:p@a:1", { host: "a", port: 1, login: { username: "u", password: "p" } }],
    ["u@a:1", { host: "a", port: 1, login: { username: "u", password: "" } }],
    ["u%40:p%3A@a:1", { host: "a", port: 1, login: { username: "u@", password: "p:" } }],
  ];
  test.each(good)("%s", (text, server) => expect(parseSocksServer(text)).toEqual(server));

  const long = "x".repeat(256);
  const bad = ["", "a:b", "a:65536", "a:1/x", "a:1?x", "a:1#x", ":p@a:1", "%:p@a:1", "a b:1"];
  bad.push("socks4://a:1", "http://a:1", `${long}:p@a:1`, `u:${long}@a:1`, "::1:9050");
  test.each(bad)("not %j", (text) => expect(parseSocksServer(text)).toBeNull());
});
