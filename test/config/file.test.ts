// What may stand in the file, and that every fault is reported with its line.

import { describe, expect, test } from "bun:test";
import { readConfigFile } from "../../src/config/file.ts";
import { loadConfig } from "../../src/config/load.ts";
import { OPTIONS } from "../../src/config/options.ts";
import { lineOfKey } from "../../src/config/toml.ts";
import { messageOf, sources } from "./sources.ts";

describe("a key may be spelled", () => {
  const cases: { desc: string; text: string }[] = [
    { desc: "in a table", text: "[relay]\nport = 1" },
    { desc: "dotted", text: "relay.port = 1" },
    { desc: "with quotes and spaces", text: '"relay" . "port" = 1' },
    { desc: "in an inline table", text: "relay = { port = 1 }" },
    { desc: "with Windows line ends", text: "[relay]\r\nport = 1\r\n" },
    { desc: "after a byte order mark", text: "\ufeffrelay.port = 1" },
    { desc: "beside empty tables", text: "[info]\n[relay]\nport = 1\n[log]\n" },
  ];
  for (const { desc, text } of cases) {
    test(desc, () => {
      const expected = new Map([["relay.port", { value: 1, origin: "file f.toml" }]]);
      expect(readConfigFile(text, "f.toml", OPTIONS)).toEqual(expected);
    });
  }
});

describe("a wrong key is refused", () => {
  const cases: { text: string; expected: string }[] = [
    {
      text: "[log]\nlevel = 'warn'\n\n# x\n[relay]\nhost = 'x'\n\nprot = 1\nport = 2",
      expected: "8: unknown option relay.prot (did you mean relay.port?)",
    },
    {
      text: "\nrelay.prot = 1",
      expected: "2: unknown option relay.prot (did you mean relay.port?)",
    },
    { text: "port = 1", expected: "1: unknown option port (did you mean relay.port?)" },
    {
      text: "[rely]\nport = 1",
      expected: "2: unknown option rely.port (did you mean relay.port?)",
    },
    {
      text: "relay = { host = 'x',\nprot = 1 }",
      expected: "1: unknown option relay.prot (did you mean relay.port?)",
    },
    {
      text: "[relay]\nmax_connections = 1",
      expected: "2: unknown option relay.max_connections (did you mean relay.connections_max?)",
    },
    {
      text: "relay.idle_timeout = 1",
      expected: "1: unknown option relay.idle_timeout (did you mean relay.idle_timeout_s?)",
    },
    { text: "[relay]\nxyzzy = 1", expected: "2: unknown option relay.xyzzy" },
    { text: "[relay]\n[foo]", expected: "2: unknown option foo" },
    { text: "[foo.bar]\n", expected: "1: unknown option foo.bar" },
    { text: "'a b' = 1", expected: '1: unknown option "a b"' },
    {
      text: "'relay.port' = 1",
      expected: '1: unknown option "relay.port" (did you mean relay.port?)',
    },
    { text: "__proto__ = 1", expected: "1: unknown option __proto__" },
    { text: "toString = 1", expected: "1: unknown option toString" },
    { text: "[relay]\nconstructor = 1", expected: "2: unknown option relay.constructor" },
    { text: "\nrelay = 1", expected: "2: relay is a group of options, not one: write [relay]" },
    { text: "[[relay]]", expected: "1: relay is a group of options, not one: write [relay]" },
    {
      text: "[relay.port]\nx = 1",
      expected: "2: unknown option relay.port.x (did you mean relay.port?)",
    },
  ];
  for (const { text, expected } of cases) {
    test(JSON.stringify(text), () => {
      const run = () => readConfigFile(text, "/etc/nandu.toml", OPTIONS);
      expect(messageOf(run)).toBe(`/etc/nandu.toml:${expected}`);
    });
  }
});

