// The router's file: strfry's as they are, and what is wrong with others, by its line.

import { describe, expect, test } from "bun:test";
import { parseRouterFile } from "../../src/mesh/router-file.ts";
import { parseTaoConfig, toJson } from "../../src/mesh/tao-config.ts";
import { testRandomly } from "../support/random.ts";

/** The example of strfry's docs/router.md. */
const STRFRY_EXAMPLE = `
    connectionTimeout = 20

    verbose = false

    streams {
        ## Stream down events from our friend relays

        friends {
            dir = "down"
            pluginDown = "/home/user/spam-filter.js"

            urls = [
                "wss://nos.lol"
                "wss://relayable.org"
            ]
        }

        ## Bi-directional streaming within our cluster

        cluster {
            dir = "both"

            urls = [
                "wss://eu.example.com"
                "wss://na.example.com"
            ]
        }

        ## Backup profiles and contact lists to our directory node

        directory {
            dir = "up"
            filter = { "kinds": [0, 3] }

            urls = [
                "ws://internal-directory.example.com"
            ]
        }
    }
`;

const PLAIN = {
  isDown: true,
  isUp: true,
  filterJson: {},
  pluginDown: null,
  pluginUp: null,
  keyFile: null,
  isCatchingUp: true,
  catchUpIntervalMs: 3_600_000,
};

/** Without the parsed filter, which `filterJson` says as well. */
function parsed(text: string) {
  const { streams, ...others } = parseRouterFile(text, "router.conf");
  return { ...others, streams: streams.map(({ filter, ...stream }) => stream) };
}

function streamOf(body: string, name = "a"): string {
  return `streams { ${name} { dir = "both" urls = ["wss://x.example"] ${body} } }`;
}

test("names with dots are names within names", () => {
  const dotted = `streams.a.dir = "down"
    streams { b { dir = "up" } }
    streams.a { urls = ["wss://a.example"] }`;
  expect(() => parseTaoConfig(dotted, "f")).toThrow("f:2: streams is here a second time");
  const merged = `streams { b { dir = "up" } }
    streams.a.dir = "down"
    streams.a.urls = ["wss://a.example"]
    streams."c d".__proto__ = 1`;
  const members = parseTaoConfig(merged, "f");
  expect(toJson({ type: "object", line: 1, members })).toEqual(
    JSON.parse(
      '{"streams":{"b":{"dir":"up"},"a":{"dir":"down","urls":["wss://a.example"]},' +
        '"c d":{"__proto__":1}}}',
    ),
  );
  expect(members.get("streams")?.line).toBe(1);
});

