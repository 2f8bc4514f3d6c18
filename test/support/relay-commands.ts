// Databases and commands for tests of what moves events between relays.

import type { NostrEvent } from "../../src/protocol/event.ts";
import { runNandu } from "./relay-process.ts";
import { newestFirst } from "./topic.ts";
import { reportOf } from "./transfer-output.ts";

export function asLines(events: readonly NostrEvent[]): string {
  return newestFirst(events)
    .map((event) => `${JSON.stringify(event)}\n`)
    .join("");
}

export async function storeAll(dataDir: string, events: readonly NostrEvent[]): Promise<void> {
  const { code, stderr } = await runNandu(["import", `--data-dir=${dataDir}`], {
    stdin: asLines(events),
  });
  if (code !== 0) throw new Error(stderr);
}

/** Everything that is stored, as lines, newest first. */
export async function storedLines(dataDir: string): Promise<string> {
  return (await runNandu(["export", "--reverse", `--data-dir=${dataDir}`])).stdout;
}

export interface TransferResult {
  readonly code: number;
  readonly report: string;
  readonly stdout: string;
}

export async function runTransfer(dataDir: string, ...args: string[]): Promise<TransferResult> {
  const { code, stdout, stderr } = await runNandu([...args, `--data-dir=${dataDir}`]);
  return { code, report: reportOf(stderr), stdout };
}
