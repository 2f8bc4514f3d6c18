// `nandu info`: what this executable is and what its database holds.

import type { Database } from "bun:sqlite";
import { existsSync, statSync } from "node:fs";
import { current, setting } from "../config/current.ts";
import { searchKinds } from "../config/search-kinds.ts";
import { measureChecksPerSecond } from "../crypto/measure.ts";
import { openSignatureBackend } from "../crypto/open-backend.ts";
import { logExtent } from "../store/fate.ts";
import { databasePath, openForReading, SCHEMA_VERSION, storeOptions } from "../store/schema.ts";
import { SearchReader } from "../store/search-reader.ts";
import { searchPath } from "../store/search-schema.ts";
import { ALL_KEY } from "../store/term.ts";
import { COMMIT, VERSION } from "../version.ts";
import { type Command, configure, EXIT_OK, parseFlags, UsageError } from "./command.ts";
import { counted, isoTime, printTable, type Row } from "./table.ts";

const usage = `Usage: nandu info

Prints the versions, the signature backend with its speed, and what the database holds.
`;

const MEASURE_MS = 200;
const KINDS_SHOWN = 20;

function run(args: readonly string[]): number {
  const { rest } = configure(args);
  const { positionals } = parseFlags(rest, [], []);
  if (positionals.length > 0) throw new UsageError(`unexpected argument ${positionals[0]}`);
  const { backend, warning } = openSignatureBackend();
  if (warning !== null) process.stderr.write(`${warning}\n`);
  const checks = Math.round(measureChecksPerSecond(backend, MEASURE_MS));
  const lines: Row[] = [
    ["nandu", COMMIT === null ? VERSION : `${VERSION} (${COMMIT})`],
    ["bun", Bun.version],
    ["signatures", `${backend.name} (${backend.detail}), ${checks} checks a second`],
    ...databaseLines(),
  ];
  printTable(lines);
  return EXIT_OK;
}

function databaseLines(): Row[] {
  const path = databasePath(setting("data_dir"));
  if (!existsSync(path)) return [["database", `${path} does not exist yet`]];
  const db = openForReading(storeOptions());
  try {
    const sqlite = db.query("SELECT sqlite_version()").values()[0]?.[0];
    return [
      ["sqlite", String(sqlite)],
      ["database", `${path}, schema version ${SCHEMA_VERSION}`],
      ["size", `${(sizeOf(path) / 1e6).toFixed(1)} MB`],
      ...searchLines(db),
      ...contentLines(db),
    ];
  } finally {
    db.close();
  }
}

/** With the write-ahead log, which may be large while the relay runs. */
function sizeOf(path: string): number {
  let bytes = 0;
  for (const suffix of ["", "-wal"]) {
    if (existsSync(path + suffix)) bytes += statSync(path + suffix).size;
  }
  return bytes;
}

function searchLines(db: Database): Row[] {
  if (searchKinds(current.settings).size === 0) return [["search", "off"]];
  const dataDir = setting("data_dir");
  const index = new SearchReader(dataDir);
  const { seq } = index.head();
  const count = index.count();
  index.close();
  const [head] = db.query("SELECT seq FROM head").values()[0] as [number];
  const size = `${(sizeOf(searchPath(dataDir)) / 1e6).toFixed(1)} MB`;
  return [["search", `${count} events indexed, ${head - seq} behind, ${size}`]];
}

function contentLines(db: Database): Row[] {
  // From the index as far as that goes: the events' own table has all payloads in between.
  const all = `(SELECT age, info AS kind FROM term, head WHERE key = ? AND term.seq <= merged
    UNION ALL SELECT -created_at, kind FROM event, head WHERE event.seq > merged)`;
  const rows = db.query(`SELECT count(*), min(age), max(age) FROM ${all}`).values(ALL_KEY);
  const [count, newest, oldest] = rows[0] as [number, number | null, number | null];
  const kinds = db
    .query(`SELECT kind, count(*) AS n FROM ${all} GROUP BY kind ORDER BY n DESC`)
    .values(ALL_KEY) as [number, number][];
  const lines: Row[] = [["events", String(count)]];
  if (newest !== null && oldest !== null) {
    lines.push(["newest", isoTime(-newest)], ["oldest", isoTime(-oldest)]);
  }
  const [inTail] = db
    .query("SELECT count(*) FROM event, head WHERE event.seq > merged")
    .values()[0] as [number];
  lines.push(["tail", `${counted(inTail, "event")} not yet in the table of the index`]);
  const { entries, since } = logExtent(db);
  const extent = since === null ? "" : `, since ${isoTime(since)}`;
  lines.push([
    "log",
    `${counted(entries, "entry", "entries")} of what was removed or refused${extent}`,
  ]);
  for (const [kind, n] of kinds.slice(0, KINDS_SHOWN)) lines.push([`kind ${kind}`, String(n)]);
  if (kinds.length > KINDS_SHOWN) lines.push(["other kinds", String(kinds.length - KINDS_SHOWN)]);
  return lines;
}

export const infoCommand: Command = { usage, run };
