// Relays by way of a SOCKS5 server: names go there unresolved, refusals and silence are told, and
// nothing more is buffered than by a direct connection.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { parseSocksServer, type SocksServer as Server } from "../../src/config/socks-server.ts";
import { RelayClient } from "../../src/mesh/relay-client.ts";
import { EventFactory } from "../support/events.ts";
import { FakeRelay } from "../support/fake-relay.ts";
import { type SocksHabits, SocksServer } from "../support/socks-server.ts";

const ONION = `${"a".repeat(56)}.onion`;
const TIMEOUT_MS = 10_000;

function connect(url: string, address: string, timeoutMs = TIMEOUT_MS): Promise<RelayClient> {
  return RelayClient.connect(url, {
    key: null,
    timeoutMs,
    messageLengthMax: 100_000,
    proxy: { kind: "socks", server: parseSocksServer(address) as Server },
    challengeWaitMs: 1000,
    onNotice: () => {},
  });
}

async function stored(client: RelayClient): Promise<unknown[]> {
  const events: unknown[] = [];
  for await (const delivery of client.subscribe([{}])) {
    if (delivery.type === "stored") break;
    events.push(delivery.event);
  }
  return events;
}

function tunnelDirs(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith(`nandu-${process.pid}-`));
}

describe("by a SOCKS server", () => {
  const factory = new EventFactory(1928);
  const events = [factory.makeDistinct({ kind: 1 })];
  let relay: FakeRelay;
  let port = 0;
  beforeAll(() => {
    relay = new FakeRelay(events);
    port = Number(new URL(relay.url).port);
  });
  afterAll(() => relay[Symbol.dispose]());

  const hosts: [host: string, request: string][] = [
    [`ws://${ONION}/path?query`, `3 ${ONION} 80`],
    [`ws://sub.${ONION}:8080`, `3 sub.${ONION} 8080`],
    [`ws://${ONION.toUpperCase()}.`, `3 ${ONION} 80`],
    ["ws://no-such-name.invalid:99", "3 no-such-name.invalid 99"],
    ["ws://192.0.2.1", "1 c0000201 80"],
    ["ws://[2001:db8::1:2]:65535", "4 20010db8000000000000000000010002 65535"],
    ["ws://[::]", "4 00000000000000000000000000000000 80"],
    ["ws://[1:2:3:4:5:6:7:8]", "4 00010002000300040005000600070008 80"],
  ];
  test.each(hosts)("%s is asked for as it is", async (url, request) => {
    using socks = await SocksServer.start(port);
    const client = await connect(url, socks.address);
    expect(await stored(client)).toEqual(events);
    expect(socks.requests).toEqual([request]);
    client.close();
    await socks.empty();
    expect(tunnelDirs()).toEqual([]);
  });

  test("the relay is told its own name, and the login that its address has", async () => {
    const heads: string[] = [];
    using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request, own) => {
        const { pathname, search } = new URL(request.url);
        const { headers } = request;
        heads.push(`${headers.get("host")} ${pathname}${search} ${headers.get("authorization")}`);
        return own.upgrade(request) ? undefined : new Response("no", { status: 400 });
      },
      websocket: { message: () => {} },
    });
    using socks = await SocksServer.start(server.port as number);
    for (const url of [`ws://${ONION}:81/path?query`, "ws://user:p%40ss@relay.example/"]) {
      (await connect(url, socks.address)).close();
    }
    const login = Buffer.from("user:p@ss").toString("base64");
    expect(heads).toEqual([`${ONION}:81 /path?query null`, `relay.example / Basic ${login}`]);
  });

  test("with a user's name and password, which may hold anything", async () => {
    using socks = await SocksServer.start(port, { login: "ñandú@home:p:w" });
    const login = `${encodeURIComponent("ñandú@home")}:${encodeURIComponent("p:w")}`;
    const client = await connect(`ws://${ONION}`, `${login}@${socks.address}`);
    expect(await stored(client)).toEqual(events);
    client.close();
  });

  const refusals: [why: string, habits: SocksHabits, login: string][] = [
    ["it wants USER:PASSWORD@", { login: "a:b" }, ""],
    ["it refused the password", { login: "a:b" }, "a:c@"],
    ["it failed", { code: 1 }, ""],
    ["its rules don't allow this connection", { code: 2 }, ""],
    ["the host can't be reached", { code: 4 }, ""],
    ["it failed with code 240", { code: 240 }, ""],
    ["no answer for 0.05 s", { stallsAt: "greeting" }, ""],
    ["no answer for 0.05 s", { stallsAt: "request" }, ""],
    ["it doesn't speak SOCKS5", { says: "HTTP/1.1 400 Bad Request\r\n\r\n" }, ""],
    ["it broke off", { says: "" }, ""],
    ["it broke off", { says: "\x05" }, ""],
  ];
  test.each(refusals)("%s, with %j", async (why, habits, login) => {
    using socks = await SocksServer.start(port, habits);
    const timeoutMs = habits.stallsAt === undefined ? TIMEOUT_MS : 50;
    const failed = await connect(`ws://${ONION}/`, `${login}${socks.address}`, timeoutMs).catch(
      ({ name, message }: Error) => `${name}: ${message}`,
    );
    const server = `the SOCKS server ${socks.address}`;
    expect(failed).toBe(`PeerError: can't connect to ws://${ONION}/: ${server}: ${why}`);
    await socks.empty();
    expect(tunnelDirs()).toEqual([]);
  });

  test("nobody listens where it should be", async () => {
    const socks = await SocksServer.start(port);
    const { address } = socks;
    socks[Symbol.dispose]();
    const failed = await connect(`ws://${ONION}/`, address).catch(({ message }: Error) => message);
    const start = `can't connect to ws://${ONION}/: the SOCKS server ${address}: `;
    expect(String(failed).slice(0, start.length)).toBe(start);
  });
});

