// Events of JSONL that comes bit by bit: each line that is one, for another relay. Never more than
// one line's limit and one piece of input in memory. Belongs to its command's only thread.

import type { Outgoing } from "../mesh/upload.ts";
import { encodeEvent, NO_EVENT_LIMITS, parseEvent } from "../protocol/event.ts";
import { BlockCutter, eachLine } from "../workers/import-lines.ts";

/** What events on their way may be, however they are spelt. */
const LINE_BYTES_MAX = 4 << 20;

/** `onFlaw` hears of each line that is no event. Empty lines are passed over. */
export async function* readEventLines(
  input: AsyncIterable<Uint8Array>,
  onFlaw: (flaw: string) => void,
): AsyncGenerator<Outgoing, undefined> {
  let found: Outgoing[] = [];
  const cutter = new BlockCutter(LINE_BYTES_MAX, {
    lines: (bytes) => {
      eachLine(bytes, (_number, start, end) => {
        const event = parseLine(bytes.toString("utf8", start, end));
        if (typeof event === "string") onFlaw(event);
        else if (event !== null) found.push(event);
      });
    },
    longLine: () => onFlaw(`invalid: a line is longer than ${LINE_BYTES_MAX} bytes`),
  });
  for await (const chunk of input) {
    for (let done = 0; done < chunk.length;) {
      const room = cutter.room();
      const piece = chunk.subarray(done, done + room.length);
      room.set(piece);
      cutter.take(piece.length);
      done += piece.length;
      yield* found;
      found = [];
    }
  }
  cutter.end();
  yield* found;
}

/** Null of an empty line. */
function parseLine(line: string): Outgoing | null | string {
  if (line.trim() === "") return null;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return "invalid: a line is no JSON";
  }
  const event = parseEvent(value, NO_EVENT_LIMITS);
  return typeof event === "string" ? event : { id: event.id, json: encodeEvent(event).json };
}
