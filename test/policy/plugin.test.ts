// Event-sifter plugins: strfry's protocol, and what becomes of plugins that don't keep to it.

import { afterEach, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Plugin, PluginClosed, type PluginQuestion } from "../../src/policy/plugin.ts";
import { TempDir } from "../support/temp-dir.ts";

const QUICKLY = { timeoutMs: 10_000, restartFirstMs: 1, restartLongestMs: 1, killMs: 100 };
const open: (Plugin | TempDir)[] = [];

afterEach(async () => {
  for (const one of open.splice(0)) {
    if (one instanceof Plugin) await one.close();
    else one[Symbol.dispose]();
  }
});

/** A plugin of a shell script, which sees each line as $line, and the id in it as $id. */
function plugin(body: string, options = QUICKLY): { plugin: Plugin; dir: string; path: string } {
  const dir = new TempDir();
  open.push(dir);
  const path = join(dir.path, "plugin");
  writeScript(path, body);
  const made = new Plugin(path, options);
  open.push(made);
  return { plugin: made, dir: dir.path, path };
}

function writeScript(path: string, body: string): void {
  const script = `#!/bin/sh
cd "$(dirname "$0")"
echo started >> starts
while read -r line; do
  id=$(printf %s "$line" | sed 's/.*"event":{"id":"\\([^"]*\\)".*/\\1/')
  ${body}
done
`;
  writeFileSync(path, script);
  chmodSync(path, 0o755);
}

const ACCEPT = `echo "{\\"id\\":\\"$id\\",\\"action\\":\\"accept\\"}"`;

function question(id: string, more: Partial<PluginQuestion> = {}): PluginQuestion {
  const json = JSON.stringify({ id, kind: 1, content: 'a "b" \n é' });
  return { id, json, sourceType: "Stream", sourceInfo: "wss://x", authed: null, ...more };
}

function pidIn(dir: string, name: string): number {
  return Number(readFileSync(join(dir, name), "utf8"));
}

/** One that nobody has buried yet (Z) has ended. */
function isAlive(pid: number): boolean {
  const path = `/proc/${pid}/stat`;
  return existsSync(path) && !/\) Z /.test(readFileSync(path, "utf8"));
}

function startsOf(dir: string): number {
  return readFileSync(join(dir, "starts"), "utf8").split("\n").length - 1;
}

test("is asked a line of JSON for each event, and says what becomes of it", async () => {
  const { plugin: asked, dir } = plugin(`printf '%s\\n' "$line" >> lines
  case $id in
    a) ${ACCEPT} ;;
    b) echo "{\\"id\\":\\"b\\",\\"action\\":\\"reject\\",\\"msg\\":\\"blocked: no\\"}" ;;
    *) echo "{\\"id\\":\\"$id\\",\\"action\\":\\"shadowReject\\",\\"more\\":1}" ;;
  esac`);
  const before = Math.floor(Date.now() / 1000);
  const verdicts = await Promise.all([
    asked.ask(question("a")),
    asked.ask(question("b", { sourceType: "IP4", sourceInfo: "1.2.3.4", authed: "f".repeat(64) })),
    asked.ask(question("c")),
  ]);
  expect(verdicts).toEqual([
    { action: "accept", message: "" },
    { action: "reject", message: "blocked: no" },
    { action: "shadowReject", message: "" },
  ]);
  const lines = readFileSync(join(dir, "lines"), "utf8").trimEnd().split("\n");
  const seen = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(seen.map(({ receivedAt, ...others }) => others)).toEqual([
    {
      type: "new",
      event: JSON.parse(question("a").json),
      sourceType: "Stream",
      sourceInfo: "wss://x",
    },
    {
      type: "new",
      event: JSON.parse(question("b").json),
      sourceType: "IP4",
      sourceInfo: "1.2.3.4",
      authed: "f".repeat(64),
    },
    {
      type: "new",
      event: JSON.parse(question("c").json),
      sourceType: "Stream",
      sourceInfo: "wss://x",
    },
  ]);
  for (const { receivedAt } of seen) expect(receivedAt).toBeGreaterThanOrEqual(before);
  expect(startsOf(dir)).toBe(1);
});

