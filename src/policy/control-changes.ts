// The changes of the control state (src/store/control-tables.ts): one method each, within a write
// transaction that its caller has begun. Each raises the version, unless it only logs. Lists are
// bounded, for every thread keeps them in memory; what finds one full is told so.

import type { Database, SQLQueryBindings } from "bun:sqlite";
import type { RelayText } from "./control.ts";

/** Of banned keys, of banned events, of members: some 100 MB a thread at worst. */
const LIST_MAX = 1_000_000;
const ROLES_MAX = 1000;
/** All of them go to the main thread as one record. */
const BLOCKED_IPS_MAX = 5000;
const INVITES_MAX = 100_000;
/** After it has expired, so that whoever comes too late hears why. */
const INVITE_KEPT_S = 30 * 86_400;
/** After it is too old: a call may have been verified in time and have waited for the writer. */
const USED_AUTH_KEPT_S = 600;
/** Years of work. */
const AUDIT_MAX = 1_000_000;
/** Entries read at once. */
const AUDIT_READ = 1000;
/** What a log line keeps of the parameters. */
const AUDIT_PARAMS_LENGTH_MAX = 4000;

export interface Role {
  readonly id: string;
  readonly label: string;
  readonly description: string;
  /** A hue, 0 to 360. */
  readonly color: number | null;
  readonly order: number | null;
}

export interface Invite {
  readonly code: string;
  /** A public key, or `operator`. */
  readonly inviter: string;
  readonly created_at: number;
  /** Unix seconds. */
  readonly expires: number;
  /** 0: revoked. */
  readonly usesMax: number;
  readonly uses: number;
}

export interface AuditEntry {
  /** Unix seconds. */
  readonly at: number;
  /** A public key, or `operator`. */
  readonly actor: string;
  readonly method: string;
  /** JSON, cut where it is very long. */
  readonly params: string;
  readonly result: string;
}

export interface BannedEvent {
  readonly id: string;
  readonly reason: string;
}

export interface MemberRow {
  readonly pubkey: string;
  readonly reason: string;
  readonly roles: readonly string[];
}

export class ControlChanges {
  private readonly db: Database;

  constructor(db: Database) {
    this.db = db;
  }

  // Bans

  /** What it has published is erased by the store's upkeep (erase.ts). */
  banPubkey(pubkey: string, reason: string): void {
    this.checkRoom("banned_pubkey", LIST_MAX);
    this.change("INSERT OR REPLACE INTO banned_pubkey VALUES (?, ?)", pubkey, reason);
    this.db
      .query("INSERT OR REPLACE INTO erase VALUES (?, 'banned', ?, ?)")
      .run(Buffer.from(pubkey, "hex"), Number.MAX_SAFE_INTEGER, reason);
  }

  unbanPubkey(pubkey: string): boolean {
    this.db
      .query("DELETE FROM erase WHERE pubkey = ? AND what = 'banned'")
      .run(Buffer.from(pubkey, "hex"));
    return this.change("DELETE FROM banned_pubkey WHERE pubkey = ?", pubkey);
  }

  isBanned(pubkey: string): boolean {
    return this.rows("SELECT 1 FROM banned_pubkey WHERE pubkey = ?", pubkey).length > 0;
  }

  banEvent(id: string, reason: string): void {
    this.checkRoom("banned_event", LIST_MAX);
    this.change("DELETE FROM allowed_event WHERE id = ?", id);
    this.change("INSERT OR REPLACE INTO banned_event VALUES (?, ?, 0)", id, reason);
  }

  allowEvent(id: string, reason: string): void {
    this.checkRoom("allowed_event", LIST_MAX);
    this.change("DELETE FROM banned_event WHERE id = ?", id);
    this.change("INSERT OR REPLACE INTO allowed_event VALUES (?, ?)", id, reason);
  }

  /** A banned event that may still be stored. */
  unremovedEvent(): BannedEvent | null {
    const sql = "SELECT id, reason FROM banned_event WHERE is_removed = 0 LIMIT 1";
    const [id, reason] = this.rows<[string, string]>(sql)[0] ?? [];
    return id === undefined || reason === undefined ? null : { id, reason };
  }

  /** No change that anybody has to know of. */
  noteRemoved(id: string): void {
    this.db.query("UPDATE banned_event SET is_removed = 1 WHERE id = ?").run(id);
  }

