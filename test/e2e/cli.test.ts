// The command line itself: help, mistakes, configuration from everywhere, info. What commands do to
// events is in cli-events.test.ts.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "../support/client.ts";
import { makeTempDir, RelayProcess, removeTempDir, runNandu } from "../support/relay-process.ts";

/** Empty, but for the files that tests put there: no configuration file, no database. */
let dir: string;

beforeAll(() => {
  dir = makeTempDir();
});

afterAll(() => {
  removeTempDir(dir);
});

function run(args: readonly string[], env: Record<string, string> = {}) {
  return runNandu(args, { cwd: dir, env });
}

const COMMANDS = [
  "relay",
  "import",
  "export",
  "sync",
  "download",
  "upload",
  "stream",
  "router",
  "scan",
  "search",
  "explain",
  "why",
  "delete",
  "member",
  "invite",
  "negentropy",
  "audit",
  "info",
  "config",
  "version",
  "help",
] as const;

describe("help", () => {
  test("without arguments nandu lists its commands, a line each", async () => {
    const { code, stdout, stderr } = await run([]);
    expect([code, stderr]).toEqual([0, ""]);
    const names = stdout.split("\n").flatMap((line) => /^ {2}(\w+) {2,}\S/.exec(line)?.[1] ?? []);
    expect(names).toEqual([...COMMANDS]);
    for (const args of [["help"], ["--help"], ["-h"]]) {
      expect(await run(args)).toEqual({ code, stdout, stderr });
    }
  });

  test.each(COMMANDS.map((name) => [name]))(
    "of %s: its usage first, however asked",
    async (name) => {
      const asked = await run([name, "--help"]);
      expect([asked.code, asked.stderr]).toEqual([0, ""]);
      expect(asked.stdout).toStartWith(`Usage: nandu ${name}`);
      expect(asked.stdout).toEndWith("\n");
      expect(await run(["help", name])).toEqual(asked);
      expect(await run([name, "--bogus", "-h"])).toEqual(asked);
    },
  );

  test("version is a line, however asked", async () => {
    const answer = { code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: "" };
    for (const args of [["version"], ["--version"], ["-v"]]) {
      expect(await run(args)).toEqual(answer as never);
    }
  });
});

describe("a mistake ends a command with 2 and a line that says what it is", () => {
  const rows: [string[], string][] = [
    [["frobnicate"], "unknown command frobnicate (nandu help)"],
    [["imprt"], "unknown command imprt (did you mean import?) (nandu help)"],
    [["help", "frobnicate"], "unknown command frobnicate (nandu help)"],
    [["version", "--x"], "unknown flag --x (nandu help version)"],
    [["version", "x"], "unexpected argument x (nandu help version)"],
    [["help", "scan", "info"], "unexpected argument info (nandu help)"],
    [["relay", "now"], "unexpected argument now (nandu help relay)"],
    [["relay", "--relay-prot=1"], "--relay-prot: unknown option (did you mean --relay-port?)"],
    [["relay", "--relay-port=abc"], '--relay-port: "abc" is not an integer'],
    [["relay", "--relay-port=65536"], "--relay-port: 65536 is more than 65535"],
    [["relay", "--relay-port"], "--relay-port: needs a value"],
    [["relay", "--log-level=loud"], '--log-level: "loud" is not one of debug, info, warn, error'],
    [["import", "--fast"], "unknown flag --fast (nandu help import)"],
    [["export", "--revrse"], "unknown flag --revrse (did you mean --reverse?) (nandu help export)"],
    [
      ["export", "--reverse=1"],
      "unknown flag --reverse (did you mean --reverse?) (nandu help export)",
    ],
    [["export", "all"], "unexpected argument all (nandu help export)"],
    [["export", "--since"], "--since needs a value (nandu help export)"],
    [
      ["export", "--since", "x"],
      "--since: x is not an age like 30s, 12h or 7d (nandu help export)",
    ],
    [["scan"], "a filter is missing (nandu help scan)"],
    [["scan", "{"], "the filter is not JSON (nandu help scan)"],
    [["scan", "[1]"], "the filter is invalid: a filter must be an object (nandu help scan)"],
    [["scan", '{"x":1}'], 'the filter is unsupported: unknown filter key "x" (nandu help scan)'],
    [["scan", "{}", "{}"], "unexpected argument {} (nandu help scan)"],
    [["explain"], "a filter is missing (nandu help explain)"],
    [["explain", "{}", "{"], "the filter is not JSON (nandu help explain)"],
    [["explain", "null"], "the filter is invalid: a filter must be an object (nandu help explain)"],
    [
      ["explain", "--viewer", "x", "{}"],
      "--viewer: x is not 64 lower-case hex digits (nandu help explain)",
    ],
    [["explain", "{}", "--viewer"], "--viewer needs a value (nandu help explain)"],
    [["explain", "--jsn"], "unknown flag --jsn (did you mean --json?) (nandu help explain)"],
    [["why"], "an event is missing (nandu help why)"],
    [["why", "x"], "x is neither an event nor an id of one (nandu help why)"],
    [["why", "\u001b["], "\\u001b[ is neither an event nor an id of one (nandu help why)"],
    [
      ["why", "A".repeat(64)],
      `${"A".repeat(64)} is neither an event nor an id of one (nandu help why)`,
    ],
    [["why", "{"], "the event is not JSON (nandu help why)"],
    [["why", "[{}]"], "the event is not a JSON object (nandu help why)"],
    [["why", "{}", "{}"], "unexpected argument {} (nandu help why)"],
    [["why", "--event"], "--event needs a value (nandu help why)"],
    [["delete"], "--age or --filter is missing (nandu help delete)"],
    [["delete", "--dry-run"], "--age or --filter is missing (nandu help delete)"],
    [["delete", "--age=3q"], "--age: 3q is not an age like 30s, 12h or 7d (nandu help delete)"],
    [
      ["delete", "--filter", '{"limit":-1}'],
      "the filter is invalid: limit must be an integer from 0 on (nandu help delete)",
    ],
    [["info", "all"], "unexpected argument all (nandu help info)"],
    [
      ["config", "--defaults"],
      "unknown flag --defaults (did you mean --default?) (nandu help config)",
    ],
    [["config", "--config=none.toml"], "--config: there is no file none.toml"],
    [["--config=none.toml", "config"], "--config: there is no file none.toml"],
    [["--config", "none.toml", "config"], "--config: there is no file none.toml"],
    [["--config", "config"], "unknown flag --config (nandu help)"],
    [["--config=none.toml", "frobnicate"], "unknown command frobnicate (nandu help)"],
    [
      ["config", "--relay-limit-default=2000"],
      "relay.limit_default: 2000 (flag --relay-limit-default)" +
        " is more than relay.limit_max: 1000 (default)",
    ],
  ];
  test.each(rows)("%p", async (args, line) => {
    expect(await run(args)).toEqual({ code: 2, stdout: "", stderr: `nandu: ${line}\n` });
  });
});

