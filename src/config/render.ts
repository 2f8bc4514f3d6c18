// Writes the configuration for people: the one in force, a file of all defaults to start from, and
// the page docs/configuration.md. Pure; belongs to no thread.
// Both files it writes load to what they show. The page is already as `bun fmt` would format it:
// one line a paragraph, table cells padded to the width of their column.

import type { Config } from "./load.ts";
import { CONFIG_PATHS } from "./load.ts";
import { envName, flagName, groupOf } from "./names.ts";
import type { Option, OptionValue } from "./option.ts";
import { OPTION_NAMES, OPTIONS } from "./options.ts";
import type { OptionName } from "./options.ts";

const GROUP_TITLES: Readonly<Record<string, string>> = {
  "": "Top level",
  log: "Logging",
  relay: "Connections and requests",
  info: "Relay information",
  events: "Events",
  search: "Search",
  groups: "Groups (NIP-29)",
  store: "Database",
  threads: "Threads",
};

/** Every option with its value, as TOML, each line ending in where the value comes from. */
export function renderEffective(config: Config): string {
  const lines: string[] = [];
  for (const [group, names] of groupsOfOptions()) {
    if (group !== "") lines.push("", `[${group}]`);
    for (const name of names) {
      const origin = config.origins[name];
      const from = origin === "default" ? origin : `from ${origin}`;
      lines.push(`${assignment(name, config.settings[name])} # ${oneLine(from)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** A file to start from: every option commented out at its default, with its description. */
export function renderDefault(): string {
  const lines = [
    "# Configuration of nandu. Every option is here at its default: to change one, uncomment its",
    "# line and edit the value. Environment variables and flags override this file.",
  ];
  for (const [group, names] of groupsOfOptions()) {
    if (group !== "") lines.push("", `[${group}]`);
    for (const name of names) {
      const option = OPTIONS[name];
      lines.push("", ...wrap(`${option.description} (${typeOf(option)})`, 96).map(comment));
      lines.push(`#${assignment(name, option.default)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** The page docs/configuration.md. */
export function renderDocs(): string {
  const sections = [
    "<!-- Generated from src/config/options.ts by scripts/docs.ts: edit those, not this. -->",
    "# Configuration",
    "Every option has a default, so nandu runs without any configuration. An option can be set " +
      "in a file, by an environment variable or by a flag; the flag wins over the variable, the " +
      "variable over the file, and the file over the default. Anything unknown or out of bounds " +
      "in any of them stops nandu with exit code 2 and a line that says where it stands.",
    ...waysToSet(),
  ];
  for (const [group, names] of groupsOfOptions()) {
    sections.push(`## ${GROUP_TITLES[group] ?? group}`, docsTable(names));
  }
  return `${sections.join("\n\n")}\n`;
}

function waysToSet(): string[] {
  const [first, second] = CONFIG_PATHS;
  return [
    `**File.** TOML. It is the one that \`--config PATH\` names, else the one that ` +
      `\`NANDU_CONFIG\` names, else \`./${first}\`, else \`${second}\`. Only one file is read. ` +
      "One that is named has to exist. The part of an option's name before the dot is its table:",
    '```toml\ndata_dir = "/var/lib/nandu"\n\n[relay]\nport = 7777\n' +
      'trusted_proxies = ["127.0.0.1", "10.0.0.0/8"]\n```',
    `**Environment.** The name in capitals after \`NANDU_\`, with \`_\` for the dot: ` +
      `\`relay.port\` is \`${envName("relay.port")}\`, \`data_dir\` is \`${envName("data_dir")}\`.`,
    `**Flags.** The name after \`--\`, with \`-\` for the dot and for each \`_\`: ` +
      `\`${flagName("relay.port")} 7777\` or \`${flagName("relay.port")}=7777\`, ` +
      `\`${flagName("data_dir")} /var/lib/nandu\`. A value that itself starts with \`--\` needs ` +
      "the `=`. Of a flag that is repeated, the last counts, and `--` ends the flags. A " +
      "yes-or-no option is switched on by `--name` and off by `--no-name`.",
    "Lists are separated by commas in variables and flags, and an empty value is an empty list. " +
      "Sizes and durations are plain numbers; the last part of the name and the tables below say " +
      "in what. Options marked reloadable can change while nandu runs; the others take effect " +
      "when it starts.",
  ];
}

/** The names of each table of the file, in the order of the option table. */
function groupsOfOptions(): ReadonlyMap<string, readonly OptionName[]> {
  return Map.groupBy(OPTION_NAMES, groupOf);
}

function assignment(name: OptionName, value: OptionValue): string {
  const group = groupOf(name);
  const key = group === "" ? name : name.slice(group.length + 1);
  return Bun.TOML.stringify({ [key]: value }).trimEnd();
}

function comment(line: string): string {
  return `# ${line}`;
}

/** An origin may hold a path, and a path any character. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}/gu, "?");
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines;
}

function typeOf(option: Option): string {
  switch (option.type) {
    case "integer": {
      const unit = option.unit === null ? "" : ` ${option.unit}`;
      return `${option.min} to ${option.max}${unit}`;
    }
    case "boolean":
      return "true or false";
    case "choice":
      return option.choices.join(", ");
    case "string":
      return "text";
    case "list":
      return "list of text";
  }
}

function docsTable(names: readonly OptionName[]): string {
  const rows = names.map((name) => {
    const option: Option = OPTIONS[name];
    const reloadable = option.reloadable ? "yes" : "no";
    const value = `\`${JSON.stringify(option.default)}\``;
    return [`\`${name}\``, typeOf(option), value, reloadable, option.description];
  });
  return markdownTable([["Option", "Type", "Default", "Reloadable", "Description"], ...rows]);
}

function markdownTable(rows: readonly (readonly string[])[]): string {
  const escaped = rows.map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const [header = []] = escaped;
  const widths = header.map((_, column) =>
    Math.max(...escaped.map((row) => Bun.stringWidth(row[column] ?? ""))),
  );
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const [first = "", ...others] = escaped.map((row) =>
    line(row.map((cell, column) => cell + padding(cell, widths[column] ?? 0))),
  );
  return [first, line(widths.map((width) => "-".repeat(width))), ...others].join("\n");
}

function padding(cell: string, width: number): string {
  return " ".repeat(width - Bun.stringWidth(cell));
}
