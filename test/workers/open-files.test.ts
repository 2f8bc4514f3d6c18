// The limit of open files, from a file as /proc has it.

import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { connectionsPossible } from "../../src/workers/open-files.ts";
import { makeTempDir, removeTempDir } from "../support/relay-process.ts";

const cases: [string, string, number | null][] = [
  ["a number", "Max open files            1024                 4096                 files", 924],
  ["fewer than the relay itself needs", "Max open files            64    64    files", 1],
  ["unlimited", "Max open files            unlimited            unlimited            files", null],
  ["not in the file", "Max processes             1024                 4096", null],
];

test.each(cases)("%s", (_, line, expected) => {
  const dir = makeTempDir();
  const path = join(dir, "limits");
  writeFileSync(path, `Limit    Soft Limit    Hard Limit    Units\n${line}\n`);
  expect(connectionsPossible(path)).toBe(expected);
  removeTempDir(dir);
});

test("a system without /proc", () => {
  expect(connectionsPossible("/nowhere/limits")).toBeNull();
});