describe("a fault of the world ends a command with 1 and a line", () => {
  for (const args of [
    ["scan", "{}"],
    ["explain", "{}"],
    ["why", "{}"],
    ["export"],
    ["delete", "--age=1d"],
    ["delete", "--filter={}", "--dry-run"],
  ]) {
    test(`${args[0]} where there is no database makes none`, async () => {
      const path = join(dir, "data/nandu.db");
      expect(await run(args)).toEqual({
        code: 1,
        stdout: "",
        stderr: `nandu: there is no database ${path}\n`,
      });
    });
  }

  test("import of a file that is not there", async () => {
    const result = await run(["import", "--data-dir=import", "none.jsonl"]);
    expect(result).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "nandu: can't read none.jsonl (ENOENT: no such file or directory, open 'none.jsonl')\n",
    });
    expect(existsSync(join(dir, "import"))).toBe(false);
  });

  test("why of a file that is not there", async () => {
    expect(await run(["why", "--event=none.json"])).toEqual({
      code: 1,
      stdout: "",
      stderr: "nandu: can't read none.json (ENOENT: no such file or directory, open 'none.json')\n",
    });
  });

  test("an address that is not this machine's", async () => {
    const { code, stderr } = await run([
      "relay",
      "--data-dir=elsewhere",
      "--relay-host=192.0.2.1",
      "--relay-port=7777",
    ]);
    expect(code).toBe(1);
    expect(stderr.trimEnd().split("\n").at(-1)).toBe(
      "nandu: can't listen on 192.0.2.1 port 7777 " +
        "(EADDRNOTAVAIL: address not available, listen)",
    );
  });

  test("a database that is not one", async () => {
    mkdirSync(join(dir, "strange"));
    writeFileSync(join(dir, "strange/nandu.db"), "no database, but long enough to be read as one");
    const path = join(dir, "strange/nandu.db");
    const { code, stdout, stderr } = await run(["scan", "--data-dir=strange", "{}"]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toBe(`nandu: can't open the database ${path}: file is not a database\n`);
  });
});

