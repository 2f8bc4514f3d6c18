// COUNT (NIP-45): how many events match, and the HyperLogLog registers of their authors. Resumable,
// as a scan is; owned by one thread.
//
// Three ways, all with the same answer:
//   by tally   what clients mostly ask, reactions to a note or followers of a key: one tag's value
//              and kinds. Where there are many, the tally of the key has their sum (tallies.ts), to
//              which the entries in the tail and the special events are added
//   by index   one condition and kinds: entries are counted, only special events are fetched
//   by scan    everything else: each event is fetched and looked at
// The first two trust the index: two of its keys are the same by a chance of one in 2^47. Who
// crafts a tag that shares another's key gains a count, as by tagging the other value itself; it is
// never counted where an author or a kind is asked for (info.ts).

import { type Filter, UNTIL_MAX } from "../protocol/filter.ts";
import { filterOffset, hllMark, HyperLogLog, NO_OFFSET } from "./hyperloglog.ts";
import { infoKind, infoMark } from "./info.ts";
import type { EventReader } from "./read.ts";
import type { Scan, ScanOptions } from "./scan.ts";
import { areTallied } from "./tally.ts";
import { specialKey, tagKey, type TermEntry } from "./term.ts";

export interface CountOptions {
  /** Counting one by one stops there. */
  readonly countMax: number;
  readonly nowSeconds: () => number;
  /** Kinds of which each event has to be looked at, as some can be seen and some can't. */
  readonly mixedKinds: ReadonlySet<number>;
}

export interface CountResult {
  readonly count: number;
  /** Counting has stopped: there are more. */
  readonly isApproximate: boolean;
  /** 512 hex digits. Null with several filters, without a tag, and when counting has stopped. */
  readonly hll: string | null;
}

/** What may be seen is the scan's concern: whoever opens it decides. */
export type OpenScan = (options: ScanOptions) => Scan;

export class Count {
  private readonly scan: Scan;
  private readonly options: CountOptions;
  private readonly registers: HyperLogLog | null;
  private readonly offset: number;
  /** Counted without being read. */
  private tallied = 0;
  /** Counted one by one. */
  private read = 0;

  /** To be made within a snapshot. */
  constructor(
    reader: EventReader,
    filters: readonly Filter[],
    options: CountOptions,
    openScan: OpenScan,
  ) {
    const { countMax, nowSeconds, mixedKinds } = options;
    const [filter] = filters;
    const isOne = filter !== undefined && filters.length === 1;
    this.options = options;
    this.offset = isOne ? filterOffset(filter) : NO_OFFSET;
    this.registers = this.offset === NO_OFFSET ? null : new HyperLogLog();
    const isByIndex = isOne && canCountByIndex(filter, mixedKinds);
    reader.head();
    const otherKeys = isByIndex ? this.addTally(reader, filter) : null;
    const onEntry = ([, , , info]: TermEntry): void => this.addEntry(info);
    this.scan = openScan({
      limitDefault: countMax + 1, // one more tells that there are more
      limitMax: countMax + 1,
      tiesMax: 0,
      nowSeconds,
      unseen: isByIndex ? { onEntry, otherKeys } : null,
    });
  }

  /** A bounded piece of work; true when nothing is left to do. */
  step(): boolean {
    const found = this.scan.next();
    if (found === "done") return true;
    if (found !== "working") {
      this.read += 1;
      this.registers?.add(hllMark(found.stored.pubkey, this.offset));
    }
    return this.read > this.options.countMax; // a search that was cut has counted what it found
  }

  /** To be called when the next step may be long in coming. */
  rest(): void {
    this.scan.rest();
  }

  result(): CountResult {
    const isApproximate = this.isCut();
    return {
      count: this.tallied + Math.min(this.read, this.options.countMax),
      isApproximate,
      hll: isApproximate || this.registers === null ? null : this.registers.encode(),
    };
  }

  private isCut(): boolean {
    return this.read > this.options.countMax || this.scan.isCut;
  }

  private addEntry(info: number): void {
    this.read += 1;
    this.registers?.add(infoMark(info));
  }

  /** Adds what needn't be read. Returns where the rest is; null when there is no tally. */
  private addTally(reader: EventReader, filter: Filter): readonly number[] | null {
    const key = canonicalKey(filter);
    const tally = key === null ? null : reader.tally(key);
    if (key === null || tally === null) return null;
    const kinds = filter.kinds as ReadonlySet<number>;
    tally.each((info, entries) => {
      if (!kinds.has(infoKind(info))) return;
      this.tallied += entries;
      this.registers?.add(infoMark(info));
    });
    return [specialKey(key)];
  }
}

/**
 * Whether the entries of the index tell how many events match, but for those that say they don't
 * speak for themselves: they have one condition's key and the kind.
 */
export function canCountByIndex(filter: Filter, mixedKinds: ReadonlySet<number>): boolean {
  const { ids, authors, kinds, tags, limit, search } = filter;
  if (ids !== null || limit !== null || search !== null) return false;
  if (kinds === null ? mixedKinds.size > 0 : !kinds.isDisjointFrom(mixedKinds)) return false;
  const [tag] = tags;
  if (tag === undefined) return true;
  return tags.length === 1 && tag.values.size === 1 && authors === null;
}

/** The key of a filter's only tag value, when a tally may tell how many events match. */
function canonicalKey({ tags, kinds, since, until }: Filter): number | null {
  const [tag] = tags;
  if (tag === undefined || kinds === null || !areTallied(kinds)) return null;
  if (since !== 0 || until !== UNTIL_MAX) return null;
  const [value] = tag.values;
  return value === undefined ? null : tagKey(tag.letter, value);
}
