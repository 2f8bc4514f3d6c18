// Standard error of a command that shows how far it is. On a terminal its last line is rewritten in
// place, below what stays; in a log, or the mail of a cron job, there is a line once in a while.

import { stderr } from "node:process";

/** To the start of the line, and all of it gone. */
const ERASE = "\r\u{1B}[K";
const COLUMNS_DEFAULT = 80;
const LOG_MS = 60_000;
const BAR_WIDTH = 20;

let loggedAt = performance.now();

/** Lines that stay, or none: then the one that doesn't is gone. */
export function writeLines(text: string): void {
  stderr.write(stderr.isTTY ? ERASE + text : text);
}

/** On a terminal, what the next call of this or of `writeLines` takes the place of. */
export function showProgress(text: string): void {
  if (stderr.isTTY) {
    const width = (stderr.columns || COLUMNS_DEFAULT) - 1; // of a longer line, a part would stay
    stderr.write(ERASE + text.slice(0, Math.max(1, width)));
  } else if (performance.now() - loggedAt >= LOG_MS) {
    loggedAt = performance.now();
    stderr.write(`${text}\n`);
  }
}

/** `[======              ] 30% `; nothing when it isn't known how much there is. */
export function progressBar(done: number, total: number): string {
  if (total === 0) return "";
  const part = Math.min(1, done / total);
  const bar = "=".repeat(Math.floor(BAR_WIDTH * part)).padEnd(BAR_WIDTH);
  return `[${bar}] ${Math.floor(100 * part)}% `;
}
