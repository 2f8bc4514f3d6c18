// Names, the nearest of them, and the forms that text has to have.

import { describe, expect, test } from "bun:test";
import { editDistance, envName, flagName, nearestName } from "../../src/config/names.ts";
import { list, string } from "../../src/config/option.ts";
import { OPTION_NAMES } from "../../src/config/options.ts";
import { isNetwork, parseText } from "../../src/config/value.ts";

test("an option has one name per source", () => {
  expect(flagName("relay.idle_timeout_s")).toBe("--relay-idle-timeout-s");
  expect(envName("relay.idle_timeout_s")).toBe("NANDU_RELAY_IDLE_TIMEOUT_S");
  expect(flagName("data_dir")).toBe("--data-dir");
  expect(envName("data_dir")).toBe("NANDU_DATA_DIR");
});

describe("the nearest name", () => {
  const cases: { name: string; nearest: string | null }[] = [
    { name: "relay.port", nearest: "relay.port" },
    { name: "relay.prot", nearest: "relay.port" },
    { name: "relay.por", nearest: "relay.port" },
    { name: "Relay.Port", nearest: "relay.port" },
    { name: "datadir", nearest: "data_dir" },
    { name: "port", nearest: "relay.port" },
    { name: "bytes_max", nearest: "events.bytes_max" },
    { name: "relay.synchronous", nearest: "store.synchronous" },
    { name: "relay.max_filters", nearest: "relay.filters_max" },
    { name: "threads.readers", nearest: "threads.reader" },
    { name: "bind", nearest: null },
    { name: "", nearest: null },
  ];
  for (const { name, nearest } of cases) {
    test(`of ${JSON.stringify(name)} is ${nearest}`, () => {
      expect(nearestName(name, OPTION_NAMES)).toBe(nearest);
    });
  }
});

test("edits are insertions, deletions, substitutions and swaps", () => {
  const cases: [string, string, number][] = [
    ["", "", 0],
    ["", "abc", 3],
    ["abc", "", 3],
    ["abc", "abc", 0],
    ["abc", "abd", 1],
    ["abc", "acb", 1],
    ["abc", "xabc", 1],
    ["kitten", "sitting", 3],
  ];
  for (const [a, b, edits] of cases) {
    expect([a, b, editDistance(a, b)]).toEqual([a, b, edits]);
    expect([b, a, editDistance(b, a)]).toEqual([b, a, edits]);
  }
});

test("a network is an address with or without the length of a prefix", () => {
  const right = [
    "127.0.0.1",
    "127.0.0.1/8",
    "0.0.0.0/0",
    "1.2.3.4/32",
    "::1",
    "::/0",
    "::1/128",
    "fd00::/8",
    "::ffff:1.2.3.4",
  ];
  const wrong = [
    "",
    "/8",
    "localhost",
    "1.2.3",
    "1.2.3.4/",
    "1.2.3.4/33",
    "1.2.3.4/-1",
    "1.2.3.4/8/8",
    "1.2.3.4/ 8",
    " 1.2.3.4",
    "1.2.3.4:80",
    "01.2.3.4",
    "::1/129",
    "[::1]",
    "fe80::1%eth0",
    "*",
  ];
  expect(right.filter((text) => !isNetwork(text))).toEqual([]);
  expect(wrong.filter(isNetwork)).toEqual([]);
});

describe("text of a form", () => {
  const hex = "0123456789abcdef".repeat(4);
  const pubkey = string({ default: "", form: "pubkey" })`A key.`;
  const header = string({ default: "", form: "header" })`A header.`;
  const networks = list({ default: [], form: "network" })`Networks.`;

  test("is accepted as it is written", () => {
    expect(parseText(pubkey, hex)).toEqual({ ok: true, value: hex });
    expect(parseText(pubkey, "")).toEqual({ ok: true, value: "" });
    expect(parseText(header, "cf-connecting-ip")).toEqual({ ok: true, value: "cf-connecting-ip" });
    expect(parseText(networks, "::1, 10.0.0.0/8")).toEqual({
      ok: true,
      value: ["::1", "10.0.0.0/8"],
    });
  });

  test("is refused with what it should have been", () => {
    const shouted = hex.toUpperCase();
    const problem = (parsed: ReturnType<typeof parseText>) => (parsed.ok ? null : parsed.problem);
    expect(problem(parseText(pubkey, shouted))).toBe(
      `"${shouted}" is not 64 lower-case hex digits`,
    );
    expect(problem(parseText(pubkey, `${hex}\n`))).toBe(
      `"${hex}\\n" is not 64 lower-case hex digits`,
    );
    expect(problem(parseText(header, "x real"))).toBe('"x real" is not a lower-case header name');
    expect(problem(parseText(networks, "::1,10.0.0.0/33"))).toBe(
      'item 2: "10.0.0.0/33" is not an IP address or network (10.0.0.0/8)',
    );
  });
});
