// How far each stream has come with each of its relays, across restarts: a small file beside the
// database, written whole and moved into place. It is needed with relays that can't compare
// (NIP-77), and costs a full catch-up when it is missing, torn, or of another filter. Belongs to
// the router's thread.

import { createHash } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describeError, log } from "../config/log.ts";

export interface Cursor {
  /** Commits up to this one have been answered there, or aren't wanted. Null: none is known of. */
  up: number | null;
  /** Unix seconds: what came there before has come here. */
  down: number | null;
}

const FORMAT = 1;
/** What a crash may cost is a catch-up that is so much longer. */
const SAVE_MS = 5000;
const HASH_LENGTH = 12;
/** An address may hold a password. */
const FILE_MODE = 0o600;

export class RouterCursors {
  private readonly path: string;
  private readonly stored: Readonly<Record<string, unknown>>;
  private readonly cursors = new Map<string, Cursor>();
  /** Those that are still of a stream: the others are not saved. */
  private readonly openKeys = new Set<string>();
  private savedText = "";
  private savedAt = performance.now();
  private hasFailed = false;

  /** A file for each router file, for several may go with one database. */
  constructor(dataDir: string, routerFile: string) {
    const hash = createHash("sha256").update(resolve(routerFile)).digest("hex");
    this.path = join(dataDir, `router-${hash.slice(0, HASH_LENGTH)}.json`);
    this.stored = readStored(this.path);
  }

  /** Kept from now on. One of a stream that asks for other events now is of no use. */
  open(stream: string, url: string, filter: string): Cursor {
    const key = JSON.stringify([stream, url, filter]);
    const known = this.cursors.get(key) ?? parseCursor(this.stored[key]);
    this.cursors.set(key, known);
    this.openKeys.add(key);
    return known;
  }

  /** Of no stream any more, unless it is opened again. */
  close(cursor: Cursor): void {
    for (const [key, one] of this.cursors) if (one === cursor) this.openKeys.delete(key);
  }

  saveIfDue(): void {
    if (performance.now() - this.savedAt >= SAVE_MS) this.save();
  }

  save(): void {
    this.savedAt = performance.now();
    const open = [...this.cursors].filter(([key]) => this.openKeys.has(key));
    const text = JSON.stringify({ format: FORMAT, cursors: Object.fromEntries(open) });
    if (text === this.savedText) return;
    try {
      writeFileSync(`${this.path}.new`, `${text}\n`, { mode: FILE_MODE });
      renameSync(`${this.path}.new`, this.path);
      this.savedText = text;
      this.hasFailed = false;
    } catch (error) {
      if (!this.hasFailed) log("warn", "router", `${this.path}: ${describeError(error)}`);
      this.hasFailed = true;
    }
  }
}

function readStored(path: string): Readonly<Record<string, unknown>> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return {}; // the first start
  }
  try {
    const { format, cursors } = JSON.parse(text) as Record<string, unknown>;
    if (format === FORMAT && typeof cursors === "object" && cursors !== null) {
      return cursors as Record<string, unknown>;
    }
  } catch {
    // cut off by a crash
  }
  log("warn", "router", `${path} can't be used: everything is compared anew`);
  return {};
}

function parseCursor(value: unknown): Cursor {
  const { up, down } = (typeof value === "object" && value !== null ? value : {}) as {
    readonly up?: unknown;
    readonly down?: unknown;
  };
  return { up: countOrNull(up), down: countOrNull(down) };
}

function countOrNull(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : null;
}