describe("a wrong value is refused", () => {
  const cases: { text: string; expected: string }[] = [
    { text: "\n[relay]\nport = 70000", expected: "3: relay.port: 70000 is more than 65535" },
    { text: "relay.port = -1", expected: "1: relay.port: -1 is less than 0" },
    { text: "relay.port = '1'", expected: '1: relay.port: "1" is not an integer' },
    { text: "relay.port = 1.5", expected: "1: relay.port: 1.5 is not an integer" },
    { text: "relay.port = nan", expected: "1: relay.port: NaN is not an integer" },
    { text: "relay.port = true", expected: "1: relay.port: true is not an integer" },
    { text: "relay.port = []", expected: "1: relay.port: a list is not an integer" },
    { text: "[relay.port]", expected: "1: relay.port: a table is not an integer" },
    {
      text: "relay.port = 1979-05-27",
      expected: "1: relay.port: a date or time is not an integer",
    },
    { text: "data_dir = 1", expected: "1: data_dir: 1 is not a string" },
    { text: "data_dir = ''", expected: "1: data_dir: must not be empty" },
    { text: "[data_dir]", expected: "1: data_dir: a table is not a string" },
    {
      text: "log.level = 'loud'",
      expected: '1: log.level: "loud" is not one of debug, info, warn, error',
    },
    { text: "log.level = 1", expected: "1: log.level: 1 is not one of debug, info, warn, error" },
    {
      text: "info.pubkey = 'AB'",
      expected: '1: info.pubkey: "AB" is not 64 lower-case hex digits',
    },
    {
      text: "relay.real_ip_header = 'X-Real-IP'",
      expected: '1: relay.real_ip_header: "X-Real-IP" is not a lower-case header name',
    },
    {
      text: "relay.trusted_proxies = '::1'",
      expected: '1: relay.trusted_proxies: "::1" is not a list of strings',
    },
    {
      text: "[relay]\n\ntrusted_proxies = [\n  '::1',\n  7,\n]\nport = 1",
      expected: "3: relay.trusted_proxies: item 2: 7 is not a string",
    },
    {
      text: "relay.trusted_proxies = ['']",
      expected: "1: relay.trusted_proxies: item 1: must not be empty",
    },
    {
      text: "info.description = '''\n[relay]\nport = 1\n'''\nrelay.port = 70000",
      expected: "5: relay.port: 70000 is more than 65535",
    },
  ];
  for (const { text, expected } of cases) {
    test(JSON.stringify(text), () => {
      const run = () => readConfigFile(text, "nandu.toml", OPTIONS);
      expect(messageOf(run)).toBe(`nandu.toml:${expected}`);
    });
  }

  test("even if the environment and a flag say otherwise", () => {
    const from = sources({
      argv: ["--relay-port=1"],
      env: { NANDU_RELAY_PORT: "1" },
      files: { "/cwd/nandu.toml": "relay.port = 'x'" },
    });
    const expected = 'nandu.toml:1: relay.port: "x" is not an integer';
    expect(messageOf(() => loadConfig(from))).toBe(expected);
  });
});

describe("what isn't TOML is refused", () => {
  const cases: { desc: string; text: string; expected: string }[] = [
    {
      desc: "at the line at fault",
      text: "data_dir = 'x'\n\n[relay]\nport = = 1\nhost = 'x'\n",
      expected: "4: TOML Parse error: Expected a value but found '='",
    },
    {
      desc: "at the second definition of a key",
      text: "[relay]\nport = 1\nhost = 'x'\nport = 2",
      expected: "4: TOML Parse error: Cannot redefine key 'port'",
    },
    {
      desc: "where a string that never ends begins",
      text: "[info]\nname = 'a'\ndescription = '''\na\nb\n\n",
      expected: "3: TOML Parse error: Unterminated string",
    },
    {
      desc: "inside a list of several lines",
      text: "[relay]\ntrusted_proxies = [\n  '::1',\n  =,\n]\n",
      expected: "4: TOML Parse error: Expected a value but found '='",
    },
    {
      desc: "after a string of several lines",
      text: "info.name = '''\na\n'''\ninfo.icon = '''\n",
      expected: "4: TOML Parse error: Unterminated string",
    },
  ];
  for (const { desc, text, expected } of cases) {
    test(desc, () => {
      const run = () => readConfigFile(text, "nandu.toml", OPTIONS);
      expect(messageOf(run)).toBe(`nandu.toml:${expected}`);
    });
  }
});

test("a value may span lines, and the next key is found after it", () => {
  const text = "a = [\n1,\n2,\n]\n\nb = 1\n[c]\n[d]\ne = 1";
  const lines = [["a"], ["b"], ["c"], ["d"], ["d", "e"]].map((keys) => lineOfKey(text, keys));
  expect(lines).toEqual([1, 6, 7, 8, 9]);
});
