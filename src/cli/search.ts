// `nandu search`: the stored events that a search finds, best first, as a client gets them.

import { current, setting } from "../config/current.ts";
import { searchKinds } from "../config/search-kinds.ts";
import { parseFilter } from "../protocol/filter.ts";
import { LATE_EVENTS_MAX } from "../store/search-stream.ts";
import { SearchReader } from "../store/search-reader.ts";
import { type Command, configure, EXIT_OK, parseFlags, UsageError } from "./command.ts";
import { parseFilterArgument } from "./filter-argument.ts";
import { printFromStore } from "./print.ts";
import { openScan } from "./scan.ts";

const LIMIT_DEFAULT = 20;

const usage = `Usage: nandu search [--limit N] [--filter FILTER] WORDS…

Prints the stored events that have all of the words, best first. In quotes, words stand side by
side; word* is how a word begins; -word must not be there; OR is either. What the relay has stored
in the last moments is found, too.

  --limit N        at most so many, ${LIMIT_DEFAULT} by default
  --filter FILTER  only among those that match a filter of NIP-01 (JSON)

Example: nandu search --filter '{"kinds":[30023]}' lightning '"open source"' -bitcoin
`;

function run(args: readonly string[]): number {
  const { rest } = configure(args);
  const { own, words } = separateWords(rest);
  const { values, positionals } = parseFlags(own, [], ["--limit", "--filter"]);
  const search = [...positionals, ...words].join(" ");
  const filter = parseFilter({ search }, requireKinds());
  if (filter === null || typeof filter === "string" || filter.search === null) {
    throw new UsageError("there is nothing to search for");
  }
  const limit = parseLimit(values.get("--limit") ?? String(LIMIT_DEFAULT));
  const others = values.get("--filter");
  const filters = (others === undefined ? [filter] : parseFilterArgument(others)).flatMap((one) => {
    const kinds = one.kinds?.intersection(searchKinds(current.settings)) ?? filter.kinds;
    return kinds?.size === 0 ? [] : [{ ...one, kinds, limit, search: filter.search }];
  });
  printFromStore((reader, output) => {
    const index = new SearchReader(setting("data_dir"));
    let count = 0;
    for (const found of openScan(reader, filters, index)) {
      output.line(found);
      count += 1;
      if (count === limit) break;
    }
    const behind = reader.head() - index.head().seq;
    index.close();
    if (behind > LATE_EVENTS_MAX) {
      const text = `the index is ${behind} events behind: a relay that runs catches up by itself`;
      process.stderr.write(`nandu: ${text}\n`);
    }
  });
  return EXIT_OK;
}

/** `-word` is no flag, though it begins like one. */
function separateWords(args: readonly string[]): { own: string[]; words: string[] } {
  const isWord = (arg: string): boolean => /^-[^-]/.test(arg);
  return { own: args.filter((arg) => !isWord(arg)), words: args.filter(isWord) };
}

function requireKinds(): ReadonlySet<number> {
  const kinds = searchKinds(current.settings);
  if (kinds.size === 0) throw new UsageError("there is no search: search.kinds is empty");
  return kinds;
}

function parseLimit(text: string): number {
  if (!/^[0-9]{1,9}$/.test(text)) throw new UsageError(`--limit: ${text} is not a number`);
  return Number(text);
}

export const searchCommand: Command = { usage, run };
