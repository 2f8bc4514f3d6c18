/**
 * Makes a fresh clone ready, quietly, and at once when it already is: the dependencies, a runnable
 * Bun (itself one of them) and libsecp256k1 in vendor/, without root. Plain JavaScript without
 * dependencies, for Node 18 or Bun, because nothing is installed yet when it runs.
 * Usage: node scripts/setup.mjs [--run FILE ARGS…]: then runs FILE with Bun, in this one's place
 * as far as signals and the exit code go.
 */

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { constants, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const projectDir = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const modulesDir = join(projectDir, "node_modules");
const bunPath = join(modulesDir, ".bin/bun");
const libraryPath = join(projectDir, "vendor/libsecp256k1.so.1");

/** npm's stand-in for Bun, before Bun's postinstall ran, is a text of some hundred bytes. */
const bunBytesMin = 10_000_000;

/** Debian and Ubuntu name the package after the library's version: 0.2, then 0.3 and later. */
const libraryPackages = ["libsecp256k1-1", "libsecp256k1-2"];

/** A mirror that does not answer must not keep the relay from starting. */
const aptTimeoutMs = 30_000;

function fail(message) {
  console.error(`setup: ${message}`);
  process.exit(1);
}

/** Runs a command to its end with its output kept back. */
function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: projectDir, encoding: "utf8", ...options });
  return { ok: result.status === 0, output: `${result.stdout ?? ""}${result.stderr ?? ""}` };
}

function readText(path) {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

// 1. Dependencies

function installDependencies() {
  const lock = readText(join(projectDir, "package-lock.json"));
  const hash = createHash("sha256").update(lock).digest("hex");
  const stampPath = join(modulesDir, ".nandu-setup");
  if (readText(stampPath) === hash && existsSync(bunPath)) return;
  if (!isInstalledByHand(lock)) {
    const hasNpm = run("npm", ["--version"]).ok;
    if (!hasNpm && process.versions.bun === undefined) fail("neither npm nor bun is on the PATH");
    // The development dependencies hold Bun, and Bun's binary is an optional one: whatever npm is
    // told by NODE_ENV or its configuration, they are needed.
    const npmArgs = ["ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund"];
    const [command, args] = hasNpm
      ? ["npm", npmArgs]
      : [process.execPath, ["install", "--no-save", "--silent"]];
    const name = `${hasNpm ? "npm" : "bun"} ${args[0]}`;
    console.error(`setup: installing the dependencies (${name})`);
    const { ok, output } = run(command, args);
    if (!ok) fail(`${name} failed: ${summarizeErrors(output)}`);
  }
  writeFileSync(stampPath, hash);
}

/** True when npm finished an install that has every package of the lock file at its version. */
function isInstalledByHand(lock) {
  const installed = readText(join(modulesDir, ".package-lock.json"));
  if (installed === "" || lock === "" || !existsSync(bunPath)) return false;
  const have = JSON.parse(installed).packages;
  return Object.entries(JSON.parse(lock).packages).every(
    ([path, wanted]) => path === "" || wanted.optional || have[path]?.version === wanted.version,
  );
}

/** npm says what went wrong in the first lines it marks as errors, then explains at length. */
function summarizeErrors(output) {
  const lines = output.split("\n").map((line) => line.trim());
  const marked = lines.filter((line) => /^npm (error|ERR!)/.test(line));
  const told = (marked.length > 0 ? marked : lines)
    .map((line) => line.replace(/^npm (error|ERR!)\s*/, ""))
    .filter((line) => line !== "" && !/^(errno|syscall) /.test(line));
  return told.slice(0, 2).join(", ");
}

// 2. Bun

function hasBun() {
  return existsSync(bunPath) && statSync(bunPath).size > bunBytesMin;
}

/** npm leaves out Bun's own install step under --ignore-scripts, or until somebody approves it. */
function linkBun() {
  if (hasBun()) return;
  const { output } = run(process.execPath, [join(modulesDir, "bun/install.js")], {
    cwd: join(modulesDir, "bun"),
  });
  const isReady = hasBun() && run(bunPath, ["--version"]).ok;
  if (!isReady) fail(`Bun's own install step failed: ${summarizeErrors(output)}`);
}

// 3. libsecp256k1

/** Never fails: without the library the relay checks signatures in JavaScript. */
function fetchLibrary() {
  if (existsSync(libraryPath) || process.platform !== "linux") return;
  const stampPath = join(dirname(libraryPath), ".not-available");
  const today = new Date().toISOString().slice(0, 10);
  if (readText(stampPath) === today) return;
  mkdirSync(dirname(libraryPath), { recursive: true });
  const folder = mkdtempSync(join(tmpdir(), "nandu-setup-"));
  try {
    if (downloadPackage(folder) && copyLibrary(folder)) return;
  } catch (error) {
    console.error(`setup: ${error.message}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  writeFileSync(stampPath, today);
  console.error(
    "setup: no libsecp256k1 from apt: signatures will be checked about 10x slower, unless your " +
      "system has the library (trying again tomorrow)",
  );
}

function downloadPackage(folder) {
  const options = { cwd: folder, timeout: aptTimeoutMs };
  const isDownloaded = () =>
    libraryPackages.some((name) => run("apt-get", ["download", name], options).ok);
  if (isDownloaded()) return true;
  // A container's lists are often removed or stale; renewing them takes root.
  if (process.getuid?.() !== 0 || !run("apt-get", ["update"], options).ok) return false;
  return isDownloaded();
}

function copyLibrary(folder) {
  const archive = readdirSync(folder).find((name) => name.endsWith(".deb"));
  if (archive === undefined || !run("dpkg-deb", ["-x", archive, "."], { cwd: folder }).ok) {
    return false;
  }
  const libDir = join(folder, "usr/lib");
  const found = readdirSync(libDir, { recursive: true }).find((name) =>
    /libsecp256k1\.so\.\d+$/.test(name),
  );
  if (found === undefined) return false;
  copyFileSync(join(libDir, found), `${libraryPath}.unfinished`);
  renameSync(`${libraryPath}.unfinished`, libraryPath);
  return true;
}

// 4. --run

function runWithBun(file, args) {
  const child = spawn(bunPath, [resolve(projectDir, file), ...args], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"]) {
    process.on(signal, () => {
      // Ctrl-C goes to every process of the terminal's foreground group, so the child has it. One
      // more would look like a second, impatient Ctrl-C; npm passes it on to us on top of that.
      if (signal === "SIGINT" && isInForeground()) return;
      child.kill(signal);
    });
  }
  child.on("error", (error) => fail(`cannot run ${bunPath}: ${error.message}`));
  child.on("exit", (code, signal) => {
    process.exit(signal === null ? code : 128 + constants.signals[signal]);
  });
}

/** True when Ctrl-C on the controlling terminal reaches this process's group. */
function isInForeground() {
  const stat = readText("/proc/self/stat");
  if (stat === "") return process.stdin.isTTY || process.stdout.isTTY;
  // proc(5): pid (name) state ppid pgrp session tty_nr tpgid; the name may hold spaces.
  const [, , pgrp, , , tpgid] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return pgrp === tpgid;
}

installDependencies();
linkBun();
fetchLibrary();
const [flag, file, ...args] = process.argv.slice(2);
if (flag === "--run" && file !== undefined) runWithBun(file, args);
else if (flag !== undefined) fail(`unknown argument ${flag} (usage: setup.mjs [--run FILE ARGS…])`);
