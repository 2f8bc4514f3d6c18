// The threads of an import: everything comes in the order of the input, whatever their number, and
// one that fails ends it.

import { expect, test } from "bun:test";
import { openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaultSettings } from "../../src/config/options.ts";
import { IMPORT_ENTRY, ImportPool } from "../../src/workers/import-pool.ts";
import { MAIL } from "../../src/workers/mail.ts";
import { readEvent } from "../../src/workers/mail-event.ts";
import { IMPORT_MAIL, readLinesDone, readRefused } from "../../src/workers/mail-import.ts";
import { EventFactory } from "../support/events.ts";
import { testRandomly } from "../support/random.ts";
import { TempDir } from "../support/temp-dir.ts";

/** What the main thread gets of these files: `file:line: id or reason`. */
async function outcomes(paths: readonly string[], checkerCount: number): Promise<string[]> {
  const pool = new ImportPool({
    settings: defaultSettings(),
    inputs: paths.map((path) => openSync(path, "r")),
    isVerifying: true,
    checkerCount,
    entry: IMPORT_ENTRY,
  });
  const list: string[] = [];
  let file = 0;
  let before = 0;
  await pool.run((ring) => {
    if (ring.type === MAIL.event) {
      const { id, connId } = readEvent(ring);
      list.push(`${file}:${before + connId}: ${id}`);
    } else if (ring.type === IMPORT_MAIL.refused) {
      const { line, reason } = readRefused(ring);
      list.push(`${file}:${before + line}: ${reason}`);
    } else if (ring.type === IMPORT_MAIL.linesDone) {
      before += readLinesDone(ring);
    } else if (ring.type === IMPORT_MAIL.fileEnd) {
      list.push(`${file}: end`);
      file += 1;
      before = 0;
    }
  });
  return list;
}

testRandomly(
  "what comes of the lines comes in their order, from any number of checkers",
  async (random) => {
    using dir = new TempDir();
    const factory = new EventFactory(random);
    const expected: string[] = [];
    const paths = random.list(3, () => join(dir.path, random.hex(16)));
    paths.forEach((path, file) => {
      const lines = random.list(random.below(1500), (): [string, string | null] => {
        if (random.oneIn(20)) return ["", null];
        if (random.oneIn(20)) return ["{", "not JSON"];
        const event = factory.makeDistinct({ content: "x".repeat(random.below(2000)) });
        if (!random.oneIn(10)) return [JSON.stringify(event), event.id];
        const forged = { ...event, sig: `${event.sig.slice(1)}0` };
        return [JSON.stringify(forged), "invalid: bad signature"];
      });
      writeFileSync(path, lines.map(([text]) => `${text}\n`).join(""));
      lines.forEach(([, outcome], i) => {
        if (outcome !== null) expected.push(`${file}:${i + 1}: ${outcome}`);
      });
      expected.push(`${file}: end`);
    });
    for (const count of [1, 2, 5]) expect(await outcomes(paths, count)).toEqual(expected);
  },
  20_000,
);

/** An import one of whose threads does not do its work; its input never ends. */
async function runFailing(fault: string) {
  using dir = new TempDir();
  const script = join(import.meta.dir, "failing-import.ts");
  const command = [process.execPath, script, `--data-dir=${dir.path}`];
  const child = Bun.spawn(["sh", "-c", `yes '{}' | "$0" "$@"`, ...command], {
    env: { ...process.env, FAULT: fault },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  const lines = stderr.split("\n").filter((line) => line.startsWith("nandu: "));
  return { code, stdout, lines };
}

test.each([
  ["checker throws", "the checker 0 thread has failed: no such luck"],
  ["checker exits", "the checker 0 thread has failed: exit code 3"],
  ["checker ends", "the checker 0 thread has ended too early"],
  ["feeder throws", "the feeder thread has failed: no such luck"],
])("%s: the import ends with a line and exit code 70", async (fault, line) => {
  const result = await runFailing(fault);
  expect(result).toEqual({ code: 70, stdout: "", lines: [`nandu: ${line}`] });
});
