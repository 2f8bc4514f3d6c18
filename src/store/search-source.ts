// What the search index is made of: the events in the order of their commits, and which of them
// were removed. Reads the events' database; owned by the thread that indexes.

import type { Database, Statement } from "bun:sqlite";
import { payloadText } from "./payload.ts";

export interface SourceEvent {
  readonly seq: number;
  /** The event's JSON, UTF-8. */
  readonly text: Buffer;
}

/** A bounded piece of what comes after some place, all as of one commit. */
export interface SourcePiece {
  readonly events: readonly SourceEvent[];
  /** Events up to this one have been looked at. */
  readonly lastSeq: number;
  /** The seqs of events that were removed. */
  readonly removed: readonly number[];
  /** Removals up to this one, by their numbers, have been looked at. */
  readonly lastRemoval: number;
  /** Older removals have been forgotten: what is missing must be found by comparing. */
  readonly hasGap: boolean;
}

/** Where the events, and their removals, end. */
export interface SourceHead {
  readonly seq: number;
  readonly removal: number;
}

/** At most so many events at once, about so many bytes of them, and seqs of other kinds. */
const EVENTS_MAX = 256;
const BYTES_MAX = 2 * 1024 * 1024;
const SEQS_MAX = 8192;
const REMOVALS_MAX = 1024;

interface SourceRow {
  readonly seq: number;
  readonly id: Uint8Array;
  readonly payload: Uint8Array;
}

export class SearchSource {
  private readonly db: Database;
  private readonly selectHead: Statement;
  private readonly selectEvents: Statement;
  private readonly selectRemovals: Statement;
  private readonly selectFirstRemoval: Statement;
  private readonly selectSeqs: Statement;
  private readonly selectId: Statement;

  constructor(db: Database, kinds: Iterable<number>) {
    this.db = db;
    // The number of the last row is kept, as AUTOINCREMENT has it, when all rows are gone.
    this.selectHead = db.prepare(
      `SELECT seq, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'history'), 0) FROM head`,
    );
    this.selectEvents = db.prepare(
      `SELECT seq, id, payload FROM event WHERE seq > ?1 AND seq <= ?2
       AND kind IN (${[...kinds].join(", ")}) AND (expires = 0 OR expires > ?3) ORDER BY seq`,
    );
    this.selectRemovals = db.prepare("SELECT n, seq FROM history WHERE n > ? ORDER BY n LIMIT ?");
    this.selectFirstRemoval = db.prepare("SELECT min(n) FROM history");
    this.selectSeqs = db.prepare(
      "SELECT seq FROM event WHERE seq IN (SELECT value FROM json_each(?))",
    );
    this.selectId = db.prepare("SELECT id FROM event WHERE seq = ?");
  }

  head(): SourceHead {
    const [seq, removal] = this.selectHead.values()[0] as [number, number];
    return { seq, removal };
  }

  /** Of one commit, so that no event is in it that was removed before. `now`: unix seconds. */
  readAfter(seq: number, removal: number, now: number): SourcePiece {
    return this.db.transaction(() => {
      const head = this.head();
      return {
        ...this.readEvents(seq, head.seq, now),
        ...this.readRemovals(removal, head.removal),
      };
    })();
  }

  /** Those of the seqs that have no event. */
  missing(seqs: readonly number[]): number[] {
    const found = this.selectSeqs.values(JSON.stringify(seqs)) as [number][];
    const stored = new Set(found.map(([seq]) => seq));
    return seqs.filter((seq) => !stored.has(seq));
  }

  /** Null when there is no such event (any more). */
  idOf(seq: number): Buffer | null {
    const row = this.selectId.values(seq)[0] as [Uint8Array] | undefined;
    return row === undefined ? null : Buffer.from(row[0]);
  }

  private readEvents(after: number, head: number, now: number) {
    const events: SourceEvent[] = [];
    const upTo = Math.min(after + SEQS_MAX, head);
    let bytes = 0;
    for (const row of this.selectEvents.iterate(after, upTo, now)) {
      const { seq, id, payload } = row as unknown as SourceRow;
      const text = payloadText(id, payload);
      events.push({ seq, text });
      bytes += text.length;
      if (events.length < EVENTS_MAX && bytes < BYTES_MAX) continue;
      return { events, lastSeq: seq };
    }
    return { events, lastSeq: Math.max(after, upTo) };
  }

  private readRemovals(after: number, head: number) {
    const none = { removed: [], lastRemoval: after, hasGap: false };
    if (head <= after) return none;
    const [first] = this.selectFirstRemoval.values()[0] as [number | null];
    if (first === null || first > after + 1) return { ...none, lastRemoval: head, hasGap: true };
    const rows = this.selectRemovals.values(after, REMOVALS_MAX) as [number, number][];
    const removed = rows.map(([, seq]) => seq).filter((seq) => seq > 0);
    return { removed, lastRemoval: rows.at(-1)?.[0] ?? after, hasGap: false };
  }
}
