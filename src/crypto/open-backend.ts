/**
 * Picks the signature backend of a thread: libsecp256k1 where it can be had, else @noble/curves
 * and one line that says what it costs. Called once per thread that checks signatures.
 * Order: the library inside the executable, the one that scripts/setup.mjs put into vendor/, the
 * system's. Invariant: a library that gets the known answers wrong is never used.
 */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { embeddedLibraryPath } from "./embedded-library.ts";
import { openLibsecp256k1 } from "./libsecp256k1.ts";
import { openNoble } from "./noble.ts";
import { passesProbe } from "./probe.ts";
import type { SignatureBackend } from "./signature.ts";

export interface OpenedBackend {
  backend: SignatureBackend;
  /** One line for the log when signatures will be slow and nobody asked for that. */
  warning: string | null;
}

export interface OpenBackendOptions {
  /** "off" for @noble/curves, a path for that file only, null to look for the library. */
  library: string | null;
}

/** Names of releases with schnorrsig: .so.1 is 0.2, .so.2 is 0.3 to 0.5, then .so.5 and .so.6. */
const systemNames = [
  "libsecp256k1.so.1",
  "libsecp256k1.so.2",
  "libsecp256k1.so.5",
  "libsecp256k1.so.6",
  "libsecp256k1.so",
  "libsecp256k1.dylib",
  "/opt/homebrew/lib/libsecp256k1.dylib",
  "/usr/local/lib/libsecp256k1.dylib",
];

const vendorPath = resolve(import.meta.dir, "../../vendor/libsecp256k1.so.1");

const cost =
  "signatures are checked by @noble/curves, about 10x slower (2,700/s against 29,600/s); " +
  "install your system's libsecp256k1 package (0.2 or later) or set NANDU_LIBSECP256K1=/path/to/it";

export function openSignatureBackend(options = optionsFromEnvironment()): OpenedBackend {
  const { library } = options;
  if (library === "off") return { backend: openNoble(), warning: null };
  if (library !== null) return openForced(library);

  const backend = openEmbedded() ?? openVendored() ?? openSystem();
  if (backend !== null) return { backend, warning: null };
  return { backend: openNoble(), warning: `libsecp256k1 not found: ${cost}` };
}

/** NANDU_LIBSECP256K1: unset or empty looks for the library. */
function optionsFromEnvironment(): OpenBackendOptions {
  const value = process.env["NANDU_LIBSECP256K1"] ?? "";
  return { library: value === "" ? null : value };
}

function openForced(path: string): OpenedBackend {
  const absolute = resolve(path);
  const backend = tryOpen(absolute, absolute);
  if (backend !== null) return { backend, warning: null };
  return { backend: openNoble(), warning: `${absolute} is no usable libsecp256k1: ${cost}` };
}

function openEmbedded(): SignatureBackend | null {
  if (embeddedLibraryPath === null) return null;
  const detail = "embedded in the executable";
  // Bun writes the library to the temporary folder and opens it from there. That fails where the
  // folder is missing, read-only or mounted noexec, so try the other places such a file may go.
  return (
    tryOpen(embeddedLibraryPath, detail) ??
    openPrivateCopy(embeddedLibraryPath, tmpdir(), detail) ??
    openPrivateCopy(embeddedLibraryPath, "/dev/shm", detail) ??
    openPrivateCopy(embeddedLibraryPath, "/var/tmp", detail)
  );
}

/** Opens a copy in a folder only this user can enter, and removes it: the mapping stays. */
function openPrivateCopy(path: string, parent: string, detail: string): SignatureBackend | null {
  let folder: string | null = null;
  try {
    folder = mkdtempSync(join(parent, "nandu-"));
    const copy = join(folder, "libsecp256k1.so");
    // Not copyFileSync: the path is inside the executable, where only reads work.
    writeFileSync(copy, readFileSync(path), { mode: 0o600 });
    return tryOpen(copy, detail);
  } catch {
    // No room to write here; the caller has other places to try.
    return null;
  } finally {
    if (folder !== null) rmSync(folder, { recursive: true, force: true });
  }
}

function openVendored(): SignatureBackend | null {
  return existsSync(vendorPath) ? tryOpen(vendorPath, vendorPath) : null;
}

function openSystem(): SignatureBackend | null {
  for (const name of systemNames) {
    // Bun looks for a bare name in the working folder as well: a file that happens to lie where
    // the relay was started is not the system's library.
    if (existsSync(resolve(name)) && !name.startsWith("/")) continue;
    const backend = tryOpen(name, name);
    if (backend !== null) return backend;
  }
  return null;
}

/** The library at `path`, or null when it is absent, lacks a symbol or gives a wrong answer. */
function tryOpen(path: string, detail: string): SignatureBackend | null {
  try {
    const backend = openLibsecp256k1(path, detail);
    return passesProbe(backend) ? backend : null;
  } catch {
    // Not there, or not the library: both mean the next candidate, and noble is always last.
    return null;
  }
}