  // Members and roles

  /** False when it is one already. */
  addMember(pubkey: string, reason: string): boolean {
    this.checkRoom("member", LIST_MAX);
    const sql = "INSERT OR IGNORE INTO member (pubkey, reason) VALUES (?, ?)";
    return this.change(sql, pubkey, reason);
  }

  removeMember(pubkey: string): boolean {
    this.change("DELETE FROM member_role WHERE pubkey = ?", pubkey);
    return this.change("DELETE FROM member WHERE pubkey = ?", pubkey);
  }

  isMember(pubkey: string): boolean {
    return this.rows("SELECT 1 FROM member WHERE pubkey = ?", pubkey).length > 0;
  }

  /** In the order of joining, without those that are banned. */
  members(): MemberRow[] {
    const roles = new Map<string, string[]>();
    for (const [pubkey, role] of this.rows<[string, string]>(
      "SELECT pubkey, role FROM member_role ORDER BY pubkey, role",
    )) {
      roles.set(pubkey, [...(roles.get(pubkey) ?? []), role]);
    }
    const rows = this.rows<[string, string]>(
      `SELECT pubkey, reason FROM member WHERE pubkey NOT IN (SELECT pubkey FROM banned_pubkey)
       ORDER BY n`,
    );
    return rows.map(([pubkey, reason]) => ({ pubkey, reason, roles: roles.get(pubkey) ?? [] }));
  }

  /** The member, unless banned, whose key starts like this. */
  memberByPrefix(prefix: string): string | null {
    const sql = `SELECT pubkey FROM member WHERE pubkey >= ? AND pubkey < ?
      AND pubkey NOT IN (SELECT pubkey FROM banned_pubkey) LIMIT 1`;
    return this.rows<[string]>(sql, prefix, `${prefix}g`)[0]?.[0] ?? null;
  }

  putRole(role: Role): void {
    this.checkRoom("role", ROLES_MAX);
    const { id, label, description, color, order } = role;
    const sql = "INSERT OR REPLACE INTO role VALUES (?, ?, ?, ?, ?)";
    this.change(sql, id, label, description, color, order);
  }

  hasRole(id: string): boolean {
    return this.rows("SELECT 1 FROM role WHERE id = ?", id).length > 0;
  }

  roles(): Role[] {
    const rows = this.rows<[string, string, string, number | null, number | null]>(
      "SELECT id, label, description, color, position FROM role ORDER BY id",
    );
    return rows.map(([id, label, description, color, order]) => ({
      id,
      label,
      description,
      color,
      order,
    }));
  }

  deleteRole(id: string): void {
    this.change("DELETE FROM member_role WHERE role = ?", id);
    this.change("DELETE FROM role WHERE id = ?", id);
  }

  /** False when nothing is changed by it. */
  assignRole(pubkey: string, role: string): boolean {
    return this.change("INSERT OR IGNORE INTO member_role VALUES (?, ?)", pubkey, role);
  }

  unassignRole(pubkey: string, role: string): boolean {
    return this.change("DELETE FROM member_role WHERE pubkey = ? AND role = ?", pubkey, role);
  }

  // Invites: no other thread knows of them, so the version stays

  putInvite(invite: Invite, now: number): void {
    this.db.query("DELETE FROM invite WHERE expires < ?").run(now - INVITE_KEPT_S);
    this.checkRoom("invite", INVITES_MAX);
    const { code, inviter, created_at, expires, usesMax, uses } = invite;
    const sql = "INSERT OR REPLACE INTO invite VALUES (?, ?, ?, ?, ?, ?)";
    this.db.query(sql).run(code, inviter, created_at, expires, usesMax, uses);
  }

  invite(code: string): Invite | null {
    return this.invites("WHERE code = ?", code)[0] ?? null;
  }

  invites(where = "", ...values: SQLQueryBindings[]): Invite[] {
    const rows = this.rows<[string, string, number, number, number, number]>(
      `SELECT code, inviter, created_at, expires, uses_max, uses FROM invite ${where}
       ORDER BY created_at, code`,
      ...values,
    );
    return rows.map(([code, inviter, created_at, expires, usesMax, uses]) => ({
      code,
      inviter,
      created_at,
      expires,
      usesMax,
      uses,
    }));
  }

  // The relay itself

