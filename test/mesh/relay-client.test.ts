// The client of other relays: refusals, sign-ins, silence, hostile peers, and bounds.

import { describe, expect, test } from "bun:test";
import { type AddressInfo, createServer } from "node:net";
import { RelayKey } from "../../src/crypto/relay-key.ts";
import { Publisher } from "../../src/mesh/publisher.ts";
import { type ClientOptions, RelayClient } from "../../src/mesh/relay-client.ts";
import type { Delivery } from "../../src/mesh/subscription.ts";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { authorKey, EventFactory } from "../support/events.ts";
import { FakeRelay, type Habits } from "../support/fake-relay.ts";
import { newestFirst } from "../support/topic.ts";

const factory = new EventFactory(17);
/** RFC 6455, 1.3. */
const WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

function make(count: number): NostrEvent[] {
  return Array.from({ length: count }, () => factory.makeDistinct({ kind: 1 }));
}

function connect(url: string, options: Partial<ClientOptions> = {}): Promise<RelayClient> {
  return RelayClient.connect(url, {
    key: null,
    timeoutMs: 10_000,
    messageLengthMax: 100_000,
    proxy: null,
    challengeWaitMs: 1000,
    onNotice: () => {},
    ...options,
  });
}

async function failure(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "no failure",
    (error: Error) => `${error.name}: ${error.message}`,
  );
}

async function stored(client: RelayClient, ...filters: unknown[]): Promise<unknown[]> {
  const events: unknown[] = [];
  for await (const delivery of client.subscribe(filters)) {
    if (delivery.type === "stored") break;
    events.push(delivery.event);
  }
  return events;
}

/** What comes of a REQ to a relay of these habits. */
async function failureOf(habits: Habits, options: Partial<ClientOptions> = {}): Promise<string> {
  using relay = new FakeRelay(make(1), habits);
  const client = await connect(relay.url, options);
  const problem = await failure(stored(client, {}));
  client.close();
  return problem;
}

test("a subscription gives what is stored, where that ends, what is new; then CLOSE", async () => {
  const [old, recent] = make(2) as [NostrEvent, NostrEvent];
  using relay = new FakeRelay([old], { hasHints: true });
  const client = await connect(relay.url);
  const got: Delivery[] = [];
  for await (const delivery of client.subscribe([{ kinds: [1] }])) {
    got.push(delivery);
    if (delivery.type === "stored") relay.publish(recent);
    if (got.length === 3) break;
  }
  expect(got).toEqual([
    { type: "event", event: old },
    { type: "stored", hint: "finish" },
    { type: "event", event: recent },
  ]);
  await stored(client, { kinds: [2] });
  expect(relay.messages.slice(0, 3)).toEqual([
    ["REQ", "n1", { kinds: [1] }],
    ["CLOSE", "n1"],
    ["REQ", "n2", { kinds: [2] }],
  ]);
  client.close();
});

/** A relay that has died: it has taken the connection, and says nothing from then on. */
function deadRelay(): { url: string; stop: () => void } {
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket, bytes) {
        const key = /^Sec-WebSocket-Key: (\S+)\r$/im.exec(bytes.toString("latin1"))?.[1];
        if (key === undefined) return;
        const accept = new Bun.CryptoHasher("sha1").update(`${key}${WEBSOCKET_GUID}`);
        socket.write(
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
            `Sec-WebSocket-Accept: ${accept.digest("base64")}\r\n\r\n`,
        );
      },
    },
  });
  return { url: `ws://127.0.0.1:${server.port}`, stop: () => server.stop(true) };
}

describe("silence after the message that opens a sync", () => {
  const message = ["NEG-OPEN", "N", {}, "61"];

  test("is an answer of a relay that is there", async () => {
    using relay = new FakeRelay([]);
    const client = await connect(relay.url, { timeoutMs: 100 });
    expect(await client.exchange(message, true)).toEqual({ kind: "silence" });
    client.close();
  });

  test("is none of one that doesn't answer pings either", async () => {
    const { url, stop } = deadRelay();
    const client = await connect(url, { timeoutMs: 100 });
    expect(await failure(client.exchange(message, true))).toBe("PeerError: no answer to pings");
    stop();
  });
});