test("a relay that takes no WebSocket is told by its own address", async () => {
  using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("no") });
  using socks = await SocksServer.start(server.port as number);
  const url = `ws://${ONION}/path`;
  const failed = await connect(url, socks.address).catch(({ message }: Error) => message);
  const why = `WebSocket connection to '${url}' failed: Expected 101 status code: 200`;
  expect(failed).toBe(`can't connect to ${url}: ${why}`);
  await socks.empty();
  expect(tunnelDirs()).toEqual([]);
});

test("a relay that hangs up ends the connection, and the tunnel with it", async () => {
  using relay = new FakeRelay([], { hangsAt: 1 });
  using socks = await SocksServer.start(Number(new URL(relay.url).port));
  const client = await connect(`ws://${ONION}`, socks.address);
  const asked = stored(client).catch(({ message }: Error) => message);
  await relay.isWaiting;
  relay.dropAll();
  expect(await asked).toBe("the connection was closed (1006)");
  await socks.empty();
});

test("what nobody takes isn't read: the relay has to wait", async () => {
  const event = new EventFactory(1929).makeDistinct({ kind: 1, content: "x".repeat(60_000) });
  const count = 1000;
  using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, own) => (own.upgrade(request) ? undefined : new Response("no")),
    websocket: {
      backpressureLimit: 1 << 30,
      message: (socket) => {
        for (let i = 0; i < count; i++) socket.send(JSON.stringify(["EVENT", "n1", event]));
        socket.send(JSON.stringify(["EOSE", "n1"]));
      },
    },
  });
  using socks = await SocksServer.start(server.port as number);
  const client = await connect(`ws://${ONION}`, socks.address);
  const deliveries = client.subscribe([{}]);
  await deliveries.next();
  // All of it is on this thread: what still can move does so in each turn.
  let before = -1;
  while (socks.passedBytes !== before) {
    before = socks.passedBytes;
    for (let turn = 0; turn < 50; turn++) await new Promise<void>(setImmediate);
  }
  // The system's own buffers, of two TCP connections, hold some 20 MB at most.
  expect(before).toBeLessThan(40_000_000);
  let taken = 1;
  for await (const delivery of deliveries) {
    if (delivery.type === "stored") break;
    taken += 1;
  }
  expect([taken, socks.passedBytes > 60_000_000]).toEqual([count, true]);
  client.close();
  await socks.empty();
});
