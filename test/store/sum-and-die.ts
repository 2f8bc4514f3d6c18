// A process of its own that brings running sums up to date in small steps, and is killed by the
// system before the COUNTth statement that it runs.
// Usage: bun sum-and-die.ts DATA_DIR COUNT

import { Database } from "bun:sqlite";
import { openForWriting } from "../../src/store/schema.ts";
import { SumKeeper } from "../../src/store/sum-keeper.ts";
import { storeOptions } from "../support/test-store.ts";

const STEP_EVENTS = 7;
const [dataDir = "", count = ""] = process.argv.slice(2);
const { prepare, run: runSql } = Database.prototype;
let left = Number.POSITIVE_INFINITY;

function step(): void {
  left -= 1;
  if (left === 0) process.kill(process.pid, "SIGKILL");
}

Database.prototype.prepare = function prepareCounted(sql) {
  const statement = prepare.call(this, sql);
  const { run, values } = statement;
  statement.run = (...bindings) => {
    step();
    return run.apply(statement, bindings);
  };
  statement.values = (...bindings) => {
    step();
    return values.apply(statement, bindings);
  };
  return statement as never;
};
Database.prototype.run = function runCounted(...values) {
  step();
  return runSql.apply(this, values);
};

const keeper = new SumKeeper(openForWriting(storeOptions(dataDir)), "off");
left = Number(count);
while (keeper.backlog() > 0) keeper.step(STEP_EVENTS);
