// What is not a Nostr message: the relay information document (NIP-11) and whether it is true, the
// page, CORS, handshakes, and the compression that a handshake agrees on (RFC 7692).

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { constants, inflateRawSync } from "node:zlib";
// @ts-expect-error: it has no types; and by its name alone Bun would give its own instead.
import PackageWebSocket from "../../node_modules/ws/wrapper.mjs";
import { Client } from "../support/client.ts";
import { Random } from "../support/random.ts";
import { handshake, rawRequest } from "../support/raw-http.ts";
import { messageFrame, OPCODE, RawSocket, type ServerFrame } from "../support/raw-socket.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { parseInformation } from "../support/schemas.ts";
import { newestFirst, nowSeconds, ok, refused, Topic } from "../support/topic.ts";

const LIMITATION = {
  max_message_length: 20_000,
  max_subscriptions: 7,
  max_limit: 9,
  default_limit: 6,
  max_subid_length: 64,
  max_event_tags: 11,
  max_content_length: 5000,
  created_at_lower_limit: 5000,
  created_at_upper_limit: 500,
  min_pow_difficulty: 0,
  auth_required: false,
  payment_required: false,
  restricted_writes: false,
};
const PUBKEY = "ab".repeat(32);
const FLAGS = [
  "--relay-message-bytes-max=20000",
  "--relay-subscriptions-max=7",
  "--relay-limit-max=9",
  "--relay-limit-default=6",
  "--relay-limit-ties-max=0",
  "--events-bytes-max=19000",
  "--events-tags-max=11",
  "--events-content-bytes-max=5000",
  "--events-created-at-behind-s=5000",
  "--events-created-at-ahead-s=500",
  "--info-name=Ñandú <1>",
  `--info-pubkey=${PUBKEY}`,
  "--info-contact=mailto:relay@example.com",
];

let relay: RelayProcess;
let origin: string;

beforeAll(async () => {
  relay = await RelayProcess.start({ flags: FLAGS });
  origin = relay.url.replace("ws:", "http:");
});

afterAll(async () => {
  expect(await relay.stop()).toBe(0);
});

/** The headers that the relay itself sets. */
function headersOf(response: Response): Record<string, string> {
  const { date: _, ...headers } = Object.fromEntries(response.headers);
  return headers;
}

const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers": "*, Authorization",
  "access-control-allow-methods": "GET, HEAD, POST, OPTIONS",
};

