// Removes banned events from the store, one at a time: the writer's, as a part of its upkeep. What
// is done is noted in the table, so that a restart goes on where it was.

import type { ControlChanges } from "../policy/control-changes.ts";
import type { EventReader } from "../store/read.ts";
import { idKey } from "../store/term.ts";
import type { EventWriter } from "../store/write.ts";

/** Under one key: more than one event by chance at most. */
const SAME_KEY_MAX = 4;

export class BannedEvents {
  private readonly changes: ControlChanges;
  private readonly reader: EventReader;
  private readonly store: EventWriter;
  /** Of the control tables: as of this version, all are removed. */
  private doneVersion = -1;

  constructor(changes: ControlChanges, reader: EventReader, store: EventWriter) {
    this.changes = changes;
    this.reader = reader;
    this.store = store;
  }

  /**
   * Removes one; returns the ids of what is gone, null when there is nothing more to do as of that
   * version of the control tables.
   */
  removeNext(version: number): readonly string[] | null {
    if (version === this.doneVersion) return null;
    const banned = this.changes.unremovedEvent();
    if (banned === null) {
      this.doneVersion = version;
      return null;
    }
    const { id, reason } = banned;
    this.reader.head(); // what other processes have committed, too
    const entries = this.reader.entries(idKey(id), Number.NEGATIVE_INFINITY, 0, 0, SAME_KEY_MAX);
    const seqs = this.reader
      .texts(entries.map(([, , seq]) => seq))
      .filter((stored) => stored.id === id)
      .map(({ seq }) => seq);
    const ids = seqs.length === 0 ? [] : this.store.remove(seqs, "banned", reason);
    this.changes.noteRemoved(id);
    return ids;
  }
}
