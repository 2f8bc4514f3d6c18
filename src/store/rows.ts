// Statements over many rows at once: a statement per row costs five times as much as one for many,
// and each distinct SQL text has to be prepared once. So there are a few fixed sizes per statement,
// which bounds the statement cache too.

import type { Database, SQLQueryBindings, Statement } from "bun:sqlite";

/** Descending, so that a run of rows is cut into the largest pieces first. */
const INSERT_SIZES = [64, 16, 4, 1];

/** `INSERT INTO <target> VALUES (…), (…)…` for any number of rows. */
export class RowInserter {
  private readonly statements: readonly Statement[];
  private readonly columns: number;

  constructor(db: Database, target: string, columns: number) {
    const row = `(${Array(columns).fill("?").join(",")})`;
    this.columns = columns;
    this.statements = INSERT_SIZES.map((size) =>
      db.prepare(`INSERT INTO ${target} VALUES ${Array(size).fill(row).join(",")}`),
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

/** Runs a statement with a fixed number of integer parameters for any number of them. */
abstract class Lookup {
  private readonly statements: readonly Statement[];
  private readonly fill: number;

  /** `fill` is an integer that no row has: what is missing to a fixed size is filled up with it. */
  constructor(db: Database, sqlOf: (size: number) => string, fill: number) {
    this.fill = fill;
    this.statements = LOOKUP_SIZES.map((size) => db.prepare(sqlOf(size)));
  }

  /** Visits each row found, in no order. */
  each(keys: readonly number[], visit: (row: unknown[]) => void): void {
    const largest = LOOKUP_SIZES[LOOKUP_SIZES.length - 1] as number;
    for (let done = 0; done < keys.length; done += largest) {
      const piece = keys.slice(done, done + largest);
      const index = LOOKUP_SIZES.findIndex((size) => size >= piece.length);
      while (piece.length < (LOOKUP_SIZES[index] as number)) piece.push(this.fill);
      for (const row of (this.statements[index] as Statement).values(...piece)) visit(row);
    }
  }
}

/** `<select> IN (…)`: all rows that have one of the values. */
export class RowLookup extends Lookup {
  constructor(db: Database, select: string, fill: number) {
    super(db, (size) => `${select} IN (${Array(size).fill("?").join(",")})`, fill);
  }
}

/** `<select>` has one parameter and a limit of its own: a few rows for each of the values. */
export class LimitedLookup extends Lookup {
  constructor(db: Database, select: string, fill: number) {
    const one = `SELECT * FROM (${select})`;
    super(db, (size) => Array(size).fill(one).join(" UNION ALL "), fill);
  }
}
