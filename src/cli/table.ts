// Two columns, as commands print what they tell of one thing: names, and beside them values.

import { printable } from "../config/log.ts";

export type Row = readonly [name: string, value: string];

/** One line a row, the values below each other. An empty name continues the row above. */
export function printTable(rows: readonly Row[]): void {
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`.trimEnd());
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
}

const EXCERPT_LENGTH_MAX = 200;

/** Of what somebody else has written: one line, its start, nothing that a terminal would obey. */
export function excerpt(text: string): string {
  const start = [...text.slice(0, 2 * EXCERPT_LENGTH_MAX)].slice(0, EXCERPT_LENGTH_MAX).join("");
  return printable(start) + (start.length < text.length ? "…" : "");
}

/** `1 key`, `2 keys`. */
export function counted(count: number, one: string, more = `${one}s`): string {
  return `${count} ${count === 1 ? one : more}`;
}

/** created_at may be any safe integer, a Date may not. */
export function isoTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `${seconds}` : date.toISOString();
}
