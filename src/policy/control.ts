// The control state as every thread sees it: an image in memory of what the tables of the same name
// hold (src/store/control-tables.ts), read anew when the shared version has been raised. Whoever
// changes the tables raises it after the commit, so that what is checked from then on is checked by
// the new state. One view per thread, over that thread's own database connection.

import type { Database, Statement } from "bun:sqlite";
import { isMembershipRequest } from "../protocol/kind.ts";
import type { Reason } from "../protocol/reason.ts";
import { SharedCounter } from "../ring/shared-counter.ts";

export interface Control {
  /** Of the tables: another one says that they have changed. */
  readonly version: number;
  /** By public key: why, or "". */
  readonly bannedPubkeys: ReadonlyMap<string, string>;
  /** By id: why, or "". */
  readonly bannedEvents: ReadonlyMap<string, string>;
  /** When there are any, no others are accepted. */
  readonly allowedKinds: ReadonlySet<number>;
  readonly disallowedKinds: ReadonlySet<number>;
  /** False: there are no bans and no rules for kinds, so nothing of an event need be looked up. */
  readonly hasRules: boolean;
  readonly members: ReadonlySet<string>;
}

/** What main needs of it, which opens no database. */
export interface PublicControl {
  /** Addresses and networks. */
  readonly blockedIps: readonly string[];
  /** Instead of the options info.X. */
  readonly texts: Readonly<Partial<Record<RelayText, string>>>;
}

export const RELAY_TEXTS = ["name", "description", "icon"] as const;
export type RelayText = (typeof RELAY_TEXTS)[number];

/** The version is read first: what changes meanwhile makes another one. */
export function readControl(db: Database): Control {
  const [version] = db.query("SELECT version FROM control_version").values()[0] as [number];
  const bannedPubkeys = readMap(db, "SELECT pubkey, reason FROM banned_pubkey");
  const bannedEvents = readMap(db, "SELECT id, reason FROM banned_event");
  const allowedKinds = readSet<number>(db, "SELECT kind FROM kind_rule WHERE is_allowed = 1");
  const disallowedKinds = readSet<number>(db, "SELECT kind FROM kind_rule WHERE is_allowed = 0");
  const sizes = [bannedPubkeys, bannedEvents, allowedKinds, disallowedKinds].map(
    ({ size }) => size,
  );
  return {
    version,
    bannedPubkeys,
    bannedEvents,
    allowedKinds,
    disallowedKinds,
    hasRules: sizes.some((size) => size > 0),
    members: readSet<string>(db, "SELECT pubkey FROM member"),
  };
}

export function readPublicControl(db: Database): PublicControl {
  const blockedIps = [...readSet<string>(db, "SELECT ip FROM blocked_ip ORDER BY ip")];
  const texts = Object.fromEntries(readMap(db, "SELECT name, value FROM relay_text"));
  return { blockedIps, texts };
}

function readMap(db: Database, sql: string): Map<string, string> {
  return new Map(db.query(sql).values() as [string, string][]);
}

function readSet<T extends string | number>(db: Database, sql: string): Set<T> {
  return new Set((db.query(sql).values() as [T][]).map(([value]) => value));
}

/** The reason against an event, or null: bans, and what kinds are accepted. */
export function refuseBanned(
  control: Control,
  id: string,
  pubkey: string,
  kind: number,
): Reason | null {
  if (!control.hasRules) return null;
  const pubkeyReason = control.bannedPubkeys.get(pubkey);
  if (pubkeyReason !== undefined) return `blocked: ${pubkeyReason || "this key is banned"}`;
  const eventReason = control.bannedEvents.get(id);
  if (eventReason !== undefined) return `blocked: ${eventReason || "this event is banned"}`;
  if (isMembershipRequest(kind)) return null;
  const { allowedKinds, disallowedKinds } = control;
  const isKindRefused =
    disallowedKinds.has(kind) || (allowedKinds.size > 0 && !allowedKinds.has(kind));
  return isKindRefused ? `blocked: events of kind ${kind} are not accepted here` : null;
}

/** How often the control state has changed, shared by all threads. */
export class ControlVersion extends SharedCounter {}

/** The control state as of a transaction, for whoever writes the database. */
export class TransactionControl {
  private readonly db: Database;
  private readonly selectVersion: Statement;
  private control: Control;

  constructor(db: Database) {
    this.db = db;
    this.selectVersion = db.prepare("SELECT version FROM control_version");
    this.control = readControl(db);
  }

  /** To be asked for once in each transaction, at its beginning. */
  read(): Control {
    const [version] = this.selectVersion.values()[0] as [number];
    if (version !== this.control.version) this.control = readControl(this.db);
    return this.control;
  }
}

export class ControlView {
  private readonly db: Database;
  private readonly version: ControlVersion;
  private control: Control;
  private seen: number;

  constructor(db: Database, version: ControlVersion) {
    this.db = db;
    this.version = version;
    this.seen = version.count();
    this.control = readControl(db);
  }

  /** One atomic load, unless something has changed. */
  current(): Control {
    const count = this.version.count();
    if (count === this.seen) return this.control;
    this.seen = count;
    this.control = readControl(this.db);
    return this.control;
  }
}
