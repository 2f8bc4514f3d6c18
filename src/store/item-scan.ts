// What a sync (NIP-77) asks of the store: time and id of each event that a filter matches and its
// viewer may see. As many as the filter's `limit`, as in a REQ but without those that tie with the
// last. Resumable, as a scan is; owned by one thread.
//
// Two ways, in CPU of an event:
//   by table   all events, whatever they are: rows one after another, their texts unread: 1 µs
//   by index   everything else: entries, then the events they name: 5 µs, or 8 µs where an entry
//              doesn't tell all that is asked (count.ts), and texts are looked at

import type { Database, Statement } from "bun:sqlite";
import type { Filter } from "../protocol/filter.ts";
import { textCreatedAt } from "./candidate.ts";
import { canCountByIndex } from "./count.ts";
import type { Orders } from "./filter-stream.ts";
import { EventReader } from "./read.ts";
import { RowLookup } from "./rows.ts";
import { Scan } from "./scan.ts";
import type { Sight } from "./sight.ts";
import type { TermEntry } from "./term.ts";

/** Events looked up by one statement. */
const LOOKUP_SEQS = 256;
/** Rows of the table read in one step, and texts looked at. */
const ROWS_PER_STEP = 512;
const TEXTS_PER_STEP = 64;

/** Unix seconds, and 32 bytes, good until the next one. */
export type OnItem = (createdAt: number, id: Uint8Array) => void;

type ItemRow = [seq: number, created_at: number, kind: number, expires: number, id: Uint8Array];

export class ItemReader extends EventReader {
  private readonly lookup: RowLookup;
  private readonly selectItems: Statement;

  constructor(db: Database) {
    super(db);
    this.lookup = new RowLookup(db, "SELECT created_at, id FROM event WHERE seq", 0);
    this.selectItems = db.prepare(
      `SELECT seq, created_at, kind, expires, id FROM event
       WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3`,
    );
  }

  /** The events that are still there, in no order. */
  eachItem(seqs: readonly number[], visit: OnItem): void {
    this.lookup.each(seqs, (row) => visit(row[0] as number, row[1] as Uint8Array));
  }

  /** Events with after < seq <= upTo in commit order, at most `limit`. */
  itemsAfter(after: number, upTo: number, limit: number): ItemRow[] {
    return this.selectItems.values(after, upTo, limit) as ItemRow[];
  }
}

export interface ItemScanOptions {
  /** No further: who wants to know whether there are more asks for one more. */
  readonly itemsMax: number;
  readonly nowSeconds: () => number;
  readonly onItem: OnItem;
  /** As of a scan. */
  readonly orders?: Orders | null;
}

export interface ItemScan {
  /** A bounded piece of work; true when nothing is left to do. */
  step(): boolean;
  /** To be called when the next step may be long in coming. */
  rest(): void;
}

/** `filter`: null when it matches nothing. Within a snapshot. */
export function openItemScan(
  reader: ItemReader,
  filter: Filter | null,
  sight: Sight,
  options: ItemScanOptions,
): ItemScan {
  const narrowed = filter === null ? null : sight.narrow(filter);
  if (narrowed !== null && isEverything(narrowed) && sight.isByKind) {
    return new TableItems(reader, narrowed, sight, options);
  }
  return new IndexItems(reader, narrowed, sight, options);
}

/** The same, for who asks for a short time only: never reads the whole table. */
export function openIndexScan(
  reader: ItemReader,
  filter: Filter,
  sight: Sight,
  options: ItemScanOptions,
): ItemScan {
  return new IndexItems(reader, sight.narrow(filter), sight, options);
}

function isEverything(filter: Filter): boolean {
  const { ids, authors, kinds, tags, since, limit, search } = filter;
  if (ids !== null || authors !== null || kinds !== null || tags.length > 0) return false;
  return since === 0 && limit === null && search === null;
}

class TableItems implements ItemScan {
  private readonly reader: ItemReader;
  private readonly until: number;
  private readonly sight: Sight;
  private readonly options: ItemScanOptions;
  private readonly headSeq: number;
  private lastSeq = 0;
  /** Events that have to be looked at. */
  private doubtful: number[] = [];

  constructor(reader: ItemReader, filter: Filter, sight: Sight, options: ItemScanOptions) {
    this.reader = reader;
    this.until = filter.until;
    this.sight = sight;
    this.options = options;
    this.headSeq = reader.head();
  }

  step(): boolean {
    if (this.doubtful.length >= TEXTS_PER_STEP) {
      this.look();
      return false;
    }
    const rows = this.reader.itemsAfter(this.lastSeq, this.headSeq, ROWS_PER_STEP);
    const { hiddenKinds, viewer } = this.sight;
    const now = this.options.nowSeconds();
    for (const [seq, createdAt, kind, expires, id] of rows) {
      if (createdAt > this.until || (expires !== 0 && expires <= now)) continue;
      if (!hiddenKinds.has(kind)) this.options.onItem(createdAt, id);
      else if (viewer.size > 0) this.doubtful.push(seq);
    }
    this.lastSeq = rows.at(-1)?.[0] ?? this.lastSeq;
    if (rows.length === ROWS_PER_STEP || this.doubtful.length >= TEXTS_PER_STEP) return false;
    this.look();
    return true;
  }

  rest(): void {}

  private look(): void {
    const seqs = this.doubtful.slice(0, TEXTS_PER_STEP);
    this.doubtful = this.doubtful.slice(TEXTS_PER_STEP);
    for (const { text, idBytes } of this.reader.texts(seqs)) {
      if (this.sight.sees(text)) this.options.onItem(textCreatedAt(text), idBytes);
    }
  }
}

class IndexItems implements ItemScan {
  private readonly reader: ItemReader;
  private readonly scan: Scan;
  private readonly onItem: OnItem;
  /** Events that need no look, to be read together. */
  private seqs: number[] = [];

  constructor(reader: ItemReader, filter: Filter | null, sight: Sight, options: ItemScanOptions) {
    const { itemsMax, nowSeconds, onItem, orders = null } = options;
    this.reader = reader;
    this.onItem = onItem;
    const isByIndex = filter !== null && canCountByIndex(filter, sight.mixedKinds);
    const onEntry = ([, , seq]: TermEntry): void => void this.seqs.push(seq);
    const how = {
      limitDefault: itemsMax,
      limitMax: itemsMax,
      tiesMax: 0,
      nowSeconds,
      unseen: isByIndex ? { onEntry, otherKeys: null } : null,
      orders,
    };
    this.scan = new Scan(reader, filter === null ? [] : [filter], how, sight);
  }

  step(): boolean {
    const found = this.scan.next();
    if (found !== "working" && found !== "done") this.onItem(-found.age, found.stored.idBytes);
    const isDone = found === "done";
    if (isDone || this.seqs.length >= LOOKUP_SEQS) {
      this.reader.eachItem(this.seqs, this.onItem);
      this.seqs = [];
    }
    return isDone;
  }

  rest(): void {
    this.scan.rest();
  }
}
