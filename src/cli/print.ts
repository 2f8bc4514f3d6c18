// What commands that print stored events share: the database opened for reading and standard
// output, both finished whatever happens; a closed pipe is the quiet end of the command.

import type { Database } from "bun:sqlite";
import { EventReader } from "../store/read.ts";
import { openForReading, storeOptions } from "../store/schema.ts";
import { Output, OutputClosed } from "./output.ts";

/**
 * At least so much of the file is mapped: whoever prints all events visits each page several times,
 * and a copy of it costs more than what is read from it. (SQLite maps no more than 2 GiB.)
 */
const MMAP_BYTES_MIN = 2 ** 31;

export function printFromStore(
  print: (reader: EventReader, output: Output, db: Database) => void,
): void {
  const options = storeOptions();
  const mmapBytes = Math.max(options.mmapBytes, MMAP_BYTES_MIN);
  const db = openForReading({ ...options, mmapBytes });
  try {
    const output = new Output();
    print(new EventReader(db), output, db);
    output.flush();
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error;
  } finally {
    db.close();
  }
}
