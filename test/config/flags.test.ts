// Flags and environment variables: how they are spelled, and what becomes of what isn't an option.

import { describe, expect, test } from "bun:test";
import { readEnvironment } from "../../src/config/environment.ts";
import { readFlags } from "../../src/config/flags.ts";
import { boolean, integer, list } from "../../src/config/option.ts";
import type { OptionValue } from "../../src/config/option.ts";
import { OPTIONS } from "../../src/config/options.ts";
import type { WrittenValues } from "../../src/config/written.ts";
import { messageOf } from "./sources.ts";

/** The real table has no boolean yet, so these tests bring a table of their own. */
const SMALL = {
  "a.switch": boolean({ default: false })`A switch.`,
  "a.number": integer({ default: 0, min: -5, max: 5 })`A number.`,
  "a.names": list({ default: [] })`Names.`,
};

function plain(values: WrittenValues): Record<string, OptionValue> {
  return Object.fromEntries([...values].map(([name, { value }]) => [name, value]));
}

describe("flags", () => {
  const cases: { argv: string[]; values: Record<string, OptionValue>; rest?: string[] }[] = [
    { argv: [], values: {} },
    { argv: ["--a-number", "3"], values: { "a.number": 3 } },
    { argv: ["--a-number=3"], values: { "a.number": 3 } },
    { argv: ["--a-number", "-3"], values: { "a.number": -3 } },
    { argv: ["--a-switch"], values: { "a.switch": true } },
    { argv: ["--no-a-switch"], values: { "a.switch": false } },
    { argv: ["--a-switch", "--no-a-switch"], values: { "a.switch": false } },
    { argv: ["--a-switch=true"], values: { "a.switch": true } },
    { argv: ["--a-switch=false"], values: { "a.switch": false } },
    { argv: ["--a-switch", "false"], values: { "a.switch": true }, rest: ["false"] },
    { argv: ["--a-names=x, y ,z"], values: { "a.names": ["x", "y", "z"] } },
    { argv: ["--a-names="], values: { "a.names": [] } },
    { argv: ["--a-names=--x=1"], values: { "a.names": ["--x=1"] } },
    {
      argv: ["file", "--count", "--a-number=1", "-x", "-", "--filter={}", "--switch"],
      values: { "a.number": 1 },
      rest: ["file", "--count", "-x", "-", "--filter={}", "--switch"],
    },
    {
      argv: ["--a-number=1", "--", "--a-number=2", "--a-nothing"],
      values: { "a.number": 1 },
      rest: ["--", "--a-number=2", "--a-nothing"],
    },
  ];
  for (const { argv, values, rest = [] } of cases) {
    test(`are read: ${argv.join(" ") || "none"}`, () => {
      const flags = readFlags(argv, SMALL);
      expect(plain(flags.values)).toEqual(values);
      expect(flags.rest).toEqual(rest);
      expect(flags.configPath).toBeNull();
    });
  }

  test("say where a value comes from as they were spelled", () => {
    const { values } = readFlags(["--no-a-switch", "--a-number=1"], SMALL);
    const origins = [...values.values()].map(({ origin }) => origin);
    expect(origins).toEqual(["flag --no-a-switch", "flag --a-number"]);
  });

  test("name the file, the last of several", () => {
    expect(readFlags(["--config", "a", "--config=b"], SMALL).configPath).toBe("b");
  });
});

