// A database that fails when it is told to: the n-th statement from now on throws before it does
// anything, as on a full disk. Rolling back works.

import type { Database, Statement } from "bun:sqlite";

export class DiskFull extends Error {
  override readonly name = "DiskFull";
}

const CALLS: ReadonlySet<string | symbol> = new Set(["run", "values", "all", "get", "iterate"]);

export class FailingDatabase {
  /** To be used instead of the one it was made of. */
  readonly db: Database;
  private left = Infinity;

  constructor(db: Database) {
    this.db = new Proxy(db, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== "function") return value;
        if (name === "prepare" || name === "query") {
          return (sql: string) => this.wrap(value.call(target, sql) as Statement);
        }
        if (name !== "run") return value.bind(target) as unknown;
        return (sql: string, ...values: unknown[]) => {
          if (sql !== "ROLLBACK" && !sql.startsWith("PRAGMA")) this.count(sql);
          return value.call(target, sql, ...values) as unknown;
        };
      },
    });
  }

  /** The first statement from now on is number 1. */
  failAt(count: number): void {
    this.left = count;
  }

  /** Whether it has come so far. */
  get hasFailed(): boolean {
    return this.left <= 0;
  }

  heal(): void {
    this.left = Infinity;
  }

  private count(sql: string): void {
    this.left -= 1;
    if (this.left === 0) throw new DiskFull(sql);
  }

  private wrap(statement: Statement): Statement {
    return new Proxy(statement, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== "function") return value;
        if (!CALLS.has(name)) return value.bind(target) as unknown;
        return (...values: unknown[]) => {
          this.count(target.toString());
          return value.apply(target, values) as unknown;
        };
      },
    });
  }
}
