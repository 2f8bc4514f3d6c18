// How the file, the environment and the flags are found, laid over each other and refused.

import { describe, expect, test } from "bun:test";
import { ConfigError } from "../../src/config/config-error.ts";
import { loadConfig } from "../../src/config/load.ts";
import { defaultSettings, OPTION_NAMES, OPTIONS } from "../../src/config/options.ts";
import { parseTomlValue } from "../../src/config/value.ts";
import { messageOf, sources } from "./sources.ts";
import type { FakeSources } from "./sources.ts";

describe("precedence", () => {
  const file = { "/cwd/nandu.toml": "relay.port = 1" };
  const env = { NANDU_RELAY_PORT: "2" };
  const argv = ["--relay-port", "3"];
  const cases: { desc: string; from: FakeSources; port: number; origin: string }[] = [
    { desc: "a default stands alone", from: {}, port: 7777, origin: "default" },
    {
      desc: "the file beats the default",
      from: { files: file },
      port: 1,
      origin: "file nandu.toml",
    },
    {
      desc: "the environment beats the file",
      from: { files: file, env },
      port: 2,
      origin: "env NANDU_RELAY_PORT",
    },
    {
      desc: "a flag beats the environment",
      from: { files: file, env, argv },
      port: 3,
      origin: "flag --relay-port",
    },
    {
      desc: "a flag beats the file",
      from: { files: file, argv },
      port: 3,
      origin: "flag --relay-port",
    },
    {
      desc: "the last of a repeated flag counts",
      from: { argv: [...argv, "--relay-port=4"] },
      port: 4,
      origin: "flag --relay-port",
    },
  ];
  for (const { desc, from, port, origin } of cases) {
    test(desc, () => {
      const config = loadConfig(sources(from));
      expect(config.settings).toEqual({ ...defaultSettings(), "relay.port": port });
      expect(config.origins["relay.port"]).toBe(origin);
      expect(config.origins["relay.host"]).toBe("default");
    });
  }

  test("every option has an origin and nothing else has", () => {
    const { settings, origins } = loadConfig(sources({}));
    expect(Object.keys(settings)).toEqual([...OPTION_NAMES]);
    expect(Object.keys(origins)).toEqual([...OPTION_NAMES]);
  });

  test("settings can't be changed", () => {
    const { settings } = loadConfig(sources({ argv: ["--relay-trusted-proxies=::1"] }));
    expect(Object.isFrozen(settings)).toBe(true);
    expect(Object.isFrozen(settings["relay.trusted_proxies"])).toBe(true);
  });
});

describe("the file", () => {
  const all = {
    "/cwd/flag.toml": "relay.port = 1",
    "/cwd/env.toml": "relay.port = 2",
    "/cwd/nandu.toml": "relay.port = 3",
    "/etc/nandu.toml": "relay.port = 4",
  };
  const env = { NANDU_CONFIG: "env.toml" };
  const cases: { desc: string; from: FakeSources; file: string | null }[] = [
    {
      desc: "named by --config comes first",
      from: { argv: ["--config", "flag.toml"], env, files: all },
      file: "flag.toml",
    },
    {
      desc: "may be named by --config=",
      from: { argv: ["--config=/etc/nandu.toml"], env, files: all },
      file: "/etc/nandu.toml",
    },
    { desc: "named by NANDU_CONFIG comes second", from: { env, files: all }, file: "env.toml" },
    {
      desc: "isn't named by an empty NANDU_CONFIG",
      from: { env: { NANDU_CONFIG: "" }, files: all },
      file: "nandu.toml",
    },
    { desc: "of the working directory comes third", from: { files: all }, file: "nandu.toml" },
    {
      desc: "of /etc comes last",
      from: { files: { "/etc/nandu.toml": all["/etc/nandu.toml"] } },
      file: "/etc/nandu.toml",
    },
    { desc: "may be missing", from: {}, file: null },
  ];
  for (const { desc, from, file } of cases) {
    test(desc, () => {
      const config = loadConfig(sources(from));
      expect(config.file).toBe(file);
      const origin = file === null ? "default" : `file ${file}`;
      expect(config.origins["relay.port"]).toBe(origin);
    });
  }

  test("can set every option", () => {
    const tables = Map.groupBy(OPTION_NAMES, (name) => name.includes("."));
    expect(tables.get(false)).toEqual(["data_dir"]);
    const lines = OPTION_NAMES.map((name) =>
      Bun.TOML.stringify({ v: OPTIONS[name].default }).replace("v", name),
    );
    const config = loadConfig(sources({ files: { "/cwd/nandu.toml": lines.join("") } }));
    expect(config.settings).toEqual(defaultSettings());
    expect(new Set(Object.values(config.origins))).toEqual(new Set(["file nandu.toml"]));
  });

  test("that can't be read is an error with its cause", () => {
    const cause = new Error("EACCES: permission denied");
    const readText = () => {
      throw cause;
    };
    const run = () => loadConfig({ ...sources({ argv: ["--config", "x.toml"] }), readText });
    expect(messageOf(run)).toBe("x.toml: can't be read: EACCES: permission denied");
    expect(run).toThrow(expect.objectContaining({ cause, exitCode: 2, name: "ConfigError" }));
  });
});

