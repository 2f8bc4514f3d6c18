// The table of groups as the writer has it: all rows in memory, changed there and written in the
// transaction under way. Another process may write as well, and a transaction may come to nothing:
// `refresh` is for both.

import type { Database, Statement } from "bun:sqlite";
import { decodeGroup, encodeGroup, type Group, type Groups } from "./group.ts";

/** What the relay has still to say of a group. */
interface Publication {
  /** `created_at` of the metadata last published. */
  readonly stamp: number;
  /** The kinds that have changed since. */
  readonly stale: readonly number[];
}

const UNPUBLISHED: Publication = { stamp: 0, stale: [] };

type Row = [id: string, version: number, state: string | null, stamp: number, stale: string];

export class GroupTable {
  /** Of what is in memory. */
  version = 0;
  /** Without those that are gone. */
  count = 0;
  /** Groups with metadata to be published. */
  readonly waiting = new Set<string>();
  private readonly byId = new Map<string, Group | null>();
  private readonly publications = new Map<string, Publication>();
  private readonly selectVersion: Statement;
  private readonly selectRows: Statement;
  private readonly upsert: Statement;

  constructor(db: Database) {
    this.selectVersion = db.prepare("SELECT coalesce(max(version), 0) FROM group_state");
    this.selectRows = db.prepare(
      "SELECT id, version, state, stamp, stale FROM group_state WHERE version > ? ORDER BY version",
    );
    this.upsert = db.prepare(
      `INSERT INTO group_state VALUES (?1, ?2, ?3, ?4, ?5, 0)
       ON CONFLICT (id) DO UPDATE SET version = ?2, state = ?3, stamp = ?4, stale = ?5`,
    );
  }

  get groups(): Groups {
    return this.byId;
  }

  publicationOf(id: string): Publication {
    return this.publications.get(id) ?? UNPUBLISHED;
  }

  /** Reads what others have written. `isForced`: what is in memory was not committed. */
  refresh(isForced: boolean): void {
    if (isForced) this.forget();
    const [version] = this.selectVersion.values()[0] as [number];
    if (version === this.version) return;
    for (const [id, , state, stamp, stale] of this.selectRows.values(this.version) as Row[]) {
      this.put(id, state === null ? null : decodeGroup(state));
      this.publish(id, { stamp, stale: JSON.parse(stale) as number[] });
    }
    this.version = version;
  }

  /** In memory only. */
  put(id: string, group: Group | null): void {
    const before = this.byId.get(id) ?? null;
    this.count += (group === null ? 0 : 1) - (before === null ? 0 : 1);
    this.byId.set(id, group);
  }

  /** In memory only. */
  publish(id: string, publication: Publication): void {
    this.publications.set(id, publication);
    if (publication.stale.length > 0) this.waiting.add(id);
    else this.waiting.delete(id);
  }

  /** Within a transaction. */
  save(ids: Iterable<string>): void {
    let isAny = false;
    for (const id of ids) {
      const group = this.byId.get(id) ?? null;
      const { stamp, stale } = this.publicationOf(id);
      const state = group === null ? null : encodeGroup(group);
      this.upsert.run(id, this.version + 1, state, stamp, JSON.stringify(stale));
      isAny = true;
    }
    if (isAny) this.version += 1;
  }

  private forget(): void {
    this.version = 0;
    this.count = 0;
    this.byId.clear();
    this.publications.clear();
    this.waiting.clear();
  }
}