describe("a file", () => {
  test("of strfry's documentation is read as it is", () => {
    expect(parsed(STRFRY_EXAMPLE)).toEqual({
      timeoutMs: 20_000,
      isVerbose: false,
      streams: [
        {
          ...PLAIN,
          name: "friends",
          isUp: false,
          urls: ["wss://nos.lol", "wss://relayable.org"],
          pluginDown: "/home/user/spam-filter.js",
        },
        {
          ...PLAIN,
          name: "cluster",
          urls: ["wss://eu.example.com", "wss://na.example.com"],
        },
        {
          ...PLAIN,
          name: "directory",
          isDown: false,
          urls: ["ws://internal-directory.example.com"],
          filterJson: { kinds: [0, 3] },
        },
      ],
    });
  });

  const stream = { ...PLAIN, name: "a", urls: ["wss://x.example"] };
  const accepted: { desc: string; text: string; expect?: object; more?: object }[] = [
    { desc: "in JSON", text: '{"streams": {"a": {"dir": "both", "urls": ["wss://x.example"]}}}' },
    {
      desc: "with commas, trailing ones too, colons and single quotes",
      text: `streams: { 'a': { dir: "both", urls: ['wss://x.example',], }, },`,
    },
    {
      desc: "with every kind of comment",
      text: `#!/bin/x\n// one\n${streamOf("").replace("{ a {", "{ /* two\n */ a { # three\n")}`,
    },
    { desc: "with line ends of Windows", text: streamOf("").replaceAll(" ", "\r\n") },
    { desc: "that begins with a byte order mark", text: `\ufeff${streamOf("")}` },
    { desc: "without an = before a list", text: streamOf("").replace("urls =", "urls") },
    {
      desc: "with a filter, whose limit means nothing",
      text: streamOf('filter = { kinds = [1 2,3] "#t": ["x"] limit = 5 }'),
      expect: { filterJson: { kinds: [1, 2, 3], "#t": ["x"] } },
    },
    {
      desc: "with a plugin that is an empty text, which is none",
      text: streamOf('pluginDown = "" pluginUp = "FOO=1 /bin/x -y"'),
      expect: { pluginUp: "FOO=1 /bin/x -y" },
    },
    {
      desc: "with a relay named twice, which is one",
      text: streamOf("").replace("]", ' "wss://x.example" ]'),
    },
    {
      desc: "with keys of ours",
      text: streamOf('keyFile = "/k" catchUp = false catchUpInterval = 0'),
      expect: { keyFile: "/k", isCatchingUp: false, catchUpIntervalMs: null },
    },
    {
      desc: "with escapes in a text",
      text: streamOf('keyFile = "/\\u00e9\\n\\"\\\\"'),
      expect: { keyFile: '/é\n"\\' },
    },
    {
      desc: "with a name that isn't plain",
      text: streamOf("").replace(" a {", ' "my stream.1" {'),
      expect: { name: "my stream.1" },
    },
    { desc: "with a dash in a name", text: streamOf("", "eu-west"), expect: { name: "eu-west" } },
    {
      desc: "with a stream named as what every object has",
      text: streamOf("", "__proto__"),
      expect: { name: "__proto__" },
    },
  ];
  test.each(accepted)("$desc", ({ text, expect: differs = {} }) => {
    const streams = [{ ...stream, ...differs }];
    expect(parsed(text)).toEqual({ timeoutMs: 20_000, isVerbose: true, streams });
  });

  test("may have no streams", () => {
    expect(parsed("streams {} connectionTimeout = 1")).toEqual({
      timeoutMs: 1000,
      isVerbose: true,
      streams: [],
    });
  });

  const refused: [text: string, line: number, message: string][] = [
    ["", 1, "the file: there is no streams { … }"],
    ["streams = 5", 1, "the file: streams is no section { … }"],
    ["\n\nstream {}", 3, "the file: unknown key stream (did you mean streams?)"],
    ["streams {\n a {\n} }", 2, "a: it has no dir"],
    [streamOf('\nfiltre = { "kinds": [1] }'), 2, "a: unknown key filtre (did you mean filter?)"],
    [streamOf("").replace('"both"', '"sideways"'), 1, "a: dir is none of up, down, both"],
    ['streams { a { dir = "up" } }', 1, "a: it has no urls"],
    ['streams { a { dir = "up" urls = [] } }', 1, "a: urls is empty"],
    ['streams { a { dir = "up" urls = "wss://x" } }', 1, "a: urls is no list [ … ]"],
    [
      'streams { a { dir = "up" urls = [\n"wss://x"\n"http://y" ] } }',
      3,
      "a: http://y is no address of a relay, such as wss://relay.example",
    ],
    [
      'streams { a { dir = "up" urls = ["wss://y/#x"] } }',
      1,
      "a: wss://y/#x is no address of a relay, such as wss://relay.example",
    ],
    [
      streamOf('\n\nfilter = [ { "kinds": [1] } ]'),
      3,
      "a: the filter is invalid: a filter must be an object",
    ],
    [
      streamOf('filter = { "kind": [1] }'),
      1,
      'a: the filter is unsupported: unknown filter key "kind"',
    ],
    [streamOf('filter = { "kinds": [] }'), 1, "a: the filter can match nothing"],
    [streamOf('filter = { "search": "x" }'), 1, "a: a filter can't search here"],
    [streamOf("pluginDown = 5"), 1, "a: pluginDown is no text in quotes"],
    [streamOf("catchUp = 1"), 1, "a: catchUp is not true or false"],
    [streamOf("catchUp = null"), 1, "a: catchUp is not true or false"],
    [streamOf("catchUpInterval = 1"), 1, "a: it must be 0, for never, or at least 10 seconds"],
    [
      "connectionTimeout = 0.5 streams {}",
      1,
      "the file: connectionTimeout is no whole number from 1 to 3600",
    ],
    ["streams { a {\n", 1, "this { is never closed"],
    ["streams {}\n}", 2, 'a name is missing before "}"'],
    ["{ streams {} } x", 1, 'the end of the file is missing before "x"'],
    ['streams { a { dir = "up\n" } }', 1, "this text is never closed"],
    ["streams { a { urls = [\n", 1, "this [ is never closed"],
    ["streams {} /* x", 1, "this comment is never closed"],
    ["streams {\na {} a {} }", 2, "a is here a second time"],
    ["streams { a { dir = up } }", 1, "up is no value: a text stands in quotes"],
    ["streams { a { dir } }", 1, '= after dir is missing before "}"'],
    ["streams { a { dir = } }", 1, 'a value is missing before "}"'],
    ["streams.a.dir = 5", 1, "a: dir is no text in quotes"],
    ['streams.a.dir = "up"\nstreams.a.dir = "up"', 2, "dir is here a second time"],
    ["verbose = true\nverbose.a = 5", 2, "verbose is here a second time"],
    ["streams.= {}", 1, 'a name is missing before "="'],
    [`${"a.".repeat(32)}a = 1`, 1, "more than 32 names in each other"],
    ["streams += {}", 1, "+= is not supported"],
    ['verbose = (env "X")', 1, "references and functions are not supported"],
    ['(include "x")', 1, "includes and other ( ) are not supported"],
    ['streams { a { dir = "u" + "p" } }', 1, "additions are not supported"],
    ['streams { a { dir = """up""" } }', 1, "texts of several lines are not supported"],
    ['streams { a { dir = "\\x41" } }', 1, "\\x is no escape"],
    ["connectionTimeout = 0x10", 1, 'a value is missing before "x10"'],
    [`a = ${"[".repeat(40)}`, 1, "more than 32 brackets in each other"],
  ];
  test.each(refused)("%j is refused", (text, line, message) => {
    expect(() => parseRouterFile(text, "router.conf")).toThrow(`router.conf:${line}: ${message}`);
  });

  test("may name so many relays and no more", () => {
    const urls = Array.from({ length: 1001 }, (_, i) => `"wss://x${i}.example"`).join(" ");
    const text = `streams { a { dir = "up" urls = [ ${urls} ] } }`;
    expect(() => parseRouterFile(text, "f")).toThrow("f:1: streams: more than 1000 relays");
    expect(
      parseRouterFile(text.replace('"wss://x0.example"', ""), "f").streams[0]?.urls,
    ).toHaveLength(1000);
  });
});

