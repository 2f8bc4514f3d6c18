// A folder of its own for one test, gone with `using` at the end of the block. In memory where the
// system has a folder for that: tests make databases by the thousand.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

export class TempDir {
  readonly path = mkdtempSync(join(root, "nandu-store-test-"));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