describe("a peer's faults end the connection, and nothing else", () => {
  const cases: [string, Habits["answerToReq"] & {}, string][] = [
    ["no JSON", "\u0000{", "PeerFault: it sent what is no message: \u{FFFD}{"],
    ["no array", "{}", "PeerFault: it sent what is no message: {}"],
    ["no type", "[1]", "PeerFault: it sent what is no message: [1]"],
    ["no event", '["EVENT","n1"]', 'PeerFault: it sent what is no message: ["EVENT","n1"]'],
    ["bytes", new Uint8Array(9), "PeerFault: it sent binary data, which is no message of a relay"],
    [
      "too much",
      `["NOTICE","${"x".repeat(100_000)}"]`,
      "PeerFault: it sent a message longer than 100000 characters",
    ],
  ];
  for (const [what, answerToReq, problem] of cases) {
    test(what, async () => expect(await failureOf({ answerToReq })).toBe(problem));
  }

  test("silence where an answer is due", async () => {
    const habits: Habits = { hangsAt: 1 };
    const problem = "PeerError: it didn't answer for 0.05 s";
    expect(await failureOf(habits, { timeoutMs: 50 })).toBe(problem);
  });

  test("much, but no answer", async () => {
    const [event] = make(1) as [NostrEvent];
    using relay = new FakeRelay([], { hangsAt: 1 });
    const client = await connect(relay.url, { timeoutMs: 50 });
    const chatter = setInterval(() => relay.say(["EVENT", "nobody's", event]), 5);
    const problem = await failure(stored(client, {}));
    clearInterval(chatter);
    expect(problem).toBe("PeerError: it didn't answer for 0.05 s");
  });

  test("a challenge after the other", async () => {
    const preludes = Array.from({ length: 30 }, (_, i) => ["AUTH", `challenge ${i}`]);
    using relay = new FakeRelay([], { preludes, hangsAt: 1 });
    const client = await connect(relay.url, { key: new RelayKey(authorKey(1).secret) }).catch(
      (error: Error) => error.message,
    );
    const problem = "it sent more than 20 challenges";
    if (typeof client === "string") expect(client).toBe(problem);
    else expect(await failure(stored(client, {}))).toBe(`PeerFault: ${problem}`);
  });

  test("an end in the middle", async () => {
    const problem = "PeerError: the connection was closed (1006)";
    expect(await failureOf({ drops: [0] })).toBe(problem);
  });

  test("unknown messages, and answers to nothing, are passed over", async () => {
    const [event] = make(1) as [NostrEvent];
    const odd = [
      ["SOMETHING", 1],
      ["OK", event.id, true],
      ["EOSE", "other"],
      ["CLOSED", "x", "error: x"],
    ];
    using relay = new FakeRelay([event], {
      preludes: [...odd, ["COUNT", "n1", {}], ["NEG-MSG", "N", "61"]],
    });
    const client = await connect(relay.url);
    expect(await stored(client, {})).toEqual([event]);
    client.close();
  });
});

describe("signing in", () => {
  const key = new RelayKey(authorKey(1).secret);
  const events = make(2);

  test("without a key, refusals are the relay's own words", async () => {
    const reason = "PeerRefusal: it refused the request: auth-required: members only";
    expect(await failureOf({ needsSignIn: true })).toBe(reason);
  });

  test("with a key, it is done before anything is asked", async () => {
    using relay = new FakeRelay(events, { needsSignIn: true });
    const client = await connect(relay.url, { key });
    expect(await stored(client, {})).toEqual(newestFirst(events));
    const [auth] = relay.messages as [["AUTH", NostrEvent]];
    expect(auth[1]).toMatchObject({
      kind: 22242,
      pubkey: key.pubkey,
      tags: [
        ["relay", relay.url],
        ["challenge", "a challenge"],
      ],
    });
    client.close();
  });

  test("a challenge that comes with a refusal is answered, and all is sent again", async () => {
    using relay = new FakeRelay(events, { needsSignIn: true, isChallengeLate: true });
    const client = await connect(relay.url, { key, challengeWaitMs: 0 });
    const [event] = make(1) as [NostrEvent];
    const answers = await Promise.all([
      stored(client, {}),
      client.publish(event.id, JSON.stringify(event)),
    ]);
    expect(answers).toEqual([newestFirst(events), { isAccepted: true, reason: "" }]);
    client.close();
  });

  test("a sign-in that isn't taken fails the connection", async () => {
    using relay = new FakeRelay(events, { needsSignIn: true, signInRefusal: "restricted: no" });
    const problem = "PeerRefusal: it refused the sign-in: restricted: no";
    expect(await failure(connect(relay.url, { key }))).toBe(problem);
  });
});

