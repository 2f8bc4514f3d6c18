// A store with its search index, as tests want them: events in, what a search finds out.

import type { Database } from "bun:sqlite";
import { readFileSync } from "node:fs";
import { type Filter, parseFilter } from "../../src/protocol/filter.ts";
import { Count, type CountResult } from "../../src/store/count.ts";
import { Scan, type ScanOptions } from "../../src/store/scan.ts";
import { decodeText } from "../../src/store/candidate.ts";
import { openForReading } from "../../src/store/schema.ts";
import { SearchIndex } from "../../src/store/search-index.ts";
import { SearchReader } from "../../src/store/search-reader.ts";
import { openSearchForWriting, searchPath } from "../../src/store/search-schema.ts";
import { SearchSource } from "../../src/store/search-source.ts";
import type { NostrEvent } from "../../src/protocol/event.ts";
import type { Sight } from "../../src/store/sight.ts";
import { TestStore } from "./test-store.ts";

export const SEARCH_KINDS: ReadonlySet<number> = new Set([0, 1, 30_023]);
/** Few, so that there are many pieces. */
const SHARD_EVENTS = 16;
const LIMITS = { limitDefault: 1000, limitMax: 1000, tiesMax: 0 };

export interface Answer {
  readonly events: NostrEvent[];
  readonly hint: "finish" | "more" | null;
  readonly isCut: boolean;
}

export class SearchStore extends TestStore {
  readonly searchDb: Database;
  readonly index: SearchIndex;
  readonly searches = new SearchReader(this.options.dataDir);
  private readonly source: Database;
  private readonly reader = this.openReader();

  private readonly shardEvents: number;

  constructor(shardEvents = SHARD_EVENTS) {
    super();
    this.shardEvents = shardEvents;
    this.source = openForReading(this.options);
    this.searchDb = openSearchForWriting(this.options.dataDir);
    this.index = this.openIndex(this.searchDb);
    this.index.prepare();
  }

  /** As another process, or a later one, has it. */
  openIndex(db: Database, kinds: Iterable<number> = SEARCH_KINDS): SearchIndex {
    return new SearchIndex(db, new SearchSource(this.source, kinds), kinds, this.shardEvents);
  }

  /** Indexes all there is. */
  catchUp(now = 0): void {
    while (this.index.step(now));
  }

  /** The seqs of all events in the index. */
  indexed(): number[] {
    const shards = this.searchDb.query("SELECT number FROM shard ORDER BY number").values();
    return shards.flatMap(([number]) => {
      const rows = this.searchDb.query(`SELECT rowid FROM words_${number} ORDER BY rowid`).values();
      return rows.map(([seq]) => seq as number);
    });
  }

  search(
    filters: readonly unknown[],
    options: Partial<ScanOptions> = {},
    sight: Sight | null = null,
  ): Answer {
    const parsed = filters.map((one) => parseFilter(one, SEARCH_KINDS) as Filter | null);
    const wanted = parsed.filter((filter) => filter !== null);
    const all = { ...LIMITS, nowSeconds: () => 0, ...options };
    const scan = new Scan(this.reader, wanted, all, sight, this.searches);
    const events: NostrEvent[] = [];
    for (;;) {
      const found = scan.next();
      if (found === "done") return { events, hint: scan.hint(), isCut: scan.isCut };
      if (found !== "working") events.push(decodeText(found.stored.text));
      scan.rest(); // after each step, as if clients were slow
    }
  }

  count(search: string): CountResult {
    const filters = [parseFilter({ search }, SEARCH_KINDS) as Filter];
    const nowSeconds = () => 0;
    const options = { countMax: 100_000, nowSeconds, mixedKinds: new Set<number>() };
    const count = new Count(
      this.reader,
      filters,
      options,
      (how) => new Scan(this.reader, filters, how, null, this.searches),
    );
    while (!count.step());
    return count.result();
  }

  /** Whether these words are anywhere in the index's files. */
  hasBytes(word: string): boolean {
    const path = searchPath(this.options.dataDir);
    return [path, `${path}-wal`].some((file) => readFileSync(file).includes(word));
  }

  override [Symbol.dispose](): void {
    this.searches.close();
    this.searchDb.close();
    this.source.close();
    super[Symbol.dispose]();
  }
}
