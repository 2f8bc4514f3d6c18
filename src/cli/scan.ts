// `nandu scan`: the stored events that match a filter, in the order a client gets them.

import { nowSeconds } from "../config/clock.ts";
import type { Filter } from "../protocol/filter.ts";
import type { EventReader } from "../store/read.ts";
import type { SearchReader } from "../store/search-reader.ts";
import { Scan } from "../store/scan.ts";
import { type Command, configure, EXIT_OK, parseFlags, UsageError } from "./command.ts";
import { parseFilterArgument } from "./filter-argument.ts";
import { printFromStore } from "./print.ts";

const usage = `Usage: nandu scan [--count] FILTER

Prints the stored events that match a filter of NIP-01 (JSON; an array of filters matches what any
of them does), newest first. There is no limit but the filter's own.

  --count  only how many there are

Example: nandu scan '{"kinds":[1],"limit":10}'
`;

function run(args: readonly string[]): number {
  const { rest } = configure(args);
  const { flags, positionals } = parseFlags(rest, ["--count"], []);
  const [text, extra] = positionals;
  if (text === undefined) throw new UsageError("a filter is missing");
  if (extra !== undefined) throw new UsageError(`unexpected argument ${extra}`);
  const filters = parseFilterArgument(text);
  printFromStore((reader, output) => {
    let count = 0;
    for (const found of openScan(reader, filters)) {
      count += 1;
      if (!flags.has("--count")) output.line(found);
    }
    if (flags.has("--count")) output.line(Buffer.from(String(count)));
  });
  return EXIT_OK;
}

/** Everything that matches, without limits other than the filters' own. */
export function* openScan(
  reader: EventReader,
  filters: readonly Filter[],
  index: SearchReader | null = null,
) {
  const options = {
    limitDefault: Number.MAX_SAFE_INTEGER,
    limitMax: Number.MAX_SAFE_INTEGER,
    tiesMax: 0,
    nowSeconds,
  };
  const scan = new Scan(reader, filters, options, null, index);
  for (;;) {
    const found = scan.next();
    if (found === "done") return;
    if (found !== "working") yield found.stored;
  }
}

export const scanCommand: Command = { usage, run };
