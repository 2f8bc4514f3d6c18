// The settings in force on a thread.

import { afterEach, expect, test } from "bun:test";
import { current, install, setting } from "../../src/config/current.ts";
import { defaultSettings } from "../../src/config/options.ts";

afterEach(() => install(defaultSettings()));

test("a setting is read from what was installed last, which counts up", () => {
  const { version } = current;
  install({ ...defaultSettings(), "relay.port": 1 });
  expect(setting("relay.port")).toBe(1);
  install({ ...defaultSettings(), "relay.compression": "off" });
  expect(setting("relay.port")).toBe(7777);
  const compression: "off" | "shared" | "dedicated" = setting("relay.compression");
  const proxies: readonly string[] = setting("relay.trusted_proxies");
  expect([compression, ...proxies]).toEqual(["off", "127.0.0.1/8", "::1/128"]);
  expect(current.version).toBe(version + 2);
});
