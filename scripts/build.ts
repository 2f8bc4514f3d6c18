/**
 * Builds dist/nandu: one executable with Bun, all of src/, the workers and, when vendor/ has it,
 * libsecp256k1. It needs neither Bun nor node_modules where it runs.
 * Usage: bun scripts/build.ts [--outfile FILE]
 */

import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { BunPlugin } from "bun";
import { COMMIT, VERSION } from "../src/version.ts";

const projectDir = join(import.meta.dir, "..");
/** Where threads start. */
const entries = ["src/server.ts", "src/workers/worker.ts", "src/workers/import-worker.ts"];
const libraryPath = join(projectDir, "vendor/libsecp256k1.so.1");

/** Puts the library's file into the executable and its path into src/crypto/open-backend.ts. */
const embedLibrary: BunPlugin = {
  name: "embed libsecp256k1",
  setup(build) {
    build.onLoad({ filter: /[/\\]src[/\\]crypto[/\\]embedded-library\.ts$/ }, () => ({
      loader: "ts",
      contents:
        `import path from ${JSON.stringify(libraryPath)} with { type: "file" };\n` +
        `export const embeddedLibraryPath: string | null = path;\n`,
    }));
  },
};

/**
 * msgpackr speeds up decoding strings with a native addon it looks up in node_modules at run time.
 * The executable must behave the same with and without such a folder beside it.
 */
const dropNativeAddon: BunPlugin = {
  name: "drop msgpackr-extract",
  setup(build) {
    build.onLoad({ filter: /[/\\]msgpackr-extract[/\\]index\.js$/ }, () => ({
      loader: "js",
      contents: "module.exports = null;\n",
    }));
  },
};

/** The short hash of HEAD, or null outside a clone. */
function readCommit(): string | null {
  if (Bun.which("git") === null) return COMMIT;
  const command = ["git", "-C", projectDir, "rev-parse", "--short", "HEAD"];
  const { exitCode, stdout } = Bun.spawnSync(command, { stderr: "ignore" });
  return exitCode === 0 ? stdout.toString().trim() : null;
}

async function build(outfile: string): Promise<void> {
  const startMs = performance.now();
  const commit = readCommit();
  const isLibraryHere = existsSync(libraryPath);
  if (!isLibraryHere) {
    console.log("vendor/ has no libsecp256k1: the executable will look for the system's");
  }
  // Built beside the old file and renamed over it: a running relay keeps the one it started from.
  // Bun leaves the source maps, which are inside the executable too, next to it: they go with the
  // folder.
  mkdirSync(dirname(outfile), { recursive: true });
  const folder = mkdtempSync(join(dirname(outfile), ".build-"));
  const unfinished = join(folder, "nandu");
  const result = await Bun.build({
    entrypoints: entries.map((path) => join(projectDir, path)),
    // Entry points side by side: in the executable `import.meta.url` of all code is the root, so
    // `new URL("./worker.ts", import.meta.url)` in src/workers/pool.ts must find it there, and
    // src/workers/import-pool.ts its own.
    naming: { entry: "[name].[ext]" },
    // Names stay, for stack traces and profiles; they cost 40 KB of 110 MB.
    minify: { whitespace: true, syntax: true, identifiers: false },
    sourcemap: "inline",
    // So that each thread parses and evaluates the code of its own role only (worker.ts): with all
    // in one piece a start takes half as long again.
    splitting: true,
    define: { NANDU_COMMIT: JSON.stringify(commit) },
    plugins: isLibraryHere ? [embedLibrary, dropNativeAddon] : [dropNativeAddon],
    // A .env or bunfig.toml that lies in the folder the relay is started from is not ours.
    compile: { outfile: unfinished, autoloadDotenv: false, autoloadBunfig: false },
  });
  for (const log of result.logs) console.error(String(log));
  chmodSync(unfinished, 0o755);
  renameSync(unfinished, outfile);
  rmSync(folder, { recursive: true });

  const megabytes = (statSync(outfile).size / 1e6).toFixed(0);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  const what = `nandu ${VERSION}${commit === null ? "" : ` (${commit})`}`;
  console.log(`${outfile}: ${what}, ${megabytes} MB, built in ${seconds} s`);
}

const { values } = parseArgs({ options: { outfile: { type: "string" } } });
await build(resolve(values.outfile ?? join(projectDir, "dist/nandu")));
