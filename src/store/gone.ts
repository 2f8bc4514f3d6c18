// What must not come back though no stored event says so: the table `gone`. Each row has a key
// (term.ts), whose it is, and a version, that is, a created_at and an id:
//
//   vanishedKey      all events of that author up to then, and gift wraps to them (NIP-62)
//   addressKey       versions up to this one, which its author has deleted by id: they would not
//                    have been stored beside it, so they must not be stored without it
//   deletedIdKey     this event: its author has deleted it, then vanished, the deletion too; or
//                    others have, who may, and no deletion says so (NIP-29): then created_at is 0
//
// So what is stored in the end doesn't depend on the order in which events, deletions and requests
// to vanish arrive. Owned by the writer; used within its transactions only.

import type { Database, SQLQueryBindings, Statement } from "bun:sqlite";
import type { NostrEvent } from "../protocol/event.ts";
import type { KnownKeys } from "./known-keys.ts";
import { RowLookup } from "./rows.ts";
import { deletedIdKey, deletionTargets } from "./term.ts";

export interface GoneRow {
  readonly pubkey: string;
  readonly createdAt: number;
  readonly id: string;
}

export class Gone {
  private readonly known: KnownKeys;
  private readonly lookup: RowLookup;
  private readonly upsert: Statement;
  /** What the transaction under way has asked for, and added. */
  private readonly rows = new Map<number, GoneRow[]>();
  private added: SQLQueryBindings[][] = [];
  private addedKeys: number[] = [];

  constructor(db: Database, known: KnownKeys) {
    this.known = known;
    this.lookup = new RowLookup(db, "SELECT key, pubkey, created_at, id FROM gone WHERE key", 0);
    this.upsert = db.prepare(
      `INSERT INTO gone VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET created_at = excluded.created_at, id = excluded.id
       WHERE excluded.created_at > created_at
         OR (excluded.created_at = created_at AND excluded.id < id)`,
    );
  }

  /** Begins a transaction, in which only these keys are asked for. */
  load(keys: readonly number[]): void {
    this.rows.clear();
    this.added = [];
    this.addedKeys = [];
    const likely = keys.filter((key) => this.known.mayBeGone(key));
    if (likely.length === 0) return;
    this.lookup.each(likely, (row) => {
      const [key, pubkey, createdAt, id] = row as [number, Uint8Array, number, Uint8Array];
      this.put(key, { pubkey: hexOf(pubkey), createdAt, id: hexOf(id) });
    });
  }

  /** Nothing that the transaction asks for is gone. */
  get isEmpty(): boolean {
    return this.rows.size === 0;
  }

  find(key: number, pubkey: string): GoneRow | null {
    return this.rows.get(key)?.find((row) => row.pubkey === pubkey) ?? null;
  }

  /** Takes effect at once; of several versions the newest stays. */
  add(key: number, row: GoneRow): void {
    this.put(key, row);
    this.added.push([
      key,
      Buffer.from(row.pubkey, "hex"),
      row.createdAt,
      Buffer.from(row.id, "hex"),
    ]);
    this.addedKeys.push(key);
  }

  /** What a deletion has deleted by id stays deleted, though its author has vanished. */
  remember(deletion: NostrEvent): void {
    const { pubkey, created_at, id } = deletion;
    for (const target of deletionTargets(deletion).ids) {
      this.add(deletedIdKey(target, pubkey), { pubkey, createdAt: created_at, id });
    }
  }

  /** Writes what was added; whether there was anything. */
  flush(): boolean {
    for (const values of this.added) this.upsert.run(...values);
    return this.added.length > 0;
  }

  /** After the commit. */
  publish(): void {
    for (const key of this.addedKeys) this.known.add(key);
  }

  private put(key: number, row: GoneRow): void {
    const rows = this.rows.get(key) ?? [];
    const index = rows.findIndex(({ pubkey }) => pubkey === row.pubkey);
    if (index < 0) rows.push(row);
    else if (isLater(row, rows[index] as GoneRow)) rows[index] = row;
    this.rows.set(key, rows);
  }
}

/** NIP-01: of the same second the lower id is the later version. */
export function isLater(a: Omit<GoneRow, "pubkey">, b: Omit<GoneRow, "pubkey">): boolean {
  return a.createdAt !== b.createdAt ? a.createdAt > b.createdAt : a.id < b.id;
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