describe("the relay information document", () => {
  test("says what the configuration says", async () => {
    const headers = { accept: "application/nostr+json", origin: "https://client.example" };
    const response = await fetch(origin, { headers });
    expect(response.status).toBe(200);
    expect(headersOf(response)).toEqual({
      ...CORS,
      "content-type": "application/nostr+json",
      "content-length": expect.any(String),
      vary: "Accept",
      "x-content-type-options": "nosniff",
    });
    expect(parseInformation(await response.text())).toEqual({
      name: "Ñandú <1>",
      description: "A nandu relay.",
      pubkey: PUBKEY,
      contact: "mailto:relay@example.com",
      self: expect.stringMatching(/^[0-9a-f]{64}$/),
      supported_nips: [1, 4, 9, 11, 13, 17, 40, 42, 45, 50, 59, 62, 67, 70, 77, 86],
      negentropy: 1,
      software: "https://github.com/nandu-relay/nandu",
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      limitation: LIMITATION,
    });
  });

  test("is true of messages: max_message_length is read, a byte more is not", async () => {
    const text = (bytes: number): string => `["CLOSE",${" ".repeat(bytes - 10)}]`;
    const [good, bad] = [await Client.connect(relay.url), await Client.connect(relay.url)];
    good.sendRaw(text(LIMITATION.max_message_length));
    expect(await good.next()).toEqual(["NOTICE", "invalid: not JSON"]);
    bad.sendRaw(text(LIMITATION.max_message_length + 1));
    expect((await bad.closed).code).toBe(1009);
    expect(bad.frames).toEqual([]);
    good.close();
  });

  test("is true of subscriptions", async () => {
    const client = await Client.connect(relay.url);
    const id = "i".repeat(LIMITATION.max_subid_length);
    expect(await client.request(id, { ids: [] })).toEqual([["EOSE", id, ["finish"]]]);
    expect(await client.request(`${id}i`, { ids: [] })).toEqual([
      ["CLOSED", `${id}i`, "invalid: the subscription id is longer than 64 characters"],
    ]);
    for (let i = 1; i < LIMITATION.max_subscriptions; i++) {
      expect(await client.request(`${i}`, { ids: [] })).toEqual([["EOSE", `${i}`, ["finish"]]]);
    }
    expect(await client.request("more", { ids: [] })).toEqual([
      ["CLOSED", "more", "rate-limited: more than 7 subscriptions on this connection"],
    ]);
    client.close();
  });

  test("is true of limits", async () => {
    const client = await Client.connect(relay.url);
    const topic = new Topic("limits of NIP-11");
    const now = nowSeconds();
    const events = topic.makeAt(Array.from({ length: 12 }, (_, i) => now - i));
    expect(await client.publishAll(events)).toEqual(events.map((event) => ok(event)));
    const newest = newestFirst(events);
    const { default_limit, max_limit } = LIMITATION;
    expect(await client.query(topic.filter)).toEqual(newest.slice(0, default_limit));
    for (const limit of [max_limit, max_limit + 1, 1_000_000]) {
      expect(await client.query({ ...topic.filter, limit })).toEqual(newest.slice(0, max_limit));
    }
    client.close();
  });

  test("is true of events", async () => {
    const client = await Client.connect(relay.url);
    const topic = new Topic("events of NIP-11");
    const now = nowSeconds();
    const make = topic.make.bind(topic);
    const tags = (count: number) => Array.from({ length: count - 1 }, () => ["x"]);
    const good = [
      make({ created_at: now, tags: tags(LIMITATION.max_event_tags) }),
      make({ created_at: now, content: "c".repeat(LIMITATION.max_content_length) }),
      make({ created_at: now + LIMITATION.created_at_upper_limit }),
      make({ created_at: now + 30 - LIMITATION.created_at_lower_limit }),
    ];
    expect(await client.publishAll(good)).toEqual(good.map((event) => ok(event)));
    const bad = [
      make({ created_at: now, tags: tags(LIMITATION.max_event_tags + 1) }),
      make({ created_at: now, content: "c".repeat(LIMITATION.max_content_length + 1) }),
      make({ created_at: now + 30 + LIMITATION.created_at_upper_limit }),
      make({ created_at: now - 1 - LIMITATION.created_at_lower_limit }),
    ] as const;
    expect(await client.publishAll(bad)).toEqual([
      refused(bad[0], "invalid: more than 11 tags"),
      refused(bad[1], "invalid: content is longer than 5000 bytes"),
      refused(bad[2], "invalid: created_at is more than 500 seconds in the future"),
      refused(bad[3], "invalid: created_at is more than 5000 seconds in the past"),
    ]);
    client.close();
  });
});

