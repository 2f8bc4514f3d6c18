// Options from the TOML file: [relay] port = 7777, or relay.port = 7777, is relay.port. Pure;
// belongs to no thread. Every key must be known and every value right; what is not is reported
// with the line it stands on.

import { ConfigError } from "./config-error.ts";
import { didYouMean, groupOf } from "./names.ts";
import type { OptionTable } from "./option.ts";
import { lineOfKey, parseToml } from "./toml.ts";
import type { Table } from "./toml.ts";
import { parseTomlValue } from "./value.ts";
import type { Written, WrittenValues } from "./written.ts";

/** `path` is for messages and origins. Throws ConfigError "path:line: …". */
export function readConfigFile(text: string, path: string, options: OptionTable): WrittenValues {
  const groups = new Set(Object.keys(options).map(groupOf));
  const values = new Map<string, Written>();
  for (const [keys, value] of leavesOf(parseToml(text, path), groups)) {
    const name = keys.map(spellKey).join(".");
    const fail = (problem: string): never => {
      throw new ConfigError(`${path}:${lineOfKey(text, keys)}: ${problem}`);
    };
    if (groups.has(name)) fail(`${name} is a group of options, not one: write [${name}]`);
    const option = Object.hasOwn(options, name) ? options[name] : undefined;
    if (option === undefined) {
      return fail(`unknown option ${name}${didYouMean(name, Object.keys(options))}`);
    }
    const parsed = parseTomlValue(option, value);
    if (!parsed.ok) return fail(`${name}: ${parsed.problem}`);
    values.set(name, { value: parsed.value, origin: `file ${path}` });
  }
  return values;
}

/**
 * What may be an option: each key that isn't a table, and each table that has no place in the
 * file, so that it is reported: an empty unknown one, or one that stands for a single option.
 */
function leavesOf(table: Table, groups: ReadonlySet<string>): [string[], unknown][] {
  const leaves: [string[], unknown][] = [];
  for (const [key, value] of Object.entries(table)) {
    if (!isTable(value)) {
      leaves.push([[key], value]);
      continue;
    }
    const inner = leavesOf(value, new Set());
    if (inner.length === 0 && !groups.has(key)) leaves.push([[key], value]);
    for (const [keys, leaf] of inner) leaves.push([[key, ...keys], leaf]);
  }
  return leaves;
}

/** Dates and times are objects too, but of Temporal. */
function isTable(value: unknown): value is Table {
  return (
    typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype
  );
}

/** A key that needs quotes is shown with them; no option has such a key. */
function spellKey(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key);
}