test.each([
  ["dies", "exit 3"],
  ["answers for another event", `echo '{"id":"x","action":"accept"}'`],
  ["knows no such action", `echo "{\\"id\\":\\"$id\\",\\"action\\":\\"perhaps\\"}"`],
  ["writes a line without an end", "head -c 9000 /dev/zero | tr '\\0' x; sleep 60"],
])("one that %s is started again and asked the same once more", async (_, fault) => {
  const { plugin: asked, dir } = plugin(
    `if [ -e mended ]; then ${ACCEPT}; else touch mended; ${fault}; fi`,
  );
  expect(await asked.ask(question("a"))).toEqual({ action: "accept", message: "" });
  expect(startsOf(dir)).toBe(2);
});

test("one that is silent is ended after a while, and what it has started with it", async () => {
  const fault = "sh -c 'echo $$ > child; while true; do sleep 60; done'";
  const body = `if [ -e mended ]; then ${ACCEPT}; else touch mended; ${fault}; fi`;
  const { plugin: asked, dir } = plugin(body, { ...QUICKLY, timeoutMs: 300 });
  expect(await asked.ask(question("a"))).toEqual({ action: "accept", message: "" });
  while (isAlive(pidIn(dir, "child"))) await Bun.sleep(5);
});

test("one that takes no notice of SIGTERM has ended when it is closed", async () => {
  const { plugin: asked, dir } = plugin(`trap "" TERM; echo $$ > pid; ${ACCEPT}; sleep 60`);
  await asked.ask(question("a"));
  await asked.close();
  while (isAlive(pidIn(dir, "pid"))) await Bun.sleep(5); // the signal is on its way
});

test("one that writes without an end is ended, whether it is being asked or not", async () => {
  const { plugin: asked, dir } = plugin(
    `if [ -e mended ]; then ${ACCEPT}; echo $$ > pid; fi; touch mended; yes thinking`,
  );
  expect(await asked.ask(question("a"))).toEqual({ action: "accept", message: "" });
  while (!existsSync(join(dir, "pid"))) await Bun.sleep(5);
  while (isAlive(pidIn(dir, "pid"))) await Bun.sleep(5);
  expect(startsOf(dir)).toBe(2);
});

test("lines that are no JSON are passed over", async () => {
  const { plugin: asked, dir } = plugin(`echo "thinking"; echo; echo 5; ${ACCEPT}`);
  expect(await asked.ask(question("a"))).toEqual({ action: "accept", message: "" });
  expect(startsOf(dir)).toBe(1);
});

test("a file that changes is started anew; a command line isn't looked at", async () => {
  const { plugin: asked, dir, path } = plugin(ACCEPT);
  await asked.ask(question("a"));
  writeScript(path, `echo "{\\"id\\":\\"$id\\",\\"action\\":\\"reject\\"}"`);
  utimesSync(path, 5, 5);
  expect((await asked.ask(question("b"))).action).toBe("reject");
  expect(startsOf(dir)).toBe(2);
  const other = new Plugin(`FOO=1 ${path}`, QUICKLY);
  open.push(other);
  await other.ask(question("c"));
  utimesSync(path, 6, 6);
  await other.ask(question("d"));
  expect(startsOf(dir)).toBe(3);
});

test("who waits when it is closed hears of that, and so does who asks later", async () => {
  const { plugin: asked } = plugin("sleep 60");
  const waiting = [asked.ask(question("a")), asked.ask(question("b"))];
  const all = Promise.allSettled(waiting);
  void asked.close();
  for (const one of await all)
    expect(one).toMatchObject({ status: "rejected", reason: expect.any(PluginClosed) });
  expect(asked.ask(question("c"))).rejects.toBeInstanceOf(PluginClosed);
});

test("one that can't be started at all is tried again and again", async () => {
  const dir = new TempDir();
  open.push(dir);
  const path = join(dir.path, "plugin");
  const asked = new Plugin(path, QUICKLY);
  open.push(asked);
  const answer = asked.ask(question("a"));
  await Bun.sleep(0);
  writeScript(path, ACCEPT);
  expect(await answer).toEqual({ action: "accept", message: "" });
});
