// Removes what banned keys have published, and banned events, a piece at a time: the writer's, as a
// part of its upkeep. What is done is noted in the tables, so that a restart goes on where it was.

import type { ControlChanges, Purgeable } from "../policy/control-changes.ts";
import { textId, textPubkey } from "../store/candidate.ts";
import type { EventReader } from "../store/read.ts";
import { authorKey, idKey, type TermEntry } from "../store/term.ts";
import type { EventWriter } from "../store/write.ts";

/** Events removed in one transaction: some milliseconds. */
const PIECE = 200;
/** Before the first entry of any key. */
const START = [Number.NEGATIVE_INFINITY, 0, 0] as const;

export class Purge {
  private readonly changes: ControlChanges;
  private readonly reader: EventReader;
  private readonly store: EventWriter;
  /** Of the control tables: as of this version, all is removed. */
  private doneVersion = -1;
  private target: Purgeable | null = null;
  /** The last index entry looked at: some are another key's, by chance. */
  private last: readonly [age: number, order: number, seq: number] = START;

  constructor(changes: ControlChanges, reader: EventReader, store: EventWriter) {
    this.changes = changes;
    this.reader = reader;
    this.store = store;
  }

  /**
   * Removes a piece; returns the ids of what is gone, null when there is nothing more to do as of
   * that version of the control tables.
   */
  step(version: number): readonly string[] | null {
    if (version === this.doneVersion) return null;
    const target = this.changes.unpurged();
    if (target === null) {
      this.doneVersion = version;
      return null;
    }
    if (target.value !== this.target?.value) this.last = START;
    this.target = target;
    const entries = this.nextEntries(target);
    const { value } = target;
    const valueOf = target.table === "banned_pubkey" ? textPubkey : textId;
    const seqs = this.reader
      .texts(entries.map(([, , seq]) => seq))
      .filter(({ text }) => valueOf(text) === value)
      .map(({ seq }) => seq);
    const ids = seqs.length === 0 ? [] : this.store.remove(seqs);
    if (entries.length < PIECE) this.changes.notePurged(target);
    return ids;
  }

  private nextEntries({ table, value }: Purgeable): readonly TermEntry[] {
    this.reader.head(); // what other processes have committed, too
    const key = table === "banned_pubkey" ? authorKey(value) : idKey(value);
    const entries = this.reader.entries(key, ...this.last, PIECE);
    const [age, order, seq] = entries.at(-1) ?? START;
    this.last = [age, order, seq];
    return entries;
  }
}
