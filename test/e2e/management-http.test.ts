// The management API as HTTP: what is no request of it, who is asked to authorize, how much and how
// many at once. A relay that nobody manages has none.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { authorKey } from "../support/events.ts";
import { authorizationOf, httpAuthEvent, MANAGEMENT_TYPE, Manager } from "../support/management.ts";
import { RelayProcess } from "../support/relay-process.ts";

const ADMIN = 21;
const BODY = '{"method":"listblockedips","params":[]}';
const HEADERS = {
  "access-control-allow-headers": "*, Authorization",
  "access-control-allow-methods": "GET, HEAD, POST, OPTIONS",
  "access-control-allow-origin": "*",
  "cache-control": "no-store",
  "content-length": expect.any(String),
  "content-type": "application/json",
  "x-content-type-options": "nosniff",
};

let relay: RelayProcess;
let url: string;
let admin: Manager;

beforeAll(async () => {
  relay = await RelayProcess.start({ flags: [`--admin-pubkeys=${authorKey(ADMIN).pubkey}`] });
  url = relay.url.replace("ws", "http");
  admin = new Manager(relay.url, ADMIN);
});

afterAll(async () => {
  expect(await relay.stop()).toBe(0);
});

async function post(body: string, headers: Record<string, string>) {
  const response = await fetch(url, { method: "POST", body, headers });
  const { date: _, ...others } = Object.fromEntries(response.headers);
  return { status: response.status, headers: others, body: await response.text() };
}

test("an answer is JSON that pages of any origin may read", async () => {
  const authorization = authorizationOf(httpAuthEvent(ADMIN, url, BODY));
  const headers = { "content-type": MANAGEMENT_TYPE, authorization, origin: "https://a.example" };
  expect(await post(BODY, headers)).toEqual({
    status: 200,
    headers: HEADERS,
    body: '{"result":[]}',
  });
});

test("the content type may have parameters and any case", async () => {
  for (const type of [`${MANAGEMENT_TYPE}; charset=utf-8`, "Application/Nostr+JSON+RPC"]) {
    expect(await admin.send(BODY, { "content-type": type })).toEqual({
      status: 200,
      body: { result: [] },
    });
  }
});

test("without authorization, or with a wrong one, it is asked for", async () => {
  const type = { "content-type": MANAGEMENT_TYPE };
  const headers = { ...HEADERS, "www-authenticate": "Nostr" };
  expect(await post(BODY, type)).toEqual({
    status: 401,
    headers,
    body: '{"error":"the Authorization header is missing (NIP-98)"}',
  });
  const event = httpAuthEvent(ADMIN, "https://other.example", BODY);
  expect(await post(BODY, { ...type, authorization: authorizationOf(event) })).toEqual({
    status: 401,
    headers,
    body: JSON.stringify({
      error:
        "the event of the Authorization header is invalid: " +
        "its u tag names another address (relay.urls)",
    }),
  });
});

test("a Host header does not count: an event for there could have been stolen", async () => {
  const body = BODY;
  const authorization = authorizationOf(httpAuthEvent(ADMIN, "http://stolen.example", body));
  expect((await admin.send(body, { authorization, host: "stolen.example" })).status).toBe(401);
});

describe("a body", () => {
  const rows: [string, string][] = [
    ["", "the body must be a JSON object"],
    ["{", "the body must be a JSON object"],
    ["null", "the body must be a JSON object"],
    ['"x"', "the body must be a JSON object"],
    ["{}", "method must be the name of a method"],
    ['{"method":1,"params":[]}', "method must be the name of a method"],
    ['{"method":"x"}', "there is no such method"],
    ['{"method":"x","params":{}}', "params must be an array"],
    ['{"method":"x","params":[]}', "there is no such method"],
    ['{"method":"toString","params":[]}', "there is no such method"],
  ];
  test.each(rows)("%s is answered by an error", async (body, error) => {
    expect(await admin.send(body)).toEqual({ status: 200, body: { error } });
  });

  test("of 64 KiB is read, a byte more is not", async () => {
    const fill = (bytes: number) => BODY.replace("[]", `[]${" ".repeat(bytes - BODY.length)}`);
    expect(await admin.send(fill(65_536))).toEqual({ status: 200, body: { result: [] } });
    const response = await fetch(url, {
      method: "POST",
      body: fill(65_537),
      headers: { "content-type": MANAGEMENT_TYPE },
    });
    expect(response.status).toBe(413);
  });
});

test("other requests are what they were", async () => {
  const of = async (method: string, path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(url + path, { method, headers });
    return [response.status, await response.text()];
  };
  const type = { "content-type": MANAGEMENT_TYPE };
  expect(await of("POST", "/", { "content-type": "application/json" })).toEqual([
    405,
    "method not allowed\n",
  ]);
  expect(await of("POST", "/health", type)).toEqual([405, "method not allowed\n"]);
  expect(await of("PUT", "/", type)).toEqual([405, "method not allowed\n"]);
  expect(await of("OPTIONS", "/", type)).toEqual([204, ""]);
  expect((await of("GET", "/", type))[0]).toBe(200);
});

test("a relay that nobody manages refuses the method", async () => {
  await using other = await RelayProcess.start();
  const response = await fetch(other.url.replace("ws", "http"), {
    method: "POST",
    body: BODY,
    headers: { "content-type": MANAGEMENT_TYPE },
  });
  expect([response.status, await response.text()]).toEqual([405, "method not allowed\n"]);
  expect(await other.stop()).toBe(0);
});

test("many requests at once are all answered", async () => {
  const answers = await Promise.all(Array.from({ length: 60 }, () => admin.send(BODY)));
  expect(answers).toEqual(answers.map(() => ({ status: 200, body: { result: [] } })));
});

test("only so many are under way at once: who sends no body makes room for who does", async () => {
  const head =
    `POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: ${MANAGEMENT_TYPE}\r\n` +
    "Content-Length: 10\r\n\r\n";
  const refused = Promise.withResolvers<string>();
  const open = await Promise.all(
    Array.from({ length: 65 }, () =>
      Bun.connect({
        hostname: "127.0.0.1",
        port: relay.port,
        socket: {
          open: (socket) => void socket.write(head),
          data: (_, bytes) => refused.resolve(bytes.toString()),
        },
      }),
    ),
  );
  expect(await refused.promise).toMatch(/^HTTP\/1\.1 503 /);
  for (let i = 0; i < 3; i++) {
    expect(await admin.send(BODY)).toEqual({ status: 200, body: { result: [] } });
  }
  for (const socket of open) socket.terminate();
});
