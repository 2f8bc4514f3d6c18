/**
 * All checks in the order that fails soonest, behind `npm test`: types, format, docs, tests from
 * source, build, and the end-to-end tests once more against the executable.
 * Stops at the first step that fails. The last line is `N passed, M failed`, over both test runs.
 * Usage: bun scripts/test.ts [STEP…]: only these steps (types format docs test build e2e).
 */

import { existsSync } from "node:fs";
import { join } from "node:path";

const projectDir = join(import.meta.dir, "..");
const executablePath = join(projectDir, "dist/nandu");

interface Step {
  name: string;
  title: string;
  args: string[];
  env: Record<string, string>;
  /** A reason to leave the step out, or null. */
  absent: () => string | null;
}

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

function step(name: string, title: string, args: string[], more: Partial<Step> = {}): Step {
  return { name, title, args, env: {}, absent: () => null, ...more };
}

/** A step about a file that is not there is left out, and says so. */
function unlessMissing(path: string): () => string | null {
  return () => (existsSync(join(projectDir, path)) ? null : `there is no ${path}`);
}

/** A machine that has other things to do is no fault of a test. */
const testArgs = ["test", "--parallel=2", "--timeout=60000"];

/** Commands and clients meet what is shipped: it starts in half the time, too. */
const ONLY_EXECUTABLE = /^test\/(?:e2e\/cli\b|clients\/)/;
/** Long, and about nothing that depends on how the code is packed. */
const ONLY_SOURCE = new Set(
  [
    "back-pressure",
    "deletion",
    "edge-rules",
    "edge-rules-events",
    "hostile",
    "kinds",
    "nip77-apart",
    "overload",
    "router-bad-network",
    "strfry-faults",
  ].map((name) => `test/e2e/${name}.test.ts`),
);

function testFiles(pattern: string): string[] {
  const found = [...new Bun.Glob(pattern).scanSync({ cwd: projectDir })];
  return found.filter((path) => !path.includes("/node_modules/")).sort();
}

function sourceTests(): string[] {
  return testFiles("test/**/*.test.ts").filter((path) => !ONLY_EXECUTABLE.test(path));
}

function executableTests(): string[] {
  const missing = [...ONLY_SOURCE].find((path) => !existsSync(join(projectDir, path)));
  if (missing !== undefined) throw new Error(`there is no ${missing}`);
  return testFiles("test/{e2e,clients}/*.test.ts").filter((path) => !ONLY_SOURCE.has(path));
}

function asArguments(paths: readonly string[]): string[] {
  return [...testArgs, ...paths.map((path) => `./${path}`)];
}

const steps: Step[] = [
  step("types", "types", ["check"]),
  step("format", "format", ["fmt", "--check"]),
  step("docs", "generated docs are current", ["scripts/docs.ts", "--check"], {
    absent: unlessMissing("scripts/docs.ts"),
  }),
  step("test", "tests, from source", asArguments(sourceTests())),
  step("build", "build", ["scripts/build.ts"]),
  step("e2e", "end-to-end tests, against the executable", asArguments(executableTests()), {
    env: { NANDU_EXECUTABLE: executablePath },
    absent: unlessMissing("test/e2e"),
  }),
];

/** Runs a step with its output passed on as it comes, and counts the tests it reports. */
async function run({ args, env }: Step): Promise<{ exitCode: number; tally: Tally }> {
  const child = Bun.spawn([process.execPath, ...args], {
    cwd: projectDir,
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const stop = () => child.kill();
  process.on("SIGTERM", stop);
  const outputs = await Promise.all([
    pass(child.stdout, process.stdout),
    pass(child.stderr, process.stderr),
  ]);
  const exitCode = await child.exited;
  process.off("SIGTERM", stop);
  return { exitCode, tally: parseTally(outputs.join("\n")) };
}

/** Copies the stream through and returns its text. */
async function pass(from: ReadableStream<Uint8Array>, to: NodeJS.WriteStream): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of from) {
    to.write(chunk);
    text += decoder.decode(chunk, { stream: true });
  }
  return text;
}

/** bun's own summary: ` 12 pass`, ` 1 skip`, ` 0 fail`, each on a line of its own, at the end. */
function parseTally(output: string): Tally {
  // Line by line: what one of them begins (names of tests hold anything) must not take the rest.
  const plain = output.split("\n").map(Bun.stripANSI).join("\n");
  const last = (word: string) => {
    const found = [...plain.matchAll(new RegExp(`^ (\\d+) ${word}$`, "gm"))].at(-1);
    return Number(found?.[1] ?? 0);
  };
  return {
    passed: last("pass"),
    failed: last("fail"),
    skipped: last("skip") + last("todo"),
  };
}

function formatTally({ passed, failed, skipped }: Tally): string {
  const tail = skipped > 0 ? `, ${skipped} skipped` : "";
  return `${passed} passed, ${failed} failed${tail}`;
}

function secondsSince(startMs: number): string {
  return `${((performance.now() - startMs) / 1000).toFixed(1)} s`;
}

/** Runs the steps and returns the exit code. */
async function runAll(chosen: Step[]): Promise<number> {
  const startMs = performance.now();
  const total: Tally = { passed: 0, failed: 0, skipped: 0 };
  let failedStep: string | null = null;
  for (const current of chosen) {
    const reason = current.absent();
    console.log(`\n== ${current.title}${reason === null ? "" : `: left out, ${reason}`}`);
    if (reason !== null) continue;
    const { exitCode, tally } = await run(current);
    total.passed += tally.passed;
    total.failed += tally.failed;
    total.skipped += tally.skipped;
    if (exitCode === 0) continue;
    failedStep = current.name;
    // A step without tests, and a test run that died before its summary, count as one failure.
    if (tally.failed === 0) total.failed++;
    break;
  }
  const verdict = failedStep === null ? "all steps passed" : `failed at: ${failedStep}`;
  console.log(`\n== ${verdict}, ${secondsSince(startMs)}`);
  console.log(formatTally(total));
  return failedStep === null ? 0 : 1;
}

function chooseSteps(names: string[]): Step[] {
  const unknown = names.find((name) => !steps.some((known) => known.name === name));
  if (unknown !== undefined) {
    const known = steps.map(({ name }) => name).join(" ");
    console.error(`no step is called "${unknown}": there are ${known}`);
    process.exit(2);
  }
  return names.length === 0 ? steps : steps.filter(({ name }) => names.includes(name));
}

process.exitCode = await runAll(chooseSteps(process.argv.slice(2)));
