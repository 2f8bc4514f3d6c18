// TOML through Bun's parser, with the lines that the parser does not give: its errors carry the
// line of the JavaScript that called it, and its result has no positions. Both are found by
// parsing ever longer beginnings of the text, so what the lines mean is the parser's own opinion.
// That is quadratic, and only done once something is wrong. Pure; belongs to no thread.

import { ConfigError } from "./config-error.ts";

export type Table = Readonly<Record<string, unknown>>;

/** `path` is only for messages. Throws ConfigError "path:line: …" if the text is not TOML. */
export function parseToml(text: string, path: string): Table {
  const result = attempt(text);
  if (result.table !== null) return result.table;
  const line = lineOfError(text, result.error.message);
  throw new ConfigError(`${path}:${line}: ${result.error.message}`, { cause: result.error });
}

/** The line, from 1, on which the statement that defines `keys` begins. `text` must be TOML. */
export function lineOfKey(text: string, keys: readonly string[]): number {
  let first = 1;
  for (const [index, beginning] of beginnings(text).entries()) {
    const { table } = attempt(beginning);
    if (table === null) continue; // In the middle of a statement that spans lines.
    if (hasKey(table, keys)) return first;
    first = index + 2;
  }
  return 1;
}

/**
 * The first line after the last beginning that parses whose error is that of the whole text. For
 * what is never closed that is the line that opens it; otherwise the line at fault.
 */
function lineOfError(text: string, message: string): number {
  let line = 1;
  let found = false;
  for (const [index, beginning] of beginnings(text).entries()) {
    const { error } = attempt(beginning);
    if (error === null) {
      found = false;
    } else if (!found && error.message === message) {
      line = index + 1;
      found = true;
    }
  }
  return line;
}

/** The text up to the end of its line 1, of its line 2, and so on to the whole text. */
function beginnings(text: string): string[] {
  const list: string[] = [];
  for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", end + 1)) {
    list.push(text.slice(0, end + 1));
  }
  if (!text.endsWith("\n")) list.push(text);
  return list;
}

type Attempt =
  { readonly table: Table; readonly error: null } | { readonly table: null; readonly error: Error };

function attempt(text: string): Attempt {
  try {
    return { table: Bun.TOML.parse(text) as Table, error: null };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { table: null, error };
  }
}

function hasKey(table: Table, keys: readonly string[]): boolean {
  let value: unknown = table;
  for (const key of keys) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return false;
    value = (value as Table)[key];
  }
  return true;
}
