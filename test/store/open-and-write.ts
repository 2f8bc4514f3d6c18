// A process of its own that opens the database, writes events one by one, and prints their `seq`s.
// Usage: bun open-and-write.ts DATA_DIR NAME COUNT START_MS (all processes wait for that time).

import { candidateOf } from "../../src/store/candidate.ts";
import { openForWriting } from "../../src/store/schema.ts";
import { EventWriter } from "../../src/store/write.ts";
import { storeOptions } from "../support/test-store.ts";
import { makeEvent } from "../support/unsigned-events.ts";

const [dataDir = "", name = "", count = "0", startMs = "0"] = process.argv.slice(2);

while (Date.now() < Number(startMs)); // so that they meet
const db = openForWriting(storeOptions(dataDir));
const writer = new EventWriter(db, storeOptions(dataDir));
const seqs: number[] = [];
for (let i = 0; i < Number(count); i++) {
  const { verdicts } = writer.write([candidateOf(makeEvent({ content: `${name} ${i}` }))]);
  for (const { seq } of verdicts) seqs.push(seq);
  writer.maintain();
}
db.close();
console.log(JSON.stringify(seqs));