describe("other requests", () => {
  test("a browser gets the page, with nothing in it that could run", async () => {
    const response = await fetch(origin, { headers: { accept: "text/html,*/*;q=0.8" } });
    expect([response.status, response.headers.get("content-type")]).toEqual([
      200,
      "text/html; charset=utf-8",
    ]);
    expect(response.headers.get("content-security-policy")).toStartWith("default-src 'none'; ");
    const page = await response.text();
    expect(page).toStartWith("<!doctype html>");
    expect(/<h1>.*<\/h1>/.exec(page)?.[0]).toBe("<h1>Ñandú &lt;1&gt;</h1>");
    expect(/<p class="address">.*<\/p>/.exec(page)?.[0]).toBe(
      `<p class="address"><code>ws://127.0.0.1:${relay.port}</code></p>`,
    );
    expect(/<script/i.test(page)).toBe(false);
  });

  const rows: [string, string, number, string, Record<string, string>][] = [
    ["GET", "/health", 200, "ok\n", { "cache-control": "no-store" }],
    ["GET", "/nothing", 404, "not found\n", {}],
    ["GET", "/health/", 404, "not found\n", {}],
    ["POST", "/", 405, "method not allowed\n", { allow: "GET, HEAD, OPTIONS" }],
    ["DELETE", "/nothing", 405, "method not allowed\n", { allow: "GET, HEAD, OPTIONS" }],
  ];
  test.each(rows)("%s %s: %i", async (method, path, status, body, headers) => {
    const response = await fetch(origin + path, { method });
    expect([response.status, await response.text()]).toEqual([status, body]);
    expect(headersOf(response)).toEqual({
      "content-type": "text/plain; charset=utf-8",
      "content-length": String(body.length),
      "x-content-type-options": "nosniff",
      ...headers,
    });
  });

  test("HEAD is answered like GET, without the body", async () => {
    for (const accept of ["application/nostr+json", "text/html"]) {
      const [get, head] = [
        await fetch(origin, { headers: { accept } }),
        await fetch(origin, { headers: { accept }, method: "HEAD" }),
      ];
      expect([head.status, await head.text()]).toEqual([200, ""]);
      expect(headersOf(head)).toEqual(headersOf(get));
      await get.text();
    }
  });

  test("a preflight may ask for anything", async () => {
    const headers = { "access-control-request-method": "GET", origin: "https://client.example" };
    const response = await fetch(origin, { method: "OPTIONS", headers });
    expect([response.status, await response.text()]).toEqual([204, ""]);
    expect(headersOf(response)).toEqual({
      ...CORS,
      allow: "GET, HEAD, OPTIONS",
      "access-control-max-age": "86400",
    });
  });
});

