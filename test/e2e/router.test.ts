// The router, as a command and within the relay: with nandu on the other side, which can compare.

import { afterAll, beforeAll, describe, expect, spyOn, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { authorKey, EventFactory } from "../support/events.ts";
import { parseMetrics } from "../support/metrics.ts";
import { runTransfer, storeAll, storedIn } from "../support/relay-commands.ts";
import { makeTempDir, RelayProcess, removeTempDir, runNandu } from "../support/relay-process.ts";
import { RunningCommand } from "../support/running-command.ts";
import { TestRouter } from "../support/test-router.ts";
import { newestFirst, nowSeconds, ok } from "../support/topic.ts";

const factory = new EventFactory(15);
const LOCAL_METRICS = "--metrics-networks=127.0.0.1";
let made = 0;
let dir = "";
let there: RelayProcess;
let client: Client;

beforeAll(async () => {
  dir = makeTempDir();
  there = await RelayProcess.start();
  client = await Client.connect(there.url);
});

afterAll(async () => {
  client.close();
  await there.stop();
  removeTempDir(dir);
});

function make(kind = 1, tags: string[][] = [], author = 1): NostrEvent {
  made += 1;
  return factory.makeDistinct({ kind, tags, author, created_at: nowSeconds() - 9000 + made });
}

/** Events that only one test has. */
function topicOf(name: string): { filter: string; make: (kind?: number) => NostrEvent } {
  return {
    filter: `filter = { "#t": ["${name}"] }`,
    make: (kind = 1) => make(kind, [["t", name]]),
  };
}

function writeFile(name: string, streams: string): string {
  const path = join(dir, `${name}.conf`);
  writeFileSync(path, `connectionTimeout = 1\nstreams { ${streams} }\n`);
  return path;
}

function stream(url: string, more = "", direction = "both", name = "a"): string {
  return `${name} { dir = "${direction}" urls = ["${url}"] ${more} }`;
}

/** Accepts kind 1. */
function writePlugin(): string {
  const path = join(dir, "plugin");
  const script = `#!/bin/sh
while read -r line; do
  id=$(printf %s "$line" | sed 's/.*"event":{"id":"\\([^"]*\\)".*/\\1/')
  case "$line" in *'"kind":1,'*) action=accept ;; *) action=reject ;; esac
  echo "{\\"id\\":\\"$id\\",\\"action\\":\\"$action\\"}"
done
`;
  writeFileSync(path, script, { mode: 0o755 });
  return path;
}

async function metricsOf(relay: RelayProcess): Promise<Map<string, number>> {
  const response = await fetch(`http://127.0.0.1:${relay.port}/metrics`);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  return parseMetrics(await response.text());
}

/** Waits until the relay's metrics say so: they are a second old at most. */
async function metricReaches(relay: RelayProcess, name: string, value: number): Promise<void> {
  while ((await metricsOf(relay)).get(name) !== value) await Bun.sleep(50);
}

async function storedAt(relay: RelayProcess, events: readonly NostrEvent[]): Promise<void> {
  const ids = new Set(events.map(({ id }) => id));
  const isThere = () => storedIn(relay.dataDir).filter(({ id }) => ids.has(id)).length === ids.size;
  while (!isThere()) await Bun.sleep(20);
}

describe("nandu router", () => {
  test("moves by comparison what only one side has, then what is new, and counts", async () => {
    const topic = topicOf("command");
    const [both, onlyHere, onlyThere] = [topic.make(), topic.make(), topic.make()];
    const [newHere, newThere] = [topic.make(), topic.make()];
    await client.publishAll([both, onlyThere]);
    await using here = await RelayProcess.start();
    storeAll(here.dataDir, [both, onlyHere]);
    const watcher = await Client.connect(here.url);
    watcher.send("REQ", "live", { limit: 0 });
    await watcher.find("EOSE", "live");
    const file = writeFile("command", stream(there.url, topic.filter));
    await using command = new RunningCommand("router", `--data-dir=${here.dataDir}`, file);
    await command.says(`a ${there.url}: 1 events only here, 1 only there`);
    await command.says(`a ${there.url}: live`);
    await watcher.find("EVENT", "live", onlyThere);
    await client.publish(newThere);
    await watcher.find("EVENT", "live", newThere);
    await watcher.publish(newHere);
    await storedAt(there, [onlyHere, newHere]);
    watcher.close();
    const counted =
      `a ${there.url}: live; down 4: 2 stored, 2 here already, 0 refused; ` +
      "up 2: 2 taken, 0 there already, 0 refused, 0 held back; 1 connections, 1 catch-ups";
    for (let asked = 0, said = ""; said !== counted; asked++) {
      command.signal("SIGUSR1");
      await command.says("catch-ups\n", asked + 1);
      said = /info router: (.*catch-ups)\n$/.exec(command.output)?.[1] ?? "";
    }
    expect((await command.end("SIGTERM")).code).toBe(0);
  });

  test("--check reads the file, and a fault in it is a line and exit code 2", async () => {
    const good = writeFile("good", `${stream("wss://x")} ${stream("wss://y", "", "up", "b")}`);
    expect(await runNandu(["router", "--check", good])).toEqual({
      code: 0,
      stdout: "a: both, wss://x\nb: up, wss://y\n",
      stderr: "",
    });
    const bad = writeFile("bad", "a { dir = both }");
    const fault = `nandu: ${bad}:2: both is no value: a text stands in quotes\n`;
    for (const args of [["--check", bad], [bad]]) {
      expect(await runNandu(["router", ...args])).toEqual({ code: 2, stdout: "", stderr: fault });
    }
    const none = join(dir, "none.conf");
    expect(await runNandu(["router", none])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`nandu: ${none}: can't be read: `),
    });
    const keyless = writeFile("keyless", stream("wss://x", `keyFile = "${none}"`));
    expect((await runNandu(["router", "--check", keyless])).stderr).toBe(
      `nandu: ${keyless}: a: keyFile: the key ${none}: there is no such file\n`,
    );
  });

  test("a password or a token in an address is in no log", async () => {
    const good = there.url.replace("ws://", "ws://me:secret@") + "/?token=secret";
    const dead = "ws://me:secret@127.0.0.1:1/?token=secret";
    const file = writeFile("secret", stream(good) + stream(dead, "", "down", "b"));
    const checked = await runNandu(["router", "--check", file]);
    expect(checked.stdout).toBe(`a: both, ${there.url}/?…\nb: down, ws://127.0.0.1:1/?…\n`);
    const own = makeTempDir();
    await using command = new RunningCommand("router", `--data-dir=${own}`, file);
    await command.says(`a ${there.url}/?…: live`);
    await command.says("b ws://127.0.0.1:1/?…: can't connect to ws://127.0.0.1:1/?…: ");
    expect((await command.end()).code).toBe(0);
    expect(command.output).not.toContain("secret@");
    expect(command.output).not.toContain("token=");
    removeTempDir(own);
  });

  test("asks a relay that finds the whole too big for parts of it", async () => {
    await using big = await RelayProcess.start({ flags: ["--negentropy-items-max=10"] });
    const events = Array.from({ length: 40 }, (_, i) =>
      factory.makeDistinct({ kind: 1, tags: [], created_at: nowSeconds() - 86_400 * i }),
    );
    storeAll(big.dataDir, events.slice(0, 30));
    const own = makeTempDir();
    storeAll(own, events.slice(20));
    const file = writeFile("parts", stream(big.url));
    await using command = new RunningCommand("router", `--data-dir=${own}`, file);
    await command.says("10 events only here, 20 only there");
    await command.says(": live");
    await storedAt(big, events);
    expect((await command.end()).code).toBe(0);
    expect(storedIn(own)).toEqual(newestFirst(events));
    removeTempDir(own);
  });
});

