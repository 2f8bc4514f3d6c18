// A folder of its own for one test, gone with `using` at the end of the block.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class TempDir {
  readonly path = mkdtempSync(join(tmpdir(), "nandu-test-"));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
