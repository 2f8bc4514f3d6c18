// The relay of all tests of a file: starting one takes longer than most of them.

import { afterAll, beforeAll, expect } from "bun:test";
import { makeTempDir, RelayProcess, removeTempDir } from "../support/relay-process.ts";

export class SharedRelay {
  private readonly flags: readonly string[];
  private readonly dataDir = makeTempDir();
  private process: RelayProcess | null = null;

  /** Registers the start before the file's tests, and the end after them. */
  constructor(flags: readonly string[] = []) {
    this.flags = flags;
    beforeAll(async () => {
      this.process = await RelayProcess.start({ flags, dataDir: this.dataDir });
    });
    afterAll(async () => {
      expect(await this.process?.stop()).toBe(0);
      removeTempDir(this.dataDir);
    });
  }

  /** Once the tests run. */
  get url(): string {
    return this.running.url;
  }

  /** As after a power cut: gone without a close frame, then back at the same address. */
  async killAndRestart(): Promise<void> {
    const { running, flags, dataDir } = this;
    await running.kill();
    this.process = await RelayProcess.start({ flags, dataDir, port: running.port });
  }

  private get running(): RelayProcess {
    if (this.process === null) throw new Error("the relay has not been started");
    return this.process;
  }
}
