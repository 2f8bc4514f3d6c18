// One line per event of the relay's life, to stderr, from whichever thread it happens in. The level
// comes from the option table and may change while the relay runs.

import { writeSync } from "node:fs";
import { setting } from "./current.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
const STDERR = 2;

/** `area` is the thread's role or the command's name. Control characters in `text` are escaped. */
export function log(level: LogLevel, area: string, text: string): void {
  if (RANK[level] < RANK[setting("log.level")]) return;
  const line = `${new Date().toISOString()} ${level} ${area}: ${printable(text)}\n`;
  try {
    writeSync(STDERR, line);
  } catch {
    // stderr is gone or full (EPIPE, EAGAIN): a relay must not stop for want of a log
  }
}

/** One line, whatever a client has put into it. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (unit) =>
    unit < " " ? JSON.stringify(unit).slice(1, -1) : `\\u00${unit.charCodeAt(0).toString(16)}`,
  );
}

/** What is worth telling of a thrown value: its message, and those of its causes it leaves out. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause === undefined) return error.message;
  const cause = describeError(error.cause);
  return error.message.includes(cause) ? error.message : `${error.message} (${cause})`;
}
