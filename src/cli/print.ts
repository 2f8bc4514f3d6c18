// What commands that print stored events share: the database opened for reading and standard
// output, both finished whatever happens; a closed pipe is the quiet end of the command.

import { EventReader } from "../store/read.ts";
import { openForReading, storeOptions } from "../store/schema.ts";
import { Output, OutputClosed } from "./output.ts";

export function printFromStore(print: (reader: EventReader, output: Output) => void): void {
  const db = openForReading(storeOptions());
  try {
    const output = new Output();
    print(new EventReader(db), output);
    output.flush();
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error;
  } finally {
    db.close();
  }
}