describe("config", () => {
  /** The line of an option in what `nandu config` prints. */
  async function lineOf(name: string, args: string[], env: Record<string, string> = {}) {
    const { code, stdout, stderr } = await run(["config", ...args], env);
    expect([code, stderr]).toEqual([0, ""]);
    return stdout.split("\n").find((line) => line.startsWith(`${name} = `));
  }

  test("shows the value in force and its origin: flag over environment over file", async () => {
    writeFileSync(join(dir, "some.toml"), '[relay]\nport = 1111\n[info]\nname = "from # file"\n');
    const file = ["--config", "some.toml"];
    const env = { NANDU_RELAY_PORT: "2222" };
    expect(await lineOf("port", [])).toBe("port = 7777 # default");
    expect(await lineOf("port", file)).toBe("port = 1111 # from file some.toml");
    expect(await lineOf("port", [], { NANDU_CONFIG: "some.toml" })).toBe(
      "port = 1111 # from file some.toml",
    );
    expect(await lineOf("port", file, env)).toBe("port = 2222 # from env NANDU_RELAY_PORT");
    expect(await lineOf("port", [...file, "--relay-port=3333"], env)).toBe(
      "port = 3333 # from flag --relay-port",
    );
    expect(await lineOf("name", file)).toBe('name = "from # file" # from file some.toml');
    expect(
      await lineOf("trusted_proxies", [], { NANDU_RELAY_TRUSTED_PROXIES: "10.0.0.1,::1" }),
    ).toBe('trusted_proxies = ["10.0.0.1", "::1"] # from env NANDU_RELAY_TRUSTED_PROXIES');
  });

  test("what it prints, read as a file, is the same configuration", async () => {
    const flags = ["--relay-port=3333", '--info-name=ñandú "x" \\ # y', "--log-level=warn"];
    const { stdout } = await run(["config", ...flags]);
    writeFileSync(join(dir, "printed.toml"), stdout);
    const again = await run(["config", "--config", "printed.toml"]);
    const values = (text: string): string[] =>
      text.split("\n").map((line) => line.replace(/ # (default|from .*)$/, ""));
    expect(values(again.stdout)).toEqual(values(stdout));
  });

  test("--default is a file that changes nothing, and all of it may be uncommented", async () => {
    const [plain, written] = [await run(["config"]), await run(["config", "--default"])];
    expect([written.code, written.stderr]).toEqual([0, ""]);
    writeFileSync(join(dir, "default.toml"), written.stdout);
    expect(await run(["config", "--config", "default.toml"])).toEqual(plain);
    const uncommented = written.stdout.replace(/^#(?=[a-z_]+ = )/gm, "");
    expect(uncommented).not.toBe(written.stdout);
    writeFileSync(join(dir, "uncommented.toml"), uncommented);
    const { code, stdout } = await run(["config", "--config", "uncommented.toml"]);
    expect(code).toBe(0);
    expect(stdout.replaceAll("from file uncommented.toml", "default")).toBe(plain.stdout);
  });

  const faults: [string, string, string][] = [
    ["no TOML", "[relay", "1: TOML Parse error: Expected ']' to close a table header"],
    [
      "an unknown option",
      "[relay]\n\nprot = 1\n",
      "3: unknown option relay.prot (did you mean relay.port?)",
    ],
    [
      "an unknown group",
      "[rely]\nport = 1\n",
      "2: unknown option rely.port (did you mean relay.port?)",
    ],
    ["a wrong type", '[relay]\nport = "x"\n', '2: relay.port: "x" is not an integer'],
    ["a value out of bounds", "[relay]\nport = -1\n", "2: relay.port: -1 is less than 0"],
    [
      "a group as an option",
      "relay = 1\n",
      "1: relay is a group of options, not one: write [relay]",
    ],
  ];
  test.each(faults)(
    "a file with %s is refused at its line, whatever the command",
    async (_, text, line) => {
      writeFileSync(join(dir, "faulty.toml"), text);
      for (const args of [["config"], ["relay"], ["info"], ["scan", "{}"]]) {
        const { code, stdout, stderr } = await run([...args, "--config=faulty.toml"]);
        expect([code, stdout, stderr.split("\n").length]).toEqual([2, "", 2]);
        expect(stderr).toStartWith(`nandu: faulty.toml:${line}`);
      }
    },
  );

  test("an unknown or a bad variable is refused", async () => {
    const rows = [
      ["NANDU_RELAY_PRT", "1", "unknown option (did you mean NANDU_RELAY_PORT?)"],
      ["NANDU_RELAY_PORT", "1.5", '"1.5" is not an integer'],
      ["NANDU_CONFIG", "none.toml", "there is no file none.toml"],
    ] as const;
    for (const [name, value, problem] of rows) {
      expect(await run(["config"], { [name]: value })).toEqual({
        code: 2,
        stdout: "",
        stderr: `nandu: ${name}: ${problem}\n`,
      });
    }
  });

  test("nandu.toml of the working directory is found, and the relay obeys it", async () => {
    const own = makeTempDir();
    const text = '[relay]\nsubscriptions_max = 1\n[info]\nname = "by file"\n';
    writeFileSync(join(own, "nandu.toml"), text);
    const relay = await RelayProcess.start({ dataDir: own, env: { NANDU_RELAY_FILTERS_MAX: "1" } });
    const client = await Client.connect(relay.url);
    expect(await client.request("a", { ids: [] })).toEqual([["EOSE", "a", ["finish"]]]);
    expect(await client.request("b", { ids: [] })).toEqual([
      ["CLOSED", "b", "rate-limited: more than 1 subscriptions on this connection"],
    ]);
    expect(await client.request("a", {}, {})).toEqual([
      ["CLOSED", "a", "invalid: more than 1 filters"],
    ]);
    client.close();
    expect(await relay.stop()).toBe(0);
    removeTempDir(own);
  });
});
