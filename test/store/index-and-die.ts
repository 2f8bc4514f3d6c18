// A process of its own that fills a search index, and is killed by the system before the COUNTth
// statement that it runs there.
// Usage: bun index-and-die.ts DATA_DIR COUNT

import { Database } from "bun:sqlite";
import { openForReading } from "../../src/store/schema.ts";
import { SearchIndex } from "../../src/store/search-index.ts";
import { openSearchForWriting } from "../../src/store/search-schema.ts";
import { SearchSource } from "../../src/store/search-source.ts";
import { SEARCH_KINDS } from "../support/search-store.ts";
import { storeOptions } from "../support/test-store.ts";

const [dataDir = "", count = ""] = process.argv.slice(2);
const { prepare, run: runSql } = Database.prototype;
let left = Number.POSITIVE_INFINITY;

function step(): void {
  left -= 1;
  if (left === 0) process.kill(process.pid, "SIGKILL");
}

function counted(statement: ReturnType<typeof prepare>) {
  const { run } = statement;
  statement.run = (...values) => {
    step();
    return run.apply(statement, values);
  };
  return statement;
}

Database.prototype.prepare = function prepareCounted(sql) {
  return counted(prepare.call(this, sql)) as never;
};
Database.prototype.query = function queryCounted(sql) {
  return counted(prepare.call(this, sql)) as never;
};
Database.prototype.run = function runCounted(...values) {
  step();
  return runSql.apply(this, values);
};

const source = new SearchSource(openForReading(storeOptions(dataDir)), SEARCH_KINDS);
const index = new SearchIndex(openSearchForWriting(dataDir), source, SEARCH_KINDS, 16);
left = Number(count);
index.prepare();
while (index.step(1000));
while (index.purge(10 ** 9));
