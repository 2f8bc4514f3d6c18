// What is answered over HTTP: each response as a whole, then what Bun.serve makes of some of them.

import { afterAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { defaultSettings } from "../../src/config/options.ts";
import { LANDING_PAGE_POLICY, landingPage } from "../../src/http/landing-page.ts";
import { relayInformation } from "../../src/http/relay-information.ts";
import { isRelayPath, respond } from "../../src/http/respond.ts";

const settings = defaultSettings();
const DOCUMENT = JSON.stringify(relayInformation(settings));
const PAGE = landingPage(settings, "ws://relay.example.com");
const JSON_ONLY = { accept: "application/nostr+json" };
const METHODS = "GET, HEAD, OPTIONS";

const CORS = {
  "access-control-allow-headers": "*, Authorization",
  "access-control-allow-methods": "GET, HEAD, POST, OPTIONS",
  "access-control-allow-origin": "*",
};
const NOSNIFF = { "x-content-type-options": "nosniff" };
const TEXT = { "content-type": "text/plain; charset=utf-8", ...NOSNIFF };
const AS_DOCUMENT = {
  ...CORS,
  "content-type": "application/nostr+json",
  vary: "Accept",
  ...NOSNIFF,
};
const AS_PAGE = {
  "content-security-policy": LANDING_PAGE_POLICY,
  "content-type": "text/html; charset=utf-8",
  "referrer-policy": "no-referrer",
  vary: "Accept, X-Forwarded-Proto",
  ...NOSNIFF,
};
const PREFLIGHT = { allow: METHODS, ...CORS, "access-control-max-age": "86400" };
const NOT_ALLOWED = { allow: METHODS, ...TEXT };

type Whole = { status: number; headers: Record<string, string>; body: string };

const page: Whole = { status: 200, headers: AS_PAGE, body: PAGE };
const document: Whole = { status: 200, headers: AS_DOCUMENT, body: DOCUMENT };
const health: Whole = {
  status: 200,
  headers: { ...TEXT, "cache-control": "no-store" },
  body: "ok\n",
};
const notFound: Whole = { status: 404, headers: TEXT, body: "not found\n" };
const preflight: Whole = { status: 204, headers: PREFLIGHT, body: "" };
const notAllowed: Whole = { status: 405, headers: NOT_ALLOWED, body: "method not allowed\n" };

async function answer(method: string, path: string, headers: Record<string, string>) {
  const url = `http://relay.example.com${path}`;
  const host = { host: "relay.example.com" };
  const response = respond(
    new Request(url, { method, headers: { ...host, ...headers } }),
    settings,
  );
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: await response.text(),
  };
}

describe("a response", () => {
  const upgrade = { upgrade: "websocket", connection: "Upgrade" };
  const cases: [method: string, path: string, headers: Record<string, string>, expected: Whole][] =
    [
      ["GET", "/", {}, page],
      ["GET", "/", { accept: "text/html,*/*;q=0.8" }, page],
      ["GET", "/", { accept: "application/nostr+json;q=0" }, page],
      ["GET", "/?a=/b", {}, page],
      ["GET", "/", JSON_ONLY, document],
      ["GET", "/?a=/b", JSON_ONLY, document],
      ["GET", "/", { accept: "text/plain, Application/Nostr+JSON; q=0.5" }, document],
      ["GET", "/", { ...JSON_ONLY, origin: "https://client.example" }, document],
      ["GET", "/health", {}, health],
      ["GET", "/health?x", JSON_ONLY, health],
      ["GET", "/nope", {}, notFound],
      ["GET", "/nope", JSON_ONLY, notFound],
      ["GET", "/nope", upgrade, notFound],
      ["GET", "/health/", {}, notFound],
      ["GET", "/Health", {}, notFound],
      ["GET", "//", {}, notFound],
      ["GET", "//health", {}, notFound],
      ["GET", "/%2e", {}, page], // A Request resolves dot segments, as every client does.
      ["GET", "/%2f", {}, notFound],
      ["OPTIONS", "/", {}, preflight],
      ["OPTIONS", "/nope", { "access-control-request-method": "GET" }, preflight],
      ["POST", "/", JSON_ONLY, notAllowed],
      ["PUT", "/health", {}, notAllowed],
      ["DELETE", "/nope", {}, notAllowed],
      ["PATCH", "/", {}, notAllowed],
    ];
  for (const [method, path, headers, expected] of cases) {
    test(`to ${method} ${path} ${JSON.stringify(headers)}`, async () => {
      expect(await answer(method, path, headers)).toStrictEqual(expected);
    });
  }
});

