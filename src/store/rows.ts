// Statements over many rows at once: a statement per row costs five times as much as one for many,
// and each distinct SQL text has to be prepared once. So there are a few fixed sizes per statement,
// which bounds the statement cache too.

import type { Database, SQLQueryBindings, Statement } from "bun:sqlite";
import type { TermEntry } from "./term.ts";

/** Descending, so that a run of rows is cut into the largest pieces first. */
const INSERT_SIZES = [64, 16, 4, 1];

/** `<insert> VALUES (…), (…)…` for any number of rows. */
export class RowInserter {
  private readonly statements: readonly Statement[];
  private readonly columns: number;

  constructor(db: Database, insert: string, columns: number) {
    const row = `(${Array(columns).fill("?").join(",")})`;
    this.columns = columns;
    this.statements = INSERT_SIZES.map((size) =>
      db.prepare(`${insert} VALUES ${Array(size).fill(row).join(",")}`),
    );
  }

  /** `values` holds the rows one after another. */
  insert(values: SQLQueryBindings[]): void {
    const count = values.length / this.columns;
    let done = 0;
    for (let i = 0; i < INSERT_SIZES.length; i++) {
      const size = INSERT_SIZES[i] as number;
      while (count - done >= size) {
        const piece = values.slice(done * this.columns, (done + size) * this.columns);
        (this.statements[i] as Statement).run(...piece);
        done += size;
      }
    }
  }
}

const LOOKUP_SIZES = [8, 64, 256];

/** One prepared statement for each of a few numbers of integer parameters. */
class SizedStatements {
  private readonly statements: readonly Statement[];
  private readonly fill: number;

  /** `fill` is an integer that no row has: what is missing to a size is filled up with it. */
  constructor(db: Database, sqlOf: (size: number) => string, fill: number) {
    this.fill = fill;
    this.statements = LOOKUP_SIZES.map((size) => db.prepare(sqlOf(size)));
  }

  /** `keys` are at most as many as the largest size, and are filled up in place. */
  values(keys: number[], ...more: readonly number[]): unknown[][] {
    const index = LOOKUP_SIZES.findIndex((size) => size >= keys.length);
    while (keys.length < (LOOKUP_SIZES[index] as number)) keys.push(this.fill);
    return (this.statements[index] as Statement).values(...keys, ...more);
  }
}

function* pieces(keys: readonly number[]): Generator<number[]> {
  const largest = LOOKUP_SIZES[LOOKUP_SIZES.length - 1] as number;
  for (let done = 0; done < keys.length; done += largest) yield keys.slice(done, done + largest);
}

function questionMarks(count: number): string {
  return Array(count).fill("?").join(",");
}

/** `<select> IN (…)` for any number of integers. */
export class RowLookup {
  private readonly all: SizedStatements;

  constructor(db: Database, select: string, fill: number) {
    this.all = new SizedStatements(db, (size) => `${select} IN (${questionMarks(size)})`, fill);
  }

  /** Visits each row found, in no order. */
  each(keys: readonly number[], visit: (row: unknown[]) => void): void {
    for (const piece of pieces(keys)) for (const row of this.all.values(piece)) visit(row);
  }
}

/** Index entries under any number of keys, with ages in a range, in no order. */
export class EntryRange {
  private readonly all: SizedStatements;

  constructor(db: Database) {
    const select = "SELECT age, ord, seq, info FROM term WHERE key";
    const range = "AND age BETWEEN ? AND ? LIMIT ?";
    this.all = new SizedStatements(db, (n) => `${select} IN (${questionMarks(n)}) ${range}`, 0);
  }

  /** Null when there are more than `max`. */
  read(keys: readonly number[], fromAge: number, toAge: number, max: number): TermEntry[] | null {
    const entries: TermEntry[] = [];
    for (const piece of pieces(keys)) {
      const rows = this.all.values(piece, fromAge, toAge, max - entries.length + 1);
      for (const row of rows) entries.push(row as TermEntry);
      if (entries.length > max) return null;
    }
    return entries;
  }
}

/**
 * Index entries under any number of keys, the first few of each. Almost always there are next to
 * none, and one `IN` finds them for a tenth of what a limit for each key costs; only where some
 * key has many entries is it asked again with limits.
 */
export class FirstEntries {
  private readonly all: SizedStatements;
  private readonly limited: SizedStatements;
  private readonly perKey: number;

  constructor(db: Database, perKey: number, fill: number) {
    const select = "SELECT key, age, seq FROM term WHERE key";
    const allOf = (size: number): string =>
      `${select} IN (${questionMarks(size)}) LIMIT ${size * perKey}`;
    const one = `SELECT * FROM (${select} = ? ORDER BY age, ord, seq LIMIT ${perKey})`;
    const limitedOf = (size: number): string => Array(size).fill(one).join(" UNION ALL ");
    this.all = new SizedStatements(db, allOf, fill);
    this.limited = new SizedStatements(db, limitedOf, fill);
    this.perKey = perKey;
  }

  /** Visits [key, age, seq] of each entry found; those of one key in the order of the index. */
  each(keys: readonly number[], visit: (row: unknown[]) => void): void {
    for (const piece of pieces(keys)) {
      const found = this.all.values(piece); // fills up `piece`
      const rows = found.length < piece.length * this.perKey ? found : this.limited.values(piece);
      for (const row of rows) visit(row);
    }
  }
}
