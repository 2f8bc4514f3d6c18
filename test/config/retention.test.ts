// What is kept whatever its age: what else could come back, and what groups are made of.

import { afterAll, expect, test } from "bun:test";
import { current, install } from "../../src/config/current.ts";
import { defaultSettings } from "../../src/config/options.ts";
import { keptSeconds, retention } from "../../src/config/retention.ts";

const before = current.settings;

afterAll(() => install(before));

test.each([
  { isOn: false, kept: [5, 62] },
  { isOn: true, kept: [5, 62, 9000, 9008, 9020, 39_000, 39_009] },
])("with groups on: $isOn", ({ isOn, kept }) => {
  install({
    ...defaultSettings(),
    "groups.enabled": isOn,
    "store.retention_s": 100,
    "store.retention_kinds": ["9:50", "9001:60"],
  });
  const kinds = [1, 5, 62, 8999, 9000, 9008, 9020, 9021, 38_999, 39_000, 39_009, 39_010];
  const found = kinds.filter((kind) => keptSeconds(retention(), kind) === 0);
  expect(found).toEqual([...kept]);
  expect([1, 9, 9001].map((kind) => keptSeconds(retention(), kind))).toEqual([100, 50, 60]);
});
