// How many files this process may have open; each connection is one. Bun raises the soft limit to
// the hard one at its start, so what is read here is final.

import { readFileSync } from "node:fs";

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
