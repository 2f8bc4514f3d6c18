// A process of its own that opens an older database for writing, and is killed by the system at the
// COUNTth of these: an event read for the new index, a statement that writes rows of it.
// Usage: bun migrate-and-die.ts DATA_DIR COUNT

import { Database } from "bun:sqlite";
import { openForWriting } from "../../src/store/schema.ts";
import { storeOptions } from "../support/test-store.ts";

const [dataDir = "", count = ""] = process.argv.slice(2);
const { parse } = JSON;
const { prepare } = Database.prototype;
let left = Number(count);

function step(): void {
  left -= 1;
  if (left === 0) process.kill(process.pid, "SIGKILL");
}

JSON.parse = (text: string): unknown => {
  step();
  return parse(text) as unknown;
};

Database.prototype.prepare = function prepareCounted(sql) {
  const statement = prepare.call(this, sql);
  const { run } = statement;
  statement.run = (...values) => {
    step();
    return run.apply(statement, values);
  };
  return statement as never;
};

openForWriting(storeOptions(dataDir)).close();