test("an hour later all is compared: what was removed on either side is there again", async () => {
  const topic = topicOf("hour");
  const [ours, theirs, probe] = [topic.make(), topic.make(), make()];
  await using router = new TestRouter([ours]);
  await client.publishAll([theirs, probe]);
  // An hour is over when the test says so.
  const hours: (() => void)[] = [];
  const plain = globalThis.setTimeout;
  using _ = spyOn(globalThis, "setTimeout").mockImplementation(((then: () => void, ms: number) =>
    ms === 3_600_000 ? hours.push(then) : plain(then, ms)) as unknown as typeof setTimeout);
  router.start(stream(there.url, topic.filter));
  await storedAt(there, [ours, theirs]);
  await router.has(ours, theirs);
  await router.until(() => hours.length > 0);
  const remove = (dir: string, ...events: readonly NostrEvent[]) =>
    runTransfer(dir, "delete", `--filter=${JSON.stringify({ ids: events.map(({ id }) => id) })}`);
  await Promise.all([remove(router.dir.path, theirs), remove(there.dataDir, ours, probe)]);
  // Until the relay has noticed that another process has removed something.
  while (!Bun.deepEquals(await client.publish(probe), ok(probe))) await Bun.sleep(20);
  hours[0]?.();
  await router.until(() => router.counters(there.url).catchUps === 2);
  await storedAt(there, [ours, theirs]);
  await router.has(ours, theirs);
  await router.until(() => hours.length > 1);
  expect(router.counters(there.url)).toMatchObject({ connections: 1, failures: 0, catchUps: 2 });
});