  /** On the list of those allowed, or off the list of those disallowed. */
  allowKind(kind: number): void {
    const rules = this.rows<[number, number]>("SELECT kind, is_allowed FROM kind_rule");
    const isLifted = rules.some(([one, isAllowed]) => one === kind && isAllowed === 0);
    const hasList = rules.some(([, isAllowed]) => isAllowed === 1);
    if (isLifted && !hasList) this.change("DELETE FROM kind_rule WHERE kind = ?", kind);
    else this.change("INSERT OR REPLACE INTO kind_rule VALUES (?, 1)", kind);
  }

  disallowKind(kind: number): void {
    this.change("INSERT OR REPLACE INTO kind_rule VALUES (?, 0)", kind);
  }

  /** In canonical spelling. */
  blockIp(ip: string, reason: string): void {
    this.checkRoom("blocked_ip", BLOCKED_IPS_MAX);
    this.change("INSERT OR REPLACE INTO blocked_ip VALUES (?, ?)", ip, reason);
  }

  unblockIp(ip: string): boolean {
    return this.change("DELETE FROM blocked_ip WHERE ip = ?", ip);
  }

  setText(name: RelayText, value: string): void {
    this.change("INSERT OR REPLACE INTO relay_text VALUES (?, ?)", name, value);
  }

  /** Rows of two columns, the second of which is a reason. */
  reasons(table: "banned_pubkey" | "banned_event" | "blocked_ip"): [string, string][] {
    return this.rows<[string, string]>(`SELECT * FROM ${table}`).map(([key, reason]) => [
      key,
      reason,
    ]);
  }

  /** False when that NIP-98 event was used before. It is refused as too old after `until`. */
  useAuth(id: string, until: number, now: number): boolean {
    this.db.query("DELETE FROM used_auth WHERE until < ?").run(now - USED_AUTH_KEPT_S);
    const { changes } = this.db
      .query("INSERT OR IGNORE INTO used_auth VALUES (?, ?)")
      .run(id, until);
    return changes > 0;
  }

  isDecided(id: string): boolean {
    const sql = `SELECT 1 FROM allowed_event WHERE id = ?1
      UNION ALL SELECT 1 FROM banned_event WHERE id = ?1`;
    return this.rows(sql, id).length > 0;
  }

  /** `actor`: a public key, or `operator`. */
  log(now: number, actor: string, method: string, params: readonly unknown[], result: string) {
    const text = JSON.stringify(params).slice(0, AUDIT_PARAMS_LENGTH_MAX);
    this.db
      .query("INSERT INTO audit (at, actor, method, params, result) VALUES (?, ?, ?, ?, ?)")
      .run(now, actor, method, text, result);
    this.db.query("DELETE FROM audit WHERE n <= (SELECT max(n) FROM audit) - ?").run(AUDIT_MAX);
  }

  /** From `since` on, in unix seconds; in the order of the changes. */
  *audit(since: number): Generator<AuditEntry> {
    const sql = `SELECT n, at, actor, method, params, result FROM audit
      WHERE n > ? AND at >= ? ORDER BY n LIMIT ?`;
    for (let after = 0; ;) {
      const rows = this.rows<[number, number, string, string, string, string]>(
        sql,
        after,
        since,
        AUDIT_READ,
      );
      for (const [, at, actor, method, params, result] of rows) {
        yield { at, actor, method, params, result };
      }
      if (rows.length < AUDIT_READ) return;
      after = rows.at(-1)?.[0] ?? after;
    }
  }

  /** True when any row has been changed. */
  private change(sql: string, ...values: SQLQueryBindings[]): boolean {
    const { changes } = this.db.query(sql).run(...values);
    if (changes > 0) this.db.query("UPDATE control_version SET version = version + 1").run();
    return changes > 0;
  }

  private rows<R extends SQLQueryBindings[]>(sql: string, ...values: SQLQueryBindings[]): R[] {
    return this.db.query(sql).values(...values) as R[];
  }

  private checkRoom(table: string, max: number): void {
    const [count] = this.rows<[number]>(`SELECT count(*) FROM ${table}`)[0] as [number];
    if (count >= max)
      throw new ListFull(`there are ${max} already, which is the most there may be`);
  }
}

/** The one error that is the caller's to hear: the transaction is undone. */
export class ListFull extends Error {
  override readonly name = "ListFull";
}
