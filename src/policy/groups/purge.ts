// Removes what is left of groups that were deleted (NIP-29), a piece at a time: the writer's, as a
// part of its upkeep. The event that deleted the group stays, to tell those who come by later. What
// is done is noted in the table of groups, so that a restart goes on where it was.

import type { Database, Statement } from "bun:sqlite";
import { firstTagValue } from "../../protocol/event.ts";
import { decodeText } from "../../store/candidate.ts";
import type { EventReader } from "../../store/read.ts";
import { tagKey } from "../../store/term.ts";
import type { EventWriter } from "../../store/write.ts";
import { isMetadataKind, KIND_DELETE_GROUP, tagValues } from "./group.ts";

/** Events removed in one transaction: some milliseconds. */
const PIECE = 200;
/** Ids of groups that are gone are remembered, so that nobody takes them over; not for ever. */
const GONE_MAX = 10_000;
const START = [Number.NEGATIVE_INFINITY, 0, 0] as const;

/** What an event of the group is found by, or metadata about it. */
const LETTERS = ["h", "d"] as const;

interface Job {
  readonly id: string;
  readonly letter: (typeof LETTERS)[number];
  /** The last index entry looked at. */
  readonly last: readonly [age: number, order: number, seq: number];
}

export class GroupPurge {
  private readonly reader: EventReader;
  private readonly select: Statement;
  private readonly finish: Statement;
  private readonly trim: Statement;
  private job: Job | null = null;
  /** The version of the table of groups when there was nothing more to do. */
  private doneVersion = -1;

  constructor(db: Database, reader: EventReader) {
    this.reader = reader;
    this.select = db.prepare(
      "SELECT id FROM group_state WHERE state IS NULL AND is_purged = 0 LIMIT 1",
    );
    this.finish = db.prepare("UPDATE group_state SET is_purged = 1 WHERE id = ?");
    this.trim = db.prepare(
      `DELETE FROM group_state WHERE is_purged = 1 AND version <= (
         SELECT version FROM group_state WHERE is_purged = 1
         ORDER BY version DESC LIMIT 1 OFFSET ?)`,
    );
  }

  /** Removes a piece; returns the ids of what is gone, null when there is nothing more to do. */
  step(version: number, store: EventWriter): readonly string[] | null {
    if (this.job === null && version === this.doneVersion) return null;
    this.job ??= this.next();
    const { job } = this;
    if (job === null) {
      this.doneVersion = version;
      return null;
    }
    this.reader.head();
    const entries = this.reader.entries(tagKey(job.letter, job.id), ...job.last, PIECE);
    const seqs = this.reader
      .texts(entries.map(([, , seq]) => seq))
      .filter(({ text }) => isOf(job, text))
      .map(({ seq }) => seq);
    const { ids, left } = store.removeSome(seqs, "deleted");
    if (left.length > 0) return ids; // the next step finds them again
    const [age, order, seq] = entries.at(-1) ?? START;
    if (entries.length === PIECE) this.job = { ...job, last: [age, order, seq] };
    else this.end(job);
    return ids;
  }

  private next(): Job | null {
    const row = this.select.values()[0] as [string] | undefined;
    return row === undefined ? null : { id: row[0], letter: "h", last: START };
  }

  private end(job: Job): void {
    if (job.letter === "h") {
      this.job = { ...job, letter: "d", last: START };
      return;
    }
    this.finish.run(job.id);
    this.trim.run(GONE_MAX);
    this.job = null;
  }
}

function isOf({ id, letter }: Job, text: Buffer): boolean {
  const event = decodeText(text);
  if (letter === "d") return isMetadataKind(event.kind) && firstTagValue(event, "d") === id;
  return event.kind !== KIND_DELETE_GROUP && tagValues(event, "h").has(id);
}