test("what nobody takes is not read, and everything comes in the end", async () => {
  const tags = [["alt", "x".repeat(50_000)]];
  const events = Array.from({ length: 400 }, () => factory.makeDistinct({ kind: 1, tags }));
  using relay = new FakeRelay(events);
  const client = await connect(relay.url);
  const subscription = client.subscribe([{}]);
  const [event] = make(1) as [NostrEvent];
  let isAnswered = false;
  const published = client.publish(event.id, JSON.stringify(event));
  void published.then(() => (isAnswered = true));
  await relay.has(event); // its OK waits behind what isn't read
  await new Promise(setImmediate);
  expect(isAnswered).toBe(false);
  let count = 0;
  for await (const delivery of subscription) {
    if (delivery.type === "stored") break;
    count += 1;
  }
  expect(count).toBe(events.length);
  expect(await published).toEqual({ isAccepted: true, reason: "" });
  client.close();
});

test("a publisher has at most so many events unanswered, and tells of each", async () => {
  const events = make(60);
  const bad = events[30]?.id;
  let [underWay, most] = [0, 0];
  using relay = new FakeRelay([], { refuses: ({ id }) => (id === bad ? "blocked: no" : null) });
  const client = await connect(relay.url);
  const answers = new Map<string, string>();
  const publisher = new Publisher(client, 8, (id, { isAccepted, reason }) => {
    underWay -= 1;
    answers.set(id, `${isAccepted} ${reason}`);
  });
  for (const event of events) {
    await publisher.add(event.id, JSON.stringify(event));
    underWay += 1;
    most = Math.max(most, underWay);
  }
  await publisher.finish();
  expect([most, relay.events.length]).toEqual([8, 59]);
  expect([...answers]).toEqual(
    events.map(({ id }) => [id, id === bad ? "false blocked: no" : "true "]),
  );
  client.close();
});

test("a proxy is asked for the way to the relay, and nothing else goes past it", async () => {
  const events = make(1);
  using relay = new FakeRelay(events);
  const target = Number(new URL(relay.url).port);
  const heads: string[] = [];
  using proxy = Bun.listen<{ behind: Bun.Socket | null }>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: (socket) => void (socket.data = { behind: null }),
      data: async (socket, bytes) => {
        if (socket.data.behind !== null) {
          socket.data.behind.write(bytes);
          return;
        }
        heads.push(bytes.toString("latin1").split("\r\n")[0] as string);
        socket.data.behind = await Bun.connect({
          hostname: "127.0.0.1",
          port: target,
          socket: { data: (_, answer) => void socket.write(answer) },
        });
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
      },
    },
  });
  const client = await connect(relay.url, {
    proxy: { kind: "http", url: `http://127.0.0.1:${proxy.port}` },
  });
  expect(await stored(client, {})).toEqual(events);
  expect(heads).toEqual([`CONNECT 127.0.0.1:${target} HTTP/1.1`]);
  client.close();
});

test.each([0, 20_000])(
  "a peer that doesn't close is left, with %d events unread",
  async (count) => {
    const [event] = make(1) as [NostrEvent];
    const text = Buffer.from(JSON.stringify(["EVENT", "n1", event]));
    const frame = Buffer.concat([Buffer.of(0x81, 126, text.length >> 8, text.length & 255), text]);
    const ended = Promise.withResolvers<void>();
    const server = createServer((socket) => {
      socket.on("error", () => {}); // what it still sends comes too late
      socket.on("close", () => ended.resolve());
      socket.once("data", (head) => {
        socket.write(accept(head.toString()));
        socket.once("data", () => socket.write(Buffer.alloc(count * frame.length, frame)));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const client = await connect(`ws://127.0.0.1:${port}`, { timeoutMs: 50 });
    const subscription = client.subscribe([{}]);
    while (count > 0 && !subscription.hasKept) await new Promise(setImmediate);
    client.close();
    await ended.promise;
    server.close();
  },
);

/** The answer to a handshake (RFC 6455, 4.2.2). */
function accept(head: string): string {
  const key = /^Sec-WebSocket-Key: (.*)$/im.exec(head)?.[1]?.trim() ?? "";
  const hash = new Bun.CryptoHasher("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  return (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    `Sec-WebSocket-Accept: ${hash.digest("base64")}\r\n\r\n`
  );
}
