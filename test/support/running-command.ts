// A nandu command that runs until it is told to end.

import { nanduCommand } from "./relay-process.ts";

export class RunningCommand {
  private readonly child: Bun.Subprocess<"ignore", "ignore", "pipe">;
  private readonly whole: Promise<void>;
  private text = "";
  private readonly waiters = new Set<() => void>();

  constructor(...args: string[]) {
    const command = [...nanduCommand(), ...args];
    this.child = Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
    this.whole = this.read();
  }

  /** Standard error so far. */
  get output(): string {
    return this.text;
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Waits until standard error has that text, so many times. */
  async says(text: string, times = 1): Promise<void> {
    while (this.text.split(text).length <= times) {
      await new Promise<void>((resolve) => this.waiters.add(resolve));
    }
  }

  /** Sends the signal and returns the exit code and standard error. */
  async end(signal: "SIGINT" | "SIGTERM" = "SIGINT"): Promise<{ code: number; stderr: string }> {
    this.child.kill(signal);
    await this.whole;
    return { code: await this.child.exited, stderr: this.text };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.exited;
  }

  private async read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.child.stderr) {
      this.text += decoder.decode(chunk, { stream: true });
      for (const waiter of this.waiters) waiter();
      this.waiters.clear();
    }
  }
}
