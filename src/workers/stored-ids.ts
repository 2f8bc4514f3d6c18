// Whether an id is stored already, before anything is hashed for it: the last ones are in a table
// that the threads share, of the others a shared filter tells which may be there, and only these
// are looked up (10 µs, where a signature takes 35). "No" is not certain: the writer looks, too.
// An ingester's own, and the router's.

import type { Database } from "bun:sqlite";
import { describeError, log } from "../config/log.ts";
import { IdLookup } from "../store/id-lookup.ts";
import { KeyFilter } from "../store/key-filter.ts";
import { idKey } from "../store/term.ts";
import { RecentIds } from "./recent-ids.ts";
import type { Station } from "./thread.ts";

export class StoredIds {
  private readonly role: string;
  private readonly recentIds: RecentIds;
  private readonly keyFilter: KeyFilter;
  private readonly lookup: IdLookup;

  constructor({ role, recentIds, keyFilter }: Station, db: Database) {
    this.role = role;
    this.recentIds = new RecentIds(recentIds);
    this.keyFilter = new KeyFilter(keyFilter);
    this.lookup = new IdLookup(db);
  }

  /** `id` is 64 hex digits. */
  has(id: string): boolean {
    if (this.recentIds.has(id)) return true;
    if (!this.keyFilter.mayHave(idKey(id))) return false;
    try {
      return this.lookup.has(id);
    } catch (error) {
      log("error", this.role, `look-up of an id: ${describeError(error)}`);
      return false;
    }
  }
}