testRandomly("whatever is written as JSON is read back", (random) => {
  const make = (depth: number): unknown => {
    switch (random.below(depth > 3 ? 4 : 6)) {
      case 0:
        return random.text(10);
      case 1:
        return random.pick([0, -1, 1.5, 1e21, 2 ** 53 - 1, -0.25]);
      case 2:
        return random.pick([true, false, null]);
      case 3:
        return "";
      case 4:
        return random.list(random.below(4), () => make(depth + 1));
      default:
        return Object.fromEntries(
          random.list(random.below(4), () => [random.text(5), make(depth + 1)]),
        );
    }
  };
  for (let i = 0; i < 200; i++) {
    const value = { value: make(0) };
    const members = parseTaoConfig(JSON.stringify(value, null, random.below(3)), "f");
    expect(toJson({ type: "object", line: 1, members })).toEqual(value);
  }
});

testRandomly("no text makes the parser do anything but read it or name a line", (random) => {
  const pieces = [
    "{",
    "}",
    "[",
    "]",
    '"',
    "'",
    "=",
    ":",
    ",",
    "#",
    "/*",
    "*/",
    "\\",
    "(",
    "+=",
    "a",
  ];
  for (let i = 0; i < 500; i++) {
    const text = random
      .list(random.below(30), () => random.pick([...pieces, "\n", " ", "1", "-"]))
      .join("");
    try {
      parseTaoConfig(text, "f");
    } catch (error) {
      expect(String(error)).toMatch(/^ConfigError: f:[0-9]+: /);
    }
  }
});