describe("the router within a relay", () => {
  test("asks of what comes what is asked of a client's EVENT", async () => {
    const topic = topicOf("rules");
    const stranger = make(1, [["t", "rules"]], 2);
    const guarded = make(1, [["t", "rules"], ["-"]]);
    const [wanted, unwanted, deleted] = [topic.make(), topic.make(7), topic.make()];
    const deletion = make(5, [
      ["e", deleted.id],
      ["t", "other"],
    ]);
    storeAll(there.dataDir, [stranger, guarded, wanted, unwanted, deleted]);
    await using here = await RelayProcess.start({
      flags: [
        `--router-file=${writeFile("rules", "")}`,
        "--access-write=members",
        `--info-pubkey=${authorKey(1).pubkey}`, // which makes it a member
        LOCAL_METRICS,
      ],
    });
    const watcher = await Client.connect(here.url);
    expect(await watcher.publish(deletion)).toEqual(ok(deletion));
    watcher.send("REQ", "live", { limit: 0 });
    await watcher.find("EOSE", "live");
    const plugin = `pluginDown = "${writePlugin()}"`;
    writeFile("rules", stream(there.url, `${topic.filter} ${plugin}`, "down"));
    await here.logged(/router: a ws:\S+: live/);
    const labels = `{stream="a",url="${there.url}"}`;
    await metricReaches(here, `nandu_router_refused_events_total${labels}`, 4);
    expect(await watcher.query({ "#t": ["rules"] })).toEqual([wanted]);
    expect(await watcher.takeOf("live", 1)).toEqual([["EVENT", "live", wanted]]);
    watcher.close();
    const { stdout } = await runTransfer(here.dataDir, "why", stranger.id);
    expect(stdout).toContain("restricted: only members of this relay may write");
  });

  test("heeds its file as it changes; a fault in it changes nothing", async () => {
    const topic = topicOf("reload");
    const file = writeFile("reload", stream(there.url, topic.filter));
    await using here = await RelayProcess.start({ flags: [`--router-file=${file}`] });
    await here.logged(/: live/);
    writeFile("reload", "a { dir = 5 }");
    await here.logged(/reload\.conf:2: a: dir is no text in quotes: the streams stay as they are/);
    const event = topic.make();
    await client.publish(event);
    await storedAt(here, [event]);
    writeFile("reload", stream(there.url, topic.filter, "down", "b"));
    await here.logged(/router: b ws:\S+: live/);
    expect(await here.stop()).toBe(0);
  });

  test("with a fault in its file at the start, it doesn't start: exit code 2", async () => {
    const file = writeFile("start", "a { dir = 5 }");
    const { code, stderr } = await runNandu([
      "relay",
      `--data-dir=${dir}`,
      "--relay-port=0",
      `--router-file=${file}`,
    ]);
    expect(code).toBe(2);
    expect(stderr).toEndWith(`nandu: ${file}:2: a: dir is no text in quotes\n`);
  });

  test("stops in the middle of a catch-up, with nothing lost", async () => {
    const topic = topicOf("stop");
    const events = Array.from({ length: 2000 }, () => topic.make());
    storeAll(there.dataDir, events);
    const file = writeFile("stop", stream(there.url, topic.filter));
    const own = makeTempDir();
    const flags = [`--router-file=${file}`];
    const first = await RelayProcess.start({ dataDir: own, flags });
    await first.logged(/0 events only here, 2000 only there/);
    expect(await first.stop()).toBe(0);
    const second = await RelayProcess.start({ dataDir: own, flags });
    await second.logged(/: live/);
    await storedAt(second, events);
    expect(await second.stop()).toBe(0);
    expect(storedIn(own)).toEqual(newestFirst(events));
    removeTempDir(own);
  });

  test("three relays in a circle: each event crosses a link once, and comes to rest", async () => {
    const files = ["one", "two", "three"].map((name) => writeFile(name, ""));
    const relays = await Promise.all(
      files.map((file) => RelayProcess.start({ flags: [`--router-file=${file}`, LOCAL_METRICS] })),
    );
    const urls = relays.map(({ url }) => url);
    for (const [i, name] of ["one", "two", "three"].entries()) {
      writeFile(name, stream(urls[(i + 1) % 3] as string));
    }
    await Promise.all(relays.map((relay) => relay.logged(/: live/)));
    const clients = await Promise.all(urls.map((url) => Client.connect(url)));
    const events = clients.map(() => Array.from({ length: 20 }, () => make()));
    await Promise.all(clients.map((one, i) => one.publishAll(events[i] ?? [])));
    await Promise.all(relays.map((relay) => storedAt(relay, events.flat())));
    const last = make();
    await clients[0]?.publish(last); // after it, nothing of what was before is under way
    await Promise.all(relays.map((relay) => storedAt(relay, [last])));
    for (const [i, relay] of relays.entries()) {
      const labels = `{stream="a",url="${urls[(i + 1) % 3]}"}`;
      const metrics = await metricsOf(relay);
      const count = (name: string) => metrics.get(`nandu_router_${name}_total${labels}`) ?? 0;
      expect(count("sent_events")).toBeLessThanOrEqual(61);
      expect(count("received_events")).toBeLessThanOrEqual(61);
      expect(metrics.get("nandu_connections")).toBe(2); // the test's, and the one before it
    }
    for (const one of clients) one.close();
    for (const relay of relays) await relay[Symbol.asyncDispose]();
  });
});

describe("metrics", () => {
  test("are there for the networks that may read them, and for nobody else", async () => {
    const getAt = (relay: RelayProcess, path: string, init: RequestInit = {}) =>
      fetch(`http://127.0.0.1:${relay.port}${path}`, init);
    expect((await getAt(there, "/metrics")).status).toBe(404);
    await using here = await RelayProcess.start({
      flags: ["--metrics-networks=127.0.0.1,10.0.0.0/8", "--relay-real-ip-header=x-real-ip"],
    });
    const samples = await metricsOf(here);
    expect([...samples.keys()].map((name) => name.replace(/\{.*/, ""))).toEqual([
      "nandu_build_info",
      "nandu_start_timestamp_seconds",
      "nandu_connections",
    ]);
    const of = (address: string) => ({ headers: { "X-Real-IP": address } });
    expect((await getAt(here, "/metrics?x", of("10.1.2.3"))).status).toBe(200);
    expect((await getAt(here, "/metrics", of("192.0.2.1"))).status).toBe(404);
    expect((await getAt(here, "/metrics/", of("10.1.2.3"))).status).toBe(404);
    expect((await getAt(here, "/metrics", { method: "POST" })).status).toBe(405);
  });
});