describe("a wrong flag is refused", () => {
  const cases: { argv: string[]; expected: string }[] = [
    { argv: ["--relay-port", "abc"], expected: '--relay-port: "abc" is not an integer' },
    { argv: ["--relay-port="], expected: '--relay-port: "" is not an integer' },
    { argv: ["--relay-port=1e3"], expected: '--relay-port: "1e3" is not an integer' },
    { argv: ["--relay-port=65536"], expected: "--relay-port: 65536 is more than 65535" },
    {
      argv: ["--relay-port=99999999999999999999"],
      expected: "--relay-port: 99999999999999999999 is more than 65535",
    },
    { argv: ["--relay-idle-timeout-s=7"], expected: "--relay-idle-timeout-s: 7 is less than 8" },
    { argv: ["--relay-port"], expected: "--relay-port: needs a value" },
    { argv: ["--relay-port", "--relay-host"], expected: "--relay-port: needs a value" },
    { argv: ["--config"], expected: "--config: needs a value" },
    { argv: ["--config="], expected: "--config: needs a value" },
    { argv: ["--data-dir="], expected: "--data-dir: must not be empty" },
    {
      argv: ["--relay-compression", "on"],
      expected: '--relay-compression: "on" is not one of off, shared, dedicated',
    },
    {
      argv: ["--relay-trusted-proxies=::1,,10.0.0.1"],
      expected: "--relay-trusted-proxies: item 2: must not be empty",
    },
    {
      argv: ["--relay-prot", "1"],
      expected: "--relay-prot: unknown option (did you mean --relay-port?)",
    },
    {
      argv: ["--relay-max-connections=1"],
      expected: "--relay-max-connections: unknown option (did you mean --relay-connections-max?)",
    },
    {
      argv: ["--no-relay-port"],
      expected: "--no-relay-port: unknown option (did you mean --relay-port?)",
    },
    { argv: ["--threads-x"], expected: "--threads-x: unknown option" },
    { argv: ["--data-dir-x"], expected: "--data-dir-x: unknown option (did you mean --data-dir?)" },
  ];
  for (const { argv, expected } of cases) {
    test(argv.join(" "), () => {
      expect(messageOf(() => readFlags(argv, OPTIONS))).toBe(expected);
    });
  }

  test("--no- takes no value, and a switch only true or false", () => {
    const refused = (flag: string) => messageOf(() => readFlags([flag], SMALL));
    expect(refused("--no-a-switch=true")).toBe("--no-a-switch: takes no value");
    expect(refused("--a-switch=yes")).toBe('--a-switch: "yes" is not true or false');
  });
});

describe("environment variables", () => {
  test("are read", () => {
    const environment = {
      NANDU_A_SWITCH: "true",
      NANDU_A_NUMBER: "-3",
      NANDU_A_NAMES: "x,y",
      PATH: "/bin",
      NANDUX: "1",
    };
    const values = readEnvironment(environment, SMALL);
    expect(plain(values)).toEqual({ "a.switch": true, "a.number": -3, "a.names": ["x", "y"] });
    expect(values.get("a.switch")?.origin).toBe("env NANDU_A_SWITCH");
  });

  test("that are other tools' or undefined are left alone", () => {
    const environment = {
      NANDU_CONFIG: "x",
      NANDU_TEST_SEED: "1",
      NANDU_BENCH: "1",
      NANDU_SERVICE_HOST: "10.0.0.1",
      NANDU_SERVICE_PORT: "7777",
      NANDU_PORT: "tcp://10.0.0.1:7777",
      NANDU_PORT_7777_TCP: "tcp://10.0.0.1:7777",
      NANDU_EXECUTABLE: "x",
      NANDU_LIBSECP256K1: "x",
      NANDU_UNKNOWN: undefined,
    };
    expect(readEnvironment(environment, SMALL).size).toBe(0);
  });

  const wrong: { environment: Record<string, string>; expected: string }[] = [
    {
      environment: { NANDU_RELAY_PORT: "abc" },
      expected: 'NANDU_RELAY_PORT: "abc" is not an integer',
    },
    {
      environment: { NANDU_PORT: "7777" },
      expected: "NANDU_PORT: unknown option",
    },
    {
      environment: { NANDU_RELAY_PROT: "1" },
      expected: "NANDU_RELAY_PROT: unknown option (did you mean NANDU_RELAY_PORT?)",
    },
    {
      environment: { NANDU_relay_port: "1" },
      expected: "NANDU_relay_port: unknown option (did you mean NANDU_RELAY_PORT?)",
    },
    {
      environment: { NANDU_CONFIGS: "1" },
      expected: "NANDU_CONFIGS: unknown option",
    },
    { environment: { NANDU_: "1" }, expected: "NANDU_: unknown option" },
  ];
  for (const { environment, expected } of wrong) {
    test(`are refused: ${Object.keys(environment).join()}`, () => {
      expect(messageOf(() => readEnvironment(environment, OPTIONS))).toBe(expected);
    });
  }

  test("no two options share a variable or a flag", () => {
    const count = Object.keys(OPTIONS).length;
    const variables = Object.keys(OPTIONS).map((name) => name.replace(".", "_"));
    expect(new Set(variables).size).toBe(count);
  });
});
