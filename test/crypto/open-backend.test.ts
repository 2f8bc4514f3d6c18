/**
 * Which backend a thread gets, and what it is told when it is the slow one. The library that lies
 * is compiled on the spot; that test is skipped where there is no C compiler.
 */

import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measureChecksPerSecond } from "../../src/crypto/measure.ts";
import { openSignatureBackend } from "../../src/crypto/open-backend.ts";
import { passesProbe, probeId, probePubkey, probeSig } from "../../src/crypto/probe.ts";

const projectDir = join(import.meta.dir, "../..");
const vendored = join(projectDir, "vendor/libsecp256k1.so.1");
const folder = mkdtempSync(join(tmpdir(), "nandu-crypto-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const cost =
  "signatures are checked by @noble/curves, about 10x slower (2,700/s against 29,600/s); " +
  "install your system's libsecp256k1 package (0.2 or later) or set NANDU_LIBSECP256K1=/path/to/it";

test("off means noble, without a warning", () => {
  const { backend, warning } = openSignatureBackend({ library: "off" });
  expect(backend.name).toBe("noble");
  expect(warning).toBe(null);
});

test("the environment decides when no options are given", () => {
  const before = process.env["NANDU_LIBSECP256K1"];
  process.env["NANDU_LIBSECP256K1"] = "off";
  const { backend, warning } = openSignatureBackend();
  if (before === undefined) delete process.env["NANDU_LIBSECP256K1"];
  else process.env["NANDU_LIBSECP256K1"] = before;
  expect(backend.name).toBe("noble");
  expect(warning).toBe(null);
});

test("a path that is not there means noble and a warning that names the path", () => {
  const path = join(folder, "missing.so");
  const { backend, warning } = openSignatureBackend({ library: path });
  expect(backend.name).toBe("noble");
  expect(warning).toBe(`${path} is no usable libsecp256k1: ${cost}`);
});

test("a file that is no library means noble and a warning", async () => {
  const path = join(folder, "text.so");
  await Bun.write(path, "not a library\n");
  const { backend, warning } = openSignatureBackend({ library: path });
  expect(backend.name).toBe("noble");
  expect(warning).toBe(`${path} is no usable libsecp256k1: ${cost}`);
});

test.skipIf(Bun.which("cc") === null)("a library that accepts everything is refused", () => {
  const path = join(folder, "liar.so");
  const source = `
    void *secp256k1_context_create(unsigned f) { static int c; (void)f; return &c; }
    int secp256k1_xonly_pubkey_parse(void) { return 1; }
    int secp256k1_schnorrsig_verify(void) { return 1; }`;
  const { exitCode } = Bun.spawnSync(["cc", "-shared", "-fPIC", "-xc", "-", "-o", path], {
    stdin: Buffer.from(source),
  });
  expect(exitCode).toBe(0);
  const { backend, warning } = openSignatureBackend({ library: path });
  expect(backend.name).toBe("noble");
  expect(warning).toBe(`${path} is no usable libsecp256k1: ${cost}`);
});

test.skipIf(!existsSync(vendored))("the library of the set-up's folder is found by itself", () => {
  const { backend, warning } = openSignatureBackend({ library: null });
  expect(backend.name).toBe("libsecp256k1");
  expect(backend.detail).toBe(vendored);
  expect(warning).toBe(null);
});

test.skipIf(!existsSync(vendored))("a path that is a good library is used", () => {
  const { backend, warning } = openSignatureBackend({ library: vendored });
  expect(backend.name).toBe("libsecp256k1");
  expect(backend.detail).toBe(vendored);
  expect(warning).toBe(null);
});

test("a worker opens its own backend and gets the same answers", async () => {
  const worker = new Worker(new URL("./verify-worker.ts", import.meta.url));
  const answer = await new Promise((resolve, reject) => {
    worker.onmessage = (message) => resolve(message.data);
    worker.onerror = (error) => reject(new Error(error.message));
    worker.postMessage([probeId, probePubkey, probeSig]);
  });
  worker.terminate();
  const { backend } = openSignatureBackend();
  expect(answer).toEqual({ name: backend.name, good: true, damaged: false });
});

test("the probe refuses a backend that gets any of it wrong", () => {
  const { backend } = openSignatureBackend({ library: "off" });
  expect(passesProbe(backend)).toBe(true);
  expect(passesProbe({ ...backend, verify: () => true })).toBe(false);
  expect(passesProbe({ ...backend, verify: () => false })).toBe(false);
  expect(passesProbe({ ...backend, publicKey: (secret) => secret })).toBe(false);
  expect(passesProbe({ ...backend, sign: () => probeSig.slice().reverse() })).toBe(false);
});

test("measuring takes about the time it was given and counts checks", () => {
  const { backend } = openSignatureBackend();
  const startMs = performance.now();
  const checksPerSecond = measureChecksPerSecond(backend, 40);
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(40);
  expect(checksPerSecond).toBeGreaterThan(10);
  expect(Number.isInteger(checksPerSecond)).toBe(true);
});