describe("handshakes", () => {
  const NO_HANDSHAKE = "this is no WebSocket handshake\n";
  const rows: [string, string, number, string][] = [
    ["at /", handshake("/"), 101, ""],
    ["at / with a query", handshake("/?token=1"), 101, ""],
    ["with another spelling of websocket", handshake("/", { Upgrade: "WebSocket" }), 101, ""],
    ["at another path", handshake("/relay"), 404, "not found\n"],
    ["at //", handshake("//"), 404, "not found\n"],
    ["at /health", handshake("/health"), 200, "ok\n"],
    ["without a key", handshake("/", { "Sec-WebSocket-Key": null }), 400, NO_HANDSHAKE],
    [
      "with a key that is too short",
      handshake("/", { "Sec-WebSocket-Key": "abc" }),
      400,
      NO_HANDSHAKE,
    ],
    ["by POST", handshake("/").replace("GET", "POST"), 400, NO_HANDSHAKE],
    ["of another version", handshake("/", { "Sec-WebSocket-Version": "12" }), 426, ""],
    ["without a host", handshake("/", { Host: null }), 400, ""],
    ["that are garbage", "\u0000\u0001garbage\r\n\r\n", 400, ""],
  ];
  test.each(rows)("%s", async (_, text, status, body) => {
    const response = await rawRequest(relay.port, text);
    expect([response?.status, response?.body]).toEqual([status, body]);
  });

  test("the accept key is RFC 6455's", async () => {
    const response = await rawRequest(relay.port, handshake("/"));
    expect(response?.headers.get("sec-websocket-accept")).toBe("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  });
});

/** What the handshake answers to an offer of permessage-deflate, by relay.compression. */
const AGREED = {
  shared: "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
  dedicated: "permessage-deflate; client_no_context_takeover",
  off: null,
} as const;

/** Contents that compress well, a little, and not at all. */
function makeContents(random: Random): string[] {
  const words = ["ñandú ", "relay ", "🦤", '"', "\\", "\n"];
  return [
    "a".repeat(100_000),
    random.list(10_000, () => random.pick(words)).join(""),
    Buffer.from(random.bytes(60_000)).toString("base64"),
    "short",
  ];
}

describe.each(["shared", "dedicated", "off"] as const)("relay.compression=%s", (compression) => {
  let compressing: RelayProcess;
  const topic = new Topic("compression");
  const contents = makeContents(new Random(1));
  const events = contents.map((content, i) => topic.make({ content, created_at: i }));

  beforeAll(async () => {
    compressing = await RelayProcess.start({ flags: [`--relay-compression=${compression}`] });
  });

  afterAll(async () => {
    expect(await compressing.stop()).toBe(0);
  });

  const clients: [string, () => WebSocket, string][] = [
    ["Bun's client", () => new WebSocket(compressing.url), AGREED[compression] ?? ""],
    ["the ws package", () => new PackageWebSocket(compressing.url), AGREED[compression] ?? ""],
    [
      "the ws package, which is told not to",
      () => new PackageWebSocket(compressing.url, { perMessageDeflate: false }),
      "",
    ],
  ];
  test.each(clients)("%s sends and gets big messages unharmed", async (_, open, agreed) => {
    const socket = open();
    const client = await Client.over(socket);
    expect(isDeflating(socket.extensions)).toBe(agreed !== "");
    for (const event of events) expect((await client.publish(event))[2]).toBe(true);
    for (let round = 0; round < 3; round++) {
      expect(await client.query(topic.filter)).toEqual(newestFirst(events));
    }
    client.close();
    await client.closed;
  });

  test("a handshake agrees on it with those who offer it, and with nobody else", async () => {
    const rows = [
      [null, null],
      ["x-unknown", null],
      ["permessage-deflate", AGREED[compression]],
      ["permessage-deflate; client_max_window_bits", AGREED[compression]],
    ] as const;
    for (const [offer, answer] of rows) {
      const request = handshake("/", { "Sec-WebSocket-Extensions": offer });
      const response = await rawRequest(compressing.port, request);
      expect(response?.status).toBe(101);
      expect(response?.headers.get("sec-websocket-extensions") ?? null).toBe(answer);
    }
  });

  test("frames from relay.compression_bytes_min on are compressed, others are not", async () => {
    const client = await Client.connect(compressing.url);
    await client.publishAll(events);
    client.close();
    const filter = { ...topic.filter, until: 1 };
    const expected = ["a", "b"].flatMap((id) => [
      JSON.stringify(["EVENT", id, events[1]]),
      JSON.stringify(["EVENT", id, events[0]]),
      JSON.stringify(["EOSE", id, ["finish"]]),
    ]);
    for (const offer of ["", "Sec-WebSocket-Extensions: permessage-deflate\r\n"]) {
      const isOn = offer !== "" && compression !== "off";
      const raw = await RawSocket.open(compressing.port, offer);
      const frames: ServerFrame[] = [];
      for (const id of ["a", "b"]) {
        raw.write(messageFrame("REQ", id, filter));
        while (frames.length < (id === "a" ? 3 : 6)) {
          frames.push((await raw.nextFrame()) as ServerFrame);
        }
      }
      raw.destroy();
      expect(frames.map(({ opcode, isCompressed }) => [opcode, isCompressed])).toEqual(
        [isOn, isOn, false, isOn, isOn, false].map((isCompressed) => [OPCODE.text, isCompressed]),
      );
      expect(inflateAll(frames)).toEqual(expected);
    }
  });
});

function isDeflating(extensions: string): boolean {
  return extensions.split(";")[0]?.trim() === "permessage-deflate";
}

/** The texts of the frames; what is compressed may refer to earlier frames (RFC 7692, 7.2.2). */
function inflateAll(frames: readonly ServerFrame[]): string[] {
  const tail = Buffer.of(0x00, 0x00, 0xff, 0xff);
  let stream = Buffer.alloc(0);
  let textBytes = 0;
  return frames.map(({ isCompressed, payload }) => {
    if (!isCompressed) return payload.toString();
    stream = Buffer.concat([stream, payload, tail]);
    const all = inflateRawSync(stream, { finishFlush: constants.Z_SYNC_FLUSH });
    const text = all.subarray(textBytes).toString();
    textBytes = all.length;
    return text;
  });
}
