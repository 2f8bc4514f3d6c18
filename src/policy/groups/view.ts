// The groups as a thread sees them: an image in memory of the table of groups, brought up to date
// when the shared version has changed. The writer sets that after the commit and before anybody
// hears of it, so that what is checked from then on is checked by the new state. One view per
// thread, over that thread's own database connection.

import type { Database, Statement } from "bun:sqlite";
import { decodeGroup, type Group, type Groups } from "./group.ts";

/** The version of the table of groups, shared by all threads. */
export class GroupsVersion {
  readonly shared: SharedArrayBuffer;
  private readonly words: Int32Array;

  constructor(shared = new SharedArrayBuffer(4)) {
    this.shared = shared;
    this.words = new Int32Array(shared);
  }

  /** Writer only, after the commit. */
  set(version: number): void {
    Atomics.store(this.words, 0, version | 0);
  }

  isOther(version: number): boolean {
    return Atomics.load(this.words, 0) !== (version | 0);
  }
}

export class GroupsView {
  /** Of what has been read. */
  version = 0;
  private readonly groups = new Map<string, Group | null>();
  private readonly shared: GroupsVersion | null;
  private readonly select: Statement;

  /** Without `shared`, the groups are those of now, for a command that soon ends. */
  constructor(db: Database, shared: GroupsVersion | null) {
    this.shared = shared;
    this.select = db.prepare(
      "SELECT id, version, state FROM group_state WHERE version > ? ORDER BY version",
    );
    if (shared === null) this.load();
  }

  /**
   * One atomic load, unless something has changed. Within a transaction that began before the
   * change, the groups are those of that time, and are asked for again next time.
   */
  current(): Groups {
    if (this.shared?.isOther(this.version)) this.load();
    return this.groups;
  }

  private load(): void {
    const rows = this.select.values(this.version) as [string, number, string | null][];
    for (const [id, version, state] of rows) {
      this.groups.set(id, state === null ? null : decodeGroup(state));
      this.version = version;
    }
  }
}
