// Commands that reach onion services by a SOCKS server, with TLS and without, and never otherwise.
// How it is spoken to, and what it may do wrong, is in test/mesh/socks.test.ts.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { EventFactory } from "../support/events.ts";
import { FakeRelay } from "../support/fake-relay.ts";
import { storedIn } from "../support/relay-commands.ts";
import { type CommandResult, runNandu } from "../support/relay-process.ts";
import { SocksServer } from "../support/socks-server.ts";
import { TempDir } from "../support/temp-dir.ts";
import { newestFirst } from "../support/topic.ts";

/** A key and its certificate, which is for ONION and signed by itself. */
const PEM = join(import.meta.dir, "../support/onion.pem");
const ONION = `${"a".repeat(56)}.onion`;

const factory = new EventFactory(9050);
const events: NostrEvent[] = Array.from({ length: 3 }, () => factory.makeDistinct({ kind: 1 }));
let relay: FakeRelay;
let secured: FakeRelay;
let socks: SocksServer;
let toSecured: SocksServer;

beforeAll(async () => {
  relay = new FakeRelay(events);
  secured = new FakeRelay(events, { pem: readFileSync(PEM, "utf8") });
  socks = await SocksServer.start(Number(new URL(relay.url).port));
  toSecured = await SocksServer.start(Number(new URL(secured.url).port));
});

afterAll(() => {
  for (const one of [relay, secured, socks, toSecured]) one[Symbol.dispose]();
});

interface Way {
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
}

async function download(dir: TempDir, url: string, way: Way): Promise<CommandResult> {
  const { args = [], env = {} } = way;
  return runNandu(["download", "--store", `--data-dir=${dir.path}`, ...args, url], { env });
}

const ways: [name: string, way: (address: string) => Way][] = [
  ["--socks", (address) => ({ args: ["--socks", address] })],
  ["mesh.socks", (address) => ({ args: [`--mesh-socks=${address}`] })],
  ["ALL_PROXY", (address) => ({ env: { ALL_PROXY: `socks5h://${address}` } })],
];

test.each(ways)("by %s, whatever NO_PROXY says", async (_, wayOf) => {
  using dir = new TempDir();
  const { args = [], env = {} } = wayOf(socks.address);
  const { code } = await download(dir, `ws://${ONION}`, { args, env: { ...env, NO_PROXY: "*" } });
  expect(code).toBe(0);
  expect(storedIn(dir.path)).toEqual(newestFirst(events));
  expect(socks.requests.splice(0)).toEqual([`3 ${ONION} 80`]);
});

test("with TLS, whose certificate must be the onion service's own", async () => {
  using dir = new TempDir();
  const args = ["--socks", toSecured.address];
  const trusting = { args, env: { NODE_EXTRA_CA_CERTS: PEM } };
  const other = `wss://other.${ONION}/`;
  const results = [
    await download(dir, `wss://${ONION}/`, { args }),
    await download(dir, other, trusting),
  ];
  expect(results.map(({ code, stderr }) => [code, stderr.match(/TLS.*/)?.[0]])).toEqual([
    [1, "TLS handshake failed: self signed certificate"],
    [1, "TLS handshake failed: Hostname/IP does not match certificate's altnames"],
  ]);
  const { code } = await download(dir, `wss://${ONION}/`, trusting);
  expect(code).toBe(0);
  expect(storedIn(dir.path)).toEqual(newestFirst(events));
  const own = `3 ${ONION} 443`;
  expect(toSecured.requests).toEqual([own, `3 other.${ONION} 443`, own]);
});

test("not without one, and not where --socks says nothing sensible", async () => {
  using dir = new TempDir();
  const env = { HTTP_PROXY: `http://${socks.address}` };
  const { code, stderr } = await download(dir, `ws://${ONION}`, { env });
  const example = "--socks 127.0.0.1:9050";
  const problem = `${ONION} is reached by Tor only: name its SOCKS server, as ${example}`;
  expect([code, stderr]).toEqual([2, `nandu: ${problem} (nandu help download)\n`]);
  const misspelt = await download(dir, `ws://${ONION}`, { args: ["--socks", "tor:x"] });
  const need = "--socks: it needs the HOST:PORT of a SOCKS5 server";
  expect([misspelt.code, misspelt.stderr]).toEqual([2, `nandu: ${need} (nandu help download)\n`]);
});

test("what the SOCKS server can't reach is told, once", async () => {
  using refusing = await SocksServer.start(1, { code: 4 });
  using dir = new TempDir();
  const args = ["--socks", refusing.address];
  const { code, stderr } = await download(dir, "wss://relay.example/", { args });
  const server = `the SOCKS server ${refusing.address}`;
  const why = `can't connect to wss://relay.example/: ${server}: the host can't be reached`;
  expect([code, stderr]).toEqual([1, `nandu: ${why}\n`]);
  expect(refusing.requests).toEqual(["3 relay.example 443"]);
});