describe("options that contradict each other are refused", () => {
  const cases: { argv: string[]; expected: string }[] = [
    {
      argv: ["--relay-message-bytes-max=2048"],
      expected:
        "events.bytes_max: 262144 (default) is more than " +
        "relay.message_bytes_max: 2048 (flag --relay-message-bytes-max)",
    },
    {
      argv: ["--search-kinds=0-255,1000"],
      expected: "search.kinds (flag --search-kinds) has more than 256 kinds",
    },
    {
      argv: ["--relay-limit-max=400"],
      expected:
        "relay.limit_default: 500 (default) is more than " +
        "relay.limit_max: 400 (flag --relay-limit-max)",
    },
    {
      argv: ["--relay-outbound-bytes-max=1048575"],
      expected:
        "relay.message_bytes_max: 1048576 (default) is more than " +
        "relay.outbound_bytes_max: 1048575 (flag --relay-outbound-bytes-max)",
    },
    {
      argv: ["--relay-inflight-bytes-max=1048575"],
      expected:
        "relay.message_bytes_max: 1048576 (default) is more than " +
        "relay.inflight_bytes_max: 1048575 (flag --relay-inflight-bytes-max)",
    },
  ];
  for (const { argv, expected } of cases) {
    test(argv.join(" "), () => {
      expect(messageOf(() => loadConfig(sources({ argv })))).toBe(expected);
    });
  }

  test("and equal ones are not", () => {
    const argv = ["--relay-limit-max=500", "--relay-inflight-bytes-max=1048576"];
    expect(loadConfig(sources({ argv })).settings["relay.limit_max"]).toBe(500);
  });
});

describe("a named file that doesn't exist", () => {
  const files = { "/cwd/nandu.toml": "" };
  test("in --config is refused", () => {
    const run = () => loadConfig(sources({ argv: ["--config", "no.toml"], files }));
    expect(messageOf(run)).toBe("--config: there is no file no.toml");
  });
  test("in NANDU_CONFIG is refused", () => {
    const run = () => loadConfig(sources({ env: { NANDU_CONFIG: "/no.toml" }, files }));
    expect(messageOf(run)).toBe("NANDU_CONFIG: there is no file /no.toml");
  });
});

describe("the table", () => {
  test("has a default for each option that the option itself accepts", () => {
    for (const name of OPTION_NAMES) {
      const value = OPTIONS[name].default;
      expect(parseTomlValue(OPTIONS[name], value)).toEqual({ ok: true, value });
    }
  });

  test("has a sentence for each option", () => {
    for (const name of OPTION_NAMES) expect(OPTIONS[name].description).toMatch(/^[A-Z].+\.$/);
  });
});

test("a ConfigError exits with 2", () => {
  expect(new ConfigError("x").exitCode).toBe(2);
});
