// How many files this process may have open; each connection is one. Bun raises the soft limit to
// the hard one at its start, so what is read here is final.

import { readFileSync } from "node:fs";
import { setting } from "../config/current.ts";
import { log } from "../config/log.ts";

/** For the database, its readers, the threads, and what a library opens. */
const RESERVED_FILES = 100;

/** How many connections there is room for; null where it can't be known (no /proc). */
export function connectionsPossible(limitsPath = "/proc/self/limits"): number | null {
  let limits: string;
  try {
    limits = readFileSync(limitsPath, "utf8");
  } catch {
    return null; // not Linux
  }
  const soft = /^Max open files +([0-9]+|unlimited)/m.exec(limits)?.[1];
  if (soft === undefined || soft === "unlimited") return null;
  return Math.max(1, Number(soft) - RESERVED_FILES);
}

/**
 * Of the option, as far as there are files: accepting a connection that there is no file for
 * would fail over and over.
 */
export function connectionsMax(): number {
  const wanted = setting("relay.connections_max");
  const possible = connectionsPossible();
  if (possible === null || possible >= wanted) return wanted;
  const why = `the limit of open files leaves room for ${possible} connections`;
  log("warn", "websocket", `${why}, fewer than relay.connections_max (ulimit -n)`);
  return possible;
}
