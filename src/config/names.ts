// The names an option goes by: `relay.port` in the file, `NANDU_RELAY_PORT` in the environment,
// `--relay-port` as a flag; and which known name somebody most likely meant. Pure; belongs to no
// thread.

export function flagName(name: string): string {
  return `--${name.replace(/[._]/g, "-")}`;
}

export function envName(name: string): string {
  return `NANDU_${name.replace(/\./g, "_").toUpperCase()}`;
}

/** The table of the file that an option stands in: "relay" for relay.port, "" for data_dir. */
export function groupOf(name: string): string {
  const dot = name.indexOf(".");
  return dot === -1 ? "" : name.slice(0, dot);
}

/** " (did you mean relay.port?)", or nothing when no known name is near. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const nearest = nearestName(name, known);
  return nearest === null ? "" : ` (did you mean ${nearest}?)`;
}

/**
 * The known name with the fewest edits from `name`, if they are few for its length. Two slips that
 * take many edits count as one: another group, or none (`port` for relay.port), and another order
 * of the words (relay.max_connections).
 */
export function nearestName(name: string, known: Iterable<string>): string | null {
  const editsMax = Math.max(2, Math.floor(name.length / 3));
  let nearest: string | null = null;
  let edits = editsMax + 1;
  for (const candidate of known) {
    const slip = isMoved(name, candidate) || sortedWords(name) === sortedWords(candidate);
    const distance = slip ? 1 : editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance >= edits) continue;
    nearest = candidate;
    edits = distance;
  }
  return nearest;
}

function isMoved(name: string, candidate: string): boolean {
  return candidate.includes(".") && lastPart(name) === lastPart(candidate);
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

function sortedWords(name: string): string {
  const words = name.toLowerCase().split(/[._-]+/);
  return words.sort().join(" ");
}

/** Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let edits = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) edits = Math.min(edits, at(beforeLast, j - 2) + 1);
      row.push(edits);
    }
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  const edits = row[index];
  if (edits === undefined) throw new RangeError(`no column ${index}`);
  return edits;
}
