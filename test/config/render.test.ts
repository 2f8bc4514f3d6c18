// What is written for people can be read back, and the generated page is up to date.

import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/load.ts";
import { defaultSettings, OPTION_NAMES } from "../../src/config/options.ts";
import { renderDefault, renderDocs, renderEffective } from "../../src/config/render.ts";
import { sources } from "./sources.ts";

const ROOT = join(import.meta.dir, "../..");

function loadText(text: string): Config {
  return loadConfig(sources({ files: { "/cwd/nandu.toml": text } }));
}

describe("the file of defaults", () => {
  test("loads to the defaults and sets nothing", () => {
    const config = loadText(renderDefault());
    expect(config.settings).toEqual(defaultSettings());
    expect(new Set(Object.values(config.origins))).toEqual(new Set(["default"]));
  });

  test("loads to the defaults with every option uncommented", () => {
    const config = loadText(renderDefault().replace(/^#(?=[^ ])/gm, ""));
    expect(config.settings).toEqual(defaultSettings());
    expect(new Set(Object.values(config.origins))).toEqual(new Set(["file nandu.toml"]));
  });

  test("takes any one option uncommented by itself", () => {
    const lines = renderDefault().split("\n");
    const set = lines.flatMap((line, index) => {
      if (!/^#[^ ]/.test(line)) return [];
      const { origins } = loadText(lines.with(index, line.slice(1)).join("\n"));
      return OPTION_NAMES.filter((name) => origins[name] !== "default");
    });
    expect(set).toEqual([...OPTION_NAMES]);
  });

  test("begins like this", () => {
    const head = renderDefault().split("\n").slice(0, 14).join("\n");
    expect(head).toBe(
      `# Configuration of nandu. Every option is here at its default: to change one, uncomment its
# line and edit the value. Environment variables and flags override this file.

# The folder of the database, created if it does not exist. A relative path starts from the
# working directory. (text)
#data_dir = "./data"

[log]

# The least important messages that are still logged. (debug, info, warn, error)
#level = "info"

[relay]
`,
    );
  });

  test("has no line over 100 columns", () => {
    expect(
      renderDefault()
        .split("\n")
        .filter((line) => line.length > 100),
    ).toEqual([]);
  });
});

describe("the configuration in force", () => {
  const config = loadConfig(
    sources({
      argv: ["--log-level=debug", "--info-description", 'a "quoted" \\ line\nand # another\x7f'],
      env: { NANDU_RELAY_TRUSTED_PROXIES: "10.0.0.0/8,::1", NANDU_CONFIG: "odd\nname.toml" },
      files: { "/cwd/odd\nname.toml": "[relay]\nport = 1" },
    }),
  );

  test("loads to itself", () => {
    expect(loadText(renderEffective(config)).settings).toEqual(config.settings);
  });

  test("says of each value where it comes from", () => {
    const lines = renderEffective(config).split("\n");
    expect(lines.slice(0, 9)).toEqual([
      'data_dir = "./data" # default',
      "",
      "[log]",
      'level = "debug" # from flag --log-level',
      "",
      "[relay]",
      'host = "127.0.0.1" # default',
      "port = 1 # from file odd?name.toml",
      "urls = [] # default",
    ]);
    expect(lines[10]).toBe(
      'trusted_proxies = ["10.0.0.0/8", "::1"] # from env NANDU_RELAY_TRUSTED_PROXIES',
    );
  });
});

describe("docs/configuration.md", () => {
  test("is what scripts/docs.ts would write", async () => {
    expect(await Bun.file(join(ROOT, "docs/configuration.md")).text()).toBe(renderDocs());
  });

  test("is as the formatter leaves it", async () => {
    const command = [process.execPath, "fmt", "--stdin-filepath", "docs/configuration.md"];
    const child = Bun.spawn(command, { cwd: ROOT, stdin: Buffer.from(renderDocs()) });
    expect(await child.stdout.text()).toBe(renderDocs());
    expect(await child.exited).toBe(0);
  });

  test("has a row for every option", () => {
    const rows = renderDocs().matchAll(/^\| `([a-z_.]+)`/gm);
    expect([...rows].map(([, name]) => name)).toEqual([...OPTION_NAMES]);
  });
});