describe("the path of the relay", () => {
  const cases: [url: string, expected: boolean][] = [
    ["http://relay.example.com/", true],
    ["http://relay.example.com", true],
    ["http://relay.example.com?x", true],
    ["http://relay.example.com?/x", true],
    ["http://relay.example.com/?x", true],
    ["http://relay.example.com/?x=/y", true],
    ["https://[::1]:7777/", true],
    ["ws://relay.example.com:7777/", true],
    ["/", true],
    ["/?x=://y/z", true],
    ["http://relay.example.com//", false],
    ["http://relay.example.com/x", false],
    ["http://relay.example.com/x/", false],
    ["http://relay.example.com/x?/", false],
    ["http://relay.example.com/.", false],
    ["http://relay.example.com/%2F", false],
    ["//", false],
    ["//x/", false],
    ["/x", false],
    ["/x?y=http://relay.example.com/", false],
    ["/http://relay.example.com/", false],
  ];
  for (const [url, expected] of cases) {
    test(url, () => expect(isRelayPath(url)).toBe(expected));
  }
});

describe("on the wire", () => {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => respond(request, settings),
  });
  afterAll(() => server.stop(true));

  /** Sends this text; resolves to all that came back once the server closed the connection. */
  function exchange(request: string): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const socket = connect(server.port ?? 0, "127.0.0.1", () => socket.write(request));
    let received = "";
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => (received += text));
    socket.on("close", () => resolve(received));
    socket.on("error", reject);
    return promise;
  }

  const withoutDate = (text: string) => text.replace(/^Date: .*\r\n/im, "").toLowerCase();

  test("HEAD has the headers of GET and no body, and the connection goes on", async () => {
    const close = "Host: relay.example.com\r\nConnection: close\r\n\r\n";
    const get = withoutDate(await exchange(`GET /health HTTP/1.1\r\n${close}`));
    const head = withoutDate(await exchange(`HEAD /health HTTP/1.1\r\n${close}`));
    expect(get.endsWith("\r\n\r\nok\n")).toBe(true);
    const lines = (text: string) => text.split("\r\n").sort();
    expect(lines(head)).toEqual(lines(get.slice(0, -"ok\n".length)));
    const both = await exchange(
      `HEAD / HTTP/1.1\r\nHost: relay.example.com\r\n\r\nHEAD /nope HTTP/1.1\r\n${close}`,
    );
    expect(both.match(/^HTTP\/1\.1 .*$/gm)).toEqual(["HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found"]);
    expect(both).not.toContain("<");
  });

  test("a host that is none changes neither the path nor the page", async () => {
    const hosts = ["a/b", "a/", "a?x", "a#x", "u@a", "", '"><script>', "a b", "a, b", "[::1", "ü"];
    const plain = landingPage(settings, null);
    for (const host of hosts) {
      const get = (path: string) =>
        exchange(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      const relay = await get("/");
      expect([host, relay.split("\r\n\r\n").slice(1).join()]).toEqual([host, plain]);
      const other = await get("/x/../health");
      expect([host, other.split("\r\n", 1)[0]]).toEqual([host, "HTTP/1.1 404 Not Found"]);
    }
    const old = await exchange("GET / HTTP/1.0\r\n\r\n");
    expect(old.split("\r\n\r\n").slice(1).join()).toBe(plain);
  });

  test("an Accept header sent in two lines counts as one", async () => {
    const response = await exchange(
      "GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html;q=0.5\r\n" +
        "Accept: application/nostr+json\r\nConnection: close\r\n\r\n",
    );
    expect(response.split("\r\n\r\n").slice(1).join()).toBe(DOCUMENT);
  });
});
